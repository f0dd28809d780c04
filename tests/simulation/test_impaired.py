"""Impaired packets of simulated links: what arrives, how late, and that a seed decides it all."""

import asyncio
import hashlib

import pytest
from small_world import PORT, Silent, simulate

from duress.harness.cluster import CLIENTS
from duress.harness.cluster.connection import connect
from duress.harness.cluster.impairment import Impairment, Probing
from duress.harness.errors import InfrastructureError, UserError

COUNT = 600
LINK, BACK = ("n1", "n2"), ("n2", "n1")


class Counting(Silent):
    """On request, sends numbered messages, one a millisecond, to the others; keeps what it got."""

    def on_start(self):
        self.got, self.left, self.number = [], 0, 0

    def send(self, count):
        self.left = count
        self.context.set_timer("next", 0.001)

    def on_timer(self, name):
        for other in self.context.node_ids:
            if other != self.context.node_id:
                body = {"type": "n", "n": self.number, "sent": self.context._loop.now}
                self.context.send(other, body)
        self.number += 1
        self.left -= 1
        if self.left > 0:
            self.context.set_timer("next", 0.001)

    def on_message(self, message):
        body = message["body"]
        if body["type"] == "ask":
            self.context.reply(message, {"type": "told", "n": body["n"]})
        else:
            late_s = self.context._loop.now - body["sent"]
            self.got.append((message["src"], body["n"], late_s))


def passed(folder, rules, sender="n1", receiver="n2", count=COUNT, **options):
    """(number, seconds on its way) of what arrives on one link, in order; and the counts."""

    async def story(world):
        await world.start()
        await world.network.packets.impair(rules)
        world.of(sender).send(count)
        await asyncio.sleep(count * 0.0011 + 5)
        got = [(n, late) for source, n, late in world.of(receiver).got if source == sender]
        return got, world.network.counts()

    return simulate(story, folder, Counting, **{"latency": "constant:1", **options})


def test_loss_and_that_only_that_link_has_it(tmp_path):
    got, counts = passed(tmp_path, {LINK: Impairment(loss=0.3)})
    assert 0.6 < len(got) / COUNT < 0.8
    assert counts["lost"] == {"loss": COUNT - len(got)}
    assert counts["sent"] + counts["copies"] == counts["delivered"] + sum(counts["lost"].values())
    assert len(passed(tmp_path, {LINK: Impairment(loss=0.3)}, receiver="n3")[0]) == COUNT


def test_delay_jitter_and_reorder(tmp_path):
    got, _ = passed(tmp_path, {LINK: Impairment(delay_ms=20)})
    assert {round(late, 6) for _, late in got} == {0.021}
    got, _ = passed(tmp_path, {LINK: Impairment(delay_ms=50, jitter_ms=10)})
    mean = sum(late for _, late in got) / COUNT
    assert len(got) == COUNT
    assert abs(mean - 0.051) < 0.002
    assert got != sorted(got)
    got, _ = passed(tmp_path, {LINK: Impairment(delay_ms=50, reorder=0.2)})
    assert 0.15 < sum(late < 0.002 for _, late in got) / COUNT < 0.25
    got, _ = passed(tmp_path, {LINK: Impairment(delay_ms=50, jitter_ms=10)}, order="fifo")
    assert [n for n, _ in got] == list(range(COUNT))


def test_duplicates(tmp_path):
    got, counts = passed(tmp_path, {LINK: Impairment(duplicate=0.25)})
    assert {n for n, _ in got} == set(range(COUNT))
    assert 0.18 < counts["copies"] / COUNT < 0.32
    assert len(got) == COUNT + counts["copies"]


def test_corrupted_messages_are_lost_and_cannot_be_garbled(tmp_path):
    got, counts = passed(tmp_path, {LINK: Impairment(corrupt=0.5)})
    assert counts["lost"] == {"corrupt": COUNT - len(got)}
    assert 0.4 < len(got) / COUNT < 0.6
    with pytest.raises(InfrastructureError, match="have no bits to flip unnoticed"):
        passed(tmp_path, {LINK: Impairment(garble=0.5)})
    with pytest.raises(UserError, match="loss"):
        passed(tmp_path, {LINK: Impairment(loss=2)})
    with pytest.raises(InfrastructureError, match="cannot impair links of"):
        passed(tmp_path, {("n1", "n9"): Impairment(loss=0.2)})


def test_bandwidth(tmp_path):
    # A message of about 120 bytes each millisecond is near 1 Mbit/s: half of that fits.
    got, counts = passed(tmp_path, {LINK: Impairment(rate_kbit=480)}, count=4000)
    lates = [late for _, late in got]
    assert lates[:1000] == sorted(lates[:1000])  # the queue grows
    assert 0.9 < max(lates) < 1.01
    assert counts["lost"]["loss"] > 500  # and overflows


def test_settings_of_the_whole_network_apply_besides(tmp_path):
    got, counts = passed(tmp_path, {LINK: Impairment(loss=0.5)}, loss=0.5, duplicate=0.5)
    assert 0.15 < len({n for n, _ in got}) / COUNT < 0.35
    assert counts["sent"] + counts["copies"] == counts["delivered"] + sum(counts["lost"].values())


def test_ports(tmp_path):
    got, _ = passed(tmp_path, {LINK: Impairment(loss=1, ports=(PORT + 1,))})
    assert len(got) == COUNT
    got, _ = passed(tmp_path, {LINK: Impairment(loss=1, ports=(PORT,))})
    assert got == []


def test_healed_links_and_cut_ones(tmp_path):
    async def story(world):
        await world.start()
        packets, network = world.network.packets, world.network
        await packets.impair({LINK: Impairment(loss=1), BACK: Impairment(delay_ms=9)})
        assert await network.probe() == frozenset()
        await network.cut(frozenset({BACK}))
        assert await network.probe() == {BACK}
        seen = await packets.measure([LINK, BACK])
        assert (list(seen), seen[LINK].arrived) == ([LINK], 0)
        await network.cut(frozenset())
        assert (await packets.measure([BACK]))[BACK].median_ms == 9
        await packets.impair({})
        assert (await packets.measure([LINK]))[LINK].arrived == 50
        world.of("n1").send(50)
        await asyncio.sleep(1)
        return len(world.of("n2").got)

    assert simulate(story, tmp_path, Counting) == 50


def test_what_is_measured_is_what_the_rules_do(tmp_path):
    async def story(world):
        rule = Impairment(loss=0.2, duplicate=0.3, delay_ms=20, jitter_ms=5)
        await world.network.packets.impair({LINK: rule})
        return (await world.network.packets.measure([LINK], Probing(1000)))[LINK]

    seen = simulate(story, tmp_path)
    assert abs(seen.loss - 0.2) < 0.05
    assert abs(seen.duplicates / seen.arrived - 0.3) < 0.06
    assert 17 < seen.median_ms < 20  # the first of two copies counts
    assert seen.disordered > 100


@pytest.mark.parametrize("trace", [False, True])
def test_a_seed_decides_everything(tmp_path, trace):
    rule = Impairment(loss=0.2, duplicate=0.2, delay_ms=20, jitter_ms=5, distribution="pareto")

    def run(seed):
        got, _ = passed(tmp_path, {LINK: rule}, seed=seed, trace=trace)
        return hashlib.sha256(repr(got).encode()).hexdigest()

    assert run(1) == run(1) != run(2)


# -- clients' connections --------------------------------------------------------------


async def ask(connection, n):
    return (await connection.request("c1", "n1", {"type": "ask", "n": n}))["n"]


def test_what_clients_lose_only_comes_later_and_in_order(tmp_path):
    async def story(world):
        await world.start()
        connection = await connect(world.cluster, "n1", PORT)
        lossy = Impairment(loss=0.3, duplicate=0.3, corrupt=0.1)
        await world.network.packets.impair({(CLIENTS, "n1"): lossy, ("n1", CLIENTS): lossy})
        began = world.loop.now
        assert [await ask(connection, n) for n in range(100)] == list(range(100))
        lossy_s = world.loop.now - began
        await world.network.packets.impair({(CLIENTS, "n1"): Impairment(delay_ms=30)})
        began = world.loop.now
        assert await ask(connection, 1) == 1
        slow_s = world.loop.now - began
        await world.network.packets.impair({})
        began = world.loop.now
        assert await ask(connection, 1) == 1
        return lossy_s, slow_s, world.loop.now - began

    lossy_s, slow_s, healed_s = simulate(story, tmp_path, Counting)
    assert 10 < lossy_s < 60  # some 80 of 200 segments were sent again, 0.2 s later or more
    assert slow_s == pytest.approx(0.0304)
    assert healed_s == pytest.approx(0.0004)


def test_a_port_of_clients_is_cut_until_it_is_healed(tmp_path):
    async def story(world):
        await world.start()
        connection = await connect(world.cluster, "n1", PORT)
        cut = Impairment(loss=1, ports=(PORT,))
        await world.network.packets.impair({(CLIENTS, "n1"): cut})
        asked = asyncio.ensure_future(ask(connection, 5))
        await asyncio.sleep(2)
        with pytest.raises(TimeoutError):
            await connect(world.cluster, "n1", PORT)
        assert not asked.done()
        await world.network.packets.impair({})
        return await asked

    assert simulate(story, tmp_path, Counting) == 5


@pytest.mark.parametrize("trace", [False, True])
def test_a_reset_loses_what_is_on_its_way(tmp_path, trace):
    async def story(world):
        await world.start()
        connection = await connect(world.cluster, "n1", PORT)
        other = await connect(world.cluster, "n2", PORT)
        world.of("n1").send(20)
        asked = asyncio.ensure_future(ask(connection, 1))
        await asyncio.sleep(0.0205)
        broken = await world.network.packets.reset([LINK, (CLIENTS, "n1")])
        with pytest.raises(ConnectionResetError):
            await asked
        assert not connection.is_open
        world.of("n1").send(5)
        await asyncio.sleep(1)
        assert await ask(await connect(world.cluster, "n1", PORT), 3) == 3
        assert other.is_open
        counts = world.network.counts()
        numbers = [[n for _, n, _ in world.of(name).got] for name in ("n2", "n3")]
        return broken, counts, numbers

    options = {"latency": "constant:10", "client-latency": "constant:40", "trace": trace}
    broken, counts, (second, third) = simulate(story, tmp_path, Counting, **options)
    assert broken == 1
    assert third == list(range(25))
    assert second == [*range(10), *range(20, 25)]
    assert counts["lost"] == {"reset": 10}
    assert counts["sent"] + counts["copies"] == counts["delivered"] + sum(counts["lost"].values())
