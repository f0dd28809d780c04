"""Money is conserved, or the checker says who saw otherwise."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.bank import Bank
from duress.harness.cli import cli
from duress.harness.errors import UserError
from duress.harness.history import History
from duress.harness.operation import Operation

from .register_transaction_histories import names

SHARED = Path(__file__).parents[3] / "shared" / "histories"


def bank(*rows):
    """From ``(process, type, f, value)``."""
    return History(Operation(i, i, *row) for i, row in enumerate(rows))


def reads(*balances):
    rows = []
    for process, value in enumerate(balances):
        rows += [(process, "invoke", "read", None), (process, "ok", "read", value)]
    return bank(*rows)


def check(history, **options):
    return Bank(**{"total": 20, "accounts": ["0", "1"], **options}).check(history, {})


@pytest.mark.parametrize(
    ("balances", "expected"),
    [
        ({"0": 13, "1": 7}, set()),
        ({"0": 13, "1": 8}, {"wrong-total"}),
        ({"0": 20}, {"missing-balance"}),
        ({"0": 20, "1": None}, {"missing-balance"}),
        ({"0": 13, "1": 7, "2": 0}, {"unknown-account"}),
        ({"0": 22, "1": -2}, {"negative-balance"}),
        ({"0": 23, "1": -2}, {"negative-balance", "wrong-total"}),
    ],
)
def test_each_anomaly_has_its_name(balances, expected):
    verdict = check(reads({"0": 10, "1": 10}, balances))
    assert names(verdict) == expected
    assert verdict.valid is (not expected)
    assert all(2 in anomaly.operations for anomaly in verdict.anomalies)


def test_an_overdraft_may_be_allowed():
    assert check(reads({"0": 22, "1": -2}), negative_balances=True).valid is True


def test_the_total_may_be_that_of_the_first_read():
    history = reads({"0": 5, "1": 5}, {"0": 4, "1": 5})
    verdict = Bank().check(history, {})
    assert names(verdict) == {"wrong-total"}
    assert verdict.statistics["totals_seen"] == [9, 10]
    assert "taken to be 10" in Bank().check(reads({"0": 5, "1": 5}), {}).reason


def test_a_transfer_under_way_explains_what_is_missing():
    transfer = {"from": 0, "to": 1, "amount": 3}
    verdict = check(
        bank(
            (0, "invoke", "transfer", transfer),
            (1, "invoke", "read", None),
            (1, "ok", "read", {"0": 7, "1": 10}),
            (0, "ok", "transfer", transfer),
        )
    )
    (anomaly,) = verdict.anomalies
    assert anomaly.operations == [0, 1]
    assert "17 in all accounts together instead of 20: 3 are missing" in anomaly.explanation
    assert "Process 0's transfer of 3 from account 0 to 1 was under way" in anomaly.explanation


def test_no_read_is_unknown_and_so_is_nonsense():
    transfer = {"from": 0, "to": 1, "amount": 3}
    rows = [(0, "invoke", "transfer", transfer), (0, "ok", "transfer", transfer)]
    assert check(bank(*rows)).valid == "unknown"
    verdict = check(bank((0, "invoke", "read", None), (0, "ok", "read", [1, 2])))
    assert verdict.valid == "unknown"
    assert "operation 1" in verdict.reason


def test_many_wrong_reads_are_counted_and_few_explained():
    verdict = check(reads(*[{"0": 1, "1": 1}] * 30))
    assert verdict.statistics["anomaly_counts"] == {"wrong-total": 30}
    assert len(verdict.anomalies) == 5


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 5)), max_size=20),
    st.integers(0, 19),
    st.sampled_from(["none", "half", "double"]),
)
def test_a_serial_bank_is_valid_and_one_that_loses_half_a_transfer_is_not(moves, at, planted):
    balances = dict.fromkeys("0123", 10)
    rows = []
    broken = False
    for number, (source, target, amount) in enumerate(moves):
        value = {"from": source, "to": target, "amount": amount}
        rows.append((0, "invoke", "transfer", value))
        enough = balances[str(source)] >= amount
        if enough:
            balances[str(source)] -= amount
            if planted == "none" or number != at:
                balances[str(target)] += amount
            elif planted == "double":
                balances[str(target)] += 2 * amount
            broken |= planted != "none" and number == at
        rows.append((0, "ok" if enough else "fail", "transfer", value))
        rows += [(1, "invoke", "read", None), (1, "ok", "read", dict(balances))]
    rows += [(1, "invoke", "read", None), (1, "ok", "read", dict(balances))]
    verdict = Bank(40, "0123").check(bank(*rows), {})
    assert verdict.valid is (not broken)
    assert verdict.statistics["transfers"] == sum(row[1:3] == ("ok", "transfer") for row in rows)


def test_options_of_the_command_line():
    checker = Bank.for_model(
        "bank", {"total": "7", "accounts": "a, b", "negative_balances": "true"}
    )
    assert (checker.total, checker.accounts, checker.negative_balances) == (7, ("a", "b"), True)
    for wishes, word in (
        ({"total": "much"}, "total"),
        ({"negative_balances": "some"}, "negative-balances"),
        ({"level": "serializable"}, "level"),
    ):
        with pytest.raises(UserError, match=word):
            Bank.for_model("bank", wishes)


def expected():
    if not SHARED.is_dir():
        return []
    rows = [line.split("\t") for line in (SHARED / "expected.tsv").read_text().splitlines()]
    return [(row[0], json.loads(row[3])) for row in rows if row[1] == "bank"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared histories are not here")
def test_the_shared_histories():
    found = {}
    for file, _ in expected():
        arguments = ["check", str(SHARED / file), "--model", "bank", "--total", "100", "--json"]
        done = CliRunner().invoke(cli, arguments, standalone_mode=False)
        found[file] = json.loads(done.stdout)["valid"]
        assert done.return_value == (0 if found[file] else 1)
    assert found == dict(expected())
    assert len(found) == 3
