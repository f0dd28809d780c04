"""Packets of hosts reached by ssh, impaired and measured by their agents."""

import asyncio

import pytest

from duress.harness.cluster import CLIENTS
from duress.harness.cluster.impairment import Impairment, Probing

from ..command_line import duress
from .ssh_hosts import running, with_cluster

pytestmark = pytest.mark.docker

LINK, BACK = ("n1", "n2"), ("n2", "n1")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with running(2, tmp_path_factory.mktemp("ssh")) as found:
        yield found


def test_links_are_impaired_one_way_and_healed(hosts, tmp_path):
    async def story(cluster):
        packets = cluster.network.packets
        assert await packets.reason_unavailable() is None
        links = [LINK, BACK, ("n1", CLIENTS), (CLIENTS, "n1"), (CLIENTS, "n2")]
        before = await packets.measure(links, Probing(patience_s=5))
        slow = Impairment(delay_ms=60, duplicate=0.5)
        await packets.impair({LINK: slow, ("n1", CLIENTS): slow, (CLIENTS, "n2"): slow})
        seen = await packets.measure(links, Probing(patience_s=0.5))
        dead = await cluster.network.probe()
        await cluster.network.cut(frozenset({BACK}))
        both = await packets.measure(links, Probing(patience_s=0.5))
        cut = await cluster.network.probe()
        await cluster.network.cut(frozenset())
        await packets.impair({})
        healed = await packets.measure(links, Probing(patience_s=5))
        return before, seen, dead, both, cut, healed, packets.backend

    before, seen, dead, both, cut, after, backend = with_cluster(hosts, tmp_path, story, 2)
    assert backend in ("netem", "nfqueue")
    for found in (before, after):
        assert all(each.arrived == each.sent for each in found.values())
        assert all(each.least_ms < 40 and not each.duplicates for each in found.values())
    for link in (LINK, ("n1", CLIENTS), (CLIENTS, "n2")):
        assert seen[link].median_ms > 50
        assert 5 <= seen[link].duplicates <= 45
    for link in (BACK, (CLIENTS, "n1")):
        assert (seen[link].least_ms < 40, seen[link].duplicates) == (True, 0)
    assert (dead, cut) == (frozenset(), frozenset({BACK}))
    assert BACK not in both
    assert both[LINK].median_ms > 50
    assert hosts.leftovers() == ""
    assert "NFQUEUE" not in hosts.on(1, "iptables-save -t mangle")


@pytest.mark.soak
def test_what_is_impaired_stays_so_when_the_agent_is_killed(hosts, tmp_path):
    async def story(cluster):
        packets = cluster.network.packets
        await packets.impair({LINK: Impairment(loss=1)})
        hosts.on(1, "pkill -KILL -f 'agent-.*connect'")
        await cluster.nodes["n2"].link.ask("hello")
        lost = (await packets.measure([LINK, BACK]))[LINK].arrived
        await packets.impair({})
        return lost, (await packets.measure([LINK]))[LINK].arrived

    assert with_cluster(hosts, tmp_path, story, 2) == (0, 50)
    assert hosts.leftovers() == ""


def test_connections_are_reset(hosts, tmp_path):
    listen = "import socket;s=socket.create_server(('',7000));p,_=s.accept();p.recv(1)"
    ask = (
        "import socket,sys;p=socket.create_connection((sys.argv[1],7000));print('in',flush=True)\n"
        "try: print(p.recv(1))\nexcept OSError as e: print(type(e).__name__)"
    )

    async def story(cluster):
        n1, n2 = cluster.nodes["n1"], cluster.nodes["n2"]
        listening = asyncio.ensure_future(n2.run("python3", "-c", listen, check=False))
        await asyncio.sleep(0.5)
        asking = asyncio.ensure_future(n1.run("python3", "-c", ask, n2.address))
        await asyncio.sleep(0.5)
        broken = await cluster.network.packets.reset([LINK, (CLIENTS, "n1")])
        ended = await listening
        return broken, (await asking).stdout, ended.stderr

    broken, asked, listened = with_cluster(hosts, tmp_path, story, 2)
    assert (broken, asked.split()) == (1, ["in", "ConnectionResetError"])
    assert "ConnectionAbortedError" in listened
    assert hosts.leftovers() == ""


@pytest.mark.soak
def test_raft_keeps_its_promise(hosts, tmp_path):
    done = duress(
        *("run", "raft", "--on", "ssh", "--nodes", "2", "--time", "8", "--interval", "1"),
        *("--nemesis", "packets", "--set", "packets-links=all,link", "--seed", "3"),
        *("--set", "packets-max-delay-ms=30", "--store", str(tmp_path), *hosts.flags()),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "packets" in done.stdout
    assert hosts.leftovers() == ""
