"""The ledger: whatever happens in whatever order, each trial counts once."""

import os
import sqlite3
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.campaign import plan as plans
from duress.harness.campaign.engine import recover
from duress.harness.campaign.ledger import FILE, Ledger
from duress.harness.campaign.results import INFRASTRUCTURE, INVALID, OUTCOMES, VALID, Result
from duress.harness.errors import InfrastructureError, UserError

from .made import make, plan, signature, write_run


def new(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return Ledger.create(folder / FILE, plan(), "digest", plans.trials(plan(), make))


def result(outcome, number=0):
    broken = outcome == INVALID
    return Result(
        outcome,
        ["lost"] if broken else [],
        signature(number % 2) if broken else None,
        run=f"run-{number}",
        bytes=100,
    )


def test_what_is_written_is_read_again(tmp_path):
    ledger = new(tmp_path)
    first = ledger.waiting(2)
    assert [each.number for each in first] == [0, 1]
    assert first == list(plans.trials(plan(), make))[:2]
    ledger.begin(0, "run-0")
    assert ledger.running() == [(0, "run-0")]
    assert [each.number for each in ledger.waiting(2)] == [1, 2]
    assert ledger.finish(0, result(INVALID))
    assert not ledger.finish(0, result(VALID))  # it is done already
    ledger.begin(2, "run-2")
    assert not ledger.finish(2, result(INVALID, 2))  # the same signature
    ledger.close()
    again = Ledger(tmp_path / FILE)
    assert again.plan == plan()
    assert (again.planned, again.count("done"), again.outcomes()) == (15, 2, {INVALID: 2})
    (failure,) = again.failures()
    assert (failure.first, failure.trials, failure.cells) == (0, 2, ["raft", "etcd"])
    assert [row.cell for row in again.rows()] == ["raft", "paxos", "etcd"]
    assert again.rows()[0].signatures == {"00000000": 1}
    again.close()


def test_trials_that_could_not_be_run_in_a_row(tmp_path):
    ledger = new(tmp_path)
    for number, outcome in enumerate([VALID, INFRASTRUCTURE, INFRASTRUCTURE]):
        ledger.begin(number, "x")
        ledger.finish(number, Result(outcome))
    assert ledger.infrastructure_in_a_row() == 2
    ledger.close()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "finish", "again", "crash", "crash with its end on disk"]),
        st.integers(0, 14),
        st.sampled_from(OUTCOMES),
    ),
    max_size=60,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_each_trial_counts_once(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("ledger")
    ledger = new(folder)
    waiting, running, done, tries = set(range(15)), {}, {}, dict.fromkeys(range(15), 0)
    for what, number, outcome in steps:
        if what == "begin" and number in waiting:
            tries[number] += 1
            name = f"{number}-{tries[number]}-{len(done)}"
            ledger.begin(number, name)
            waiting.discard(number)
            running[number] = name
        elif what == "finish" and number in running:
            ledger.finish(number, result(outcome, number))
            done[number] = outcome
            del running[number]
        elif what == "again" and number in running:
            ledger.again(number)
            waiting.add(number)
            del running[number]
        elif what.startswith("crash"):
            ledger.close()
            kept = set()
            if what != "crash" and running:
                kept = {min(running)}
                told = result(VALID if outcome not in (VALID, INVALID) else outcome, min(running))
                path = folder / "runs" / running[min(running)]
                if not path.exists():
                    write_run(path, told)
                done[min(running)] = told.outcome
            ledger = Ledger(folder / FILE)
            recover(ledger, folder / "runs")
            for each in set(running) - kept:
                waiting.add(each)
                tries[each] -= 1
            running.clear()
    assert ledger.count("waiting") == len(waiting)
    assert dict(ledger.running()) == running
    counted = {}
    for outcome in done.values():
        counted[outcome] = counted.get(outcome, 0) + 1
    assert ledger.outcomes() == counted
    assert sum(sum(row.outcomes.values()) for row in ledger.rows()) == len(done)
    assert sum(each.trials for each in ledger.failures()) == counted.get(INVALID, 0)
    ledger.close()


def test_a_ledger_that_is_none(tmp_path):
    with pytest.raises(UserError, match=r"is .* a campaign's folder"):
        Ledger(tmp_path / FILE)
    (tmp_path / FILE).write_bytes(b"x" * 5000)
    with pytest.raises(UserError, match=r"not a campaign's ledger"):
        Ledger(tmp_path / FILE)


def test_a_ledger_of_another_version(tmp_path):
    new(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()
    with pytest.raises(UserError, match=r"another version of duress \(99\)"):
        Ledger(tmp_path / FILE)


def test_a_write_that_fails_is_the_machines_fault(tmp_path):
    ledger = new(tmp_path)
    with pytest.raises(InfrastructureError, match="cannot write"):
        ledger._write("INSERT INTO nowhere VALUES (1)")
    assert ledger.count("waiting") == 15  # and the next one works
    ledger.end("over")
    assert ledger.ended == "over"
    ledger.close()


def test_what_was_committed_outlives_a_kill(tmp_path):
    new(tmp_path).close()
    code = f"""
        import os, signal
        from pathlib import Path
        from duress.harness.campaign.ledger import Ledger
        from duress.harness.campaign.results import Result
        ledger = Ledger(Path({str(tmp_path / FILE)!r}))
        for number in range(5):
            ledger.begin(number, f"run-{{number}}")
            ledger.finish(number, Result("valid"))
        ledger.begin(5, "run-5")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env={**os.environ})
    assert done.returncode == -9
    ledger = Ledger(tmp_path / FILE)
    assert ledger.outcomes() == {VALID: 5}
    assert ledger.running() == [(5, "run-5")]
    ledger.close()
