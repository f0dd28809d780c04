"""Is every value that a counter showed one that its additions can have led to?

Source of the test: Jepsen's ``counter``, which bounds each read from below by the additions that
were acknowledged before it began and from above by those attempted before it ended, and takes
only positive ones. Here additions may be negative, reads are compared with one another, and
values between the bounds that no choice of additions adds up to are found, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..harness.calls import Calls, calls
from ..harness.errors import UserError
from ..harness.history import FAIL, History
from ..harness.verdict import Anomaly, Verdict
from .counter_sums import Sums, unreachable
from .elements import LISTED, Witnesses
from .set_readings import named_final, reads_of
from .tally import Tally, shown, strange, wishes_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODELS = {"counter-bounds": "additions to a counter and reads: each within what they can give"}

LARGEST = 1 << 40
"""Deltas and values beyond this are refused, so that no sum leaves 64 bits."""


class Counter:
    """Judges ``add`` of a whole number and ``read`` → the sum. Near linear.

    ``initial``       what it shows at first.
    ``linearizable``  every read is judged by real time; if not, only those that began after the
                      last addition was over (after healing, say; if any are called ``final``,
                      those), and of the others that nothing shows which was never added.

    An addition of unknown outcome may take effect at any time after it began, or never.

    Anomalies: ``below-bounds``, ``above-bounds`` (even with every addition that may or may not
    have been in effect chosen to suit it), ``impossible-value`` (within the bounds, but no choice
    adds up to it), ``impossible-change`` (two reads, one after the other, differ by more or less
    than what can have been added between them).
    """

    def __init__(self, initial: int = 0, linearizable: bool = True) -> None:
        self.initial = initial
        self.linearizable = linearizable

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every read that succeeded."""
        everything = calls(history.columns())
        tally, figures, judged = Tally(), _Figures(), 0
        for key, mine in everything.by_key():
            adds = mine.named("add")
            adds, reads = adds.those(adds.outcome != FAIL), reads_of(mine)
            codes = adds.columns.value[adds.position], reads.columns.value[reads.completion]
            try:
                deltas, values = (_numbers(adds.columns.values, each) for each in codes)
            except _NotWhole as odd:
                return strange(f"a counter is added to and read in whole numbers, not {odd}")
            judged += len(reads)
            book = Sums(adds, deltas, self.initial)
            self._judge(_Reads(history, key, reads, values, book), tally, figures)
        statistics = {"operations": len(everything), "read-count": judged, **figures.plain()}
        return tally.verdict(
            statistics, vacuous="" if judged else "no read of the counter ever succeeded"
        )

    def _judge(self, reads: _Reads, tally: Tally, figures: _Figures) -> None:
        import numpy as np

        began, ended, values = reads.began, reads.ended, reads.values
        book = reads.book
        # Unless real time counts, nothing is sure before everything is over.
        exact = np.full(len(began), True)
        if not self.linearizable:
            exact = (began > book.over_at) & reads.final
        sure_at = np.where(exact, began, 0)
        low, high = book.bounds(sure_at, ended)
        figures.take(low, values, high)
        wrong = (values < low) | (values > high)
        for at in np.flatnonzero(wrong).tolist():
            name = "below-bounds" if values[at] < low[at] else "above-bounds"
            tally.add(name, partial(reads.out_of_bounds, name, at, int(low[at]), int(high[at])))
        inside = ~wrong & (values > low) & (values < high) & exact
        found, left_out = unreachable(book, began, ended, values, low, inside)
        figures.left_out += left_out
        for at in found:
            tally.add("impossible-value", partial(reads.impossible, at))
        if self.linearizable:
            self._compare(reads, np.flatnonzero(~wrong), tally)

    @staticmethod
    def _compare(reads: _Reads, inside: NDArray[np.int64], tally: Tally) -> None:
        """Each read within its bounds with those before it, by two running extremes.

        If read *one* ended before read *two* began, what *two* has more is a sum of additions
        that were not surely in effect at *one* and may have been at *two*.
        """
        import numpy as np

        began, ended, values = reads.began[inside], reads.ended[inside], reads.values[inside]
        order = np.argsort(ended)
        # The newest read to be over before each one began, as a count of those that were.
        before = np.searchsorted(ended[order], began)
        has = np.flatnonzero(before > 0)
        for sign, part in ((1, reads.book.negative), (-1, reads.book.positive)):
            floor = sign * (values - part.acknowledged_before(began))[order]
            highest = np.maximum.accumulate(floor)
            reached = sign * (values - part.invoked_before(ended))
            wrong = has[reached[has] < highest[before[has] - 1]]
            for at in wrong.tolist():
                earlier = inside[order[: before[at]]], floor[: before[at]]
                tally.add("impossible-change", partial(reads.changed, *earlier, int(inside[at])))

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Counter:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        taken = wishes_of(model, wishes, ("initial", "linearizable"))
        initial = taken.get("initial", 0)
        if type(initial) is not int:
            raise UserError(f"initial: expected a whole number, got {initial!r}")
        word = str(taken.get("linearizable", "true")).lower()
        if word not in ("true", "false"):
            raise UserError(f"linearizable: expected true or false, got {word!r}")
        return cls(initial, word == "true")


class _NotWhole(Exception):
    """A delta or a value that is no whole number; the text shows it."""


def _numbers(table: list[Any], codes: NDArray[np.int32]) -> NDArray[np.int64]:
    import numpy as np

    different, back = np.unique(codes, return_inverse=True)
    plain = []
    for code in different.tolist():
        value = table[code]
        if type(value) is not int or abs(value) > LARGEST:
            raise _NotWhole(shown(value))
        plain.append(value)
    return np.array(plain, np.int64)[back] if plain else np.zeros(0, np.int64)


class _Figures:
    """``[lower, value, upper]`` of reads and of those out of bounds, as Jepsen gives them."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.errors: list[list[int]] = []
        self.error_count = 0
        self.widest: list[int] = []
        self.left_out = 0

    def take(self, low: Any, values: Any, high: Any) -> None:
        """The reads of one counter."""
        import numpy as np

        rows = np.stack((low, values, high), axis=1)
        off = np.maximum(low - values, values - high)
        wrong = off > 0
        self.error_count += int(wrong.sum())
        self.reads += rows[: max(0, LISTED - len(self.reads))].tolist()
        self.errors += rows[wrong][: max(0, LISTED - len(self.errors))].tolist()
        if wrong.any():
            worst = rows[int(np.argmax(off))].tolist()
            if not self.widest or _off(worst) > _off(self.widest):
                self.widest = worst

    def plain(self) -> dict[str, Any]:
        """As statistics."""
        figures: dict[str, Any] = {"reads": self.reads, "errors": self.errors}
        figures["error-count"] = self.error_count
        if self.widest:
            figures["max-absolute-error"] = self.widest
        if self.left_out:
            figures["judged-by-bounds-alone"] = self.left_out
        return figures


def _off(row: list[int]) -> int:
    return max(row[0] - row[1], row[1] - row[2])


class _Reads:
    """The reads of one counter, and sentences about them."""

    def __init__(self, history: History, key: Any, reads: Calls, values: Any, book: Sums) -> None:
        self._tells = Witnesses(history)
        self._key = key
        self.began, self.ended, self.values = reads.position, reads.completion, values
        self.final = named_final(reads)
        self.book = book

    def _read(self, at: int) -> str:
        began = self._tells.began(int(self.began[at]))
        return f"The read of {began} gave {self.values[at]}"

    def _anomaly(self, name: str, text: str, positions: list[int], **details: Any) -> Anomaly:
        return Anomaly(name, text, sorted(positions), key=self._key, details=details)

    def out_of_bounds(self, name: str, at: int, low: int, high: int) -> Anomaly:
        """Lower or higher than any choice of additions."""
        value, began, ended = int(self.values[at]), int(self.began[at]), int(self.ended[at])
        sure, open_ones = self.book.at(began, ended)
        text = f"{self._read(at)}, although it can only have been "
        text += f"{low}" if low == high else f"from {low} to {high}"
        text += f": {sure} by what had been acknowledged before it began"
        if open_ones:
            text += f", give or take {len(open_ones)} additions that were open or of unknown fate"
        off = low - value if value < low else value - high
        text += f". It is {off} too {'low' if value < low else 'high'}."
        suspects = self.book.acknowledged_near(began, value < low)
        bounds = [low, value, high]
        return self._anomaly(name, text, [began, *suspects], bounds=bounds)

    def impossible(self, at: int) -> Anomaly:
        """No choice of additions adds up to it."""
        began, ended = int(self.began[at]), int(self.ended[at])
        sure, open_ones = self.book.at(began, ended)
        deltas = ", ".join(f"{delta:+d}" for _, delta in open_ones[:8])
        text = (
            f"{self._read(at)}, but {sure} had been acknowledged before it began, and no choice "
            f"of the {len(open_ones)} additions that may or may not have been in effect "
            f"({deltas}{', …' if len(open_ones) > 8 else ''}) makes up the difference."
        )
        return self._anomaly("impossible-value", text, [began, *(p for p, _ in open_ones[:8])])

    def changed(self, earlier: Any, floor: Any, two: int) -> Anomaly:
        """A read does not go together with one of those that were over before it began."""
        one = int(earlier[floor.argmax()])
        ended = self._tells.ended(int(self.began[one]))
        change = int(self.values[two] - self.values[one])
        low, high = self.book.change(int(self.began[one]), int(self.ended[two]))
        allowed = f"only {low:+d}" if low == high else f"from {low:+d} to {high:+d}"
        text = (
            f"{self._read(two)}, after a read that was answered {self.values[one]} to {ended} "
            f"before: {change:+d}, where what can have been added between them is {allowed}."
        )
        positions = [int(self.began[one]), int(self.began[two])]
        return self._anomaly("impossible-change", text, positions)
