"""What became of each element of a set, from the contents that were read of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from .elements import NEVER
from .set_readings import Readings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Fates:
    """Positions in the history, by element number (int64); -1 or :data:`NEVER` where none.

    ``known``      where it was known first: an acknowledgement, or the end of a read that saw it.
    ``seen_by``    the read that saw it and began last, by its invocation.
    ``seen_until`` where the last of the reads that saw it ended.
    ``missed_by``  of the reads that began when it was known and did not see it, the last one.

    Arrays of element numbers: ``stable`` (every read from some on saw it), ``lost`` (no read from
    some on saw it, whatever the order of overlapping reads), ``unsettled`` (neither can be told),
    ``never_read`` (no read says anything), ``stale`` (was missed, but not lost).
    """

    def __init__(self, readings: Readings) -> None:
        import numpy as np

        self.readings = readings
        reads = readings.reads
        self.last_began = readings.summary(reads.position, np.maximum)
        self.first_ended = readings.summary(reads.completion, np.minimum)
        last_ended = readings.summary(reads.completion, np.maximum)
        count = len(readings.elements)
        self.known = np.full(count, NEVER)
        self.known[: readings.attempted] = readings.acknowledged
        self.begun = np.full(count, NEVER)
        self.begun[: readings.attempted] = readings.begun
        self.seen_by, self.seen_until = np.full(count, -1), np.full(count, -1)
        for content, elements in enumerate(readings.contents):
            for figure, value, pick in (
                (self.known, self.first_ended[content], np.minimum),
                (self.seen_by, self.last_began[content], np.maximum),
                (self.seen_until, last_ended[content], np.maximum),
            ):
                figure[elements] = pick(figure[elements], value)
        self.missed_by = self._missed()
        self._sort_out()

    def _missed(self) -> NDArray[np.int64]:
        """Contents by the last read of each, from the last: who is not there was missed then.

        Only elements that every later content held are looked for further back, so that this
        takes no longer than reading the contents.
        """
        import numpy as np

        missed = np.full(len(self.readings.elements), -1)
        looked_for = np.flatnonzero(self.known < NEVER)
        present = self.readings.mask()
        for content in np.argsort(-self.last_began, kind="stable").tolist():
            began = self.last_began[content]
            elements = self.readings.contents[content]
            present[elements] = True
            counts = self.known[looked_for] < began
            here = present[looked_for]
            missed[looked_for[counts & ~here]] = began
            # Who is not known yet when this read began never will be, further back.
            looked_for = looked_for[counts & here]
            present[elements] = False
        return missed

    def _sort_out(self) -> None:
        import numpy as np

        tried = np.arange(len(self.readings.elements)) < self.readings.attempted
        seen, missed = self.seen_by >= 0, self.missed_by >= 0
        is_lost = missed & (self.seen_until < self.missed_by)
        is_stable = seen & (self.missed_by < self.seen_by)
        self.lost = np.flatnonzero(tried & is_lost)
        self.stable = np.flatnonzero(tried & is_stable)
        self.unsettled = np.flatnonzero(tried & seen & missed & ~is_lost & ~is_stable)
        self.never_read = np.flatnonzero(tried & ~seen & ~missed)
        self.stale = np.flatnonzero(tried & missed & ~is_lost)

    # -- what is wrong -------------------------------------------------------------

    def repeated(self) -> Iterator[tuple[int, int]]:
        """(element, content in which it stands several times), each element once."""
        told: set[int] = set()
        for content, elements in self.readings.repeated.items():
            for number in elements:
                if number not in told:
                    told.add(number)
                    yield number, content

    def strangers(self) -> Iterator[tuple[int, int]]:
        """(element that nobody can have added, the content of the first read to see it)."""
        strangers = range(self.readings.attempted, len(self.readings.elements))
        yield from self._first_contents(list(strangers))

    def early(self) -> Iterator[tuple[int, int]]:
        """(element that a read saw and ended before its addition began, that content)."""
        import numpy as np

        early = (self.known < self.begun) & (self.begun < NEVER)
        yield from self._first_contents(np.flatnonzero(early).tolist())

    def _first_contents(self, numbers: list[int]) -> Iterator[tuple[int, int]]:
        wanted = set(numbers)
        if not wanted:
            return
        first: dict[int, int] = {}
        for content in self.first_ended.argsort(kind="stable").tolist():
            for number in wanted.intersection(self.readings.contents[content].tolist()):
                first[number] = content
            wanted -= first.keys()
            if not wanted:
                break
        for number in numbers:
            yield number, first[number]

    def behind(self) -> Iterator[tuple[int, int, int | None]]:
        """(content, element that it lacks although known, element that proves it or ``None``).

        Without a proving element, the read itself began when the lacking one was known; else
        the addition of an element that it saw did. Of what a content lacks, the first known.
        """
        import numpy as np

        by_knowledge = np.argsort(self.known, kind="stable")
        by_knowledge = by_knowledge[self.known[by_knowledge] < NEVER]
        present = self.readings.mask()
        for content, elements in enumerate(self.readings.contents):
            present[elements] = True
            # The first that is absent stands at most behind all that are present.
            first = by_knowledge[: len(elements) + 1]
            absent = first[~present[first]]
            present[elements] = False
            if not len(absent):
                continue
            number = int(absent[0])
            if self.known[number] < self.last_began[content]:
                yield content, number, None
                continue
            mine = elements[elements < self.readings.attempted]
            if len(mine):
                later = int(mine[np.argmax(self.begun[mine])])
                if self.known[number] < self.begun[later]:
                    yield content, number, later

    def forks(self) -> Iterator[tuple[int, int]]:
        """Two contents each of which holds what the other lacks: neighbours by size."""
        import numpy as np

        contents = self.readings.contents
        sizes = np.array([len(each) for each in contents], np.int64)
        order = np.argsort(sizes, kind="stable").tolist()
        present = self.readings.mask()
        for one, two in pairwise(order):
            present[contents[two]] = True
            if not present[contents[one]].all():
                yield one, two
            present[contents[two]] = False
