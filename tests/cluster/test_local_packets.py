"""Packets of local nodes: every fault observed on real links, and nothing that hangs afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from duress.harness.cluster import CLIENTS, netem
from duress.harness.cluster.impairment import Impairment, Probing
from duress.harness.cluster.local import LocalCluster
from duress.harness.errors import InfrastructureError, UserError

pytestmark = pytest.mark.local

NAMES = ["n1", "n2", "n3"]
LINKS = [("n1", "n2"), ("n3", CLIENTS), (CLIENTS, "n3")]
OTHER = ("n2", "n1")

PATIENT = Probing(patience_s=5)
"""Where everything arrives nobody waits for so long, but on a machine that is busy."""

FAULTS: dict[str, tuple[Impairment, Probing]] = {
    "loss": (Impairment(loss=0.3), Probing(300, patience_s=1)),
    "delay": (Impairment(delay_ms=30), PATIENT),
    "jitter": (Impairment(delay_ms=60, jitter_ms=15), Probing(200, patience_s=5)),
    "reorder": (Impairment(delay_ms=40, reorder=0.3), Probing(200, patience_s=5)),
    "duplicate": (Impairment(duplicate=0.3), Probing(300, patience_s=5)),
    "corrupt": (Impairment(corrupt=0.3), Probing(300, patience_s=1)),
    "garble": (Impairment(garble=0.3), Probing(300, patience_s=5)),
    "rate": (
        Impairment(rate_kbit=1000),
        Probing(30, 1200, gap_s=0, patience_s=5),
    ),
    "cut": (Impairment(loss=1, ports=(7000,)), Probing(20, port=7000, patience_s=1)),
    "other port": (Impairment(loss=1, ports=(7000,)), Probing(20, port=7001, patience_s=5)),
}


async def _every_fault(folder: str) -> dict[str, Any]:
    cluster = LocalCluster("t", NAMES, Path(folder), {})
    await cluster.up()
    packets, found = cluster.network.packets, {}
    try:
        found["before"] = _plain(await packets.measure([*LINKS, OTHER], PATIENT))
        for name, (impairment, probing) in FAULTS.items():
            await packets.impair(dict.fromkeys(LINKS, impairment))
            found[name] = _plain(await packets.measure([*LINKS, OTHER], probing))
        dead = await cluster.network.probe()
        await packets.impair({})
        found["after"] = _plain(await packets.measure([*LINKS, OTHER], PATIENT))
        found["backend"], found["dead"] = packets.backend, sorted(dead)
    finally:
        await cluster.down()
    return found


def _plain(measured: Any) -> list[Any]:
    return [msgspec.structs.asdict(measured[link]) for link in [*LINKS, OTHER] if link in measured]


def test_every_fault_on_every_kind_of_link(inside: Any, tmp_path: Path) -> None:
    seen = inside(_every_fault, str(tmp_path))
    assert seen["backend"] in ("netem", "nfqueue")
    assert seen["dead"] == []  # what cuts are probed with is not impaired
    for name in (*FAULTS, "before", "after"):
        untouched = seen[name] if name in ("before", "after", "other port") else seen[name][3:]
        for each in untouched:
            assert (each["arrived"], each["duplicates"], each["garbled"]) == (each["sent"], 0, 0)
            assert each["least_ms"] < 25
    for each in seen["loss"][:3]:
        assert 130 < each["arrived"] < 275
    for each in seen["delay"][:3]:
        assert each["least_ms"] > 29
    for each in seen["jitter"][:3]:
        assert each["median_ms"] > 50
        assert each["least_ms"] < 60
        assert each["most_ms"] - each["least_ms"] > 30
        assert each["disordered"] > 10
    for each in seen["reorder"][:3]:
        assert each["disordered"] > 10
        assert each["median_ms"] > 39
    for each in seen["duplicate"][:3]:
        assert 25 < each["duplicates"] < 170
        assert each["arrived"] == 300
    for each in seen["corrupt"][:3]:
        assert 130 < each["arrived"] < 275
        assert each["checksum_errors"] >= (300 - each["arrived"]) / 2  # some are of a wrong length
        assert each["garbled"] == 0
    for each in seen["garble"][:3]:
        assert each["arrived"] == 300
        assert 25 < each["garbled"] < 170
    for each in seen["rate"][:3]:
        assert 200 < each["rate_kbit"] < 1200
    assert [each["arrived"] for each in seen["cut"]] == [0, 0, 0, 20]


async def _netem_without_netem(folder: str) -> dict[str, Any]:
    # This kernel may lack netem, but has all that leads packets to it; classes limit bandwidth.
    netem.is_here = lambda: True
    netem.netem = lambda rule: "pfifo limit 1000"
    cluster = LocalCluster("t", NAMES, Path(folder), {})
    await cluster.up()
    packets, found = cluster.network.packets, {}
    try:
        for name in ("rate", "other port"):
            rule = msgspec.structs.replace(FAULTS["rate"][0], ports=(7000,) * (name != "rate"))
            await packets.impair(dict.fromkeys(LINKS, rule))
            found[name] = _plain(await packets.measure([*LINKS, OTHER], FAULTS["rate"][1]))
            found["backend"] = packets.backend
        await packets.impair({("n1", "n2"): Impairment(garble=0.5)})
        found["garbled"] = (await packets.measure([("n1", "n2")]))["n1", "n2"].garbled
        found["other backend"] = packets.backend
        await packets.impair({})
        left = [await node.run("ip", "-br", "link") for node in cluster.nodes.values()]
        found["left"] = sum(each.stdout.count("duress-") for each in left)
        found["healed"] = _plain(await packets.measure([*LINKS, OTHER], FAULTS["rate"][1]))
    finally:
        await cluster.down()
    return found


def test_packets_are_led_to_netem_and_back(inside: Any, tmp_path: Path) -> None:
    seen = inside(_netem_without_netem, str(tmp_path))
    assert (seen["backend"], seen["other backend"], seen["left"]) == ("netem", "nfqueue", 0)
    for each in seen["rate"][:3]:
        assert 200 < each["rate_kbit"] < 1300
    for each in [seen["rate"][3], *seen["other port"], *seen["healed"]]:
        assert each["rate_kbit"] > 1500
    assert seen["garbled"] > 5


async def _composed(folder: str) -> dict[str, Any]:
    cluster = LocalCluster("t", NAMES, Path(folder), {})
    await cluster.up()
    packets, cut = cluster.network.packets, ("n1", "n2")
    try:
        await packets.impair(dict.fromkeys([cut, OTHER], Impairment(delay_ms=30)))
        await cluster.network.cut(frozenset({cut}))
        dead = sorted(await cluster.network.probe())
        measured = await packets.measure([cut, OTHER])
        await packets.impair({})
        still = sorted(await cluster.network.probe())
        await cluster.network.cut(frozenset())
        complaints = []
        for rules in ({("n1", "n9"): Impairment()}, {cut: Impairment(loss=2)}):
            try:
                await packets.impair(rules)
            except (InfrastructureError, UserError) as error:
                complaints.append(str(error))
    finally:
        await cluster.down()
    slow = [link for link, each in measured.items() if each.median_ms > 29]
    return {"dead": dead, "still": still, "slow": slow, "seen": len(measured), "no": complaints}


def test_links_may_be_cut_and_impaired_at_once(inside: Any, tmp_path: Path) -> None:
    seen = inside(_composed, str(tmp_path))
    assert seen["dead"] == seen["still"] == [["n1", "n2"]]
    assert seen["slow"] == [["n2", "n1"]]
    assert seen["seen"] == 1  # of a link that is cut, nothing can be seen
    assert seen["no"] == [
        "network: cannot impair links of ['n9']; there are n1, n2, n3, clients",
        "loss: expected a share from 0 to 1, got 2",
    ]


async def _process_dies(folder: str) -> dict[str, Any]:
    cluster = LocalCluster("t", NAMES, Path(folder), {})
    await cluster.up()
    packets = cluster.network.packets
    try:
        await packets.impair({link: Impairment(loss=1) for link in LINKS})
        lost = sum(each.arrived for each in (await packets.measure(LINKS)).values())
        pid = cluster._network.packets._shaper.queue_pid
        if pid is None:
            return {"skipped": packets.backend}
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.2)
        passed = [each.arrived for each in (await packets.measure(LINKS, PATIENT)).values()]
        complaint = [await packets.why_ended()]
        await packets.impair({})
        complaint.append(await packets.why_ended())
        await packets.impair({LINKS[0]: Impairment(delay_ms=20)})
        again = (await packets.measure([LINKS[0]], PATIENT))[LINKS[0]].least_ms
    finally:
        await cluster.down()
    return {"lost": lost, "passed": passed, "complaint": complaint, "again": again}


def test_packets_pass_when_the_process_that_holds_them_dies(inside: Any, tmp_path: Path) -> None:
    seen = inside(_process_dies, str(tmp_path))
    if "skipped" in seen:
        pytest.skip("netem needs no process")
    assert (seen["lost"], seen["passed"]) == (0, [50, 50, 50])
    assert seen["complaint"] == [
        "the process that holds packets back has ended; they pass unimpaired",
        None,
    ]
    assert seen["again"] > 19


ECHO = """
import socket
server = socket.create_server(("", 7000))
while True:
    peer, _ = server.accept()
    print("accepted", flush=True)
    try:
        while content := peer.recv(65536):
            peer.sendall(content)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""
ASK = """
import socket, sys, time
peer = socket.create_connection((sys.argv[1], 7000), timeout=20)
sent = bytes(range(256)) * 1000
heard = b""
peer.sendall(sent[:100_000])
while len(heard) < 100_000:
    heard += peer.recv(65536)
print(heard == sent[:100_000], flush=True)
try:
    peer.recv(1)
    print("closed")
except OSError as error:
    print(type(error).__name__)
"""


async def _connections(folder: str, impairment: dict[str, Any]) -> dict[str, Any]:
    cluster = LocalCluster("t", NAMES, Path(folder), {})
    await cluster.up()
    packets = cluster.network.packets
    n1, n2 = cluster.nodes["n1"], cluster.nodes["n2"]
    try:
        rule = Impairment(**impairment)
        await packets.impair(dict.fromkeys([("n1", "n2"), ("n2", "n1")], rule))
        serving = asyncio.ensure_future(
            n2.run("timeout", "30", "python3", "-uc", ECHO, check=False, timeout_s=60)
        )
        await asyncio.sleep(0.5)
        asking = asyncio.ensure_future(n1.run("python3", "-uc", ASK, n2.address, timeout_s=60))
        await n2.run("sh", "-c", "until grep -q ' 01 ' /proc/net/tcp; do sleep 0.1; done")
        await asyncio.sleep(5 if not rule.is_nothing else 1)
        none = await packets.reset([("n3", "n2"), ("n1", CLIENTS)])
        broken = await packets.reset([("n1", "n2")])
        asked = (await asking).stdout.split()
        serving.cancel()
    finally:
        await cluster.down()
    return {"none": none, "broken": broken, "asked": asked}


@pytest.mark.parametrize(
    "impairment",
    [
        {},
        {"loss": 0.05, "duplicate": 0.3, "corrupt": 0.05, "delay_ms": 5.0, "jitter_ms": 1.0},
    ],
)
def test_tcp_survives_what_it_is_made_for_but_not_a_reset(
    inside: Any, tmp_path: Path, impairment: dict[str, Any]
) -> None:
    seen = inside(_connections, str(tmp_path), impairment)
    assert (seen["none"], seen["broken"]) == (0, 1)
    assert seen["asked"] == ["True", "ConnectionResetError"]
