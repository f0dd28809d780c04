"""Faults with their times: from the ledger of a trial, or from the nemesis's operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .history import INVOKE, NEMESIS_PROCESS, UNPAIRED

if TYPE_CHECKING:
    from .history import Columns


@dataclass(frozen=True)
class FaultWindow:
    """One fault from the moment its injection began until it was healed.

    ``state`` is the last one known. ``injected``, ``healing`` and ``healed`` are ``None`` when
    that never happened (or was not written down).
    """

    id: int
    kind: str
    targets: list[str]
    parameters: dict[str, Any]
    injecting: int
    injected: int | None = None
    healing: int | None = None
    healed: int | None = None
    state: str = "injecting"
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def start(self) -> int:
        """When it first had an effect, as far as we know."""
        return self.injecting if self.injected is None else self.injected

    def end(self, trial_end: int) -> int:
        """When it last had an effect, or the end of the trial."""
        for time in (self.healed, self.healing):
            if time is not None:
                return time
        return max(trial_end, self.start)


def fault_windows(ledger: Sequence[dict[str, Any]]) -> list[FaultWindow]:
    """Faults with their times, from the entries of ``faults.jsonl``, in order of injection.

    Entries: ``{"time": ns, "state": …, "fault": {"id", "kind", …}, "seen": {…}}``.
    """
    windows: dict[int, dict[str, Any]] = {}
    for entry in ledger:
        fault, time, state = entry["fault"], entry["time"], entry["state"]
        window = windows.setdefault(fault["id"], {"injecting": time, "seen": {}})
        window["fault"] = fault
        window["state"] = state
        if state in ("injected", "healing", "healed"):
            window.setdefault(state, time)
        seen = entry.get("seen")
        if isinstance(seen, dict):
            window["seen"] |= seen
    return sorted((_window(w) for w in windows.values()), key=lambda w: (w.injecting, w.id))


def _window(window: dict[str, Any]) -> FaultWindow:
    fault = window["fault"]
    targets, parameters = fault.get("targets"), fault.get("parameters")
    return FaultWindow(
        id=fault["id"],
        kind=fault["kind"],
        targets=[str(t) for t in targets] if isinstance(targets, list) else [],
        parameters=parameters if isinstance(parameters, dict) else {},
        injecting=window["injecting"],
        injected=window.get("injected"),
        healing=window.get("healing"),
        healed=window.get("healed"),
        state=window["state"],
        seen=window["seen"],
    )


def fault_entries(columns: Columns) -> list[dict[str, Any]]:
    """The ledger as far as the history knows it.

    An ``inject`` is completed with the fault, a ``heal`` with those that it healed.
    """
    import numpy as np

    states = {"inject": ("injecting", "injected"), "heal": ("healing", "healed")}
    entries: list[dict[str, Any]] = []
    for at in np.flatnonzero(columns.process == NEMESIS_PROCESS).tolist():
        f, faults = columns.fs[columns.f[at]], columns.values[columns.value[at]]
        if f not in states or columns.type[at] == INVOKE:
            continue
        pair = columns.pair[at]
        before = int(columns.time[at if pair == UNPAIRED else pair])
        for fault in faults if isinstance(faults, list) else [faults]:
            if not _is_fault(fault):
                continue
            entries.append({"time": before, "state": states[f][0], "fault": fault})
            state = "failed" if columns.error[at] else states[f][1]
            entries.append({"time": int(columns.time[at]), "state": state, "fault": fault})
    return entries


def _is_fault(fault: Any) -> bool:
    return (
        isinstance(fault, dict)
        and isinstance(fault.get("id"), int)
        and isinstance(fault.get("kind"), str)
    )
