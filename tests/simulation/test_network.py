"""What the simulated network promises, under random loads, losses and cuts."""

import asyncio
import itertools
import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_world import Silent, simulate

from duress.harness.errors import InfrastructureError, UserError


class Chatter(Silent):
    """Sends numbered messages at random to random nodes; keeps what it got, and when."""

    def on_start(self):
        self.got, self.sent, self.number = [], [], 0
        self.context.set_timer("talk", 0.001)

    def on_timer(self, name):
        context = self.context
        dest = context.random.choice(context.node_ids)
        self.number += 1
        content = f"{context.node_id}/{dest}/{self.number}"
        self.sent.append(content)
        context.send(dest, {"type": "chat", "content": content})
        if self.number < 60:
            context.set_timer("talk", context.random.random() * 0.01)

    def on_message(self, message):
        assert message["dest"] == self.context.node_id
        self.got.append((self.context._loop.now, message["src"], message["body"]["content"]))


NODES = ["n1", "n2", "n3"]
LINKS = [(a, b) for a in NODES for b in NODES if a != b]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    loss=st.sampled_from([0, 0.2, 1]),
    duplicate=st.sampled_from([0, 0.3, 1]),
    order=st.sampled_from(["any", "fifo"]),
    latency=st.sampled_from(["constant:3", "uniform:1:20", "exponential:8"]),
    cuts=st.lists(st.frozensets(st.sampled_from(LINKS)), max_size=4),
    trace=st.booleans(),
)
def test_nothing_is_invented_and_everything_is_accounted_for(tmp_path_factory, cuts, **options):
    folder = tmp_path_factory.mktemp("run")
    windows = []

    async def story(world):
        await world.start()
        for cut in cuts:
            began = world.loop.now
            await world.network.cut(cut)
            everything = set(LINKS) if options["loss"] == 1 else set()
            seen = await world.network.probe()
            assert {link for link in seen if "clients" not in link} == cut | everything
            await asyncio.sleep(0.1)
            windows.append((began, world.loop.now, cut))
        await world.network.cut(frozenset())
        await asyncio.sleep(3)
        return world.made, world.network.counts()

    made, counts = simulate(story, folder, Chatter, **options)
    sent = Counter(content for one in made for content in one.sent)
    got = Counter(content for one in made for _, _, content in one.got)
    assert set(sent.values()) == {1}
    assert set(got) <= set(sent)
    to_self = {content for content in sent if content.split("/")[0] == content.split("/")[1]}
    assert all(got[content] == 1 for content in to_self)
    most = 2 if options["duplicate"] else 1
    assert all(times <= most for times in got.values())
    between = len(sent) - len(to_self)
    assert counts["sent"] == between
    assert counts["delivered"] == got.total() - len(to_self)
    assert counts["sent"] + counts["copies"] == counts["delivered"] + sum(counts["lost"].values())
    if not (options["loss"] or any(cuts)):
        assert set(got) == set(sent)
    for one in made:
        for at, source, _ in one.got:
            for began, ended, cut in windows:
                assert not (began < at < ended and (source, one.context.node_id) in cut)
        if options["order"] == "fifo":
            for node in NODES:
                numbers = [int(c.split("/")[2]) for _, source, c in one.got if source == node]
                assert numbers == sorted(numbers)
    if options["trace"]:
        check_trace(folder, counts)


def check_trace(folder, counts):
    events = [json.loads(line) for line in (folder / "messages.jsonl").read_text().splitlines()]
    assert [event["id"] for event in events] == list(range(len(events)))
    assert all(a["t"] <= b["t"] for a, b in itertools.pairwise(events))
    to_self = {e["id"] for e in events if e["e"] == "send" and e["from"] == e["to"]}
    between = [e for e in events if e["id"] not in to_self and e.get("of") not in to_self]
    kinds = Counter(event["e"] for event in between)
    assert (kinds["send"], kinds["copy"], kinds["deliver"], kinds["drop"]) == (
        counts["sent"],
        counts["copies"],
        counts["delivered"],
        sum(counts["lost"].values()),
    )
    sends = {event["id"] for event in events if event["e"] == "send"}
    for event in events:
        assert event.get("of", event["id"]) in sends or event["e"] not in ("deliver", "drop")
        assert event.get("cause", -1) < event["id"]


def test_messages_overtake_each_other_unless_fifo_is_asked_for(tmp_path):
    async def story(world):
        await world.start()
        await asyncio.sleep(3)
        return [
            [int(c.split("/")[2]) for _, source, c in one.got if source == node]
            for one in world.made
            for node in NODES
        ]

    (tmp_path / "a").mkdir()
    anyhow = simulate(story, tmp_path, Chatter, latency="exponential:20")
    assert any(numbers != sorted(numbers) for numbers in anyhow)


def test_latency_of_single_links(tmp_path):
    async def story(world):
        await world.start()
        world.of("n1").context.send("n2", {"type": "x"})
        world.of("n1").context.send("n3", {"type": "x"})
        began = world.loop.now
        arrived = {}
        for name in ("n2", "n3"):
            protocol = world.of(name)
            protocol.on_message = None
        for name in ("n2", "n3"):
            life = world.of(name).context
            life.on_message = lambda m, name=name: arrived.update({name: world.loop.now - began})
        await asyncio.sleep(1)
        return arrived

    arrived = simulate(
        story, tmp_path, latency="constant:2", **{"link-latency": "n1>n3=constant:500"}
    )
    assert arrived == {"n2": pytest.approx(0.002), "n3": pytest.approx(0.5)}


def test_what_comes_for_a_node_that_is_down_is_lost_and_for_a_stopped_one_waits(tmp_path):
    async def story(world):
        await world.start()
        n1, n2 = world.of("n1"), world.of("n2")
        processes = world.cluster.nodes["n2"].processes
        got = []
        n2.context.on_message = lambda message: got.append(message["body"]["n"])
        await processes.pause()
        assert await processes.running() == {"it": "paused"}
        for n in range(5):
            n1.context.send("n2", {"type": "x", "n": n})
        await asyncio.sleep(60)
        assert got == []
        await processes.resume()
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        assert sorted(got) == [0, 1, 2, 3, 4]
        await processes.kill()
        assert await processes.running() == {}
        n1.context.send("n2", {"type": "x", "n": 9})
        await asyncio.sleep(1)
        assert got[5:] == []
        return world.network.counts()["lost"]

    assert simulate(story, tmp_path) == {"down": 1}


def test_what_waits_in_a_buffer_is_beyond_the_network(tmp_path):
    async def story(world):
        await world.start()
        n1, n2 = world.of("n1"), world.of("n2")
        processes = world.cluster.nodes["n2"].processes
        got = []
        n2.context.on_message = lambda message: got.append(message["body"]["n"])
        await processes.pause()
        n1.context.send("n2", {"type": "x", "n": 1})
        await asyncio.sleep(1)
        await world.network.cut(frozenset({("n1", "n2")}))  # too late for the first
        n1.context.send("n2", {"type": "x", "n": 2})
        await asyncio.sleep(1)
        await processes.resume()
        await asyncio.sleep(1)
        assert got == [1]
        await world.network.cut(frozenset())
        await processes.pause()
        for n in range(3):
            n1.context.send("n2", {"type": "x", "n": n})
            n2.context.send("n2", {"type": "x", "n": n})
        await asyncio.sleep(1)
        await processes.kill()  # with what is in its buffers
        return world.network.counts()

    for trace in ("false", "true"):
        counts = simulate(story, tmp_path, trace=trace)
        assert (counts["sent"], counts["delivered"]) == (5, 1)
        assert counts["lost"] == {"cut": 1, "down": 3}
    events = [json.loads(line) for line in (tmp_path / "messages.jsonl").read_text().splitlines()]
    kinds = Counter(event["e"] for event in events)
    assert (kinds["send"], kinds["deliver"], kinds["drop"]) == (8, 1, 7)


def test_mistakes_are_named(tmp_path):
    async def cut_nowhere(world):
        await world.network.cut(frozenset({("n1", "n9")}))

    with pytest.raises(InfrastructureError, match=r"cannot cut links of \['n9'\]"):
        simulate(cut_nowhere, tmp_path)
    for options, said in (
        ({"latency": "slow"}, "latency: expected constant:MS"),
        ({"latency": "uniform:5:1"}, "uniform:LOW:HIGH"),
        ({"loss": "1.5"}, "loss: expected a number from 0 to 1"),
        ({"order": "lifo"}, "order: expected one of any, fifo"),
        ({"link-latency": "n1-n2=constant:5"}, "FROM>TO=LATENCY"),
        ({"trace": "maybe"}, "trace: expected true or false"),
    ):
        with pytest.raises(UserError, match=said):
            simulate(cut_nowhere, tmp_path, **options)


def test_draws_have_the_mean_that_was_asked_for():
    from duress.harness.simulation.latency import parse

    for text, mean_s in (("exponential:10", 0.01), ("uniform:10:30", 0.02), ("constant:7", 0.007)):
        table = parse("x", text).table()
        draws = [table[int(Random(n).random() * len(table))] for n in range(4000)]
        assert sum(draws) / len(draws) == pytest.approx(mean_s, rel=0.05)
        assert sum(table) / len(table) == pytest.approx(mean_s, rel=0.001)
