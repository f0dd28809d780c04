"""What is wrong with a set, in sentences that name elements, operations and times."""

from __future__ import annotations

from typing import Any

from ..harness.history import INVOKE, History
from ..harness.verdict import Anomaly
from .elements import Witnesses, seconds
from .set_fates import Fates
from .set_readings import Readings
from .tally import shown


class Sentences:
    """The anomalies of one set."""

    def __init__(self, history: History, key: Any, readings: Readings, fates: Fates) -> None:
        self._history, self._key = history, key
        self._tells = Witnesses(history)
        self._readings, self._fates = readings, fates

    def _name(self, number: int) -> str:
        return shown(self._readings.elements[number])

    def _anomaly(self, name: str, text: str, positions: list[int], *numbers: int) -> Anomaly:
        elements = [self._readings.elements[number] for number in numbers]
        details = {"elements": elements} if elements else {}
        return Anomaly(name, text, sorted(set(positions)), key=self._key, details=details)

    def _first_read(self, content: int) -> int:
        """Of the reads that saw a content, the one that ended first, by its invocation."""
        return self._invocation(int(self._fates.first_ended[content]))

    def _last_read(self, content: int) -> int:
        return int(self._fates.last_began[content])

    def _invocation(self, position: int) -> int:
        """Of the operation that an entry of the history belongs to."""
        columns = self._history.columns()
        return position if columns.type[position] == INVOKE else int(columns.pair[position])

    def _how_known(self, number: int) -> tuple[str, int]:
        """``was acknowledged to process 3 (through n1) at 1.250 s``, and by which operation."""
        known = int(self._fates.known[number])
        by = self._invocation(known)
        added = number < self._readings.attempted and known == self._readings.acknowledged[number]
        verb = "was acknowledged to" if added else "was seen by"
        return f"{verb} {self._tells.ended(by)}", by

    def lost(self, number: int) -> Anomaly:
        """It was there for certain, and is no more."""
        fates = self._fates
        how, by = self._how_known(number)
        missed = int(fates.missed_by[number])
        text = f"Element {self._name(number)} {how}, but the read of {self._tells.began(missed)} "
        text += "did not see it, and no read after that did"
        positions = [by, missed]
        if fates.seen_by[number] >= 0:
            seen = int(fates.seen_by[number])
            text += f"; the last to see it was that of {self._tells.began(seen)}."
            positions.append(seen)
        else:
            text += "; none ever saw it."
        return self._anomaly("lost-element", text, positions, number)

    def duplicated(self, number: int, content: int) -> Anomaly:
        """A read saw it several times."""
        times = self._readings.repeated[content][number]
        at = self._first_read(content)
        text = (
            f"The read of {self._tells.began(at)} saw element {self._name(number)} {times} times."
        )
        return self._anomaly("duplicated-element", text, [at], number)

    def unexpected(self, number: int, content: int) -> Anomaly:
        """Nobody added it."""
        at = self._first_read(content)
        text = f"The read of {self._tells.began(at)} saw element {self._name(number)}, "
        failed = self._readings.failed_add(number)
        if failed is None:
            return self._anomaly("unexpected-element", text + "which nobody added.", [at], number)
        text += f"whose addition by {self._tells.began(failed)} failed for certain."
        return self._anomaly("unexpected-element", text, [at, failed], number)

    def early(self, number: int, content: int) -> Anomaly:
        """A read saw it before anyone began to add it."""
        at, begun = self._first_read(content), int(self._fates.begun[number])
        text = (
            f"The read of {self._tells.began(at)} saw element {self._name(number)}, which nobody "
            f"began to add before {self._tells.began(begun)}."
        )
        return self._anomaly("unexpected-element", text, [at, begun], number)

    def stale(self, number: int, content: int) -> Anomaly:
        """A read began when it was known, and did not see it."""
        how, by = self._how_known(number)
        at = self._last_read(content)
        time = self._history.columns().time
        late = seconds(int(time[at] - time[self._fates.known[number]]))
        text = (
            f"Element {self._name(number)} {how}, but the read of {self._tells.began(at)}, which "
            f"began {late} later, did not see it."
        )
        return self._anomaly("stale-read", text, [by, at], number)

    def reverse(self, number: int, content: int, later: int) -> Anomaly:
        """A read saw what was added afterwards."""
        how, by = self._how_known(number)
        at, begun = self._last_read(content), int(self._fates.begun[later])
        text = (
            f"The read of {self._tells.began(at)} saw element {self._name(later)} of "
            f"{self._tells.began(begun)}, but not element {self._name(number)}, which {how}, "
            "before that addition began."
        )
        return self._anomaly("causal-reverse", text, [by, begun, at], number, later)

    def fork(self, one: int, two: int) -> Anomaly:
        """Neither of two reads saw all that the other saw."""
        contents = self._readings.contents
        first, second = set(contents[one].tolist()), set(contents[two].tolist())
        x, y = min(first - second), min(second - first)
        a, b = self._last_read(one), self._last_read(two)
        text = (
            f"The read of {self._tells.began(a)} saw element {self._name(x)} but not "
            f"{self._name(y)}; that of {self._tells.began(b)} saw {self._name(y)} but not "
            f"{self._name(x)}. They cannot be put in any order."
        )
        return self._anomaly("long-fork", text, [a, b], x, y)
