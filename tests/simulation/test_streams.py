"""Clients' connections: as TCP, reliable and in order while they last."""

import asyncio

import pytest
from small_world import PORT, Silent, simulate

from duress.harness.cluster import CLIENTS
from duress.harness.cluster.connection import Connecting, connect


class Echo(Silent):
    def on_start(self):
        self.got = []

    def on_message(self, message):
        self.got.append(message["body"]["n"])
        if message["body"]["n"] >= 0:
            self.context.reply(message, {"type": "echo_ok", "n": message["body"]["n"]})


async def ask(connection, n):
    return (await connection.request("c1", "n1", {"type": "echo", "n": n}))["n"]


def both_ways(name):
    return frozenset({(CLIENTS, name), (name, CLIENTS)})


def test_a_request_is_answered_after_a_round_trip(tmp_path):
    async def story(world):
        cluster: object = world.cluster
        assert isinstance(cluster, Connecting)
        await world.start()
        connection = await connect(world.cluster, "n1", PORT)
        began = world.loop.now
        assert [await ask(connection, n) for n in range(3)] == [0, 1, 2]
        assert world.loop.now - began == pytest.approx(3 * 2 * 0.004)
        other = await connect(world.cluster, "n1", PORT)
        assert await ask(other, 7) == 7
        assert connection.is_open
        connection.close()
        assert not connection.is_open
        with pytest.raises(ConnectionResetError):
            await ask(connection, 1)
        assert await ask(other, 8) == 8

    simulate(story, tmp_path, Echo, **{"client-latency": "constant:4"})


def test_nobody_listens(tmp_path):
    async def story(world):
        with pytest.raises(ConnectionRefusedError):
            await connect(world.cluster, "n1", PORT)
        await world.start()
        with pytest.raises(ConnectionRefusedError):
            await connect(world.cluster, "n1", PORT + 1)
        await world.network.cut(both_ways("n2"))
        began = world.loop.now
        with pytest.raises(TimeoutError):
            await connect(world.cluster, "n2", PORT)
        assert world.loop.now - began == 1
        await connect(world.cluster, "n1", PORT)

    simulate(story, tmp_path, Echo)


def test_a_kill_resets_connections_and_a_later_life_knows_nothing_of_them(tmp_path):
    async def story(world):
        await world.start()
        connection = await connect(world.cluster, "n1", PORT)
        asking = asyncio.create_task(ask(connection, -1))
        await asyncio.sleep(0.1)
        await world.cluster.nodes["n1"].processes.kill()
        with pytest.raises(ConnectionResetError):
            await asking
        assert not connection.is_open
        await world.start("n1")
        with pytest.raises(ConnectionResetError):
            await ask(connection, 5)
        assert world.of("n1").got == []
        assert await ask(await connect(world.cluster, "n1", PORT), 6) == 6

    simulate(story, tmp_path, Echo)


def test_a_cut_delays_what_is_on_its_way_and_keeps_its_order(tmp_path):
    async def story(world):
        await world.start()
        connection = await connect(world.cluster, "n1", PORT)
        await world.network.cut(frozenset({("n1", CLIENTS)}))  # answers do not get through
        asking = asyncio.create_task(ask(connection, 1))
        await asyncio.sleep(30)
        assert world.of("n1").got == [1]
        assert not asking.done()
        await world.network.cut(frozenset())
        assert await asking == 1
        await world.network.cut(frozenset({(CLIENTS, "n1")}))  # requests do not
        asking = asyncio.create_task(ask(connection, 2))
        await asyncio.sleep(30)
        assert world.of("n1").got == [1]
        connection.close()  # what was sent still arrives, though nobody waits any more
        asking.cancel()
        await world.network.cut(frozenset())
        await asyncio.sleep(1)
        assert world.of("n1").got == [1, 2]

    simulate(story, tmp_path, Echo)


def test_a_client_learns_of_a_death_behind_a_cut_once_it_is_healed(tmp_path):
    async def story(world):
        await world.start()
        connection = await connect(world.cluster, "n1", PORT)
        asking = asyncio.create_task(ask(connection, -1))
        await asyncio.sleep(0.1)
        await world.network.cut(both_ways("n1"))
        await world.cluster.nodes["n1"].processes.kill()
        await asyncio.sleep(30)
        assert not asking.done()
        assert connection.is_open
        await world.network.cut(frozenset())
        with pytest.raises(ConnectionResetError):
            await asking

    simulate(story, tmp_path, Echo)


def test_a_stopped_process_answers_when_it_goes_on(tmp_path):
    async def story(world):
        await world.start()
        processes = world.cluster.nodes["n1"].processes
        await processes.pause()
        connection = await connect(world.cluster, "n1", PORT)
        asking = asyncio.create_task(ask(connection, 3))
        await asyncio.sleep(9)
        assert not asking.done()
        await processes.resume()
        assert await asking == 3

    simulate(story, tmp_path, Echo)
