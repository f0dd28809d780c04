"""Counts what belongs to one campaign; for ``overnight.py``."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from duress.harness.campaign.results import size_of
from duress.harness.cluster import control_groups, netfilter
from duress.harness.cluster.docker_engine import Engine
from duress.harness.cluster.docker_leftovers import OURS


@dataclass(frozen=True)
class Series:
    """``one``: a rise an hour that means nothing, for trials differ; ``digits`` to show;
    ``most``: what it is bounded by, instead of being flat.
    """

    one: float = 1
    digits: int = 1
    judged: bool = True
    most: float | None = None


DISK_MB = 200
"""The plan's budget for run folders."""
LEDGER_MB = 20

SERIES = {
    "memory of the campaign (MB, PSS)": Series(2),
    "memory with all its processes (MB, PSS)": Series(40),
    "open files of the campaign": Series(2),
    "open files of all": Series(20),
    "threads of the campaign": Series(),
    "threads of all": Series(8),
    "processes": Series(4),
    "zombies": Series(0.5, 2),
    "containers": Series(),
    "networks": Series(0.5, 2),
    "images of duress": Series(0.5),
    "nftables tables": Series(0.5, 2),
    "network namespaces": Series(),
    "mounts": Series(),
    "control groups": Series(),
    "temporary files": Series(4),
    "folder of the campaign (MB)": Series(most=DISK_MB + LEDGER_MB),
    "docker engine (MB, PSS)": Series(20),
    "trials done": Series(digits=0, judged=False),
}


class Seen(NamedTuple):
    """A process: its parent, state, threads, and when it began, which tells it from a later one."""

    parent: int
    state: str
    threads: int
    started: str


class Usage:
    """Of the campaign that is the process ``pid``; ``mark`` is in its environment."""

    MARK = "DURESS_OVERNIGHT"

    def __init__(self, pid: int, mark: str, campaigns: Path, temporary: Path) -> None:
        self._pid = pid
        self._mark = f"{self.MARK}={mark}".encode()
        self._campaigns = campaigns
        self._temporary = temporary
        self._ever: set[str] = set()
        """All that ever belonged to it, as ``pid_start``."""
        self._groups_before = set(control_groups.leftovers())

    def now(self) -> dict[str, float]:
        """All figures."""
        everyone = processes()
        mine = self._family(everyone)
        self._ever |= {f"{pid}_{everyone[pid].started}" for pid in mine}
        alive = [pid for pid in mine if everyone[pid].state != "Z"]
        containers, networks = self._of_engine()
        return {
            "memory of the campaign (MB, PSS)": pss_mb(self._pid),
            "memory with all its processes (MB, PSS)": sum(map(pss_mb, alive)),
            "open files of the campaign": open_files(self._pid),
            "open files of all": sum(map(open_files, alive)),
            "threads of the campaign": everyone[self._pid].threads if self._pid in mine else 0,
            "threads of all": sum(everyone[pid].threads for pid in mine),
            "processes": len(mine),
            "zombies": len(mine) - len(alive),
            "containers": containers,
            "networks": networks,
            "images of duress": images(),
            "nftables tables": self._tables(),
            "network namespaces": len(namespaces(alive, "net") - namespaces([os.getpid()], "net")),
            "mounts": self._mounts(alive),
            "control groups": self._groups(alive),
            "temporary files": entries(self._temporary),
            "folder of the campaign (MB)": self._on_disk() / 1e6,
            "docker engine (MB, PSS)": sum(
                pss_mb(pid) for pid in everyone if name_of(pid) in ("dockerd", "containerd")
            ),
            "trials done": self._done(),
        }

    def left(self) -> dict[str, int]:
        """What is there though the campaign is over."""
        everyone = processes()
        mine = self._family(everyone)
        containers, networks = self._of_engine()
        return {
            "processes": len(mine),
            "containers": containers,
            "networks": networks,
            "nftables tables": self._tables(),
            "mounts": self._mounts([os.getpid()]),
            "control groups": self._groups(mine),
            "temporary files": entries(self._temporary),
        }

    def _family(self, everyone: dict[int, Seen]) -> set[int]:
        below: dict[int, list[int]] = {}
        for pid, seen in everyone.items():
            below.setdefault(seen.parent, []).append(pid)
        found: set[int] = set()
        ask = [pid for pid in everyone if pid == self._pid or self._is_marked(pid)]
        while ask:
            pid = ask.pop()
            if pid not in found:
                found.add(pid)
                ask += below.get(pid, [])
        return found

    def _is_marked(self, pid: int) -> bool:
        try:
            return self._mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False

    def _of_engine(self) -> tuple[int, int]:
        with Engine() as engine:
            found = [ask({"label": OURS}) for ask in (engine.containers, engine.networks)]
        owners = [
            [f"{told.get('duress.pid')}_{told.get('duress.start')}" for _, told in each]
            for each in found
        ]
        containers, networks = (sum(owner in self._ever for owner in each) for each in owners)
        return containers, networks

    def _tables(self) -> int:
        owners = map(netfilter.owner_of, netfilter.list_tables())
        return sum(str(owner).rpartition("_")[0] in self._ever for owner in owners)

    def _mounts(self, pids: list[int]) -> int:
        """In all their namespaces: what has to do with one of our folders."""
        one_of_each: dict[str, int] = {}
        for pid in pids:
            for namespace in namespaces([pid], "mnt"):
                one_of_each.setdefault(namespace, pid)
        words = (str(self._campaigns), str(self._temporary))
        count = 0
        for pid in one_of_each.values():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
                count += sum(any(word in line for word in words) for line in lines)
        return count

    def _groups(self, pids: list[int] | set[int]) -> int:
        """Control groups of duress that hold one of these, or are nobody's since we began."""
        count = len(set(control_groups.leftovers()) - self._groups_before)
        wanted = {str(pid) for pid in pids}
        for above in {group.folder for group in control_groups.parents().values()}:
            for folder in above.glob(f"{control_groups.PREFIX}*"):
                with contextlib.suppress(OSError):
                    held = (folder / "cgroup.procs").read_text().split()
                    count += not wanted.isdisjoint(held)
        return count

    def _on_disk(self) -> int:
        with contextlib.suppress(OSError):  # files come and go
            return size_of(self._campaigns)
        return 0

    def _done(self) -> int:
        for file in self._campaigns.glob("*/*/campaign.sqlite"):
            with (
                contextlib.suppress(sqlite3.Error),
                contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger,
            ):
                asked = "SELECT count(*) FROM trials WHERE state = 'done'"
                return int(ledger.execute(asked).fetchone()[0])
        return 0


def processes() -> dict[int, Seen]:
    """Of the whole machine, by pid."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                found[int(entry.name)] = Seen(
                    int(fields[1]), fields[0], int(fields[17]), fields[19]
                )
    return found


def pss_mb(pid: int) -> float:
    """Memory of a process, of which what it shares counts by its share; 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def open_files(pid: int) -> int:
    """How many descriptors it has."""
    with contextlib.suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


def namespaces(pids: list[int], kind: str) -> set[str]:
    """Those that these processes are in."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            found.add(str(Path(f"/proc/{pid}/ns/{kind}").readlink()))
    return found


def entries(folder: Path) -> int:
    """How many files and folders are below one; they come and go."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def name_of(pid: int) -> str:
    """Of its program, in short."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def images() -> int:
    """How many images of duress the engine has."""
    words = ["docker", "image", "ls", "--quiet", "--filter", "reference=duress/*"]
    return len(subprocess.run(words, capture_output=True, check=False).stdout.split())
