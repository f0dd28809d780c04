"""Hunts find planted bugs, say which seed, and leave nothing but the failing run."""

import json
import subprocess
import sys
import time

import msgspec
import pytest
from test_repeat import spec

from duress.harness import attempts
from duress.harness.attempts import AttemptPool, attempt
from duress.harness.errors import UserError
from duress.harness.hunt import hunt, with_strategy

QUICK = {"options": {}, "time_limit_s": 4.0, "nemeses": ["partition"], "rate": 60.0}
STALE = {**QUICK, "options": {"mutant": "stale-read"}, "mutant": "stale-read"}


def test_the_correct_raft_survives_until_the_budget_ends():
    seen = []
    with AttemptPool(1) as pool:
        result = hunt(
            spec(**QUICK, seed=20), pool, trials=3, progress=lambda at: seen.append(at.trials)
        )
    assert result.found is None
    assert seen == [1, 2, 3]
    assert result.virtual_s == 12.0
    assert result.operations > 300
    assert not result.errors


def test_the_seed_found_does_not_depend_on_the_number_of_processes():
    found = []
    for jobs in (1, 2):
        with AttemptPool(jobs) as pool:
            result = hunt(spec(**STALE, seed=0), pool, trials=10)
        assert result.found is not None
        assert result.found.anomalies == ["nonlinearizable"]
        found.append((result.found.spec.seed, result.trials, result.found.operations))
    assert found[0] == found[1]


def test_minutes_end_a_hunt():
    times = iter(range(0, 10_000, 25))
    with AttemptPool(1) as pool:
        result = hunt(spec(**QUICK, seed=20), pool, minutes=2, clock=lambda: float(next(times)))
    assert 1 <= result.trials < 5


def test_a_trial_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(attempts, "processor_limit_s", lambda spec: 0.2)
    endless = attempt(spec(time_limit_s=100_000.0))
    assert (endless.outcome, endless.failed) == ("error", False)
    assert "not done after 0.2 s of processor time" in (endless.error or "")
    monkeypatch.undo()
    assert time.time.__module__ == "time", "what was cut short left the guard up"
    assert attempt(spec()).outcome == "valid"


def test_a_mistake_is_told_at_once():
    with AttemptPool(1) as pool, pytest.raises(UserError, match="latency"):
        hunt(spec(**{**QUICK, "options": {"latency": "soon"}}), pool, trials=3)


def test_an_attempt_says_when_the_anomaly_showed():
    found = next(each for seed in range(10) if (each := attempt(spec(**STALE, seed=seed))).failed)
    shorter = msgspec.structs.replace(found.spec, time_limit_s=found.shown_by_s + 0.1)
    assert 0 < found.shown_by_s < 5
    assert attempt(shorter).failed


def test_strategies_change_the_faults_but_not_what_was_asked_for():
    wanted = spec(**{**QUICK, "nemeses": ["partition", "kill"], "options": {"kill-targets": "all"}})
    aimed = with_strategy(wanted, "aimed", {"kill-targets": "all"}).options
    uniform = with_strategy(wanted, "uniform", {}).options
    assert "leapfrog" in aimed["partition-shapes"]
    assert aimed["kill-targets"] == "all"
    assert "primary" not in uniform["partition-shapes"]
    assert "primaries" not in uniform["kill-targets"]
    assert with_strategy(wanted, "default", {}).options == wanted.options


def test_the_command_keeps_only_the_failing_run(tmp_path):
    arguments = ["hunt", "raft", "--mutant", "stale-read", "--time", "4", "--jobs", "1"]
    arguments += ["--seed", "0", "--budget-trials", "9", "--store", str(tmp_path), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", "from duress.harness.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert said["found"]
    assert said["anomalies"] == ["nonlinearizable"]
    runs = [path for path in tmp_path.iterdir() if not path.is_symlink()]
    assert [str(path) for path in runs] == [said["run"]]
    assert (runs[0] / "report.html").is_file()
