"""Impair packets of nodes by queues of the kernel that a process of ours serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ..errors import InfrastructureError
from . import queue_control
from .queue_control import Place, QueueProcess, Sockets

Enter = Callable[[Callable[[], Any]], Any]
"""Calls a function in a node's network namespace, and returns what it returned."""


class PlaceRules(NamedTuple):
    """The rules at one place, as plain data: of what arrives, and of what leaves, by address."""

    arriving: Mapping[str, Mapping[str, Any]]
    leaving: Mapping[str, Mapping[str, Any]]


class QueueShaper:
    """One process for all places, made when first needed. Blocks; not for two threads at once."""

    name = "nfqueue"

    def __init__(self, trial_id: str, places: Sequence[Place], enters: Sequence[Enter]) -> None:
        self._trial_id = trial_id
        self._places = list(places)
        self._enters = list(enters)
        self._installed = False
        self._process: QueueProcess | None = None

    @property
    def pid(self) -> int | None:
        """The process, if there is one."""
        return self._process.pid if self._process is not None else None

    def become(self, rules: Sequence[PlaceRules]) -> dict[str, int]:
        """Exactly these rules, one entry for each place; what was done under those before.

        All places change within a millisecond once the process is there.
        """
        lanes: list[tuple[int, int, Mapping[str, Any]]] = []
        for at, (place, its) in enumerate(zip(self._places, rules)):  # noqa: B905 - 3.9
            lanes += [(at, place.queue_from(a), rule) for a, rule in sorted(its.arriving.items())]
            lanes += [(at, place.queue_to(a), rule) for a, rule in sorted(its.leaving.items())]
        if not lanes and self.why_ended() is not None:
            self._end_process()  # its queues are gone with it: packets pass
        if self._process is None:
            if not lanes:
                return {}
            self._begin()
        assert self._process is not None
        try:
            return self._process.become(lanes)
        except InfrastructureError:
            self._end_process()
            raise

    def why_ended(self) -> str | None:
        """Why what was to be done is done no longer, or ``None``."""
        if self._process is None or self._process.is_alive:
            return None
        return "the process that holds packets back has ended; they pass unimpaired"

    def _end_process(self) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None

    def _begin(self) -> None:
        if not self._installed:
            in_all_places(
                self._enters,
                [
                    lambda place=place: queue_control.install(self._trial_id, place)
                    for place in self._places
                ],
            )
            self._installed = True
        sockets: list[Sockets] = queue_control.opened(self._enters)
        self._process = QueueProcess(self._trial_id, sockets)

    def close(self, *, places_stay: bool) -> None:
        """End the process, and remove the rules from places that stay. Idempotent."""
        self._end_process()
        if self._installed and places_stay:
            removals = [lambda: queue_control.remove(self._trial_id)] * len(self._enters)
            in_all_places(self._enters, removals)
        self._installed = False


def in_all_places(enters: Sequence[Enter], functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Call each in its place, all at the same time; raises what the first of them raised."""
    if len(enters) == 1:
        return [enters[0](functions[0])]
    with ThreadPoolExecutor(len(enters)) as pool:
        started = [pool.submit(enter, do) for enter, do in zip(enters, functions)]  # noqa: B905
        return [each.result() for each in started]
