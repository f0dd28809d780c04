"""The façade: verdicts, evidence, budgets, and everybody's histories."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from duress.checkers.linearizability import Linearizable
from duress.checkers.linearizability.models import MODELS, describe
from duress.harness.errors import UserError
from duress.harness.formats import load
from duress.harness.history import History
from duress.harness.operation import Operation

from .linearizability_histories import history_of

SHARED = Path(__file__).parents[3] / "shared" / "histories"


def shared_files() -> list[dict[str, str]]:
    table = SHARED / "expected.tsv"
    if not table.exists():
        return []
    with table.open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row for row in rows if row["file"].startswith("linearizability/")]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared histories are not here")
@pytest.mark.parametrize("folder", ["etcd", "kv", "knossos"])
def test_agrees_with_the_expected_verdicts(folder: str) -> None:
    rows = [row for row in shared_files() if f"/{folder}/" in row["file"]]
    assert rows
    wrong = []
    for row in rows:
        checker = Linearizable(
            row["model"],
            json.loads(row["initial"]),
            failed_cas="observe" if folder == "etcd" else "drop",
        )
        verdict = checker.check(load(SHARED / row["file"]).history, {"time_limit_s": 30})
        if verdict.valid is not (row["valid"] == "true"):
            wrong.append((row["file"], verdict.valid, verdict.reason))
        if verdict.valid is False:
            assert verdict.anomalies[0].name == "nonlinearizable"
            assert verdict.anomalies[0].operations
            assert verdict.anomalies[0].explanation
            json.dumps(verdict.anomalies[0].details)
    assert not wrong


def test_stale_read_is_explained() -> None:
    rows = [
        (0, "invoke", "write", 4), (0, "ok", "write", 4),
        (1, "invoke", "write", 5), (1, "ok", "write", 5),
        (7, "invoke", "read", None), (7, "ok", "read", 4),
    ]  # fmt: skip
    verdict = Linearizable("register").check(history_of(rows), {})
    assert verdict.valid is False
    (anomaly,) = verdict.anomalies
    assert anomaly.operations == [2, 4]
    assert "answered 4 to process 7's read" in anomaly.explanation
    assert "had been acknowledged before that read began" in anomaly.explanation
    assert "nothing wrote 4 afterwards" in anomaly.explanation
    assert anomaly.details["failed_at"] == 5
    assert [each["index"] for each in anomaly.details["operations"]] == [0, 2, 4]
    assert anomaly.details["longest"] == [0, 2]
    assert "impossible while" in anomaly.details["states"][0]["stuck"][0]["why"]


def keyed(keys: int, bad: set[int]) -> History:
    rows: list[tuple[int, str, str, Any, int]] = []
    for key in range(keys):
        seen = 2 if key in bad else 1
        rows += [
            (key, "invoke", "write", 1, key), (key, "ok", "write", 1, key),
            (key, "invoke", "read", None, key), (key, "ok", "read", seen, key),
        ]  # fmt: skip
    return History(
        Operation(index=i, time=i, process=p, type=t, f=f, value=v, key=k)  # type: ignore[arg-type]
        for i, (p, t, f, v, k) in enumerate(rows)
    )


def test_keys_are_judged_one_by_one() -> None:
    verdict = Linearizable("cas-register").check(keyed(40, {3, 30}), {})
    assert verdict.valid is False
    assert [anomaly.key for anomaly in verdict.anomalies] == [3, 30]
    assert verdict.statistics["keys"] == 40
    assert verdict.statistics["operations"] == 80
    first = Linearizable("cas-register", first=True).check(keyed(40, {3, 30}), {})
    assert [anomaly.key for anomaly in first.anomalies] == [3]
    assert Linearizable().check(keyed(40, set()), {}).valid is True


def test_budget_gives_unknown_and_says_how_far() -> None:
    writes = [(p, "invoke", "push", p) for p in range(40)]
    pops = [(40 + p, "invoke", "pop", None) for p in range(40)]
    ends = [(p, "ok", "push", p) for p in range(40)]
    ends += [(40 + p, "ok", "pop", (p * 7) % 40) for p in range(39)] + [(79, "ok", "pop", 999)]
    history = history_of([*writes, *pops, *ends])
    ticks = itertools.count()
    options = {"time_limit_s": 20, "clock": lambda: float(next(ticks))}
    verdict = Linearizable("stack", algorithm="search").check(history, options)
    assert verdict.valid == "unknown"
    assert "time limit" in verdict.reason
    assert verdict.statistics["frontier"] > 0
    assert verdict.statistics["decided_up_to"] >= 80
    small = Linearizable("stack", algorithm="search").check(history, {"memory_limit_bytes": 10_000})
    assert small.valid == "unknown"
    assert "memory limit" in small.reason


def test_strange_histories_are_unknown_not_errors() -> None:
    foreign = history_of([(0, "invoke", "jump", 1), (0, "ok", "jump", 1)])
    verdict = Linearizable("register").check(foreign, {})
    assert verdict.valid == "unknown"
    assert "operation 0: 'jump' is not an operation of the model" in verdict.reason
    odd = history_of([(0, "invoke", "cas", 1), (0, "ok", "cas", 1)])
    assert Linearizable().check(odd, {}).valid == "unknown"
    assert Linearizable().check(History(), {}).valid is True
    with pytest.raises(UserError, match="unknown model 'registr'"):
        Linearizable("registr").check(foreign, {})


class Elevator:
    """A user's own model: nondeterministic, it may stop at the asked floor or one below."""

    initial = 0

    def steps(self, state, operation):
        if operation.f == "go":
            return [operation.value, operation.value - 1]
        return [state] if operation.value == state else []


def test_a_user_s_own_model() -> None:
    def rides(seen: int) -> History:
        return history_of(
            [
                (0, "invoke", "go", 5),
                (0, "ok", "go", 5),
                (0, "invoke", "look", None),
                (0, "ok", "look", seen),
            ]
        )

    assert [Linearizable(Elevator).check(rides(at), {}).valid for at in (3, 4, 5, 6)] == [
        False, True, True, False,
    ]  # fmt: skip


def test_reads_of_none() -> None:
    history = history_of([(0, "invoke", "read", None), (0, "ok", "read", None)])
    assert Linearizable(initial=None).check(history, {}).valid is True
    assert Linearizable(initial=0).check(history, {}).valid is True
    assert Linearizable(initial=0, none_reads="value").check(history, {}).valid is False


def test_map_keys_inside_the_value_are_judged_alone() -> None:
    rows = [
        (0, "invoke", "put", ["x", "a"]), (0, "ok", "put", ["x", "a"]),
        (0, "invoke", "append", ["x", "b"]), (0, "ok", "append", ["x", "b"]),
        (0, "invoke", "get", ["x", None]), (0, "ok", "get", ["x", "ab"]),
        (0, "invoke", "get", ["y", None]), (0, "ok", "get", ["y", "ab"]),
    ]  # fmt: skip
    assert Linearizable("kv-map").check(history_of(rows[:6]), {}).valid is True
    verdict = Linearizable("kv-map").check(history_of(rows), {})
    assert [anomaly.key for anomaly in verdict.anomalies] == ["y"]


def test_every_model_is_documented() -> None:
    for name in MODELS:
        assert len(describe(name)) > 10


def test_import_is_light() -> None:
    code = (
        "import sys, duress.checkers.linearizability as l; l.Linearizable();"
        "assert not {'numba', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
