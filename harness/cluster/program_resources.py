"""The resources of real programs: for each kind the best way that there is to make it short.

Control groups where they can be written to; else limits of processes and signals, which everybody
may set and send. Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from ..errors import InfrastructureError
from . import control_groups, pids, process_limits
from .control_groups import Group, OwnGroups
from .duty_cycle import DutyCycle
from .group_limits import GroupCpu, GroupMemory, GroupPids
from .process_limits import DescriptorLimits, ForkLimits
from .stop_and_go import StopAndGo
from .watched_memory import WatchedMemory

Find = Callable[[], "list[pids.Seen]"]


class Way(Protocol):
    """How one kind is made short on one node. ``backend`` says it to a person."""

    @property
    def backend(self) -> str:
        """What keeps the limit."""
        ...

    async def squeeze(self, amount: float, /) -> dict[str, Any]:
        """As in ``Resources``, of one kind."""
        ...

    async def relax(self) -> dict[str, Any]:
        """As in ``Resources``, of one kind."""
        ...

    async def starting(self) -> None:
        """A program is about to be started from outside."""
        ...

    async def started(self) -> None:
        """It was."""
        ...


class Groups(Protocol):
    """The control groups of one node's programs."""

    def reason_unavailable(self, controller: str) -> str | None:
        """Why there is none for a controller, or ``None``."""
        ...

    def get(self, controller: str) -> Group:
        """The one for a controller."""
        ...

    def take_in(self, pid: int) -> None:
        """Let a process be in all that were got."""
        ...

    def remove(self) -> None:
        """At the end."""
        ...


class ContainerGroups:
    """Those that a container has from its engine, of which ``init_pid`` tells a process."""

    def __init__(self, init_pid: Callable[[], int]) -> None:
        self._init_pid = init_pid

    def reason_unavailable(self, controller: str) -> str | None:
        """Why there is none for a controller, or ``None``."""
        group = control_groups.of_process(self._init_pid()).get(controller)
        if group is None:
            return f"the container has no control group for {controller}"
        if group.folder.parent == group.folder or group.folder in _mounts():
            return f"the container's control group for {controller} is that of the whole machine"
        return control_groups.why_not_writable(group)

    def get(self, controller: str) -> Group:
        """The one for a controller."""
        if why := self.reason_unavailable(controller):
            raise InfrastructureError(why)
        return control_groups.of_process(self._init_pid())[controller]

    def take_in(self, pid: int) -> None:
        """Whatever runs in the container is in them."""

    def remove(self) -> None:
        """They go with the container."""


def _mounts() -> set[Path]:
    return {here.mount for here in control_groups.hierarchies().values()}


class NodeGroups(OwnGroups):
    """Groups that duress makes for the programs of a node, when they are first needed."""

    def __init__(self, trial_id: str, node: str) -> None:
        super().__init__(f"{trial_id[:80]}-{node}-{secrets.token_hex(3)}")

    def reason_unavailable(self, controller: str) -> str | None:
        """Why there is none for a controller, or ``None``."""
        return why_no_groups(controller)

    def get(self, controller: str) -> Group:
        """The one for a controller."""
        return self.make(controller)


def why_no_groups(controller: str) -> str | None:
    """Why a process here may have no control groups of its own, or ``None``."""
    mounted = control_groups.hierarchies()
    if controller not in mounted:
        return f"this machine has no control groups for {controller}"
    if controller not in control_groups.parents():
        return f"control groups cannot be made below {mounted[controller].mount}"
    return None


class ProgramResources:
    """``Resources`` of one node, which is told of every program that is started on it.

    ``find`` finds its processes; ``duty`` stops and continues them; ``spared``: pids that no fault
    may hit, to which those of our own probes are added.
    """

    def __init__(
        self, node: str, find: Find, duty: DutyCycle, groups: Groups, spared: set[int] | None = None
    ) -> None:
        self._node = node
        self._find = find
        self._duty = duty
        self._groups = groups
        self._spared: set[int] = set() if spared is None else spared
        self._ways: dict[str, Way] = {}

    def reason_unavailable(self, kind: str) -> str | None:
        """Why this cannot run short here and what to do, or ``None``."""
        if kind != "pids":
            return None
        why = self._groups.reason_unavailable(kind)
        return None if why is None else why_no_forks(why)

    async def squeeze(self, kind: str, amount: float) -> dict[str, Any]:
        """Let one kind run short; what was observed."""
        if why := self.reason_unavailable(kind):
            raise InfrastructureError(f"{self._node}: {kind}: {why}")
        way = self._ways.get(kind) or self._made(kind)
        self._ways[kind] = way
        self._take_in()
        return {"backend": way.backend, **await way.squeeze(amount)}

    async def relax(self, kind: str) -> dict[str, Any]:
        """Give back what there was; what was observed. Idempotent."""
        way = self._ways.get(kind)
        if way is None:
            return {}
        seen = await way.relax()
        del self._ways[kind]
        return {"backend": way.backend, **seen}

    async def starting(self) -> None:
        """A program is about to be started."""
        for way in list(self._ways.values()):
            await way.starting()

    async def started(self) -> None:
        """It was: it lacks what the others lack."""
        self._take_in()
        for way in list(self._ways.values()):
            await way.started()

    async def end(self) -> None:
        """Give back everything, and remove the groups. Tries all of it. Idempotent."""
        failures = []
        for kind in list(self._ways):
            try:
                await self.relax(kind)
            except (InfrastructureError, OSError) as error:
                failures.append(str(error))
        self._ways.clear()
        self._groups.remove()
        if failures:
            raise InfrastructureError("; ".join(failures))

    def _take_in(self) -> None:
        told: set[tuple[int, int]] = set()
        while fresh := [s for s in self._find() if (s.pid, s.started) not in told]:
            for seen in fresh:  # they may fork while they are taken in
                told.add((seen.pid, seen.started))
                self._groups.take_in(seen.pid)

    def _made(self, kind: str) -> Way:
        if kind == "descriptors":
            return DescriptorLimits(self._find)
        can = self._groups.reason_unavailable(kind) is None
        if kind == "cpu":
            if can:
                return GroupCpu(self._groups.get(kind), self._spared)
            return StopAndGo(self._node, self._find, self._duty)
        if kind == "memory":
            if can:
                return GroupMemory(self._node, self._groups.get(kind), self._find, self._spared)
            return WatchedMemory(self._node, self._find)
        if kind == "pids":
            if can:
                return GroupPids(self._groups.get(kind), self._spared)
            return ForkLimits(self._find, self._spared)
        raise InfrastructureError(f"{self._node}: no resource is called {kind!r}")


def why_no_forks(why_no_group: str) -> str | None:
    """Why forks cannot be refused without a control group, or ``None``."""
    if process_limits.forks_can_be_limited():
        return None
    return (
        f"{why_no_group}, and RLIMIT_NPROC does not bind root: mount the control groups writable, "
        "or run as another user"
    )


def ways_here() -> list[tuple[str, str | None]]:
    """How each kind can run short on nodes of this machine, with why not if it cannot."""
    found: list[tuple[str, str | None]] = []
    without = {
        "cpu": StopAndGo.backend,
        "memory": WatchedMemory.backend,
        "pids": ForkLimits.backend,
    }
    for kind, backend in without.items():
        why = why_no_groups(kind)
        if why is None:
            how, lack = f"control groups v{control_groups.parents()[kind].version}", None
        else:
            how, lack = f"{backend} ({why})", why_no_forks(why) if kind == "pids" else None
        place = f"nemesis {kind} on local nodes"
        found.append((place if lack else f"{place}, by {how}", lack))
    return found
