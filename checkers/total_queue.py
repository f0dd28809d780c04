"""What goes in must come out, and no more than once. Source of the test: Jepsen's ``total-queue``.

Jepsen's counts an element as lost if its enqueue was acknowledged and nobody got it. But a dequeue
whose answer was lost may have taken it, and a queue that was not drained may still hold it; only
what cannot be explained so is called lost here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..harness.calls import Calls, calls
from ..harness.errors import UserError
from ..harness.history import FAIL, INFO, OK, History
from ..harness.verdict import Anomaly, Verdict
from .elements import NEVER, Numbering, Witnesses, listed, seconds
from .tally import Tally, shown, strange, wishes_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODELS = {"total-queue": "enqueue, dequeue and drain: what goes in comes out, and only once"}

EMPTY = "empty"
"""The error of a dequeue that failed because the queue was empty."""


class TotalQueue:
    """Judges ``enqueue`` of an element, ``dequeue`` → one, ``drain`` → a list of all. Linear.

    Elements may be equal; then they are counted. The order in which they come is not judged.

    ``duplicates``  whether an element may come more than once (at-least-once delivery).

    Anomalies: ``lost-element`` (acknowledged before the queue was seen empty, never delivered,
    and too many of them for the dequeues of unknown outcome to have taken), ``duplicated-element``,
    ``unexpected-element`` (never enqueued, or delivered before its enqueue began). Unknown if
    the queue was never seen empty: by a drain, or a dequeue that failed with ``empty``.
    """

    def __init__(self, duplicates: bool = False) -> None:
        self.duplicates = duplicates

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every element."""
        everything = calls(history.columns())
        tally, figures, reasons = Tally(), _Figures(), []
        for key, mine in everything.by_key():
            queue = _Queue(history, key, mine)
            if queue.odd:
                return strange(queue.odd)
            self._judge(queue, tally, figures, reasons)
        statistics = {"operations": len(everything), **figures.plain()}
        vacuous = "; ".join(reasons) or ("" if figures.ok else "nothing ever came out of the queue")
        return tally.verdict(statistics, figures.assumed(), vacuous)

    def _judge(self, queue: _Queue, tally: Tally, figures: _Figures, reasons: list[str]) -> None:
        import numpy as np

        attempts, came = queue.attempts, queue.came
        unexpected = np.flatnonzero((attempts == 0) & (came > 0))
        for number in unexpected.tolist():
            tally.add("unexpected-element", partial(queue.unexpected, number))
        early = np.flatnonzero(queue.early())
        for number in early.tolist():
            tally.add("unexpected-element", partial(queue.early_one, number))
        duplicated = np.flatnonzero((attempts > 0) & (came > attempts))
        if not self.duplicates:
            for number in duplicated.tolist():
                tally.add("duplicated-element", partial(queue.duplicated, number))
        missing = np.flatnonzero(queue.acknowledged > came)
        due, taken = queue.due_by_end(), queue.may_have_taken()
        lost = np.flatnonzero(due > came)
        number_lost = int((due - came)[lost].sum())
        if number_lost > taken:
            for number in lost.tolist():
                tally.add("lost-element", partial(queue.lost, number, number_lost, taken))
        elif len(missing) and queue.emptied is None:
            reasons.append(
                f"{len(missing)} elements did not come out, but the queue was never seen empty: "
                "let the clients drain it at the end"
            )
        figures.take(queue, unexpected, duplicated, missing, number_lost, taken)

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> TotalQueue:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        taken = wishes_of(model, wishes, ("duplicates",))
        word = str(taken.get("duplicates", "false")).lower()
        if word not in ("true", "false"):
            raise UserError(f"duplicates: expected true or false, got {word!r}")
        return cls(word == "true")


class _Queue:
    """The elements of one queue by number, and what became of them.

    ``attempts``      int64 by element: how often it was enqueued or may have been.
    ``acknowledged``  how often for certain.
    ``came``          how often it was delivered.
    ``emptied``       where the last operation began that saw the queue empty, and where that
                      ended; ``None`` if there is none.
    ``odd``           why it cannot be judged.
    """

    def __init__(self, history: History, key: Any, mine: Calls) -> None:
        import numpy as np

        self.tells, self.key, self.odd = Witnesses(history), key, ""
        table = mine.columns.values
        enqueues = mine.named("enqueue")
        self.failed = enqueues.ended(FAIL)
        self.enqueues = enqueues.those(enqueues.outcome != FAIL)
        self.dequeues, self.drains = mine.named("dequeue"), mine.named("drain")
        # Codes of values become numbers of elements; those of drains' lists are added.
        got = self.dequeues.ended(OK)
        codes = mine.columns.value
        drained, lists = self._drained(table)
        parts = (codes[self.enqueues.position], codes[got.completion])
        different, back = np.unique(np.concatenate(parts), return_inverse=True)
        self.numbering = Numbering([])
        numbers = np.arange(len(different))
        self.elements = [table[code] for code in different.tolist()]
        if lists:
            self.numbering = Numbering(self.elements)
            self.numbering.add(element for each in lists for element in each)
            self.elements = self.numbering.elements
        from_drains = [self.numbering.numbers(each) for each in lists]
        self.enqueued = numbers[back[: len(self.enqueues)]]
        self.delivered = np.concatenate([numbers[back[len(self.enqueues) :]], *from_drains])
        # Where each delivery began and ended.
        sizes = [len(each) for each in lists]
        self.delivery = np.concatenate([got.position, np.repeat(drained.position, sizes)])
        self.delivered_at = np.concatenate([got.completion, np.repeat(drained.completion, sizes)])
        count = len(self.elements)
        self.attempts = np.bincount(self.enqueued, minlength=count)
        ok = self.enqueues.outcome == OK
        self.acknowledged = np.bincount(self.enqueued[ok], minlength=count)
        self.came = np.bincount(self.delivered, minlength=count)
        self.emptied = self._last_emptied()

    def _drained(self, table: list[Any]) -> tuple[Calls, list[list[Any]]]:
        """Drains that tell what they took, also those of which more is not known."""
        import numpy as np

        drains = self.drains
        codes = drains.columns.value
        ok = drains.outcome == OK
        # A drain that broke off may carry what it had got until then.
        partly = (drains.outcome == INFO) & (drains.completion >= 0)
        partly &= codes[drains.completion] != codes[drains.position]
        told = drains.those(ok | partly)
        lists = [table[code] for code in codes[told.completion].tolist()]
        for at, each in enumerate(lists):
            if not isinstance(each, list):
                where = int(told.completion[at])
                self.odd = f"operation {where}: a drain gives a list, not {shown(each)}"
                return drains.those(np.zeros(len(drains), bool)), []
        return told, lists

    def _last_emptied(self) -> tuple[int, int] | None:
        """The operation that saw the queue empty and began last."""
        import numpy as np

        errors = self.dequeues.columns.errors
        empty = np.array([says_empty(error) for error in errors], bool)
        failed = self.dequeues.ended(FAIL)
        failed = failed.those(empty[failed.columns.error[failed.completion]])
        # A dequeue of an empty queue may also succeed, with nothing.
        nothing = self.dequeues.ended(OK)
        nothing = nothing.those(nothing.columns.value[nothing.completion] == 0)
        if len(nothing):
            self._forget(nothing)
        found = [
            (int(each.position[-1]), int(each.completion[-1]))
            for each in (self.drains.ended(OK), failed, nothing)
            if len(each)
        ]
        return max(found, default=None)

    def _forget(self, nothing: Calls) -> None:
        """Dequeues that gave nothing delivered no element."""
        import numpy as np

        keep = ~np.isin(self.delivery, nothing.position)
        self.delivered, self.delivery = self.delivered[keep], self.delivery[keep]
        self.delivered_at = self.delivered_at[keep]
        self.came = np.bincount(self.delivered, minlength=len(self.elements))

    # -- judgements ----------------------------------------------------------------

    def due_by_end(self) -> NDArray[np.int64]:
        """By element, how often it was acknowledged before the queue was last seen empty."""
        import numpy as np

        began = -1 if self.emptied is None else self.emptied[0]
        due = self.enqueues.acknowledged_at() < began
        return np.bincount(self.enqueued[due], minlength=len(self.elements))

    def may_have_taken(self) -> int:
        """How many elements the dequeues of unknown outcome may have taken before that."""
        ended = NEVER if self.emptied is None else self.emptied[1]
        open_drains = self.drains.ended(INFO)
        if (open_drains.position < ended).any():
            return NEVER
        return int((self.dequeues.ended(INFO).position < ended).sum())

    def early(self) -> NDArray[np.bool_]:
        """By element, whether a delivery was over before an enqueue for it had begun.

        The n-th delivery to end needs n enqueues that began before.
        """
        import numpy as np

        result = np.zeros(len(self.elements), bool)
        order = np.lexsort((self.delivered_at, self.delivered))
        element = self.delivered[order]
        rank = np.arange(len(element)) - np.searchsorted(element, element)
        of_enqueue = np.argsort(self.enqueued, kind="stable")
        first = np.searchsorted(self.enqueued[of_enqueue], element)
        enough = rank < self.attempts[element]
        element, ended = element[enough], self.delivered_at[order][enough]
        began = self.enqueues.position[of_enqueue[(first + rank)[enough]]]
        result[element[began > ended]] = True
        return result

    # -- explanations --------------------------------------------------------------

    def _anomaly(self, name: str, text: str, positions: list[int], number: int) -> Anomaly:
        details = {"element": self.elements[number]}
        return Anomaly(name, text, sorted(set(positions)), key=self.key, details=details)

    def _enqueues_of(self, number: int) -> list[int]:
        return self.enqueues.position[self.enqueued == number].tolist()

    def _deliveries_of(self, number: int) -> list[int]:
        chosen = self.delivered == number
        order = self.delivered_at[chosen].argsort(kind="stable")
        return self.delivery[chosen][order].tolist()

    def unexpected(self, number: int) -> Anomaly:
        """Nobody enqueued it."""
        element, at = self.elements[number], self._deliveries_of(number)[0]
        text = f"{shown(element)} was delivered to {self.tells.ended(at)}, "
        columns = self.failed.columns
        codes = columns.value[self.failed.position].tolist()
        same = [
            int(position)
            for position, code in zip(self.failed.position, codes, strict=True)
            if Numbering([columns.values[code]]).number(element) == 0
        ]
        if not same:
            text += "but nobody ever enqueued it."
        else:
            text += f"although its enqueue by {self.tells.began(same[0])} failed for certain."
        return self._anomaly("unexpected-element", text, [at, *same[:1]], number)

    def early_one(self, number: int) -> Anomaly:
        """It came before it was there."""
        at, enqueue = self._deliveries_of(number)[0], self._enqueues_of(number)[0]
        text = (
            f"{shown(self.elements[number])} was delivered to {self.tells.ended(at)}, more often "
            f"than anyone had begun to enqueue it; the enqueue of {self.tells.began(enqueue)} "
            "came too late."
        )
        return self._anomaly("unexpected-element", text, [at, enqueue], number)

    def duplicated(self, number: int) -> Anomaly:
        """It came more often than it went in."""
        deliveries, times = self._deliveries_of(number), int(self.attempts[number])
        first, second = deliveries[0], deliveries[times]
        enqueued = "once" if times == 1 else f"at most {times} times"
        text = (
            f"{shown(self.elements[number])} was enqueued {enqueued} but delivered "
            f"{len(deliveries)} times: to {self.tells.ended(first)} and again to "
            f"{self.tells.ended(second)}."
        )
        positions = [self._enqueues_of(number)[0], first, second]
        return self._anomaly("duplicated-element", text, positions, number)

    def lost(self, number: int, lost: int, taken: int) -> Anomaly:
        """It went in and never came out."""
        assert self.emptied is not None
        enqueue = self._enqueues_of(number)[0]
        text = (
            f"{shown(self.elements[number])}, whose enqueue was acknowledged to "
            f"{self.tells.ended(enqueue)}, was never delivered, although "
            f"{self.tells.who(self.emptied[0])} saw the queue empty at "
            f"{seconds(self.tells.history[self.emptied[1]].time)}."
        )
        if taken:
            text += (
                f" {lost} elements are missing; the {taken} dequeues of unknown outcome can "
                "have taken one each."
            )
        return self._anomaly("lost-element", text, [enqueue, self.emptied[0]], number)


class _Figures:
    """Jepsen's statistics, over all queues."""

    def __init__(self) -> None:
        self.attempts = self.acknowledged = self.ok = 0
        self.lost_for_certain = self.perhaps_taken = 0
        names = ("unexpected", "duplicated", "lost", "recovered")
        self.counts: dict[str, int] = dict.fromkeys(names, 0)
        self.lists: dict[str, list[Any]] = {name: [] for name in names}

    def take(
        self,
        queue: _Queue,
        unexpected: NDArray[np.int64],
        duplicated: NDArray[np.int64],
        missing: NDArray[np.int64],
        lost: int,
        taken: int,
    ) -> None:
        """One queue."""
        import numpy as np

        ok = np.minimum(queue.came, queue.attempts)
        recovered = np.maximum(ok - queue.acknowledged, 0)
        self.attempts += int(queue.attempts.sum()) + len(queue.failed)
        self.acknowledged += int(queue.acknowledged.sum())
        self.ok += int(ok.sum())
        if lost > taken:
            self.lost_for_certain += lost - taken
        elif lost:
            self.perhaps_taken += lost
        for name, numbers, counts in (
            ("unexpected", unexpected, queue.came),
            ("duplicated", duplicated, queue.came - queue.attempts),
            ("lost", missing, queue.acknowledged - queue.came),
            ("recovered", np.flatnonzero(recovered), recovered),
        ):
            self.counts[name] += int(counts[numbers].sum())
            self.lists[name] += listed((queue.elements[n] for n in numbers.tolist()), queue.key)

    def plain(self) -> dict[str, Any]:
        """As statistics."""
        figures: dict[str, Any] = {
            "attempt-count": self.attempts,
            "acknowledged-count": self.acknowledged,
            "ok-count": self.ok,
        }
        figures |= {f"{name}-count": count for name, count in self.counts.items()}
        figures |= self.lists
        return figures | {"certainly-lost-count": self.lost_for_certain}

    def assumed(self) -> str:
        """What a valid verdict rests on."""
        if not self.perhaps_taken:
            return ""
        return (
            f"{self.perhaps_taken} elements that nobody got may have been taken by dequeues of "
            "unknown outcome"
        )


def says_empty(error: Any) -> bool:
    """Whether a dequeue failed because there was nothing: ``empty`` or ``["empty", …]``."""
    return error == EMPTY or (isinstance(error, list) and error[:1] == [EMPTY])
