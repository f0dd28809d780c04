"""The one stream of events of a trial. Terminal, files and pages are equal listeners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from .fault import Fault
from .operation import Operation
from .verdict import Verdict


class TrialStarted(msgspec.Struct, frozen=True):
    """``spec`` is the trial as plain data, ``folder`` the run folder."""

    spec: dict[str, Any]
    folder: str


class PhaseStarted(msgspec.Struct, frozen=True):
    """``name``: cluster, system, load (``load: quiet``), settle, final, teardown, check."""

    name: str
    note: str = ""


class FaultChanged(msgspec.Struct, frozen=True):
    """``state``: injecting, injected, healing, healed or failed; ``time`` in ns."""

    fault: Fault
    state: str
    time: int
    seen: dict[str, Any] = {}


class Logged(msgspec.Struct, frozen=True):
    """One line of what the harness itself has to say. ``level``: ``info`` or ``warning``."""

    message: str
    level: str = "info"


class VerdictReached(msgspec.Struct, frozen=True):
    """The composed verdict of the trial."""

    verdict: Verdict


class TrialEnded(msgspec.Struct, frozen=True):
    """``outcome``: ``valid``, ``invalid``, ``unknown``, ``interrupted`` or ``error``."""

    outcome: str
    folder: str
    seconds: float


Event = (
    TrialStarted | PhaseStarted | Operation | FaultChanged | Logged | VerdictReached | TrialEnded
)

Listener = Callable[[Event], None]
"""Must be quick and must not raise; operations come by the ten thousand a second."""
