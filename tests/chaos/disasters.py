"""What a trial runs on breaks in the midst of it: the Docker engine, disks, connections, hosts."""

from __future__ import annotations

import argparse
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from duress.harness.cluster import images

from ..cluster import ssh_hosts
from . import blows
from .blows import Ground, Struck, anywhere, arguments, examine
from .engine import SecondEngine, second_engine
from .grounds import ground_of
from .harness import Harness
from .machine import wait_for

LONG_S = "12"
"""Seconds of load of a trial that is to live through something."""


def _in_load(harness: Harness, random: Random) -> None:
    """Wait for faults to come."""
    wait_for(lambda: harness.active() or harness.process.poll() is not None, 60, 0.01)
    time.sleep(random.uniform(0, 1))


def _examined(struck: Struck, harness: Harness, ground: Ground, wanted: tuple[int, ...]) -> Struck:
    examine(struck, harness, ground, killed=False)
    if struck.code not in wanted:
        struck.wrong.append(f"exit {struck.code}, expected one of {wanted}: {harness.said[-400:]}")
    if struck.is_right:
        harness.forget()
    else:
        struck.wrong.append(f"see {harness.store}")
    return struck


# -- the Docker engine -----------------------------------------------------------------


def engine_restarted(engine: SecondEngine, number: signal.Signals) -> None:
    """Down, and up again."""
    engine.stop(number)
    engine.start()


def engine_gone(engine: SecondEngine, number: signal.Signals) -> None:
    """Down for good."""
    engine.stop(number)


ENGINE: dict[str, tuple[Callable[[SecondEngine, signal.Signals], None], signal.Signals]] = {
    "engine restarted": (engine_restarted, signal.SIGTERM),
    "engine killed, restarted": (engine_restarted, signal.SIGKILL),
    "engine stopped for good": (engine_gone, signal.SIGTERM),
    "engine killed for good": (engine_gone, signal.SIGKILL),
}


def engine(options: argparse.Namespace, random: Random, folder: Path) -> Iterator[Struck]:
    """Each of these, at any moment of a trial."""
    with second_engine(images.BASE, images.ensure("node")) as engine:
        words = arguments("docker", nemeses=options.nemesis)
        ground = Ground("docker", words, True, engine.address, engine.prefix)
        took_s = blows.whole_s(ground, folder)
        for name in ENGINE:
            for number in range(options.tries):
                yield without_engine(ground, engine, name, number, random, took_s, folder)


def without_engine(
    ground: Ground,
    engine: SecondEngine,
    name: str,
    number: int,
    random: Random,
    took_s: float,
    folder: Path,
) -> Struck:
    """One trial whose engine ends; the first try strikes when faults are in effect."""
    break_it, how = ENGINE[name]
    harness = ground.begin(folder, random.randrange(1 << 30))
    if number == 0:
        _in_load(harness, random)
    else:
        anywhere(harness, random, took_s)
    struck = Struck(ground.name, name, harness.phase, harness.half_done())
    was_over = harness.process.poll() is not None or struck.phase in ("start", "check", "report")
    break_it(engine, how)
    struck.code = harness.wait()
    struck.seconds = time.monotonic() - harness.began
    if break_it is engine_gone:
        engine.start()
    struck.before_clean = harness.machine.left(harness.trial)
    for _ in range(2):
        done = harness.command("clean")
        if done.returncode != 0:
            struck.wrong.append(f"clean: exit {done.returncode}: {done.stderr[-300:]}")
    return _examined(struck, harness, ground, (0, 3) if was_over else (3,))


# -- disks -----------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system with little room."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "room", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


CRAMPED = f"{Path(__file__).with_name('cramped.py')}:CrampedRaft"


def room(options: argparse.Namespace, random: Random, folder: Path) -> Iterator[Struck]:
    """The disk of the run folder full, and that of a node."""
    for cluster in ("local", "docker"):
        for number in range(options.tries):
            yield run_folder_full(cluster, random, folder, f"{random.randint(40, 400)}k")
            yield node_full(cluster, random, folder, f"{16 << number % 4}k", options.nemesis)


def run_folder_full(cluster: str, random: Random, folder: Path, size: str) -> Struck:
    """The history has no more room at some moment; it must end with 3 and say so."""
    with small_disk(folder / f"room-{random.randrange(1 << 30)}", size) as store:
        ground = Ground(cluster, arguments(cluster, "--time", LONG_S), cluster == "docker")
        harness = ground.begin(folder, random.randrange(1 << 30), store=store / "runs")
        struck = Struck(cluster, "run folder's disk full")
        struck.code = harness.wait()
        struck.phase = size
        # The commands that read it write, too: give them room.
        subprocess.run(["mount", "-o", "remount,size=20M", store], check=True)
        return _examined(struck, harness, ground, (3,))


def node_full(cluster: str, random: Random, folder: Path, size: str, nemesis: str) -> Struck:
    """A node cannot write any more; the trial goes on, and whatever it says has a reason."""
    words = arguments(cluster, "--set", f"room={size}", nemeses=nemesis or "partition,kill,pause",
                      system=CRAMPED)  # fmt: skip
    ground = Ground(cluster, words, cluster == "docker")
    harness = ground.begin(folder, random.randrange(1 << 30), "--time", "5")
    struck = Struck(cluster, "a node's disk full")
    struck.code = harness.wait(200)
    struck.phase = size
    return _examined(struck, harness, ground, (0, 3))


# -- connections and hosts -------------------------------------------------------------


def sessions_killed(hosts: ssh_hosts.Hosts, number: int) -> None:
    """The sshd that serves a connection is killed; the next one is made anew."""
    for _ in range(3):
        hosts.on(number, "pkill -9 -f 'sshd: root@'")
        time.sleep(0.5)


def port_closed(hosts: ssh_hosts.Hosts, number: int) -> None:
    """Nothing passes to or from port 22 for some seconds."""
    _close_port(hosts, number)
    time.sleep(3)
    hosts.on(number, "nft delete table inet closed")


def port_closed_for_good(hosts: ssh_hosts.Hosts, number: int) -> None:
    """Nothing passes any more: the host is on its own and must heal itself."""
    _close_port(hosts, number)


def host_killed(hosts: ssh_hosts.Hosts, number: int) -> None:
    """The host dies and comes back."""
    hosts.containers[number].kill()
    time.sleep(1)
    hosts.up(number)


def host_killed_for_good(hosts: ssh_hosts.Hosts, number: int) -> None:
    """The host dies."""
    hosts.containers[number].kill()


def _close_port(hosts: ssh_hosts.Hosts, number: int) -> None:
    hosts.on(
        number,
        "nft 'table inet closed { "
        "chain in { type filter hook input priority -400; tcp dport 22 drop; }; "
        "chain out { type filter hook output priority -400; tcp sport 22 drop; }; }'",
    )


SSH: dict[str, tuple[Callable[[ssh_hosts.Hosts, int], None], tuple[int, ...]]] = {
    "ssh sessions killed": (sessions_killed, (0, 3)),
    "ssh port closed for 3 s": (port_closed, (0, 3)),
    "ssh port closed for good": (port_closed_for_good, (3,)),
    "host killed, back in 1 s": (host_killed, (0, 3)),
    "host killed for good": (host_killed_for_good, (3,)),
}


def ssh_links(options: argparse.Namespace, random: Random, folder: Path) -> Iterator[Struck]:
    """Each of these, when faults are in effect and at any moment."""
    keys = folder / "ssh-keys"
    keys.mkdir()
    with ssh_hosts.running(3, keys, mount=True, control_groups=True) as hosts:
        ground = ground_of(hosts, options.nemesis)
        for name in SSH:
            for number in range(options.tries):
                yield without_host(hosts, ground, name, number, random, folder)


def without_host(
    hosts: ssh_hosts.Hosts, ground: Ground, name: str, number: int, random: Random, folder: Path
) -> Struck:
    """One trial that loses a host for a while or for good."""
    break_it, wanted = SSH[name]
    harness = ground.begin(folder, random.randrange(1 << 30), "--time", LONG_S)
    if number == 0:
        _in_load(harness, random)
    else:
        anywhere(harness, random, 10)
    struck = Struck(ground.name, name, harness.phase, harness.half_done())
    was_over = harness.process.poll() is not None or struck.phase in ("start", "check", "report")
    break_it(hosts, random.randrange(len(hosts.containers)))
    struck.code = harness.wait(150)
    struck.seconds = time.monotonic() - harness.began
    for at, container in enumerate(hosts.containers):
        container.reload()
        if container.status != "running":
            hosts.up(at)
        hosts.on(at, "nft delete table inet closed")
    if break_it in (host_killed, host_killed_for_good):
        # What was on a host's disk when it died is there still, if nobody came for it.
        struck.before_clean = ground.elsewhere(0)
        done = harness.command("clean", "--all", "--on", "ssh", *hosts.flags())
        if done.returncode != 0:
            struck.wrong.append(f"clean: exit {done.returncode}: {done.stderr[-300:]}")
    return _examined(struck, harness, ground, (0, 3) if was_over else wanted)


DISASTERS = {"engine": engine, "room": room, "ssh-links": ssh_links}
