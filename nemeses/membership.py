"""Changes of membership: nodes leave a running cluster and join it again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..harness.errors import Failed, Indeterminate, UserError
from ..harness.fault import Fault, Scene
from ..harness.system import Reconfigurable
from .cadence import Cadence

FEWEST = 3
"""So many members are left at least: with fewer no node can be lost. Of three nodes one less."""

PATIENCE_S = 0.25
"""How long a change is waited for; other faults may hold it up, and must go on meanwhile."""

RETRY_S = 0.05

CHANGES = {
    "shrink": "one or two members leave",
    "grow": "one or two nodes join",
    "replace": "one member leaves, and a node that was none joins",
}


def shrunk(members: Sequence[str], nodes: Sequence[str], random: Random) -> list[str] | None:
    """One or two members fewer; ``None`` if too few would be left."""
    most = min(2, len(members) - min(FEWEST, len(nodes) - 1))
    if most < 1:
        return None
    leaving = random.sample(sorted(members), random.randint(1, most))
    return sorted(set(members) - set(leaving))


def grown(members: Sequence[str], nodes: Sequence[str], random: Random) -> list[str] | None:
    """One or two members more; ``None`` if every node is one."""
    others = sorted(set(nodes) - set(members))
    if not others:
        return None
    return sorted([*members, *random.sample(others, random.randint(1, min(2, len(others))))])


def replaced(members: Sequence[str], nodes: Sequence[str], random: Random) -> list[str] | None:
    """Another node in place of a member; ``None`` if every node is one."""
    others = sorted(set(nodes) - set(members))
    if not others:
        return None
    leaving, joining = random.choice(sorted(members)), random.choice(others)
    return sorted([joining, *(node for node in members if node != leaving)])


_DRAWS = {"shrink": shrunk, "grow": grown, "replace": replaced}


def steps(
    members: Sequence[str], wanted: Sequence[str], joining_first: bool = True
) -> list[tuple[str, str]]:
    """What is to be asked for now, all at once: ``("add", node)`` and ``("remove", node)``.

    It is up to the system to do one at a time. Nobody leaves while too few would be left.
    """
    joining = [("add", node) for node in wanted if node not in members]
    leaving = [("remove", node) for node in members if node not in wanted]
    if len(members) - len(leaving) < FEWEST:
        return joining or leaving
    return joining + leaving if joining_first else leaving + joining


class MembershipNemesis:
    """Lets members leave and nodes join, and in the end restores the membership that was."""

    name: ClassVar[str] = "membership"
    package: ClassVar[str] = "membership"
    clusters: ClassVar[tuple[str, ...]] = ("local", "docker", "ssh", "sim")
    options: ClassVar[Mapping[str, str]] = {
        "membership-changes": "comma-separated choices of shrink, grow, replace (default: all)",
        "membership-lasts": "mean seconds until it is restored (default: the interval)",
    }

    samples: ClassVar[Sequence[Mapping[str, str]]] = tuple({"change": change} for change in CHANGES)

    def __init__(self, scene: Scene) -> None:
        if not isinstance(scene.system, Reconfigurable):
            raise UserError(
                f"membership: {scene.system.name} has a fixed membership; expected a system with "
                "add_member, remove_member and members"
            )
        self._scene = scene
        self._system: Reconfigurable = scene.system
        self._nodes = sorted(scene.cluster.nodes)
        self._choices = _choices(scene.options.get("membership-changes"))
        self._initial: list[str] = []
        self._wanted: list[str] | None = None
        self._was_made = False
        self._members: list[str] = []
        self._random = Random(0)
        self._driving: asyncio.Task[None] | None = None

    @staticmethod
    def reason_unfit(system: Any, options: Mapping[str, Any]) -> str | None:
        """Why it means nothing to a system; ``None`` if it does."""
        if all(hasattr(system, hook) for hook in ("members", "add_member", "remove_member")):
            return None
        return f"{system.name} has a fixed membership"

    @staticmethod
    def check_aim(aim: Mapping[str, Any]) -> None:
        """``UserError`` for an aim of a schedule that :meth:`plan` would not understand."""
        if aim.get("change") not in CHANGES:
            raise UserError(
                f"expected an aim with one of the changes {', '.join(CHANGES)}; got {dict(aim)}"
            )

    def generator(self) -> Cadence:
        """Changes about every interval, restored about an interval later."""
        options = self._scene.options
        every_s = float(options["interval_s"])
        lasts = options.get("membership-lasts", every_s)
        try:
            lasts_s = float(lasts)
        except ValueError:
            raise UserError(f"membership-lasts: expected seconds, got {lasts!r}") from None
        return Cadence(self.name, self._wish, self._scene.random, every_s=every_s, lasts_s=lasts_s)

    def _wish(self, random: Random) -> dict[str, Any]:
        return {"kind": self.name, "change": random.choice(self._choices)}

    async def plan(self, wish: Mapping[str, Any], fault_id: int) -> Fault | None:
        """Choose who leaves and who joins. Without room for the change, for the opposite one.

        Nobody is asked who is a member: whoever could answer may be cut off, and a change that
        reaches a leader just then is what is worth trying. At first it is taken for everybody.
        """
        members = self._members or self._nodes
        for change in (wish["change"], "grow", "shrink"):
            wanted = _DRAWS[change](members, self._nodes, self._scene.random)
            if wanted is not None:
                targets = sorted(set(wanted) ^ set(members))
                return Fault(fault_id, self.name, targets, {"change": change, "members": wanted})
        return None

    async def inject(self, fault: Fault) -> dict[str, Any]:
        """Ask for it, again and again; does not wait for long, nor ask after it was healed."""
        # By the fault alone, so that a recorded schedule does the same.
        self._random = Random(fault.id)
        self._was_made = False
        return await self._drive_to(list(fault.parameters["members"]))

    async def heal(self, fault: Fault) -> dict[str, Any]:
        """The same with the membership that was there at first. Idempotent.

        Tells whether the change was ever made: other faults, or the system, may have kept it off.
        """
        was_made = self._was_made
        return {**await self._drive_to(None), "was_made": was_made}

    async def _drive_to(self, wanted: list[str] | None) -> dict[str, Any]:
        self._wanted = wanted
        if self._driving is None or self._driving.done():
            self._driving = asyncio.get_running_loop().create_task(self._drive())
        await asyncio.wait([self._driving], timeout=PATIENCE_S)
        return {"members": self._members, "reached": self._driving.done()}

    async def _drive(self) -> None:
        """Ask for what is missing until nothing is. What is wanted may change meanwhile."""
        while not self._members and not await self._learn():
            pass
        is_known = False
        while True:
            wanted = self._initial if self._wanted is None else self._wanted
            missing = steps(self._members, wanted, self._random.random() < 0.5)
            if is_known and not missing:
                self._was_made |= self._wanted is not None
                return
            await asyncio.gather(*(self._ask(*step) for step in missing))
            is_known = await self._learn()

    async def _learn(self) -> bool:
        """Ask who is a member; false if that could not be told."""
        try:
            self._members = await self._system.members()
        except (Failed, Indeterminate, OSError):
            await asyncio.sleep(RETRY_S)
            return False
        self._initial = self._initial or self._members
        return True

    async def _ask(self, step: str, node: str) -> None:
        ask = self._system.add_member if step == "add" else self._system.remove_member
        try:
            await ask(node)
        except (Failed, Indeterminate, OSError):
            await asyncio.sleep(RETRY_S)


def _choices(option: object) -> list[str]:
    if option is None:
        return list(CHANGES)
    chosen = [part.strip() for part in str(option).split(",") if part.strip()]
    for choice in chosen:
        if choice not in CHANGES:
            raise UserError(
                f"membership-changes: no change named {choice!r}; there are: {', '.join(CHANGES)}"
            )
    return chosen or list(CHANGES)
