"""The kill matrix: what was found, how soon, by which anomaly, and who was accused wrongly."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from test_repeat import spec

from duress.harness.attempts import Attempt, AttemptPool
from duress.harness.cli import cli
from duress.harness.cli.kill_matrix import detection_line
from duress.harness.errors import UserError
from duress.harness.proof import planted_in
from duress.harness.prove import Case, Detection, Hunted, Innocence, acquit, detect

QUICK = {"options": {}, "time_limit_s": 4.0, "nemeses": ["partition"], "rate": 60.0}
STALE = {**QUICK, "options": {"mutant": "stale-read"}, "mutant": "stale-read"}


def came_out(outcome="invalid", anomalies=("nonlinearizable",), seed=1, error=None):
    return Attempt(spec(seed=seed), outcome, list(anomalies), 9, 1.0, [], 0.1, error)


def case(anomaly="nonlinearizable", **changes):
    return Case("raft", "stale-read", (anomaly,), spec(**{**STALE, **changes}))


def detection(*trials):
    """Hunts of so many trials; negative: in vain."""
    hunts = [Hunted(abs(n), abs(n) / 2, came_out() if n > 0 else None) for n in trials]
    return Detection(case(), hunts)


def test_a_mutant_is_hunted_from_several_seeds_and_shrunk():
    seen = []
    with AttemptPool(1) as pool:
        found = detect(
            case(seed=0),
            pool,
            hunts=2,
            trials=10,
            minutes=1,
            shrink=True,
            progress=lambda at: seen.append(at.found),
        )
    assert seen == [1, 2]
    assert found.is_as_expected
    seeds = [each.found.spec.seed for each in found.hunts if each.found]
    assert seeds[0] < 10 <= 100_000 <= seeds[1]
    assert found.smallest is not None
    assert found.smallest.operations < 20


@pytest.mark.parametrize(
    ("trials", "median"),
    [((3, 1, 9), 3.0), ((3, -20, 1), 3.0), ((-20, 4, -20), None), ((2, -20), 2.0), ((), None)],
)
def test_hunts_in_vain_count_as_longer_than_any(trials, median):
    tried = detection(*trials)
    assert tried.median_trials == median
    assert tried.median_s == (None if median is None else median / 2)
    assert tried.found == sum(n > 0 for n in trials)


def test_another_anomaly_than_the_named_one_is_no_proof():
    hunts = [Hunted(1, 0.1, came_out(anomalies=["lost-update"]))]
    assert not Detection(case(), hunts).is_as_expected
    assert Detection(case("lost-update"), hunts).is_as_expected
    assert "expected nonlinearizable, got lost-update" in detection_line(Detection(case(), hunts))


def test_a_right_protocol_is_tried_with_all_its_workloads():
    tried = []

    class Pool:
        def run(self, specs):
            for each in specs:
                tried.append((each.workload, each.seed))
                yield came_out("valid", (), each.seed)

    specs = [spec(seed=5), spec(seed=5, workload="append")]
    result = acquit("raft", specs, Pool(), trials=5)  # type: ignore[arg-type]
    assert tried == [
        ("register", 5),
        ("append", 5),
        ("register", 6),
        ("append", 6),
        ("register", 7),
    ]
    assert result.is_clean
    assert result.trials == 5


def test_alarms_errors_and_silence_are_not_clean():
    assert not Innocence("raft").is_clean
    assert not Innocence("raft", trials=3, unknown=3).is_clean
    assert not Innocence("raft", trials=3, alarms=[came_out()]).is_clean
    assert not Innocence("raft", trials=3, errors=["no leader"]).is_clean
    assert Innocence("raft", trials=3, unknown=2).is_clean


def test_the_command_prints_the_matrix():
    arguments = ["prove", "raft", "--mutant", "stale-read", "--quick"]
    arguments += ["--clean-trials", "1", "--jobs", "1", "--json"]
    result = CliRunner().invoke(cli, arguments)
    matrix = json.loads(result.stdout)
    assert result.exit_code == 0, result.output
    (mutant,) = matrix["mutants"]
    assert (mutant["found"], mutant["as_expected"]) == (1, True)
    assert matrix["right_versions"][0]["alarms"] == []
    assert "1/1" in result.stderr


def test_a_mutant_that_is_not_there_is_the_users_mistake():
    with pytest.raises(UserError, match="--mutant nope: there is no such mutant of raft"):
        CliRunner().invoke(cli, ["prove", "raft", "--mutant", "nope"], catch_exceptions=False)


def test_a_sample_is_the_same_for_the_same_seed():
    some = [planted_in(["raft", "paxos"], (), 2, seed) for seed in (1, 1, 2)]
    assert some[0] == some[1] != some[2]
    assert [mutant.system for mutant in some[0]] == ["raft", "raft", "paxos", "paxos"]


@pytest.mark.local
def test_a_mutant_is_found_on_real_processes_too():
    arguments = ["prove", "raft", "--on", "local", "--mutant", "stale-read", "--clean-trials", "0"]
    # A process of its own: one that has run a local trial stays in the namespaces it made.
    duress = str(Path(sys.executable).with_name("duress"))
    done = subprocess.run([duress, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "raft:stale-read: found in 1 of 1 hunts" in done.stdout


def test_a_system_that_needs_real_nodes_cannot_be_proven():
    with pytest.raises(UserError, match=r"'etcd' does not run on sim; there are: .*raft"):
        CliRunner().invoke(cli, ["prove", "etcd"], catch_exceptions=False)
