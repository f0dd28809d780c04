"""What judges a history."""

from collections.abc import Mapping
from typing import Any, Protocol

from .history import History
from .verdict import Verdict


class Checker(Protocol):
    """A pure function from a history to a verdict: no I/O, no clock of its own, no chance.

    Never raises on a strange history: says what is strange, as ``unknown``.
    """

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge. ``options`` may bound it: ``time_limit_s``, ``memory_limit_bytes``."""
        ...
