"""What a decision procedure answers about the calls on one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Decision:
    """The answer, with what proves it.

    ``valid``        ``True``, ``False``, or ``None``: this procedure cannot tell, search instead.
    ``witness``      int64 positions of calls, in an order that explains every result; crashed
                     calls that need not have taken effect are left out. ``None`` unless valid.
    ``certificate``  positions of calls, ascending, that alone are already not linearizable;
                     ``None`` unless invalid, and where no small set was found.
    ``algorithm``    the procedure's name.
    ``note``         one sentence: why invalid, or why undecided.
    """

    valid: bool | None
    witness: NDArray[np.int64] | None = None
    certificate: tuple[int, ...] | None = None
    algorithm: str = ""
    note: str = ""
