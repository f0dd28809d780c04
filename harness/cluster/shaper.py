"""Which of the ways to impair packets is used here. Standard library only, for ssh hosts too."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InfrastructureError
from . import netem, queue_control
from .netem import NetemShaper
from .queue_control import Place
from .queue_shaper import Enter, PlaceRules, QueueShaper

__all__ = ["Enter", "Place", "PlaceRules", "Shaper"]


def reason_hopeless() -> str | None:
    """Why there can be neither here, whatever the kernel has; ``None`` if that is still open."""
    return None if netem.program("tc") else queue_control.reason_unavailable()


class Shaper:
    """``netem`` where the kernel has it, else queues; queues also for what netem cannot do.

    ``enters``: what calls a function in the network namespace of each place. Blocks; not for two
    threads at once.
    """

    def __init__(self, trial_id: str, places: Sequence[Place], enters: Sequence[Enter]) -> None:
        self._enters = list(enters)
        self._has_netem: bool | None = None
        self._queues = QueueShaper(trial_id, places, enters)
        self._netem = NetemShaper(places, enters)
        self._nothing = [PlaceRules({}, {})] * len(places)
        self._used: QueueShaper | NetemShaper | None = None

    @property
    def backend(self) -> str:
        """What impairs packets now, or did last: ``netem``, ``nfqueue`` or ``none``."""
        return self._used.name if self._used is not None else "none"

    @property
    def queue_pid(self) -> int | None:
        """The process that serves queues, if there is one."""
        return self._queues.pid

    def reason_unavailable(self) -> str | None:
        """Why there is neither, or ``None``."""
        return None if self._try_netem() else queue_control.reason_unavailable()

    def why_ended(self) -> str | None:
        """Why what was to be done is done no longer, or ``None``."""
        return self._queues.why_ended()

    def become(self, rules: Sequence[PlaceRules]) -> dict[str, int]:
        """Exactly these rules, one entry for each place; what queues did under those before."""
        wanted = self._fitting(rules)
        used, self._used = self._used, wanted
        done = {}
        if used is not None and used is not wanted:
            done = used.become(self._nothing)
        return wanted.become(rules) or done

    def _fitting(self, rules: Sequence[PlaceRules]) -> QueueShaper | NetemShaper:
        every = [rule for its in rules for side in its for rule in side.values()]
        if not every:
            return self._used or self._queues
        has_garbled = any(rule.get("garble") for rule in every)
        if not has_garbled and self._try_netem():
            return self._netem
        if reason := queue_control.reason_unavailable():
            raise InfrastructureError(reason)
        return self._queues

    def _try_netem(self) -> bool:
        if self._has_netem is None:
            self._has_netem = bool(self._enters[0](netem.is_here))
        return self._has_netem

    def close(self, *, places_stay: bool) -> None:
        """Remove everything, but from places that will be gone with it. Idempotent."""
        self._netem.close(places_stay=places_stay)
        self._queues.close(places_stay=places_stay)
        self._used = None
