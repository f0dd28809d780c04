"""Packets of containers: faults observed on real links, and nothing left when the harness dies."""

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from duress.harness.cluster import CLIENTS, pids
from duress.harness.cluster.docker import DockerCluster, clean
from duress.harness.cluster.impairment import Impairment, Probing

pytestmark = pytest.mark.docker

LINKS = [("n1", "n2"), ("n1", CLIENTS), (CLIENTS, "n1")]
OTHER = ("n2", "n1")

HARNESS = """
import asyncio, sys, time
from pathlib import Path
from duress.harness.cluster.docker import DockerCluster
from duress.harness.cluster.impairment import Impairment, Probing

async def main():
    cluster = DockerCluster(sys.argv[1], ["n1", "n2"], Path(), {"image": "node"})
    await cluster.up()
    await cluster.network.packets.impair({("n1", "n2"): Impairment(loss=1)})
    print(cluster.network.packets._shaper.queue_pid, flush=True)
    time.sleep(1000)

asyncio.run(main())
"""

ASK = "import socket; socket.create_connection(('n2', 9), 5)"


def with_cluster(tmp_path, story):
    async def whole():
        cluster = DockerCluster(f"t-packets-{os.getpid()}", ["n1", "n2"], tmp_path, IMAGE)
        try:
            await cluster.up()
            return await story(cluster)
        finally:
            await cluster.down()

    return asyncio.run(whole())


IMAGE = {"image": "node"}


def test_links_are_impaired_one_way_and_healed(tmp_path):
    async def story(cluster):
        packets = cluster.network.packets
        open_links = [
            link
            for link, each in (await packets.measure(LINKS)).items()
            if each.arrived  # a firewall of this machine may refuse what comes from containers
        ]
        seen = []
        for rule, count in (
            (Impairment(delay_ms=40, jitter_ms=5), 60),
            (Impairment(loss=0.4), 200),
            (Impairment(duplicate=0.4), 200),
            (Impairment(corrupt=0.4), 200),
            (Impairment(garble=0.4), 200),
        ):
            await packets.impair(dict.fromkeys(LINKS, rule))
            measured = await packets.measure([*open_links, OTHER], Probing(count, patience_s=1))
            seen.append([measured[link] for link in [*open_links, OTHER]])
        await packets.impair(dict.fromkeys(LINKS, Impairment(rate_kbit=800)))
        slow = await packets.measure(open_links, Probing(20, 1200, gap_s=0, patience_s=2))
        await packets.impair({})
        healed = await packets.measure([*open_links, OTHER], Probing(patience_s=5))
        return open_links, seen, slow, healed, packets.backend

    links, seen, slow, healed, backend = with_cluster(tmp_path, story)
    assert backend in ("netem", "nfqueue")
    assert ("n1", "n2") in links
    late, lost, doubled, corrupt, garbled = seen
    assert all(each.median_ms > 30 and each.arrived == 60 for each in late[:-1])
    assert all(70 < each.arrived < 170 for each in [*lost[:-1], *corrupt[:-1]])
    assert all(each.checksum_errors > 10 for each in corrupt[:-1])
    assert all(30 < each.duplicates < 130 for each in doubled[:-1])
    assert all(30 < each.garbled < 130 for each in garbled[:-1])
    assert all(150 < each.rate_kbit < 1000 for each in slow.values())
    for each in (*(found[-1] for found in seen), *healed.values()):
        assert (each.arrived, each.duplicates, each.garbled) == (each.sent, 0, 0)
        assert each.least_ms < 25


def test_when_the_harness_is_killed_packets_pass_and_its_process_ends():
    trial = f"t-killed-{os.getpid()}"
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, trial], stdout=subprocess.PIPE, text=True
    )
    assert harness.stdout is not None
    try:
        queue_pid = harness.stdout.readline().strip()
        if queue_pid == "None":
            pytest.skip("netem needs no process")
        assert pids.look(int(queue_pid)) is not None
        os.kill(harness.pid, signal.SIGKILL)
        harness.wait()
        deadline = time.monotonic() + 10
        while (seen := pids.look(int(queue_pid))) is not None and not seen.dead:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        heard = subprocess.run(
            ["docker", "exec", f"duress-{trial}-n1", "python3", "-c", ASK],
            capture_output=True,
            text=True,
        )
        assert "ConnectionRefusedError" in heard.stderr  # asked and answered
    finally:
        harness.kill()
        harness.stdout.close()
        clean()
    assert (
        f"duress-{trial}"
        not in subprocess.run(["docker", "ps", "-a"], capture_output=True, text=True).stdout
    )
