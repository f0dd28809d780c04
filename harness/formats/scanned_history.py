"""A history that stays in its file: operations are decoded when asked for."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from ..errors import UserError
from ..history import (
    INVOKE,
    NEMESIS_PROCESS,
    UNPAIRED,
    Columns,
    History,
    MicroOperations,
)
from ..operation import Operation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ScannedHistory(History):
    """Like the history that the general reader gives, in a tenth of the memory.

    ``file``     with the lines, open for reading; closed when this is forgotten.
    ``offset``   int64: where each operation's line begins.
    ``decode``   makes an operation of its line and position. :class:`ValueError` if it cannot.

    What needs all operations at once (:meth:`columns`, :meth:`append`) reads them all.
    """

    def __init__(
        self,
        file: IO[bytes],
        offset: NDArray[np.int64],
        process: NDArray[np.int32],
        type_: NDArray[np.int8],
        pair: NDArray[np.int32],
        decode: Callable[[bytes, int], Operation],
        micro_operations: MicroOperations | None,
    ) -> None:
        self._file = file
        weakref.finalize(self, file.close)
        self._offsets, self._processes, self._types = offset, process, type_
        self._pairs, self._decode_line = pair, decode
        self._micro_operations = micro_operations
        self._whole: History | None = None

    def micro_operations(self) -> MicroOperations | None:
        """The transactions as arrays; ``None`` if not all values are plain ones."""
        return self._micro_operations

    def __len__(self) -> int:
        return len(self._offsets if self._whole is None else self._whole)

    def __getitem__(self, at: Any) -> Any:
        if self._whole is not None:
            return self._whole[at]
        if isinstance(at, slice):
            return super().__getitem__(at)
        size = len(self._offsets)
        if not -size <= at < size:
            raise IndexError(f"operation {at} of {size}")
        at %= size
        self._file.seek(int(self._offsets[at]))
        return self._operation(self._file.readline(), at)

    def _operation(self, line: bytes, at: int) -> Operation:
        try:
            return self._decode_line(line, at)
        except (ValueError, RecursionError, LookupError):
            name = getattr(self._file, "name", "the history")
            raise UserError(f"{name}: was changed while it was read; read it again") from None

    def __iter__(self) -> Iterator[Operation]:
        if self._whole is not None:
            yield from self._whole
            return
        for at in range(len(self._offsets)):
            yield self[at]

    def completion(self, at: int) -> Operation | None:
        """The completion of the invocation at a position (or the reverse), if there is one."""
        if self._whole is not None:
            return self._whole.completion(at)
        pair = int(self._pairs[at])
        return None if pair == UNPAIRED else self[pair]

    def pairs(self) -> Iterator[tuple[Operation, Operation | None]]:
        """Every client invocation with its completion (``None`` if it never came)."""
        if self._whole is not None:
            yield from self._whole.pairs()
            return
        chosen = (self._types == INVOKE) & (self._processes != NEMESIS_PROCESS)
        for at in self._all(chosen):
            yield self[at], self.completion(at)

    def nemesis(self) -> Iterator[Operation]:
        """The nemesis's operations."""
        if self._whole is not None:
            return self._whole.nemesis()
        return (self[at] for at in self._all(self._processes == NEMESIS_PROCESS))

    @staticmethod
    def _all(chosen: Any) -> list[int]:
        return chosen.nonzero()[0].tolist()

    def append(self, operation: Operation) -> None:
        """Add one operation (to what is in memory, not to the file)."""
        self._in_memory().append(operation)
        self._micro_operations = None

    def columns(self) -> Columns:
        """The columnar view, with all values."""
        return self._in_memory().columns()

    def _in_memory(self) -> History:
        if self._whole is None:
            self._whole = History(iter(self))
        return self._whole
