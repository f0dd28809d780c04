import asyncio
import json
from pathlib import Path

import pytest

from duress.harness import registry, store, trial
from duress.harness.errors import InfrastructureError
from duress.harness.formats import jsonl
from duress.harness.spec import TrialSpec
from duress.harness.verdict import Verdict

SUITE = Path(__file__).with_name("fake_suite.py")


def spec(**changes):
    fields = {
        "system": f"{SUITE}:FakeSystem",
        "workload": "register",
        "nemeses": ["kill"],
        "cluster": f"{SUITE}:FakeCluster",
        "nodes": ["n1", "n2", "n3"],
        "seed": 5,
        "concurrency": 4,
        "rate": 400.0,
        "time_limit_s": 0.6,
        "settle_s": 0.01,
        "timeout_s": 0.3,
        "interval_s": 0.1,
        **changes,
    }
    return TrialSpec(**fields)


def run(tmp_path, listeners=(), interrupt_after=None, **changes):
    async def story():
        folder = store.create(tmp_path, "fake")
        task = asyncio.ensure_future(
            trial.run(spec(**changes), folder, listeners, "duress run fake")
        )
        while interrupt_after is not None and not task.done():
            history = folder.path / "history.jsonl"
            if history.exists() and len(history.read_bytes().splitlines()) > interrupt_after:
                task.cancel()
                break
            await asyncio.sleep(0.01)
        return await task

    outcome = asyncio.run(asyncio.wait_for(story(), 60))
    return outcome, Path(outcome.folder)


def last_cluster():
    import sys

    return sys.modules["duress_user_fake_suite"].FakeCluster.instances[-1]


def test_a_right_system_is_valid_and_the_folder_tells_everything(tmp_path):
    events = []
    outcome, folder = run(tmp_path, [events.append])
    assert (outcome.outcome, outcome.exit_code) == ("valid", 0)
    history = jsonl.read(folder / "history.jsonl").history
    assert len(history) > 40
    info = json.loads((folder / "trial.json").read_text())
    assert info["outcome"] == "valid"
    assert info["seed"] == 5
    assert info["system_info"] == {"version": "0"}
    phases = [phase["name"] for phase in info["phases"]]
    assert phases == ["cluster", "system", "load", "settle", "teardown", "check"]
    assert (folder / "nodes/n2/log").read_text() == "hello from n2"
    states = [
        json.loads(line)["state"] for line in (folder / "faults.jsonl").read_text().splitlines()
    ]
    assert states[:4] == ["injecting", "injected", "healing", "healed"]
    assert states.count("injected") == states.count("healed")
    assert last_cluster().downs == 1
    assert type(events[0]).__name__ == "TrialStarted"
    assert type(events[-1]).__name__ == "TrialEnded"


def test_a_stale_system_is_found(tmp_path):
    outcome, _ = run(tmp_path, options={"bug": "stale"})
    assert (outcome.outcome, outcome.exit_code) == ("invalid", 1)
    assert outcome.verdict.anomalies[0].name == "nonlinearizable"
    assert outcome.verdict.anomalies[0].operations


def test_a_run_in_which_nothing_succeeds_is_unknown(tmp_path):
    outcome, _ = run(tmp_path, options={"bug": "dead"})
    assert (outcome.outcome, outcome.exit_code) == ("unknown", 3)
    assert "ever succeeded" in outcome.verdict.reason


def test_an_interrupted_run_is_healed_removed_judged_and_readable(tmp_path):
    outcome, folder = run(tmp_path, interrupt_after=50, time_limit_s=60.0)
    assert (outcome.outcome, outcome.exit_code) == ("interrupted", 3)
    history = jsonl.read(folder / "history.jsonl").history
    assert len(history) > 20
    states = [
        json.loads(line)["state"] for line in (folder / "faults.jsonl").read_text().splitlines()
    ]
    assert states.count("injecting") == states.count("healed")  # also what had just begun
    assert last_cluster().downs == 1
    verdict = Verdict(**json.loads((folder / "verdict.json").read_text()))
    assert "interrupted" in verdict.reason


def test_an_interrupted_run_of_a_broken_system_is_still_invalid(tmp_path):
    outcome, _ = run(tmp_path, options={"bug": "stale"}, interrupt_after=250, time_limit_s=60.0)
    assert outcome.exit_code == 1


@pytest.mark.parametrize(
    ("fail", "said"),
    [
        ("up", "no cluster today"),
        ("ready", "it never serves"),
        ("recover", "did not recover after everything was healed: it never serves"),
        ("down", "teardown: something stayed"),
    ],
)
def test_what_the_machine_did_not_do_is_unknown_and_said(tmp_path, fail, said):
    outcome, folder = run(tmp_path, options={"fail": fail})
    assert outcome.exit_code == 3
    assert said in outcome.verdict.reason
    assert last_cluster().downs == 1
    assert json.loads((folder / "trial.json").read_text())["outcome"] in ("error", "unknown")


@pytest.mark.parametrize(
    ("leak", "said"), [("inject", "a packet got through"), ("heal", "not healed")]
)
def test_a_fault_that_did_not_do_what_it_must_is_not_a_pass(tmp_path, leak, said):
    outcome, _ = run(tmp_path, nemeses=[f"{SUITE}:LeakyNemesis"], options={"leak": leak})
    assert outcome.exit_code == 3
    assert said in outcome.verdict.reason


def test_a_checker_that_crashes_is_unknown_with_the_reason(tmp_path, monkeypatch):
    class Broken:
        def check(self, history, options):
            raise RecursionError("deep")

    workload = registry.load("workloads", "register")
    monkeypatch.setattr(workload, "checkers", lambda self: {"broken": Broken()})
    outcome, _ = run(tmp_path)
    assert outcome.exit_code == 3
    assert "the checker failed: RecursionError: deep" in outcome.verdict.reason


def test_a_cluster_is_taken_down_to_the_end_even_when_that_is_interrupted():
    done = []

    async def work(fails):
        await asyncio.sleep(0.02)
        done.append(fails)
        if fails:
            raise InfrastructureError("not everything was removed")

    async def story(fails):
        task = asyncio.ensure_future(trial._whole(work(fails)))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(story(False))
    with pytest.raises(InfrastructureError, match="not everything was removed"):
        asyncio.run(story(True))
    assert done == [False, True]


def test_a_run_folder_without_room_is_an_error_and_not_a_crash(tmp_path, monkeypatch):
    real = store.RunFolder.write_json

    def write_json(self, name, value):
        if name != "trial.json" or "outcome" in value:
            raise InfrastructureError(f"{name}: cannot write: No space left on device")
        real(self, name, value)

    monkeypatch.setattr(store.RunFolder, "write_json", write_json)
    outcome, _ = run(tmp_path)
    assert (outcome.exit_code, outcome.outcome) == (3, "error")
    assert "No space left on device" in outcome.error
