"""Is everything that was added there in the end? Source of the test: Jepsen's ``set``.

Jepsen's looks at the last read that succeeded. If it began before the last additions were over, it
calls lost what came too late for it; and in a system whose replicas never agreed, whether anything
is found depends on which one was asked last. Here all reads count that began when every addition
was over.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..harness.calls import Calls, calls
from ..harness.errors import UserError
from ..harness.history import NEMESIS_PROCESS, History
from ..harness.verdict import Anomaly, Verdict
from .elements import Witnesses, interval_text
from .set_readings import Readings, named_final
from .tally import Tally, shown, strange, wishes_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODELS = {"final-set": "additions to a set and reads of it at the end: everything is there"}

ALL, LAST = "all", "last"


class FinalSet:
    """Judges ``add`` of an element and the final ``read`` → a list of all. Linear.

    Where reads before the end may be old in any case, those of the end are called ``final``.

    ``final``  ``all`` reads that began when no addition was under way any more must agree on what
               was acknowledged; or the ``last`` read alone counts. Of these, those that began after
               the nemesis's last action, if there are any: before it was healed, a cluster may
               answer with old reads. If there is no such read, the last one is judged by what was
               acknowledged before it began, and if all of that is there, nobody knows of the rest.

    Anomalies: ``lost-element`` (acknowledged, and in no final read), ``diverged-element``
    (acknowledged, and in some final reads but not in others), ``unexpected-element`` (nobody can
    have added it). Statistics as Jepsen names them: ``attempt-count``, ``acknowledged-count``,
    ``ok``, ``lost``, ``recovered`` and ``unexpected`` with their counts.
    """

    def __init__(self, final: str = ALL) -> None:
        if final not in (ALL, LAST):
            raise UserError(f"final: expected {ALL} or {LAST}, got {final!r}")
        self.final = final

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge what the final reads saw."""
        everything = calls(history.columns())
        tally, figures, was_read = Tally(), _Figures(), False
        for key, mine in everything.by_key():
            readings = Readings(mine, self._final)
            if readings.odd:
                return strange(readings.odd)
            figures.take_attempts(readings, len(history))
            if len(readings.reads):
                was_read = True
                self._judge(_Ending(history, key, readings), tally, figures)
        statistics = {"operations": len(everything), **figures.plain()}
        vacuous = "" if was_read else "the set was never read"
        if unread := figures.unread:
            vacuous = f"acknowledged after the last read that succeeded began: {unread} elements"
        return tally.verdict(statistics, vacuous=vacuous)

    def _final(self, adds: Calls, reads: Calls) -> Any:
        """Which reads count, by index."""
        import numpy as np

        ends = adds.acknowledged_at()
        ends = ends[ends < len(adds.columns)].tolist()
        over = max([-1, *adds.position[-1:].tolist(), *ends])
        chosen = np.flatnonzero((reads.position > over) & named_final(reads))
        acts = np.flatnonzero(reads.columns.process == NEMESIS_PROCESS)
        after = chosen[reads.position[chosen] > (acts[-1] if len(acts) else -1)]
        chosen = after if len(after) else chosen
        if self.final == LAST or not len(chosen):
            chosen = np.arange(max(0, len(reads) - 1), len(reads))
        return chosen

    @staticmethod
    def _judge(ending: _Ending, tally: Tally, figures: _Figures) -> None:
        import numpy as np

        lost = np.flatnonzero(ending.due & (ending.seen == 0))
        apart = np.flatnonzero(ending.due & (ending.seen > 0) & (ending.seen < ending.reads))
        strangers = ending.strangers()
        for number in lost.tolist():
            tally.add("lost-element", partial(ending.lost, number))
        for number in apart.tolist():
            tally.add("diverged-element", partial(ending.diverged, number))
        for number in strangers.tolist():
            tally.add("unexpected-element", partial(ending.unexpected, number))
        figures.take(ending, lost, apart, strangers)

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> FinalSet:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        return cls(**wishes_of(model, wishes, ("final",)))


class _Ending:
    """The final reads of one set.

    ``reads``  how many there are. By element number: ``seen``, how many of them saw it;
    ``due``, whether all of them should have.
    """

    def __init__(self, history: History, key: Any, readings: Readings) -> None:
        import numpy as np

        self._tells, self._key, self.readings = Witnesses(history), key, readings
        self.reads = len(readings.reads)
        self.seen = np.zeros(len(readings.elements), np.int64)
        for content, times in enumerate(np.bincount(readings.content).tolist()):
            self.seen[readings.contents[content]] += times
        self.due = np.zeros(len(readings.elements), bool)
        self.due[: readings.attempted] = readings.acknowledged < readings.reads.position.min()

    def strangers(self) -> NDArray[np.int64]:
        """Those that were seen but never added, or only after the read was over."""
        import numpy as np

        begun = np.full(len(self.seen), len(self._tells.history))
        begun[: self.readings.attempted] = self.readings.begun
        ended = self.readings.reads.completion.max()
        return np.flatnonzero((self.seen > 0) & (begun > ended))

    def _reader(self, number: int, saw: bool) -> int:
        """The first final read that saw an element, or did not; by its invocation."""
        readings = self.readings
        for at in range(self.reads):
            if (number in readings.contents[readings.content[at]]) is saw:
                return int(readings.reads.position[at])
        raise AssertionError(f"no final read {'saw' if saw else 'missed'} element {number}")

    def _anomaly(self, name: str, text: str, positions: list[int], number: int) -> Anomaly:
        details = {"elements": [self.readings.elements[number]]}
        return Anomaly(name, text, sorted(positions), key=self._key, details=details)

    def _acknowledged(self, number: int) -> tuple[str, int]:
        added = int(self.readings.added[number])
        element = shown(self.readings.elements[number])
        return f"Element {element} was acknowledged to {self._tells.ended(added)}", added

    def lost(self, number: int) -> Anomaly:
        """No final read saw it."""
        text, added = self._acknowledged(number)
        reader = self._reader(number, saw=False)
        which = "the final read" if self.reads == 1 else f"none of {self.reads} final reads"
        verb = "did not see it" if self.reads == 1 else "saw it"
        text += f", but {which} {verb}, that of {self._tells.began(reader)} for one."
        return self._anomaly("lost-element", text, [added, reader], number)

    def diverged(self, number: int) -> Anomaly:
        """Some final reads saw it, others did not."""
        text, added = self._acknowledged(number)
        saw, missed = self._reader(number, saw=True), self._reader(number, saw=False)
        text += (
            f". When all additions were over, the read of {self._tells.began(saw)} saw it, but "
            f"that of {self._tells.began(missed)} did not."
        )
        return self._anomaly("diverged-element", text, [added, saw, missed], number)

    def unexpected(self, number: int) -> Anomaly:
        """Nobody can have added it."""
        reader = self._reader(number, saw=True)
        text = f"The final read of {self._tells.began(reader)} saw element "
        text += f"{shown(self.readings.elements[number])}, which nobody can have added."
        failed = self.readings.failed_add(number)
        if failed is None:
            return self._anomaly("unexpected-element", text, [reader], number)
        text = f"{text[:-1]}: its addition by {self._tells.began(failed)} failed for certain."
        return self._anomaly("unexpected-element", text, [reader, failed], number)


class _Figures:
    """Jepsen's statistics, over all sets."""

    def __init__(self) -> None:
        self.attempts = self.acknowledged = self.final_reads = self.unread = 0
        names = ("ok", "lost", "diverged", "recovered", "unexpected")
        self._found: dict[str, list[Any]] = {name: [] for name in names}

    def take_attempts(self, readings: Readings, end: int) -> None:
        """What was tried."""
        self.attempts += readings.attempted
        self.acknowledged += int((readings.acknowledged < end).sum())

    def take(self, ending: _Ending, lost: Any, apart: Any, strangers: Any) -> None:
        """What came out."""
        import numpy as np

        readings = ending.readings
        self.final_reads += ending.reads
        acknowledged = int((readings.acknowledged < len(readings.adds.columns)).sum())
        self.unread += acknowledged - int(ending.due.sum())
        ok = np.flatnonzero(ending.seen[: readings.attempted] > 0)
        unsure = readings.acknowledged[ok] >= len(readings.adds.columns)
        chosen = {"ok": ok, "lost": lost, "diverged": apart, "recovered": ok[unsure]}
        for name, numbers in {**chosen, "unexpected": strangers}.items():
            self._found[name] += [readings.elements[number] for number in numbers.tolist()]

    def plain(self) -> dict[str, Any]:
        """As statistics."""
        return {
            "attempt-count": self.attempts,
            "acknowledged-count": self.acknowledged,
            "final-read-count": self.final_reads,
            **{f"{name}-count": len(found) for name, found in self._found.items()},
            **{name: interval_text(found) for name, found in self._found.items()},
        }
