from duress.harness import vacuity
from duress.harness.history import History
from duress.harness.operation import NEMESIS, Operation


def history(*rows):
    return History(Operation(i, i, *row) for i, row in enumerate(rows))


FAULT = {"id": 1, "kind": "kill", "targets": ["n1"]}
READ_OK = [(0, "invoke", "read"), (0, "ok", "read", 1)]


def test_a_run_that_did_something_under_faults_passes():
    verdict = vacuity.check(
        history(
            *READ_OK,
            (NEMESIS, "invoke", "inject", {"kind": "kill"}),
            (NEMESIS, "info", "inject", FAULT),
        ),
        ["kill"],
    )
    assert verdict.valid is True
    assert verdict.statistics["outcomes"] == {"read": {"ok": 1, "fail": 0, "info": 0}}


def test_nothing_done_is_unknown():
    assert vacuity.check(History(), []).valid == "unknown"


def test_a_kind_of_operation_that_never_succeeds_is_unknown():
    verdict = vacuity.check(
        history(*READ_OK, (1, "invoke", "write", 1), (1, "fail", "write", 1)), []
    )
    assert verdict.valid == "unknown"
    assert "no 'write' ever succeeded (1 tried)" in verdict.reason


def test_an_open_invocation_counts_as_info():
    assert vacuity.outcomes(history((0, "invoke", "read"))) == {
        "read": {"ok": 0, "fail": 0, "info": 1}
    }


def test_a_fault_that_failed_or_was_skipped_or_never_came_is_unknown():
    wish = (NEMESIS, "invoke", "inject", {"kind": "kill"})
    for rows in (
        [],
        [wish, (NEMESIS, "info", "inject", {"kind": "kill"}, None, None, "InfrastructureError: x")],
        [wish, (NEMESIS, "info", "inject", {"kind": "kill", "skipped": "not possible now"})],
    ):
        verdict = vacuity.check(history(*READ_OK, *rows), ["kill"])
        assert verdict.valid == "unknown"
        assert "kill" in verdict.reason


WROTE, READ = [["w", 1, 1]], [["r", 1, None]]


def txns(*rows):
    return vacuity.check(
        history(*(row for p, t, v in rows for row in ((p, "invoke", "txn", v), (p, t, "txn", v)))),
        [],
    )


def test_transactions_that_all_failed_are_unknown():
    verdict = txns((0, "fail", WROTE), (1, "fail", READ))
    assert verdict.valid == "unknown"
    assert "no 'txn' ever succeeded (2 tried)" in verdict.reason


def test_transactions_of_which_only_readers_or_writers_succeeded_are_unknown():
    verdict = txns((0, "fail", WROTE), (1, "ok", READ))
    assert verdict.valid == "unknown"
    assert verdict.reason == "no 'txn' that writes ever succeeded"
    assert txns((0, "info", READ + WROTE), (1, "ok", WROTE)).reason == (
        "no 'txn' that reads ever succeeded"
    )


def test_transactions_that_read_and_wrote_pass():
    assert txns((0, "ok", WROTE), (1, "ok", READ)).valid is True
    assert txns((0, "ok", READ + WROTE), (1, "fail", WROTE)).valid is True
    assert txns((0, "ok", READ), (1, "fail", READ)).valid is True, "nobody tried to write"
