"""Limits of single processes (prlimit(2)): descriptors, and forks of whoever is not root.

They are inherited by forks and kept by what is executed; programs that are started later are
given them when they are. Only the soft limits change, which nobody needs rights to give back.

Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import InfrastructureError
from . import pids
from .background import Background
from .burdens import Burden, weigh

AGAIN_S = 0.2
"""So often it is looked for processes that are new or have changed their limit themselves."""

LEAST_TO_START = 16
"""Descriptors of a program that is started meanwhile, if those before it had fewer or there were
none: enough to load its libraries, and to say that it has too few."""

Find = Callable[[], "list[pids.Seen]"]
Limit = Callable[[int], "int | None"]


class ProcessLimits:
    """One soft limit of all processes that ``find`` finds, kept for as long as it is squeezed.

    Those that are found later get as much as the others have, and at least ``least``.
    """

    def __init__(self, kind: int, find: Find, least: int) -> None:
        self._kind = kind
        self._find = find
        self._least = least
        self._starting = 0
        self._before: dict[tuple[int, int], int] = {}
        self._ours: dict[tuple[int, int], int] = {}
        self._newcomers = 0
        self._watching = Background()

    def set(self, limit_of: Limit) -> dict[pids.Seen, int]:
        """Limit every process that there is; what they were given.

        ``limit_of(pid)``: what a process gets, ``None`` for a process that is gone.
        """
        given = {}
        for seen in self._find():
            limit = limit_of(seen.pid)
            if limit is not None and self._limit(seen, limit):
                given[seen] = limit
        self._newcomers = max([self._least, *given.values()])
        return given

    def keep(self) -> None:
        """Limit those, too, that come later."""
        if not self._watching.is_begun:
            self._watching.begin(self._watch())

    def starting(self) -> None:
        """Leave newcomers alone: they are not what they will be."""
        self._starting += 1

    def started(self) -> None:
        """They are now."""
        self._starting = max(0, self._starting - 1)
        self.again()

    def again(self) -> None:
        """Limit those that are new or have another limit than they were given."""
        if not self._watching.is_begun or self._starting:
            return
        for seen in self._find():
            self._limit(seen, self._ours.get((seen.pid, seen.started), self._newcomers))

    async def undo(self) -> int:
        """Give every process the limit that it had; how many there were. Idempotent."""
        failed = await self._watching.end()
        ours = set(self._ours.values()) | ({self._newcomers} if self._newcomers else set())
        usual = _highest(self._before.values(), 0)
        restored = 0
        for seen in self._find() if ours else ():
            found = self._read(seen)
            if found is None or found[0] not in ours:
                continue
            soft = self._before.get((seen.pid, seen.started), usual)
            self._write(seen, soft, found[1])
            restored += 1
        self._before.clear()
        self._ours.clear()
        self._newcomers = 0
        if isinstance(failed, InfrastructureError):
            raise failed
        return restored

    def _limit(self, seen: pids.Seen, limit: int) -> bool:
        found = self._read(seen)
        if found is None:
            return False
        soft, hard = found
        if soft != limit:
            inherited = soft in self._ours.values()
            usual = _highest(self._before.values(), soft)
            self._before.setdefault((seen.pid, seen.started), usual if inherited else soft)
            self._write(seen, limit, hard)
        self._ours[seen.pid, seen.started] = limit
        return True

    def _read(self, seen: pids.Seen) -> tuple[int, int] | None:
        try:
            return _prlimit(seen.pid, self._kind)
        except (ProcessLookupError, PermissionError) as error:
            return self._refused(seen, error)

    def _write(self, seen: pids.Seen, soft: int, hard: int) -> None:
        if hard != resource.RLIM_INFINITY:
            soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
        try:
            _prlimit(seen.pid, self._kind, (soft, hard))
            found = _prlimit(seen.pid, self._kind)[0]
        except (ProcessLookupError, PermissionError) as error:
            self._refused(seen, error)
            return
        if found != soft:
            raise InfrastructureError(
                f"process {seen.pid} ({seen.command}): expected a limit of {soft}, it has {found}"
            )

    @staticmethod
    def _refused(seen: pids.Seen, error: OSError) -> None:
        if not pids.still(seen):
            return
        raise InfrastructureError(
            f"process {seen.pid} ({seen.command}): its limits cannot be changed: {error.strerror}"
        )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(AGAIN_S)
            self.again()


def _prlimit(pid: int, kind: int, *limits: tuple[int, int]) -> tuple[int, int]:
    """prlimit(2), which wants CAP_SYS_RESOURCE or the same user: root without it becomes that."""
    try:
        return resource.prlimit(pid, kind, *limits)
    except PermissionError:
        if os.geteuid() != 0:
            raise
    try:
        theirs = os.stat(f"/proc/{pid}")  # noqa: PTH116
    except FileNotFoundError:
        raise ProcessLookupError(f"process {pid} is gone") from None
    user, group = os.getuid(), os.getgid()
    try:  # only the real ids, by which nothing else is allowed or refused
        os.setresgid(theirs.st_gid, -1, -1)
        os.setresuid(theirs.st_uid, -1, -1)
        return resource.prlimit(pid, kind, *limits)
    finally:
        os.setresuid(user, -1, -1)
        os.setresgid(group, -1, -1)


class _Limited:
    """What limits processes in one way, and those that are started later in the same."""

    def __init__(self, kind: int, find: Find, least: int) -> None:
        self._limits = ProcessLimits(kind, find, least)

    async def relax(self) -> dict[str, Any]:
        """As many as before."""
        return {"restored": await self._limits.undo()}

    async def starting(self) -> None:
        """A process has its limit once it is what was to be started."""
        self._limits.starting()

    async def started(self) -> None:
        """A program has begun: it gets what the others have."""
        self._limits.started()


class DescriptorLimits(_Limited):
    """No descriptor is free: the limit of each process is the lowest number that it has free."""

    backend = "prlimit, RLIMIT_NOFILE"

    def __init__(self, find: Find) -> None:
        super().__init__(resource.RLIMIT_NOFILE, find, LEAST_TO_START)

    async def squeeze(self, spare: float) -> dict[str, Any]:
        """``spare`` more descriptors may be opened by each process; see that it is so."""

        def limit_of(pid: int) -> int | None:
            lowest = lowest_free(pid)
            return None if lowest is None else lowest + int(spare)

        given = self._limits.set(limit_of)
        self._limits.keep()
        seen = {}
        for each, limit in given.items():
            lowest = lowest_free(each.pid)
            if lowest is not None:  # it may have closed or opened some meanwhile
                seen[f"{each.command} {each.pid}"] = {"limit": limit, "lowest_free": lowest}
        return {"processes": seen}


class ForkLimits(_Limited):
    """A user without room for another process or thread: ``RLIMIT_NPROC``, which spares root."""

    backend = "prlimit, RLIMIT_NPROC"

    def __init__(self, find: Find, spared: set[int]) -> None:
        super().__init__(resource.RLIMIT_NPROC, find, 1)
        self._spared = spared

    async def squeeze(self, amount: float) -> dict[str, Any]:
        """None of them can fork; see that a process with the same limit cannot."""
        given = self._limits.set(lambda pid: 1)
        self._limits.keep()
        if not (await weigh("fork", [], 1, self._spared))["refused"]:
            raise InfrastructureError("pids: with RLIMIT_NPROC 1, a fork was not refused")
        limits = {f"{seen.command} {seen.pid}": limit for seen, limit in given.items()}
        return {"processes": limits, "fork": "refused"}


def _highest(limits: Iterable[int], default: int) -> int:
    found = list(limits)
    return resource.RLIM_INFINITY if resource.RLIM_INFINITY in found else max([default, *found])


_bound: bool | None = None


def forks_can_be_limited() -> bool:
    """Whether ``RLIMIT_NPROC`` binds us: it does not bind whoever is root outside of namespaces."""
    global _bound
    if _bound is None:
        try:
            _bound = Burden("fork", [], 1).told()["refused"]
        except InfrastructureError:
            _bound = False
    return bool(_bound)


def lowest_free(pid: int) -> int | None:
    """The number that the next descriptor of a process would have; ``None`` if it is gone."""
    try:
        used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208
    except OSError:
        return None
    number = 0
    while number in used:
        number += 1
    return number
