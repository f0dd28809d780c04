"""One set's additions and reads as arrays: what the checkers of sets have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..harness.calls import Calls
from ..harness.history import FAIL, OK
from .elements import NEVER, Numbering
from .final_answers import FINAL
from .tally import shown

READS = ("read", FINAL)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def reads_of(mine: Calls) -> Calls:
    """All reads that succeeded; those of the end may bear a name of their own, ``final``."""
    import numpy as np

    known = [code for code, f in enumerate(mine.fs) if f in READS]
    return mine.those(np.isin(mine.f, known)).ended(OK)


def named_final(reads: Calls) -> NDArray[np.bool_]:
    """By read: whether it counts as final. If none bears that name, each may be; else the last one
    of each process, for they ask until answers change no more."""
    import numpy as np

    finals = np.flatnonzero(reads.f == (reads.fs.index(FINAL) if FINAL in reads.fs else -1))
    if not len(finals):
        return np.full(len(reads), True)
    processes = reads.columns.process[reads.position[finals]]
    _, from_the_end = np.unique(processes[::-1], return_index=True)
    result = np.full(len(reads), False)
    result[finals[len(finals) - 1 - from_the_end]] = True
    return result


class Readings:
    """The elements of one set by number, and every distinct content that was read of it.

    Of elements, by number: ``begun`` int64, where the first addition that did not fail was
    invoked; ``acknowledged``, where the first one was; ``added`` where that one was invoked.
    :data:`NEVER` where there is none. ``elements`` holds those that were attempted, then the
    ``strangers`` that were only read, or whose every addition failed.

    Of reads: ``contents``, a list of arrays of element numbers without repetition, one for each
    distinct value read; ``content`` int64, which of them each read saw; ``repeated``, for contents
    by number, the elements that stood there more than once and how often.

    ``odd``: why it cannot be judged.
    """

    def __init__(self, mine: Calls, wanted: Callable[[Calls, Calls], Any] | None = None) -> None:
        """``wanted`` chooses the reads that count, given the additions and all ok reads."""
        import numpy as np

        self.odd = ""
        adds = mine.named("add")
        self.reads = reads_of(mine)
        self.adds = adds.those(adds.outcome != FAIL)
        self.failed = adds.ended(FAIL)
        if wanted is not None:
            self.reads = self.reads.those(wanted(self.adds, self.reads))
        table = mine.columns.values
        codes = mine.columns.value
        different, back = np.unique(codes[self.adds.position], return_inverse=True)
        # Values that differ have different codes, so that they are numbered as they stand there.
        self.numbering = Numbering(table[code] for code in different.tolist())
        self.attempted = len(different)
        self.number_of_add = back
        self._times()
        different, self.content = np.unique(codes[self.reads.completion], return_inverse=True)
        self.contents: list[NDArray[np.int64]] = []
        self.repeated: dict[int, dict[int, int]] = {}
        for code in different.tolist():
            self._take(table[code])

    @property
    def elements(self) -> list[Any]:
        """By number."""
        return self.numbering.elements

    def _times(self) -> None:
        import numpy as np

        self.begun = np.full(self.attempted, NEVER)
        self.acknowledged = np.full(self.attempted, NEVER)
        self.added = np.full(self.attempted, NEVER)
        number = self.number_of_add
        np.minimum.at(self.begun, number, self.adds.position)
        ok = self.adds.outcome == OK
        np.minimum.at(self.acknowledged, number[ok], self.adds.completion[ok])
        first = ok & (self.adds.completion == self.acknowledged[number])
        self.added[number[first]] = self.adds.position[first]

    def _take(self, value: Any) -> None:
        """One more content; elements that nobody tried to add become strangers."""
        import numpy as np

        if not isinstance(value, list):
            self.odd = self.odd or f"a read of a set gives a list of elements, not {shown(value)}"
            value = []
        numbers = self.numbering.numbers(value)
        if (numbers < 0).any():
            self.numbering.add(value)
            numbers = self.numbering.numbers(value)
        if (np.diff(numbers) > 0).all():  # as often: told in the order in which they were added
            self.contents.append(numbers)
            return
        if 8 * len(numbers) > len(self.elements):
            counts = np.bincount(numbers)
            unique = np.flatnonzero(counts)
            counts = counts[unique]
        else:
            unique, counts = np.unique(numbers, return_counts=True)
        if len(unique) < len(numbers):
            twice = np.flatnonzero(counts > 1)
            pairs = zip(unique[twice].tolist(), counts[twice].tolist(), strict=True)
            self.repeated[len(self.contents)] = dict(pairs)
        self.contents.append(unique)

    def summary(self, by_read: Any, pick: Any) -> NDArray[np.int64]:
        """For each content the least or greatest of a figure of the reads that saw it.

        ``by_read`` int64; ``pick`` is ``np.minimum`` or ``np.maximum``.
        """
        import numpy as np

        result = np.full(len(self.contents), NEVER if pick is np.minimum else -1)
        pick.at(result, self.content, by_read)
        return result

    def mask(self) -> NDArray[np.bool_]:
        """By element, all false: for one who marks some of them and clears them again."""
        import numpy as np

        return np.zeros(len(self.elements), bool)

    def failed_add(self, number: int) -> int | None:
        """Where an addition of an element that failed was invoked."""
        codes = self.failed.columns.value[self.failed.position].tolist()
        wanted = Numbering([self.elements[number]])
        table = self.failed.columns.values
        for position, code in zip(self.failed.position.tolist(), codes, strict=True):
            if wanted.number(table[code]) == 0:
                return position
        return None
