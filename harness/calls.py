"""Client calls as arrays: each invocation together with its completion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .history import INFO, INVOKE, NEMESIS_PROCESS, OK, UNPAIRED, Columns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Calls:
    """Client calls in order of invocation; arrays of equal length.

    ``position`` int64, of the invocation in the history; ``completion`` int64, of its completion
    or :data:`UNPAIRED`; ``start`` and ``end`` int64 ns (``end`` is the end of the history for a
    call that never completed); ``outcome`` int8, one of OK, FAIL, INFO; ``f`` int32 code into
    ``fs``; ``columns`` those of the history.
    """

    position: NDArray[np.int64]
    completion: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    outcome: NDArray[np.int8]
    f: NDArray[np.int32]
    columns: Columns

    def __len__(self) -> int:
        return len(self.position)

    @property
    def fs(self) -> list[Any]:
        """The table of function names."""
        return self.columns.fs

    def those(self, chosen: Any) -> Calls:
        """Some of the calls, by mask or by index."""
        return Calls(
            self.position[chosen],
            self.completion[chosen],
            self.start[chosen],
            self.end[chosen],
            self.outcome[chosen],
            self.f[chosen],
            self.columns,
        )

    def named(self, f: str) -> Calls:
        """Those of one function."""
        return self.those(self.f == (self.fs.index(f) if f in self.fs else -1))

    def ended(self, outcome: int) -> Calls:
        """Those with one outcome."""
        return self.those(self.outcome == outcome)

    def acknowledged_at(self) -> NDArray[np.int64]:
        """Where each ok completion stands; one past the history's end for all other calls."""
        import numpy as np

        return np.where(self.outcome == OK, self.completion, len(self.columns))

    def by_key(self) -> Iterator[tuple[Any, Calls]]:
        """The calls of each independent object, in order of their first appearance."""
        import numpy as np

        codes = self.columns.key[self.position]
        if not len(codes) or (codes == codes[0]).all():
            if len(codes):
                yield self.columns.keys[codes[0]], self
            return
        order = np.argsort(codes, kind="stable")
        bounds = np.flatnonzero(np.diff(codes[order])) + 1
        groups = np.split(order, bounds)
        for group in sorted(groups, key=lambda group: group[0]):
            yield self.columns.keys[codes[group[0]]], self.those(group)


def calls(columns: Columns) -> Calls:
    """The client calls of a history."""
    import numpy as np

    position = np.flatnonzero((columns.type == INVOKE) & (columns.process != NEMESIS_PROCESS))
    completion = columns.pair[position].astype(np.int64)
    done = completion != UNPAIRED
    last = columns.time[-1] if len(columns) else 0
    return Calls(
        position=position,
        completion=completion,
        start=columns.time[position],
        end=np.where(done, columns.time[completion], last) if len(columns) else position,
        outcome=np.where(done, columns.type[completion], INFO).astype(np.int8)
        if len(columns)
        else position.astype(np.int8),
        f=columns.f[position],
        columns=columns,
    )
