"""How soon a cut, a pause and a kill take effect, seen from outside; one kind of cluster.

Run by ``benchmarks/faults.py`` in a process of its own (a local cluster needs one); prints JSON.
Links are watched by datagrams every half millisecond from and to sockets inside the nodes, whose
sending time is in them: a cut has its effect when the last one that arrived was sent, a heal when
the first one that arrives on the link that comes last was. Processes are watched in ``/proc``.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duress.harness import registry
from duress.harness.cluster import Process, images
from duress.harness.cluster.probe import run_in_netns

EVERY_S = 0.0005
QUIET_S, PORT = 0.15, 9753
NODES = [f"n{number}" for number in range(1, 6)]
HALVES = (NODES[:2], NODES[2:])
IMAGE = "ssh-host"  # it has iptables, for the peer
Act = Callable[[], Awaitable[object]]


class Links:
    """Watches some links between the two halves."""

    def __init__(self, cluster) -> None:
        left, right = HALVES
        pairs = [(left[0], right[0]), (left[1], right[1])]
        self.links = [*pairs, *[(b, a) for a, b in pairs]]
        self.sockets = {name: self._socket(cluster.nodes[name]) for name in NODES}
        self.addresses = {name: cluster.nodes[name].address for name in NODES}
        self.arrived: dict[tuple[str, str], list[float]] = {link: [] for link in self.links}
        self.over = threading.Event()
        self.threads = [threading.Thread(target=work) for work in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _socket(self, node) -> socket.socket:
        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.bind((node.address, PORT))
            return made

        return run_in_netns(node.init_pid, make)

    def _send(self) -> None:
        while not self.over.is_set():
            for number, (source, target) in enumerate(self.links):
                packet = struct.pack("!dI", time.monotonic(), number)
                try:
                    self.sockets[source].sendto(packet, (self.addresses[target], PORT))
                except OSError:
                    continue
            time.sleep(EVERY_S)

    def _receive(self) -> None:
        while not self.over.is_set():
            for each in select.select(list(self.sockets.values()), [], [], 0.05)[0]:
                try:
                    sent, number = struct.unpack("!dI", each.recv(64))
                except BlockingIOError:
                    continue
                self.arrived[self.links[number]].append(sent)

    def last(self) -> float:
        return max(times[-1] for times in self.arrived.values())

    def all_open(self, since: float) -> float | None:
        """When the last of the links was open that opened after ``since``."""
        first = [next((t for t in times if t > since), None) for times in self.arrived.values()]
        return None if None in first else max(time for time in first if time is not None)

    def close(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()
        for each in self.sockets.values():
            each.close()


async def cut_and_healed(links: Links, cut: Act, heal: Act) -> tuple[float, float]:
    """Seconds from the decision to the effect, and from the heal to its effect."""
    decided = time.monotonic()
    await cut()
    await asyncio.sleep(QUIET_S)
    effect = links.last() - decided
    healed = time.monotonic()
    assert healed - links.last() > QUIET_S / 2, "nothing was cut"
    await heal()
    while (opened := links.all_open(healed)) is None:
        await asyncio.sleep(QUIET_S)
        assert time.monotonic() - healed < 10, "nothing was healed"
    return max(effect, 0.0), opened - healed


class Stat:
    """Watches the state of a process."""

    def __init__(self, pid: int) -> None:
        self.path = f"/proc/{pid}/stat"

    def state(self) -> str:
        try:
            return Path(self.path).read_text().rpartition(")")[2].split()[0]
        except (OSError, IndexError):
            return "gone"

    async def until(self, act: Act, wanted: Callable[[str], bool]) -> float:
        """Seconds from the decision until the process is in a state that was wanted."""
        seen: list[float] = []

        def watch() -> None:
            while not wanted(self.state()):
                time.sleep(EVERY_S / 5)
            seen.append(time.monotonic())

        thread = threading.Thread(target=watch)
        thread.start()
        decided = time.monotonic()
        await act()
        await asyncio.to_thread(thread.join)
        return seen[0] - decided


def is_gone(state: str) -> bool:
    return state in ("gone", "Z", "X")


async def commands(*lines: list[str]) -> None:
    """Run commands side by side."""
    started = [await asyncio.create_subprocess_exec(*line, stdout=-3, stderr=-3) for line in lines]
    await asyncio.gather(*(each.wait() for each in started))


@dataclass
class PeerNode:
    """A container with the right to change its firewall, which ours have not."""

    container: str
    address: str
    init_pid: int


class PeerCluster:
    """Five of them on a network."""

    def __init__(self) -> None:
        self.name = f"duress-bench-{os.getpid()}"
        _docker("network", "create", "--internal", "--label", "duress.bench=1", self.name)
        self.nodes = {name: self._node(name) for name in NODES}

    def _node(self, name: str) -> PeerNode:
        container = f"{self.name}-{name}"
        words = ["--network", self.name, "--cap-add", "NET_ADMIN", images.ensure(IMAGE)]
        _docker("run", "-d", "--name", container, *words, "sleep", "1000")
        what = "{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        pid, address = _inspected(container, what).split()
        return PeerNode(container, address, int(pid))

    def remove(self) -> None:
        _docker("rm", "-f", *(node.container for node in self.nodes.values()))
        _docker("network", "rm", self.name)


def by_iptables(cluster, entered: Callable[[Any], list[str]]) -> tuple[Act, Act]:
    """How others cut links: a rule of iptables on each node, all at once."""
    left, right = HALVES

    def on_all(what: str) -> Act:
        lines = []
        for mine, others in ((left, right), (right, left)):
            sources = ",".join(cluster.nodes[other].address for other in others)
            rule = ["iptables", "-w", what, "INPUT", "-s", sources, "-j", "DROP"]
            lines += [[*entered(cluster.nodes[name]), *rule] for name in mine]
        return lambda: commands(*lines)

    return on_all("-A"), on_all("-D")


def nsentered(node) -> list[str]:
    return ["nsenter", f"--net=/proc/{node.init_pid}/ns/net"]


def docker_executed(node) -> list[str]:
    return ["docker", "exec", node.container]


def child_pid(node) -> int:
    """The host's pid of the program that was started on a node."""
    return next(seen.pid for seen in node.processes.living())


async def measured(kind: str, repeats: int) -> dict[str, list[tuple[float, float]]]:
    with tempfile.TemporaryDirectory(prefix="duress-effects-") as folder:
        make = registry.load("clusters", kind)
        cluster = make("effects-" + str(os.getpid()), NODES, Path(folder), {"image": IMAGE})
        rows: dict[str, list[tuple[float, float]]] = {}
        try:
            await cluster.up()
            await _links(kind, cluster, repeats, rows)
            await _processes(kind, cluster, repeats, rows)
        finally:
            await cluster.down()
        return rows


async def _links(kind: str, cluster, repeats: int, rows: dict) -> None:
    left, right = HALVES
    cut = frozenset((a, b) for x, y in ((left, right), (right, left)) for a in x for b in y)
    heal = lambda: cluster.network.cut(frozenset())  # noqa: E731
    rows["partition"] = await _watched(cluster, lambda: cluster.network.cut(cut), heal, repeats)
    if kind == "local":
        ways = by_iptables(cluster, nsentered)
        rows["partition: nsenter iptables (peer)"] = await _watched(cluster, *ways, repeats)
        return
    peer = PeerCluster()
    try:
        ways = by_iptables(peer, docker_executed)
        rows["partition: docker exec iptables (peer)"] = await _watched(peer, *ways, repeats)
    finally:
        peer.remove()


async def _watched(cluster, cut: Act, heal: Act, repeats: int) -> list[tuple[float, float]]:
    links = Links(cluster)
    try:
        await asyncio.sleep(QUIET_S)
        return [await cut_and_healed(links, cut, heal) for _ in range(repeats)]
    finally:
        links.close()


async def _processes(kind: str, cluster, repeats: int, rows: dict) -> None:
    node = cluster.nodes["n1"]
    program = Process("p", ["sleep", "1000"], f"{node.directory}/p.log")
    await node.processes.start(program)
    seen = Stat(child_pid(node))
    stopped = lambda state: state in "Tt"  # noqa: E731
    running = lambda state: state not in "Tt"  # noqa: E731
    rows["pause"], rows["kill"] = [], []
    for _ in range(repeats):
        paused = await seen.until(node.processes.pause, stopped)
        rows["pause"].append((paused, await seen.until(node.processes.resume, running)))
    for _ in range(repeats):
        killed = await Stat(child_pid(node)).until(node.processes.kill, is_gone)
        began = time.monotonic()
        await node.processes.start(program)
        rows["kill"].append((killed, time.monotonic() - began))
    if kind != "docker":
        return
    docker = lambda word: lambda: commands(["docker", word, node.container])  # noqa: E731
    freezer = Path(f"/sys/fs/cgroup/freezer/docker/{_id(node.container)}/freezer.state")
    if freezer.is_file():  # control groups of version 1: a frozen process has no state of its own
        state = lambda: freezer.read_text().strip()  # noqa: E731
        rows["pause: docker pause (peer)"] = [
            (await _reached(docker("pause"), state, "FROZEN"),
             await _reached(docker("unpause"), state, "THAWED"))
            for _ in range(repeats)
        ]  # fmt: skip
    rows["kill: docker kill, start (peer)"] = []
    for _ in range(repeats):
        pid = int(_inspected(node.container, "{{.State.Pid}}"))
        killed = await Stat(pid).until(docker("kill"), is_gone)
        began = time.monotonic()
        await docker("start")()
        rows["kill: docker kill, start (peer)"].append((killed, time.monotonic() - began))


async def _reached(act: Act, state: Callable[[], str], wanted: str) -> float:
    decided = time.monotonic()
    task = asyncio.ensure_future(act())
    while state() != wanted:  # noqa: ASYNC110 - nothing would set an event
        await asyncio.sleep(EVERY_S)
    effect = time.monotonic() - decided
    await task
    return effect


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _inspected(container: str, what: str) -> str:
    return _docker("inspect", "-f", what, container)


def _id(container: str) -> str:
    return _inspected(container, "{{.Id}}")


def main() -> None:
    kind, repeats = sys.argv[1], int(sys.argv[2])
    registry.load("clusters", kind).prepare(IMAGE)
    print(json.dumps(asyncio.run(measured(kind, repeats))))


if __name__ == "__main__":
    main()
