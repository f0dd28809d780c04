"""Resources that control groups keep short: a share of a processor, memory, processes.

Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import InfrastructureError
from . import pids, victims
from .burdens import Burden, weigh
from .control_groups import Group

PERIOD_US = 100_000
BURN_S = 0.25
SLACK_SHARE = 0.05
"""By so much more than its share a group may be seen to get: a quota is given out in portions."""

FULL = "1"
"""Processes and threads of a group that may have no more: it may have less than it has."""

OOM_TIMEOUT_S = 15.0
MIB = 1 << 20
LEAST_BYTES = 32 * MIB
"""In a group with less, the hog itself, which is some MiB of Python, would be the largest."""


class GroupCpu:
    """A quota of processor time, which the scheduler keeps (``cpu.max``; before, CFS quota)."""

    def __init__(self, group: Group, spared: set[int]) -> None:
        self._group = group
        self._spared = spared
        self.backend = f"cgroup v{group.version}, cpu quota"

    async def squeeze(self, share: float) -> dict[str, Any]:
        """``share`` of one processor, in every tenth of a second."""
        quota_us = max(1000, round(share * PERIOD_US))
        self._set(quota_us)
        told, throttled = await self._burn()
        got = told["used_s"] / told["took_s"]
        # A group that had saved nothing up may spend one more portion than periods went by.
        most = share + quota_us / 1e6 / told["took_s"] + SLACK_SHARE
        if got > most:
            raise InfrastructureError(
                f"cpu: expected a share of at most {most:.3f}, observed {got:.3f}"
            )
        return {"share": share, "observed_share": round(got, 4), "throttled": throttled}

    async def relax(self) -> dict[str, Any]:
        """No quota."""
        self._set(None)
        for _ in range(5):
            _, throttled = await self._burn()
            if throttled == 0:
                return {"throttled": 0}
        raise InfrastructureError("cpu: still throttled without a quota")

    async def starting(self) -> None:
        """Nothing: what starts is as slow as the rest."""

    async def started(self) -> None:
        """Nothing: what starts is in the group."""

    async def _burn(self) -> tuple[dict[str, Any], int]:
        before = self._group.number("cpu.stat", "nr_throttled")
        told = await weigh("burn", [self._group], BURN_S, self._spared)
        return told, self._group.number("cpu.stat", "nr_throttled") - before

    def _set(self, quota_us: int | None) -> None:
        if self._group.version == 2:
            wanted = f"{'max' if quota_us is None else quota_us} {PERIOD_US}"
            self._group.write("cpu.max", wanted)
            found = self._group.read("cpu.max")
        else:
            wanted = str(-1 if quota_us is None else quota_us)
            self._group.write("cpu.cfs_period_us", PERIOD_US)
            self._group.write("cpu.cfs_quota_us", wanted)
            found = self._group.read("cpu.cfs_quota_us")
        if found != wanted:
            raise InfrastructureError(f"cpu quota: expected {wanted}, the kernel has {found}")


class GroupPids:
    """A full pid table: the group may not hold another process or thread (``pids.max``)."""

    def __init__(self, group: Group, spared: set[int]) -> None:
        self._group = group
        self._spared = spared
        self._is_full = False
        self.backend = f"cgroup v{group.version}, pids.max"

    async def squeeze(self, amount: float) -> dict[str, Any]:
        """No process or thread more, also where one ends."""
        self._is_full = True
        self._set(FULL)
        if not await self._is_refused():
            raise InfrastructureError(
                f"pids: with pids.max {FULL}, expected a fork to be refused; it was not"
            )
        return {"processes": int(self._group.read("pids.current")), "fork": "refused"}

    async def relax(self) -> dict[str, Any]:
        """As many as before."""
        self._is_full = False
        self._set("max")
        if await self._is_refused():
            raise InfrastructureError("pids: without a limit, a fork is still refused")
        return {"fork": "works"}

    async def starting(self) -> None:
        """Let a program be started in the group."""
        if self._is_full:
            self._set("max")

    async def started(self) -> None:
        """It cannot fork either."""
        if self._is_full:
            self._set(FULL)

    async def _is_refused(self) -> bool:
        return (await weigh("fork", [self._group], 0, self._spared))["refused"]

    def _set(self, limit: str) -> None:
        self._group.write("pids.max", limit)


class GroupMemory:
    """Memory that runs out: a limit a little above what the programs have, and a hog beside them.

    The hog takes what is left, and the kernel kills for want of memory whom it likes least, which
    is the largest of the programs. The limit stays until it is relaxed.
    """

    def __init__(
        self, node: str, group: Group, find: Callable[[], list[pids.Seen]], spared: set[int]
    ) -> None:
        self._node = node
        self._group = group
        self._find = find
        self._spared = spared
        self._before: dict[str, str] = {}
        self.backend = f"cgroup v{group.version}, memory limit and the kernel's OOM killer"

    async def squeeze(self, spare_mib: float) -> dict[str, Any]:
        """Let it run out, ``spare_mib`` above what the programs have."""
        programs = self._find()
        have = max(self._charged(), sum(victims.resident_bytes(seen.pid) for seen in programs))
        wanted = have + round(max(1.0, spare_mib) * MIB)
        limit = await self._limit_to(max(wanted, LEAST_BYTES))
        kills = self._oom_kills()
        killed = await self._killed(limit, kills)
        seen: dict[str, Any] = {"limit_mib": round(limit / MIB, 1), "killed": killed}
        return {**seen, "oom_kills": self._oom_kills() - kills} if killed else seen

    async def _killed(self, limit: int, kills: int) -> list[str]:
        """Fill the group until the kernel has killed the largest program; which one that was.

        ``kills``: how many it has killed before. There may be nobody to be killed.
        """
        programs = self._find()
        victim = victims.largest(programs)
        if victim is None:
            return []
        marked = victims.Marked()
        marked.prefer(victim)
        hog = Burden("hog", [self._group], 2 * limit, self._spared)
        try:
            deadline = asyncio.get_running_loop().time() + OOM_TIMEOUT_S
            while pids.still(victim) or self._oom_kills() == kills:
                if not pids.still(victim):  # of something else: then the next one
                    found = self._find()
                    if not found:  # if the kernel killed, it was between two looks
                        return _named(programs) if self._oom_kills() > kills else []
                    programs, victim = found, victims.largest(found)
                    assert victim is not None
                    marked.prefer(victim)
                if hog.has_ended or asyncio.get_running_loop().time() > deadline:
                    raise InfrastructureError(
                        f"{self._node}: memory: with a limit of {limit} bytes and a process that "
                        f"takes more, expected the kernel to kill a program within "
                        f"{OOM_TIMEOUT_S:g} s; it has killed {self._oom_kills() - kills} processes"
                    )
                await asyncio.sleep(pids.POLL_S)
        finally:
            hog.end()
            marked.forgive(self._find())
        return _named([victim])

    async def relax(self) -> dict[str, Any]:
        """The limit that there was before."""
        for name, value in reversed(list(self._before.items())):
            self._group.write(name, value)
            if (found := self._group.read(name)) != value:
                raise InfrastructureError(f"{name}: expected {value}, the kernel has {found}")
        self._before.clear()
        return {"limit": "as before"}

    async def starting(self) -> None:
        """Nothing: what starts has as little."""

    async def started(self) -> None:
        """Nothing: what starts is in the group."""

    def _charged(self) -> int:
        """Bytes that the kernel cannot take back by itself."""
        names = ("total_rss",) if self._group.version == 1 else ("anon", "shmem")
        return sum(self._group.number("memory.stat", name) for name in names)

    def _oom_kills(self) -> int:
        file = "memory.oom_control" if self._group.version == 1 else "memory.events"
        return self._group.number(file, "oom_kill")

    async def _limit_to(self, wanted: int) -> int:
        """Set the limit, the first that is not refused (version 1 refuses less than is in use)."""
        if self._group.version == 2:
            self._remember("memory.swap.max", "memory.max")
            if "memory.swap.max" in self._before:
                self._group.write("memory.swap.max", 0)
            self._group.write("memory.max", wanted)
            return wanted
        self._remember("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")
        for _ in range(40):
            try:
                for name in self._before:  # in this order: the second may not be below the first
                    self._group.write(name, wanted)
                return wanted
            except InfrastructureError:
                wanted += wanted // 10
                await asyncio.sleep(0.01)
        raise InfrastructureError(f"{self._node}: memory: no limit up to {wanted} bytes is taken")

    def _remember(self, *names: str) -> None:
        for name in names:
            if name not in self._before and (self._group.folder / name).exists():
                self._before[name] = self._group.read(name)


def _named(programs: Iterable[pids.Seen]) -> list[str]:
    return [f"{seen.command} {seen.pid}" for seen in programs]
