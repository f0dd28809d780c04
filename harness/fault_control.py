"""The nemesis process: turns operations into injected and healed faults, and keeps the ledger.

A line goes to ``faults.jsonl`` before an effect begins and after it was seen, so
that the ledger never knows less than what was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from .errors import DuressError, Indeterminate
from .events import FaultChanged
from .fault import Fault, Nemesis
from .operation import Operation

INJECT, HEAL = "inject", "heal"

HEAL_ATTEMPTS = 4


class FaultControl:
    """Injects and heals on behalf of the nemesis process; knows what is active."""

    def __init__(
        self,
        nemeses: Mapping[str, Nemesis],
        record: Callable[[FaultChanged], None],
        now: Callable[[], int],
    ) -> None:
        self._nemeses = nemeses
        self._record = record
        self._now = now
        self._next_id = 1
        self.active: dict[int, Fault] = {}
        self.injected = 0
        self.problems: list[str] = []

    async def invoke(self, operation: Operation) -> Any:
        """Perform an ``inject`` or a ``heal``; returns what was done, for the completion."""
        wish = operation.value or {}
        if operation.f == INJECT:
            return await self._inject(wish)
        if operation.f == HEAL:
            kind = wish.get("kind")
            chosen = [f for f in self.active.values() if kind is None or f.kind == kind]
            return [await self._heal(fault) for fault in chosen]
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
        nemesis = self._nemeses[wish["kind"]]
        if isinstance(wish.get("targets"), list):  # decided already: from a schedule
            aim = wish.get("aim", {})
            parameters = dict(wish.get("parameters", {}))
            fault = Fault(self._next_id, wish["kind"], wish["targets"], parameters)
        else:
            aim = {name: value for name, value in wish.items() if name != "kind"}
            fault = await nemesis.plan(wish, self._next_id)
        if fault is None:
            return {"kind": wish["kind"], "skipped": "not possible now"}
        self._next_id += 1
        self._say(fault, "injecting", {"aim": aim} if aim else None)
        self.active[fault.id] = fault
        try:
            seen = await nemesis.inject(fault)
        except Exception as error:
            self._failed(fault, error)
            raise
        self.injected += 1
        self._say(fault, "injected", seen)
        return msgspec.to_builtins(fault)

    async def _heal(self, fault: Fault) -> Any:
        self._say(fault, "healing")
        attempt = 0
        while True:
            try:
                seen = await self._nemeses[fault.kind].heal(fault)
                break
            except Exception as error:
                attempt += 1
                if attempt == HEAL_ATTEMPTS:
                    self._failed(fault, error)
                    raise
                await asyncio.sleep(0.05 * 2**attempt)
        self.active.pop(fault.id, None)
        self._say(fault, "healed", seen)
        return msgspec.to_builtins(fault)

    def _failed(self, fault: Fault, error: Exception) -> None:
        text = str(error) if isinstance(error, DuressError) else f"{type(error).__name__}: {error}"
        self.problems.append(f"{fault.kind} {fault.id} on {', '.join(fault.targets)}: {text}")
        self._say(fault, "failed", {"error": text})

    def _say(self, fault: Fault, state: str, seen: dict[str, Any] | None = None) -> None:
        self._record(FaultChanged(fault, state, self._now(), seen or {}))
