"""Ambushes strike at the moment of a message, exactly, and leave nothing behind."""

import asyncio
from random import Random

import msgspec
import pytest
from small_world import Silent, simulate
from test_repeat import folder, spec

from duress.harness import schedule
from duress.harness.cluster import CLIENTS
from duress.harness.errors import UserError
from duress.harness.fault import Scene
from duress.harness.planned_fault import PlannedFault
from duress.harness.simulation import repeat
from duress.nemeses import traps
from duress.nemeses.ambush import AmbushNemesis

FIVE = ["n1", "n2", "n3", "n4", "n5"]
KINDS = [("ask", {}), ("vote", {"granted": True}), ("vote", {"granted": False})]


def ambush(*planted, at_s=1.0, until_s=None):
    return PlannedFault("ambush", at_s, until_s, FIVE, {"traps": list(planted)})


def ran(path, faults, **changes):
    run_folder = folder(path)
    fields = {"options": {}, "seed": 5, "time_limit_s": 6.0, **changes}
    outcome = repeat.run(spec(**fields, schedule=faults, nemeses=["ambush"]), run_folder)
    assert outcome.error is None
    return outcome, run_folder


def strikes_of(run_folder):
    lines = map(msgspec.json.decode, run_folder.file("faults.jsonl").read_bytes().splitlines())
    healed = [line["seen"] for line in lines if line["state"] == "healed"]
    assert healed
    return [strike for seen in healed for strike in seen["strikes"]]


class Promises(Silent):
    """Answers "ask" first and stores that afterwards: the wrong way round."""

    def on_message(self, message):
        if message["body"]["type"] != "ask":
            return
        self.context.send(message["src"], {"type": "yes"})
        self.context.storage.put("promised", True)
        self.context.storage.sync()


def test_the_sender_dies_between_the_message_and_what_comes_after_it(tmp_path):
    async def story(world):
        await world.start()
        seen = []

        def watcher(sender, receiver, body):
            seen.append((sender, receiver, body["type"]))
            return [sender] if body["type"] == "yes" else ()

        world.network.watch(watcher)
        world.of("n1").context.send("n2", {"type": "ask"})
        await asyncio.sleep(0.5)
        assert seen == [("n1", "n2", "ask"), ("n2", "n1", "yes")]
        assert await world.cluster.nodes["n2"].processes.running() == {}
        assert world.of("n2").context.storage.get("promised") is None
        world.network.watch(None)
        world.of("n1").context.send("n3", {"type": "ask"})
        await asyncio.sleep(0.5)
        assert len(seen) == 2
        assert world.of("n3").context.storage.get("promised") is True
        return world.network.counts()

    counts = simulate(story, tmp_path, Promises, latency="constant:1")
    assert counts["delivered"] + sum(counts["lost"].values()) == counts["sent"] + counts["copies"]


def test_links_that_are_cut_apart_are_dead_but_show_in_no_probe(tmp_path):
    async def story(world):
        await world.start()
        network = world.network
        await network.cut(frozenset({("n1", "n3")}))
        network.cut_apart(frozenset({("n1", "n2")}))
        assert await network.probe() == {("n1", "n3")}
        for dest in ("n2", "n3"):
            world.of("n1").context.send(dest, {"type": "ask"})
        world.of("n2").context.send("n1", {"type": "ask"})
        await asyncio.sleep(0.5)
        assert network.losses == {"cut": 2}
        await network.cut(frozenset())
        world.of("n1").context.send("n2", {"type": "ask"})
        await asyncio.sleep(0.5)
        assert network.losses == {"cut": 3}, "a heal of others must not heal it"
        network.cut_apart(frozenset())
        world.of("n1").context.send("n2", {"type": "ask"})
        await asyncio.sleep(0.5)
        assert network.losses == {"cut": 3}

    simulate(story, tmp_path)


def test_a_schedule_with_traps_replays_exactly_and_names_its_strikes(tmp_path):
    planted = {"type": "append_entries", "deed": "isolate-sender", "lasts_s": 0.7, "most": 2}
    killing = {"type": "vote", "fields": {"granted": True}, "deed": "kill-sender", "lasts_s": 0.1}
    faults = [ambush(planted, killing, at_s=1.0, until_s=4.0)]
    _, first = ran(tmp_path / "first", faults)
    strikes = strikes_of(first)
    assert [s["deed"] for s in strikes][:2] == ["isolate-sender", "kill-sender"]
    assert [s["on"] for s in strikes][:2] == [
        {"type": "append_entries"},
        {"type": "vote", "granted": True},
    ]
    taken = schedule.read(first.file(schedule.FILE))
    assert [fault.parameters for fault in taken] == [faults[0].parameters]
    _, second = ran(tmp_path / "second", taken)
    assert strikes_of(second) == strikes
    files = ("history.jsonl", "messages.json")
    assert [first.file(f).read_bytes() for f in files] == [
        second.file(f).read_bytes() for f in files
    ]


def test_skipped_messages_pass_and_only_targets_are_struck(tmp_path):
    planted = {"type": "append_entries", "deed": "kill-receiver", "lasts_s": 0.2, "skip": 3}
    fault = msgspec.structs.replace(ambush(planted, at_s=1.0, until_s=5.0), targets=["n2"])
    _, run_folder = ran(tmp_path, [fault])
    assert [strike["nodes"] for strike in strikes_of(run_folder)] in ([["n2"]], [])


@pytest.mark.parametrize("seed", range(4))
def test_the_correct_raft_survives_and_everything_is_put_right(seed, tmp_path):
    run_folder = folder(tmp_path)
    outcome = repeat.run(
        spec(options={}, seed=seed, nemeses=["ambush", "partition", "kill"], time_limit_s=8.0),
        run_folder,
    )
    assert outcome.error is None
    assert outcome.verdict.parts["linearizable"].valid is True
    assert "infrastructure" not in outcome.verdict.parts, outcome.verdict.reason


def test_drawing_and_varying_give_traps_that_can_be_read():
    random = Random(4)
    deeds = set()
    for _ in range(300):
        drawn = traps.draw(random, KINDS)
        for _ in range(5):
            drawn = traps.vary(random, drawn, KINDS)
            assert 1 <= len(drawn) <= 4
        assert traps.read({"traps": [msgspec.to_builtins(trap) for trap in drawn]}) == drawn
        deeds |= {trap.deed for trap in drawn}
    assert deeds == set(traps.DEEDS)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({}, "ambush: "),
        ({"traps": [{"type": "x", "deed": "stare", "lasts_s": 1}]}, "no deed named 'stare'"),
        ({"traps": [{"type": "x", "deed": "kill-sender", "lasts_s": -1}]}, "lasts_s"),
    ],
)
def test_traps_that_make_no_sense_are_refused(parameters, said):
    with pytest.raises(UserError, match=said):
        traps.read(parameters)


def test_it_says_where_it_works():
    class Elsewhere:
        kind = "docker"
        network = object()
        nodes = dict.fromkeys(FIVE)

    cluster: object = Elsewhere()
    with pytest.raises(UserError, match="ambush: works on sim, not on docker"):
        AmbushNemesis(Scene(cluster, object(), Random(1), {}))  # type: ignore[arg-type]
    assert CLIENTS not in FIVE
