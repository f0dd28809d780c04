"""Failures of real programs are reduced by running them again; what need not repeat is said."""

import json

import pytest

from duress.harness import real_shrink
from duress.harness.attempts import Attempt
from duress.harness.cli import main
from duress.harness.errors import UserError
from duress.harness.planned_fault import PlannedFault
from duress.harness.real_shrink import RealShrinker
from duress.harness.store import RunFolder

from ..command_line import said_by
from .node_trials import EXAMPLES, spec_of

FAULTS = [PlannedFault("kill", at_s, at_s + 0.5, ["n1"]) for at_s in (1.0, 3.0, 5.0, 7.0)]


class Trials:
    """Runs nothing; ``fails(spec, number)`` says what came out of the ``number``-th trial."""

    def __init__(self, fails):
        self._fails = fails
        self.ran = []

    def run(self, specs, watched=False):
        for spec in specs:
            self.ran.append(spec)
            failed = self._fails(spec, len(self.ran))
            names = ["lost-element"] if failed else []
            outcome = "invalid" if failed else "valid"
            yield Attempt(spec, outcome, names, 100, 0.0, FAULTS, 1.0, folder="kept")


def before():
    spec = spec_of("g-set", ["true"], {"time_limit_s": 8.0, "nodes": 5, "nemeses": ["kill"]})
    return Attempt(spec, "invalid", ["lost-element"], 100, 0.0, FAULTS, 0.0)


def shrunk(fails, trials=1000, tries=4):
    pool = Trials(fails)
    found = RealShrinker(pool, trials=trials, minutes=9, seeds=tries).shrink_run(before())
    return found, pool


def test_what_the_failure_needs_remains_and_nothing_else():
    result, pool = shrunk(lambda spec, _: any(f.at_s == 3.0 for f in spec.schedule))
    assert [fault.at_s for fault in result.smallest.spec.schedule] == [3.0]
    assert len(result.smallest.spec.nodes) == 3
    assert result.smallest.spec.concurrency == 1
    assert result.smallest.spec.time_limit_s < 8
    assert result.complete
    assert {spec.seed for spec in pool.ran} == {1}  # the network's schedule is the same each time


def test_a_trial_that_fails_now_and_then_is_tried_several_times():
    result, _ = shrunk(lambda _, number: number % 3 == 0)
    assert len(result.smallest.spec.schedule) == 0
    result, _ = shrunk(lambda spec, number: len(spec.schedule) == 4 or number == 7)
    assert len(result.smallest.spec.schedule) == 4  # once was chance


def test_a_run_that_never_fails_again_is_refused_with_what_was_tried():
    with pytest.raises(UserError, match="times, it did not fail at least 2 times"):
        shrunk(lambda *_: False, tries=10)


def test_the_budget_is_kept():
    result, pool = shrunk(lambda *_: True, trials=5)
    assert len(pool.ran) == 5
    assert not result.complete


def test_only_runs_that_are_invalid(tmp_path):
    (tmp_path / "verdict.json").write_text('{"valid": true}')
    folder = RunFolder(tmp_path)
    with pytest.raises(UserError, match="expected a run that is invalid"):
        real_shrink.attempt_of(folder, before().spec)


def test_as_a_user_hunts_and_shrinks(tmp_path):
    words = ["--node", EXAMPLES / "python/echo.py", "--node-count", 3, "--time-limit", 0.6]
    words += ["--settle", 0, "--store", tmp_path, "--jobs", 1, "--seed", 5, "--json", "--quiet"]
    code, told, error = said_by("hunt", "echo", *words, "--budget-trials", 2, "--", "--wrong")
    assert (code, told["found"], told["seed"]) == (1, True, 5), error
    assert told["anomalies"] == ["wrong-echo"]
    code, told, error = said_by(
        *("shrink", "latest", "--store", tmp_path, "--jobs", 1, "--seeds", 2),
        *("--budget-trials", 2, "--json", "--quiet"),
    )
    assert code == 1, error
    assert "not what programs do: the trial failed at least 2 times in 2 tries" in error
    assert "programs" in error and "deterministic here" in error
    info = json.loads((tmp_path / "latest" / "trial.json").read_text())
    assert info["command"].startswith("duress replay") and ".attempts" not in info["command"]
    assert info["shrunk_from"] and info["title"] == "echo.py as echo"
    assert not list(tmp_path.glob(".attempts-*"))
    assert len(list(tmp_path.glob("2*"))) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--strategy", "guided"], "with --node there are: default, uniform, aimed"),
        (["--strategy", "aimed"], "Say --nemesis"),
        (["--on", "docker"], "not on 'docker'"),
    ],
)
def test_what_a_hunt_of_programs_cannot_do_is_said_in_a_line(capsys, words, said):
    with pytest.raises(SystemExit, match="2"):
        main(["hunt", "echo", "--node", str(EXAMPLES / "python/echo.py"), *words])
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1
