"""A campaign's course: what is run, when it ends, what stays on disk; with trials that are said."""

import asyncio
import json

import pytest

from duress.harness.campaign import plan as plans
from duress.harness.campaign import session
from duress.harness.campaign.engine import ALL_DONE, RUNS, only_one
from duress.harness.campaign.plan import Budget, Keep, Limits, Stop
from duress.harness.campaign.results import (
    INFRASTRUCTURE,
    INVALID,
    KILLED,
    UNKNOWN,
    VALID,
    Result,
)
from duress.harness.campaign.summary import FIXED, GONE, KNOWN, NEW, summary_of
from duress.harness.errors import UserError
from duress.reports.campaign import markdown

from .made import Executor, ledger_of, make, plan, run, signature


def valid(spec):
    return Result(VALID)


def broken_for(*systems):
    def answer(spec):
        if spec.system in systems:
            return Result(INVALID, ["lost"], signature(len(spec.system)))
        return Result(VALID)

    return answer


def test_all_trials_are_run_once_and_some_at_once(tmp_path):
    executor = Executor(valid, slots=4, moment_s=0.01)
    why, ledger, told = run(tmp_path, executor)
    assert why == ledger.ended == ALL_DONE
    assert ledger.outcomes() == {VALID: 15}
    assert len(told) == len(set(executor.ran)) == len(executor.ran) == 15
    assert executor.at_once == 4
    assert executor.closed


def test_one_that_is_stopped_goes_on_where_it_was(tmp_path):
    executors = [Executor(broken_for("paxos"), moment_s=0.002) for _ in range(4)]
    for executor in executors[:3]:  # at each end two others may be done by then
        why, ledger, _ = run(tmp_path, executor, stop_after=2)
        assert why == "cancelled"
        assert ledger.ended == ""
        assert executor.closed
        assert ledger.running() == []
        ledger.close()
    why, ledger, _ = run(tmp_path, executors[3])
    assert why == ALL_DONE
    assert ledger.outcomes() == {INVALID: 5, VALID: 10}
    assert (ledger.sessions, ledger.failures()[0].trials) == (4, 5)
    ran = [each for executor in executors for each in executor.ran]
    assert set(ran) == {(each.spec.system, each.spec.seed) for each in plans.trials(plan(), make)}


def test_what_a_sudden_end_left_is_removed_before_anything_is_run(tmp_path):
    ledger = ledger_of(tmp_path, plan())
    for number, told in enumerate([{"cluster": "docker"}, {"cluster": "no such"}, None]):
        folder = tmp_path / RUNS / f"old-{number}"
        folder.mkdir(parents=True)
        if told is not None:
            (folder / "trial.json").write_text(json.dumps(told))
        ledger.begin(number, folder.name)
    ledger.begin_session()
    ledger.close()
    executor = Executor(valid)
    why, ledger, _ = run(tmp_path, executor, plan(keep=Keep(passes=100)))
    assert (why, executor.tidied) == (ALL_DONE, ["docker"])
    assert {name.rpartition("-")[2] for name in names(tmp_path)} == {"2"}, (
        "what is still ending has another name, for its containers and rules are named by it"
    )
    executor = Executor(valid)
    run(tmp_path, executor)
    assert executor.tidied == []


def test_what_could_not_be_run_is_run_again_but_no_verdict_is(tmp_path):
    tries = {}

    def answer(spec):
        tries[spec.system, spec.seed] = tries.get((spec.system, spec.seed), 0) + 1
        if spec.system == "raft":
            first = tries[spec.system, spec.seed] == 1
            return Result(INFRASTRUCTURE if first or spec.seed == 2 else VALID, error="no engine")
        return Result({"paxos": UNKNOWN, "etcd": KILLED}[spec.system])

    _, ledger, _ = run(tmp_path, Executor(answer), plan(limits=Limits(retries=2)))
    assert tries["raft", 1] == 2
    assert tries["raft", 2] == 3
    assert {tries[name, 3] for name in ("paxos", "etcd")} == {1}
    assert ledger.outcomes() == {INFRASTRUCTURE: 1, KILLED: 5, UNKNOWN: 5, VALID: 4}
    (row,) = ledger.details([INFRASTRUCTURE])
    assert (row["seed"], row["error"]) == (2, "no engine")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"budget": Budget(trials=7)}, "trials: 7 were run"),
        ({"budget": Budget(minutes=1e-9)}, "time: 1e-09 minutes are over"),
        ({"stop": Stop(failures=2)}, "failures: 2 different ones were found"),
    ],
)
def test_enough_is_enough(tmp_path, more, why):
    found, ledger, told = run(tmp_path, Executor(broken_for("paxos", "etcd")), plan(**more))
    assert found == ledger.ended
    assert found.startswith(why)
    assert len(told) < 15
    if "trials" in why:
        assert len(told) == 7


def test_a_machine_that_can_run_nothing_ends_it(tmp_path):
    def answer(spec):
        return Result(INFRASTRUCTURE, error="no engine")

    limits, stop = Limits(retries=0), Stop(infrastructure=4)
    why, ledger, _ = run(tmp_path, Executor(answer, slots=1), plan(limits=limits, stop=stop))
    assert why == "infrastructure: 4 trials in a row could not be run"
    assert ledger.outcomes() == {INFRASTRUCTURE: 4}


def names(folder):
    return sorted(path.name for path in (folder / RUNS).iterdir() if path.is_dir())


def test_failures_stay_and_passes_go(tmp_path):
    keep = Keep(passes=2, failures=3)
    _, ledger, _ = run(tmp_path, Executor(broken_for("paxos"), slots=1), plan(keep=keep))
    kept = names(tmp_path)
    assert [name.split("-")[1] for name in kept].count("paxos") == 3
    assert len(kept) == 5
    assert kept[:3] == ["000001-paxos-0", "000004-paxos-0", "000007-paxos-0"]
    assert ledger.failures()[0].run == "000001-paxos-0"
    assert ledger.bytes == sum(
        file.stat().st_size for file in (tmp_path / RUNS).rglob("*") if file.is_file()
    )


def test_the_disk_is_never_fuller_than_it_may_be(tmp_path):
    keep = Keep(passes=100, failures=100)
    size = 700 / 1e6
    budget = Budget(disk_mb=size)
    why, ledger, _ = run(
        tmp_path, Executor(broken_for("paxos"), slots=1), plan(keep=keep, budget=budget)
    )
    assert why == ALL_DONE
    assert ledger.bytes <= 700
    assert "000001-paxos-0" in names(tmp_path)  # the first of its kind


def test_a_failure_that_does_not_fit_ends_it(tmp_path):
    budget = Budget(disk_mb=1 / 1e6)
    why, _, told = run(
        tmp_path, Executor(broken_for("raft", "paxos"), slots=1), plan(budget=budget)
    )
    assert why == "disk: the failures alone take more than 1e-06 MB"
    assert told == [(0, INVALID)]


def test_failures_are_taken_care_of_once_found(tmp_path):
    class Care:
        def __init__(self):
            self.seen = []

        async def found(self, ledger, runs):
            for each in ledger.failures():
                if each.shrunk is None:
                    self.seen.append(each.signature)
                    await asyncio.sleep(0.01)
                    ledger.shrunk(each.signature, f"small-{each.signature}")

    care = Care()
    _, ledger, _ = run(tmp_path, Executor(broken_for("paxos", "raft")), care=care)
    assert sorted(care.seen) == sorted({signature(5).id, signature(4).id})
    assert {each.shrunk for each in ledger.failures()} == {f"small-{sign}" for sign in care.seen}


def test_one_process_at_a_time(tmp_path):
    with only_one(tmp_path), pytest.raises(UserError, match="another process"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_new_known_fixed_and_not_seen(tmp_path):
    _, before, _ = run(tmp_path / "1", Executor(broken_for("raft", "paxos", "etcd"), slots=1))

    def now(spec):
        if spec.system == "etcd":
            return Result(INVALID, ["other"], signature(77))
        return broken_for("raft")(spec)

    _, ledger, _ = run(tmp_path / "2", Executor(now, slots=1))
    states = {each.name: each.state for each in summary_of(ledger, before).failures}
    # raft and etcd have names of one length, and so one signature here
    assert states == {"broken 4": KNOWN, "broken 77": NEW, "broken 5": FIXED}
    _, short, _ = run(tmp_path / "3", Executor(valid, slots=1), plan(budget=Budget(trials=4)))
    states = {each.name: each.state for each in summary_of(short, before).failures}
    assert states == {"broken 4": GONE, "broken 5": GONE}
    assert summary_of(short, before).bound == pytest.approx(1 - 0.05 ** (1 / 4))
    assert summary_of(ledger, before).bound is None


def test_each_night_is_compared_with_the_one_before(tmp_path):
    nights = [("paxos",), ("paxos", "raft"), ("raft",)]
    for number, broken in enumerate(nights):
        _, ledger, _ = run(tmp_path / str(number), Executor(broken_for(*broken), slots=1))
        if number < 2:
            ledger.close()
    summary, earlier = session.with_earlier(ledger)
    ledger.close()
    states = [[each.state for each in one.failures] for one in (summary, *earlier)]
    assert states == [[KNOWN, FIXED], [NEW, KNOWN], [NEW]]
    said = markdown.workflow_lines(earlier[0], None)
    assert ["%0Abroken 4 (00000004): raft" in line for line in said] == [True]
    text = markdown.document(earlier[0], None)
    assert text.startswith("### ❌ nightly: promises were broken in 2 ways, 1 of them new.\n")
    assert "| known | broken 5 (00000005) | 5 trials | paxos |  |" in text
    assert text.count("<details>") == 1
