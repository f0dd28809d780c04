"""The operations on one object, as arrays: what every algorithm here works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CRASHED = 2**62
"""In :attr:`Calls.returned`: never completed, so it may take effect at any time or never."""


@dataclass(frozen=True)
class Calls:
    """The operations on one object, in order of invocation. Arrays of equal length.

    ``invoked``   int64, position of the invocation in the history (a total order of events).
    ``returned``  int64, position of the completion, or :data:`CRASHED` where the outcome is
                  unknown: the operation may take effect at any time after its invocation,
                  or never.
    ``f``         int8, the function's code in the model.
    ``a``         int32, code of the argument or result as the model encodes it (0 is ``None``).
    ``b``         int32, code of the second argument (a cas's new value), else 0.
    ``initial``   code of the initial state's value, where the model has one.
    """

    invoked: NDArray[np.int64]
    returned: NDArray[np.int64]
    f: NDArray[np.int8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    initial: int = 0

    def __len__(self) -> int:
        return len(self.invoked)


# Function codes (`Calls.f`), by family of models.

READ, WRITE, CAS, DIFFERS, APPEND = 0, 1, 2, 3, 4
"""Registers: read of ``a``; write of ``a``; cas from ``a`` to ``b`` that succeeded; an
observation that the value is not ``a`` (a failed cas under ``failed_cas="observe"``). An
unknown read is left out before this point, a crashed one too. An append of text ``a`` stands
only in what ``appends.py`` makes."""

INSERT, TAKE, HAS, LACKS, ALL = 0, 1, 2, 3, 4
"""Containers: enqueue / push / insert / add of ``a``; dequeue / pop / remove-min that gave
``a`` (0: it found the container empty; a crashed one has ``a == 0`` and may have taken
anything or nothing) or, in a set, removal of ``a`` (always legal, no effect if absent);
``a`` was seen in the set; ``a`` was seen not to be in it; a read of the whole content (``a``
is the code of the collection). A priority queue takes the least ``a``: there, codes of values
are in their order."""
