"""What checkers of collections have in common: elements by number, lists of them, sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from ..harness.history import History
from ..harness.operation import Operation
from .tally import shown, who

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LISTED = 1000
"""So many elements are listed by name in statistics; all are counted."""

NEVER = 1 << 62
"""A position in the history that nothing comes after."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def identity(element: Any) -> Any:
    """What two elements share if they are equal as JSON (in Python, ``1 == True``)."""
    kind = type(element)
    return element if kind is int or kind is str else _encode(element)


class Numbering:
    """Different elements as numbers from 0, in the order in which they were told.

    Whole lists of integers, the usual case, are looked up in one go.
    """

    def __init__(self, elements: Iterable[Any]) -> None:
        self.elements: list[Any] = list(elements)
        self._numbers: dict[Any, int] | None = None
        self._by_value: NDArray[np.int64] | None = None
        self._least = 0
        self._make_table()

    def add(self, elements: Iterable[Any]) -> None:
        """Number those that are new."""
        numbers = self._by_identity()
        for element in elements:
            known = len(self.elements)
            if numbers.setdefault(identity(element), known) == known:
                self.elements.append(element)
        self._make_table()

    def _make_table(self) -> None:
        """An array from integer to number, if the elements are integers close together."""
        import numpy as np

        self._by_value = None
        if not self.elements or set(map(type, self.elements)) != {int}:
            return
        least, most = min(self.elements), max(self.elements)
        if most - least < 4 * len(self.elements) + 1024 and abs(least) < 1 << 62 > abs(most):
            table = np.full(most - least + 1, -1, np.int64)
            table[np.array(self.elements) - least] = np.arange(len(self.elements))
            self._least, self._by_value = least, table

    def _by_identity(self) -> dict[Any, int]:
        if self._numbers is None:
            identities = map(identity, self.elements)
            self._numbers = dict(zip(identities, range(len(self.elements)), strict=False))
        return self._numbers

    def number(self, element: Any) -> int:
        """Of one element; -1 if it is not known."""
        return self._by_identity().get(identity(element), -1)

    def numbers(self, elements: Sequence[Any]) -> NDArray[np.int64]:
        """Of each element in order; -1 for those that are not known."""
        import numpy as np

        table = self._by_value
        if table is not None and len(elements) >= 16 and set(map(type, elements)) == {int}:
            try:
                values = np.array(elements, np.int64) - self._least
            except OverflowError:
                pass
            else:
                if values.min() >= 0 and values.max() < len(table):
                    return table[values]
                known = (values >= 0) & (values < len(table))
                return np.where(known, table[np.where(known, values, 0)], -1)
        get = self._by_identity().get
        return np.fromiter((get(identity(e), -1) for e in elements), np.int64, len(elements))


def listed(elements: Iterable[Any], key: Any = None) -> list[Any]:
    """Elements in order, the first :data:`LISTED` of them; each as ``[key, element]`` for a key."""
    chosen = in_order(elements)[:LISTED]
    return [each if key is None else [key, each] for each in chosen]


def interval_text(elements: Iterable[Any]) -> str:
    """As Jepsen prints sets of integers: ``#{0..4 7 9..11}``; the first intervals of many."""
    chosen = in_order(elements)
    if chosen and set(map(type, chosen)) != {int}:
        return "#{" + " ".join(shown(each) for each in chosen[:LISTED]) + "}"
    runs = []
    for _, run in groupby(enumerate(chosen), lambda pair: pair[1] - pair[0]):
        values = [value for _, value in run]
        runs.append(f"{values[0]}..{values[-1]}" if len(values) > 1 else str(values[0]))
        if len(runs) == LISTED:
            break
    return "#{" + " ".join(runs) + "}"


def in_order(elements: Iterable[Any]) -> list[Any]:
    """All of them in order, whatever their types."""
    chosen = list(elements)
    try:
        return sorted(chosen)
    except TypeError:
        return sorted(chosen, key=_encode)


class Witnesses:
    """Tells of operations of one history in words."""

    def __init__(self, history: History) -> None:
        self.history = history

    def of(self, position: int) -> tuple[Operation, Operation | None]:
        """The invocation at a position, and its completion."""
        return self.history[int(position)], self.history.completion(int(position))

    def who(self, position: int) -> str:
        """``process 3 (through n2)``, whose invocation stands at a position."""
        invoked, completion = self.of(position)
        return who(invoked.process, completion.node if completion else None)

    def began(self, position: int) -> str:
        """``process 3 (through n2) at 1.250 s``: when an invocation was made."""
        return f"{self.who(position)} at {seconds(self.history[int(position)].time)}"

    def ended(self, position: int) -> str:
        """The same with the time of the completion."""
        _, completion = self.of(position)
        if completion is None:
            return f"{self.who(position)}, which never completed"
        return f"{self.who(position)} at {seconds(completion.time)}"


def seconds(time_ns: int) -> str:
    """A moment or duration: ``1.250 s``."""
    return f"{time_ns / 1e9:.3f} s"
