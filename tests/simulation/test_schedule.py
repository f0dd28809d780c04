"""A schedule says all that a nemesis did: run again, it is the same run."""

import json

import pytest
from click.testing import CliRunner
from test_repeat import folder, spec

from duress.harness import schedule
from duress.harness.cli import cli
from duress.harness.errors import UserError
from duress.harness.generator import Context
from duress.harness.planned_fault import PlannedFault
from duress.harness.simulation import repeat
from duress.harness.spec import with_schedule

NODES = ["n1", "n2", "n3"]
MOVING = {"partition-shapes": "flapping,leapfrog,new-primary", "partition-lasts": "2"}


def clients_of(path):
    lines = map(json.loads, (path / "history.jsonl").read_bytes().splitlines())
    return [
        (line["time"], line["process"], line["type"], line["f"], line.get("value"))
        for line in lines
        if line["process"] != "nemesis"
    ]


@pytest.mark.parametrize("options", [{}, MOVING], ids=["all", "moving"])
def test_clients_see_the_same_under_the_schedule_as_under_the_nemeses(options, tmp_path):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    drawn = spec(time_limit_s=12.0, options=options, seed=11)
    repeat.run(drawn, first)
    faults = schedule.read(first.file(schedule.FILE))
    assert len(faults) >= 3
    if options:
        assert any(fault.parameters.get("moves") for fault in faults)
    repeat.run(with_schedule(drawn, faults), second)
    assert clients_of(first.path) == clients_of(second.path)
    assert schedule.read(second.file(schedule.FILE)) == faults


def test_steps_come_at_their_times_and_heals_before_injects():
    faults = [
        PlannedFault("kill", 2.0, 3.0, ["n1"]),
        PlannedFault("partition", 1.0, 2.0, ["n2"], {"cut": [["n1", "n2"]]}),
    ]
    from random import Random

    context = Context.start(1, Random(0))
    generator, seen = schedule.Scheduled(faults), []
    while (answer := generator.op(context)) is not None:
        operation, generator = answer
        seen.append((operation.time / 1e9, operation.f, operation.value["kind"]))
    assert seen == [
        (1.0, "inject", "partition"),
        (2.0, "heal", "partition"),
        (2.0, "inject", "kill"),
        (3.0, "heal", "kill"),
    ]


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ([PlannedFault("kill", -1.0)], "at least 0"),
        ([PlannedFault("kill", 2.0, 1.0)], "not before that"),
        ([PlannedFault("kill", 2.0, 3.0)], "expected targets, or an aim"),
        ([PlannedFault("kill", 2.0, 3.0, aim={"targets": "all of them"})], "one of the targets"),
        ([PlannedFault("partition", 2.0, 3.0, aim={"form": "ring"})], "one of the shapes"),
        (
            [PlannedFault("kill", 1.0, 4.0, ["n1"]), PlannedFault("kill", 3.0, None, ["n1"])],
            "is not healed by then",
        ),
        ([PlannedFault("kill", 1.0, 2.0, ["n9"])], "no node 'n9'"),
        ([PlannedFault("partition", 1.0, 2.0, [], {"cut": [["n1", "n8"]]})], "no node 'n8'"),
        ([PlannedFault("partition", 1.0, 2.0, [], {"cut": [3]})], "lists of"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(faults, said):
    with pytest.raises(UserError, match=said):
        schedule.check(faults, NODES)


AIMED = [
    PlannedFault("partition", 1.0, 3.0, aim={"shape": "primary"}),
    PlannedFault("kill", 4.0, 5.0, aim={"targets": "followers"}),
]


def test_an_aimed_fault_strikes_whoever_has_the_role_then(tmp_path):
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    aimed = with_schedule(spec(seed=11, options={}), AIMED)
    repeat.run(aimed, first)
    faults = schedule.read(first.file(schedule.FILE))
    assert [(f.kind, f.aim, bool(f.targets)) for f in faults] == [
        ("partition", {"shape": "primary"}, True),
        ("kill", {"targets": "followers"}, True),
    ]
    assert len(faults[1].targets) == 4
    alone = {node for node in spec().nodes if [node, "n1"] in faults[0].parameters["cut"]}
    assert alone - {"n1"} or len(faults[0].parameters["cut"]) == 8
    repeat.run(with_schedule(aimed, faults), second)
    assert clients_of(first.path) == clients_of(second.path)


def test_only_faults_that_followed_a_role_are_aimed_by_role():
    faults = [
        PlannedFault("kill", 1.0, 2.0, ["n1"], {"choice": "one"}, {"targets": "one"}),
        PlannedFault("kill", 3.0, 4.0, ["n1"], {"choice": "primaries"}, {"targets": "primaries"}),
        PlannedFault("partition", 3.0, 4.0, ["n1"], {"cut": []}),
    ]
    concrete, aimed, unaimed = schedule.by_role(faults)
    assert (concrete, unaimed) == (faults[0], faults[2])
    assert (aimed.targets, aimed.parameters, aimed.aim) == ([], {}, {"targets": "primaries"})


def test_a_file_with_a_typing_error_is_named(tmp_path):
    path = tmp_path / "schedule.json"
    path.write_text('{"faults": [{"kind": "kill", "at": 3}]}')
    with pytest.raises(UserError, match=r"schedule.json: .*faults"):
        schedule.read(path)
    with pytest.raises(UserError, match="cannot read"):
        schedule.read(tmp_path / "none.json")


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_run_by_schedule_then_replay(tmp_path):
    path = tmp_path / "schedule.json"
    faults = [PlannedFault("kill", 1.0, 1.5, ["n2"]), PlannedFault("kill", 2.0, None, ["n3"])]
    folder(tmp_path / "x").write_json("../schedule.json", schedule.Schedule(faults))
    store = tmp_path / "runs"
    common = ("--on", "sim", "--time", 3, "--seed", 5, "--store", store, "--quiet")
    done = run("run", "raft", *common, "--schedule", path, "--twice")
    assert "repeatable: " in done.output, done.output
    ledger = (store / "latest" / "faults.jsonl").read_bytes().splitlines()
    struck = [json.loads(line) for line in ledger]
    assert [e["fault"]["targets"] for e in struck if e["state"] == "injected"] == [["n2"], ["n3"]]
    again = run("replay", (store / "latest").resolve(), "--store", store, "--quiet")
    assert "the same, byte for byte" in again.output, again.output


def test_twice_is_for_sim_alone():
    done = run("run", "raft", "--on", "local", "--twice")
    assert isinstance(done.exception, UserError)
    assert "only trials on sim" in str(done.exception)
