"""Whom do you suspect? All nodes are asked again and again while nodes die and links are cut.

At the end, when everything is healed, each node is asked until it suspects nobody any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.failure_detector import DETECT_WITHIN_S, TRUST_WITHIN_S, FailureDetectors
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator, each_thread
from ..harness.operation import Operation
from ..harness.option_values import flag, real
from .ask_until import AskUntil


class Polls(Generator):
    """Questions by whoever is free, without end."""

    __slots__ = ()

    ignores_updates = True

    def op(self, context: Context) -> Any:
        """One more."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        return Operation(-1, context.time, process, "invoke", "suspects"), self


def suspects_nobody(answer: Mapping[str, Any]) -> bool:
    """Whether a node trusts all others."""
    return not answer["suspected"]


class SuspicionWorkload:
    """Polls of failure detectors: completeness, accuracy, quality of service."""

    name: ClassVar[str] = "suspicion"
    options: ClassVar[Mapping[str, str]] = {
        "detect-within": "seconds within which who is silent must be suspected "
        f"(default {DETECT_WITHIN_S:g})",
        "trust-within": "seconds within which who can be heard must be trusted "
        f"(default {TRUST_WITHIN_S:g})",
        "relay": "of the system: heartbeats are passed on (false)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {}

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._checker = FailureDetectors(
            real(options, "detect-within", DETECT_WITHIN_S, 0.001),
            real(options, "trust-within", TRUST_WITHIN_S, 0.001),
            flag(options, "relay", False),
        )

    def generator(self) -> Generator:
        """Ask."""
        return Polls()

    def final_generator(self) -> Generator:
        """Every process asks its node until that suspects nobody."""
        return each_thread(AskUntil("last-suspects", suspects_nobody))

    def checkers(self) -> Mapping[str, Checker]:
        """The properties of ◇P."""
        return {"failure-detector": self._checker}
