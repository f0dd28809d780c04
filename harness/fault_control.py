"""The nemesis process: turns operations into injected and healed faults, and keeps the ledger.

A line goes to ``faults.jsonl`` before an effect begins and after it was seen, so
that the ledger never knows less than what was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from .errors import DuressError, Indeterminate
from .events import FaultChanged
from .fault import Fault, Nemesis
from .operation import Operation

INJECT, HEAL = "inject", "heal"

HEAL_ATTEMPTS = 4

HEAL_LIMIT_S = 20.0
"""How long a heal may take before other faults have their turn: it may wait for what one of them
keeps from happening (a disk that is let go, say, while the program that uses it is stopped)."""

PLAN_ATTEMPTS, PLANNING_S = 8, 1.0
"""How often, and about how long, a fault is drawn again that is not allowed."""


class FaultControl:
    """Injects and heals on behalf of the nemesis process; knows what is active."""

    def __init__(
        self,
        nemeses: Mapping[str, Nemesis],
        record: Callable[[FaultChanged], None],
        now: Callable[[], int],
        allows: Callable[[Sequence[Fault]], bool] = lambda _: True,
    ) -> None:
        self.nemeses = nemeses
        self._allows = allows
        self._record = record
        self._now = now
        self._next_id = 1
        self.active: dict[int, Fault] = {}
        self.injected = 0
        self._stuck: set[int] = set()
        self.problems: list[str] = []

    async def invoke(self, operation: Operation) -> Any:
        """Perform an ``inject`` or a ``heal``; returns what was done, for the completion."""
        wish = operation.value or {}
        if operation.f == INJECT:
            return await self._inject(wish)
        if operation.f == HEAL:
            kind = wish.get("kind")
            chosen = [f for f in self.active.values() if kind is None or f.kind == kind]
            return await self._heal_these(chosen[::-1] if kind is None else chosen)
        raise Indeterminate(f"the nemesis knows no {operation.f!r}")

    async def heal_all(self) -> list[str]:
        """Heal whatever is active, newest first; returns what could not be healed."""
        failures = []
        for fault in reversed(list(self.active.values())):
            try:
                await self._heal(fault)
            except Exception as error:
                failures.append(f"{fault.kind} {fault.id}: {error}")
        return failures

    async def _inject(self, wish: Mapping[str, Any]) -> Any:
        nemesis = self.nemeses[wish["kind"]]
        stuck = [f for f in self.active.values() if f.id in self._stuck and f.kind == wish["kind"]]
        if stuck and len(await self._heal_these(stuck)) < len(stuck):
            return {"kind": wish["kind"], "skipped": "the one before cannot be healed yet"}
        if isinstance(wish.get("targets"), list):  # decided already: from a schedule
            aim = wish.get("aim", {})
            parameters = dict(wish.get("parameters", {}))
            fault = Fault(self._next_id, wish["kind"], wish["targets"], parameters)
        else:
            aim = {name: value for name, value in wish.items() if name != "kind"}
            fault = await self._planned(nemesis, wish)
        if isinstance(fault, str):
            return {"kind": wish["kind"], "skipped": fault}
        self._next_id += 1
        self._say(fault, "injecting", {"aim": aim} if aim else None)
        self.active[fault.id] = fault
        try:
            seen = await nemesis.inject(fault)
        except Exception as error:
            self._failed(fault, error)
            raise
        self.injected += 1
        self._tell(fault, "injected", seen)
        return msgspec.to_builtins(fault)

    async def _planned(self, nemesis: Nemesis, wish: Mapping[str, Any]) -> Fault | str:
        """A fault that is allowed beside those that are active, or why there is none."""
        until_s = asyncio.get_running_loop().time() + PLANNING_S
        for _ in range(PLAN_ATTEMPTS):
            fault = await nemesis.plan(wish, self._next_id)
            if fault is None:
                return "not possible now"
            if self._allows([*self.active.values(), fault]):
                return fault
            if asyncio.get_running_loop().time() > until_s:
                break
        return "would strike more than may be struck at once"

    async def _heal_these(self, faults: Sequence[Fault]) -> list[Any]:
        """Heal them, and give those back that were. One that takes too long is tried once more
        after the others, and then whenever there is another occasion."""
        healed = []
        for is_last in (False, True):
            waiting = []
            for fault in faults:
                try:
                    async with asyncio.timeout(HEAL_LIMIT_S):
                        healed.append(await self._heal(fault))
                    self._stuck.discard(fault.id)
                except TimeoutError:
                    self._stuck.add(fault.id)
                    waiting.append(fault)
                    late = f"not healed within {HEAL_LIMIT_S:g} s; tried again later"
                    self._tell(fault, "failed", {"error": late})
            if not waiting or is_last or len(faults) == 1:
                break
            faults = waiting
        return healed

    async def _heal(self, fault: Fault) -> Any:
        self._tell(fault, "healing")
        attempt = 0
        while True:
            try:
                seen = await self.nemeses[fault.kind].heal(fault)
                break
            except Exception as error:
                attempt += 1
                if attempt == HEAL_ATTEMPTS:
                    self._failed(fault, error)
                    raise
                await asyncio.sleep(0.05 * 2**attempt)
        self.active.pop(fault.id, None)
        self._tell(fault, "healed", seen)
        return msgspec.to_builtins(fault)

    def _failed(self, fault: Fault, error: Exception) -> None:
        text = str(error) if isinstance(error, DuressError) else f"{type(error).__name__}: {error}"
        self.problems.append(f"{fault.kind} {fault.id} on {', '.join(fault.targets)}: {text}")
        self._tell(fault, "failed", {"error": text})

    def _tell(self, fault: Fault, state: str, seen: dict[str, Any] | None = None) -> None:
        """Say what has happened already: a ledger without room keeps nobody from healing."""
        try:
            self._say(fault, state, seen)
        except (DuressError, OSError) as error:
            if str(error) not in self.problems:
                self.problems.append(str(error))

    def _say(self, fault: Fault, state: str, seen: dict[str, Any] | None = None) -> None:
        self._record(FaultChanged(fault, state, self._now(), seen or {}))
