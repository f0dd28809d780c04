"""Weights, bounds and phases in whole trials: repeatable, replayable, shrinkable."""

import json
import shlex
from collections import Counter

import msgspec
import pytest
from click.testing import CliRunner
from test_repeat import folder, spec

from duress.harness import registry, schedule
from duress.harness.attempts import AttemptPool
from duress.harness.cli import cli
from duress.harness.cli.trial_options import spec_of, trial_options
from duress.harness.composition import FaultPhase
from duress.harness.fault import Fault
from duress.harness.shrink import Shrinker
from duress.harness.simulation import repeat
from duress.harness.spared import has_well
from duress.harness.spec import TrialSpec, with_schedule

NODES = [f"n{i}" for i in range(1, 6)]


def ledger(path):
    return [json.loads(line) for line in (path / "faults.jsonl").read_bytes().splitlines()]


def moments(path):
    """The faults that are active after each change, on their way in among them."""
    active: dict[int, Fault] = {}
    for entry in ledger(path):
        fault = msgspec.convert(entry["fault"], Fault)
        if entry["state"] == "injecting":
            active[fault.id] = fault
        elif entry["state"] == "healed":
            active.pop(fault.id)
        yield list(active.values())


def calm(**changes):
    options = {"partition-shapes": "halves,one,bridge", **changes.pop("options", {})}
    usual = {"rate": 30.0, "time_limit_s": 30.0}
    return spec(**{**usual, **changes}, options=options)


COMPOSED = {
    "weights": {"partition": 3.0, "kill": 1.0, "pause": 1.0},
    "fault_phases": [
        FaultPhase(3.0),
        FaultPhase(8.0, ["partition", "kill"], {"partition": 2.0, "kill": 1.0}),
        FaultPhase(3.0),
        FaultPhase(6.0, ["pause"]),
    ],
    "time_limit_s": 20.0,
    "options": {"faults-at-once": "1", "spare": "majority", "trace": "true"},
}


def test_a_composed_trial_is_the_same_byte_for_byte_in_another_process(tmp_path):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    composed = spec(**COMPOSED)
    repeat.run(composed, first)
    repeat.run_again(composed, second)
    assert repeat.first_difference(first.path, second.path) is None
    assert {entry["fault"]["kind"] for entry in ledger(first.path)} == {
        "partition",
        "kill",
        "pause",
    }
    assert first.read_json("trial.json", TrialSpec) == composed


def test_faults_strike_in_their_phases_alone(tmp_path):
    run = folder(tmp_path / "run")
    repeat.run(spec(**COMPOSED), run)
    kinds = {"injecting": [], "healed": []}
    for entry in ledger(run.path):
        if entry["state"] in kinds:
            kinds[entry["state"]].append((entry["time"] / 1e9, entry["fault"]["kind"]))
    for at, kind in kinds["injecting"]:
        assert 14 <= at <= 20.1 if kind == "pause" else 3 <= at <= 11.1
    for at, kind in kinds["healed"]:
        assert at <= 22 if kind == "pause" else at < 13
    info = json.loads((run.path / "trial.json").read_bytes())
    told = [(phase["name"], phase["time"] / 1e9) for phase in info["phases"]]
    told = [each for each in told if each[0].startswith("load")]
    assert [name for name, _ in told] == [
        "load: quiet",
        "load: partition:2+kill:1",
        "load: quiet",
        "load: pause",
    ]
    assert [at for _, at in told] == pytest.approx([0, 3, 11, 14], abs=2)


def test_the_report_tells_phases_weights_and_recovery(tmp_path):
    run = folder(tmp_path / "run")
    repeat.run(spec(**COMPOSED), run)
    page = registry.load("reports", "html")(run.path).read_text()
    for word in (
        "3 s quiet, 8 s partition:2+kill:1, 3 s quiet, 6 s pause",
        "partition 3, kill 1, pause 1",
        "load: pause",
        "Got over after",
        "First ok after heal",
        "Every node ready after the last heal in",
    ):
        assert word in page, word
    verdict = json.loads((run.path / "verdict.json").read_bytes())
    figures = verdict["parts"]["availability"]["statistics"]
    assert set(figures["by_kind"]) == {"partition", "kill", "pause"}
    for fault in figures["faults"]:
        assert fault["targets"]
        assert fault["end_ns"] > fault["start_ns"]
    assert any(fault["recovery_ns"] is not None for fault in figures["faults"])


@pytest.mark.parametrize("most", [1, 2])
def test_never_more_faults_at_once(most, tmp_path):
    run = folder(tmp_path / "run")
    repeat.run(calm(options={"faults-at-once": str(most)}), run)
    assert max(len(active) for active in moments(run.path)) == most


def test_a_majority_is_spared_at_every_moment(tmp_path):
    free, bound = folder(tmp_path / "free"), folder(tmp_path / "bound")
    repeat.run(calm(), free)
    assert not all(has_well(NODES, active, 3) for active in moments(free.path))
    repeat.run(calm(options={"spare": "majority"}), bound)
    assert all(has_well(NODES, active, 3) for active in moments(bound.path))
    kinds = Counter(e["fault"]["kind"] for e in ledger(bound.path) if e["state"] == "injected")
    assert set(kinds) == {"partition", "kill", "pause"}
    lines = map(json.loads, (bound.path / "history.jsonl").read_bytes().splitlines())
    values = [line["value"] for line in lines if line["f"] == "inject" and line["type"] == "info"]
    assert any("at once" in value.get("skipped", "") for value in values)


def test_a_composed_trial_replays_as_its_schedule(tmp_path):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    composed = spec(**COMPOSED)
    repeat.run(composed, first)
    faults = schedule.read(first.file(schedule.FILE))
    planned = with_schedule(composed, faults)
    assert (planned.weights, planned.fault_phases) == ({}, [])
    repeat.run(planned, second)
    again = schedule.read(second.file(schedule.FILE))
    assert [(f.kind, f.targets, f.parameters) for f in again] == [
        (f.kind, f.targets, f.parameters) for f in faults
    ]
    # To the nanosecond that seconds as floats may lose.
    assert [f.at_s for f in again] == pytest.approx([f.at_s for f in faults], abs=1e-8)


def test_a_composed_trial_that_fails_is_made_smaller(tmp_path):
    stale = spec(
        mutant="stale-read",
        nemeses=["partition", "kill"],
        options={"mutant": "stale-read", "faults-at-once": "1"},
        fault_phases=[FaultPhase(1.0), FaultPhase(7.0, ["partition", "kill"])],
        time_limit_s=8.0,
    )
    with AttemptPool(1) as pool:
        result = Shrinker(pool, trials=60, minutes=1).shrink(stale)
    assert result.smallest.failed
    assert result.smallest.spec.fault_phases == []
    assert len(result.smallest.faults) < len(result.before.faults) or (
        result.smallest.operations < result.before.operations
    )


# -- the command line ----------------------------------------------------------------


def parsed(*words):
    import click

    command = click.command()(trial_options(lambda **_: None))
    context = command.make_context("run", list(words))
    from click.core import ParameterSource

    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    return spec_of(context.params.pop("system"), {**context.params, "schedule": None}, given)


@pytest.mark.parametrize(
    "words",
    [
        ["raft", "--nemesis", "partition:3,process"],
        ["raft", "--phases", "5:none,20:partition:3+kill,5:default"],
        ["raft", "--phases", "2:none,3:process", "--time", "12", "--set", "faults-at-once=2"],
    ],
)
def test_the_command_that_repeats_a_trial_means_the_same(words):
    from duress.harness.cli.one_trial import replay_command

    wanted = parsed(*words, "--on", "sim", "--seed", "3")
    assert parsed(*shlex.split(replay_command(wanted))[2:]) == wanted


def test_packages_are_what_can_be_had_there():
    on_sim = parsed("raft", "--on", "sim", "--nemesis", "all").nemeses
    on_docker = parsed("raft", "--on", "docker", "--nemesis", "all").nemeses
    assert {"partition", "kill", "pause", "clock", "membership", "ambush"} <= set(on_sim)
    assert "ambush" not in on_docker
    assert parsed("raft", "--nemesis", "default").nemeses == ["partition", "kill"]
    process = parsed("raft", "--nemesis", "process,-crash-loop").nemeses
    assert {"kill", "pause"} <= set(process)
    assert "crash-loop" not in process
    assert "membership" not in parsed("paxos", "--on", "sim", "--nemesis", "all").nemeses


def test_phases_fill_the_time_that_is_given():
    once = parsed("raft", "--phases", "5:none,20:kill")
    assert (once.time_limit_s, len(once.fault_phases), once.nemeses) == (25.0, 2, ["kill"])
    often = parsed("raft", "--phases", "5:none,20:kill", "--time", "60")
    assert often.time_limit_s == 60.0
    assert [phase.lasts_s for phase in often.fault_phases] == [5, 20, 5, 20, 5, 5]


def test_help_says_what_can_be_had_and_what_not():
    result = CliRunner().invoke(cli, ["run", "raft", "--nemesis", "help"])
    assert result.exit_code == 0
    for word in ("partition  [network, default]", "--set kill-targets", "--set spare", "--phases"):
        assert word in result.output
    assert "ambush: the nemesis 'ambush' works on sim, not on local" in result.output
    result = CliRunner().invoke(cli, ["hunt", "paxos", "--nemesis", "help"])
    assert "membership: paxos has a fixed membership" in result.output


def test_the_list_says_where_each_works_here():
    rows = {r["name"]: r for r in json.loads(CliRunner().invoke(cli, "list nemeses --json").output)}
    assert rows["partition"]["package"] == "network"
    assert "sim" in rows["partition"]["works_here"]
    assert rows["ambush"]["works_here"] == ["sim"]
    text = CliRunner().invoke(cli, ["list", "nemeses"]).output
    assert "package process: " in text
    assert "--set faults-at-once" in text
