"""Functions and values as small numbers, for the algorithms that work on arrays.

Values are equal if they are equal as JSON. Work in Python is done once per distinct
value; what is done once per operation is done by NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...harness.history import FAIL, Columns, Intern
from .calls import ALL, CAS, CRASHED, DIFFERS, HAS, INSERT, LACKS, READ, TAKE, WRITE
from .models_collections import INSERTS, TAKES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OTHER = -1
"""Function code of what has no array encoding (only the general search decides it)."""

REGISTER_CODES = {
    "read": READ,
    "get": READ,
    "write": WRITE,
    "put": WRITE,
    "cas": CAS,
    "differs": DIFFERS,
    "delete": WRITE,
}
CONTAINER_CODES = {
    **dict.fromkeys(INSERTS, INSERT),
    **dict.fromkeys(TAKES, TAKE),
    "contains": HAS,
    "read": ALL,
}
CONTAINERS = frozenset({"queue", "stack", "priority-queue", "set"})


@dataclass(frozen=True)
class Encoded:
    """``f``, ``a``, ``b`` of :class:`Calls`, one entry a row, and the initial value's code."""

    f: NDArray[np.int8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    initial: int


def encode(
    model: Any, columns: Columns, rows: Any, seen: Any, returned: Any, parted: bool
) -> tuple[Encoded, Sequence[Any]]:
    """Arrays for all calls, and the table of values that their codes point into.

    ``seen``: for every call the row of the history whose value counts.
    """
    import numpy as np

    family = getattr(model, "family", None)
    if family in ("register", "map") and not parted:
        f = _functions(columns, rows, REGISTER_CODES)
        f[(returned != CRASHED) & (columns.type[_completed(returned)] == FAIL)] = DIFFERS
        if not (f == OTHER).any():
            return _registers(model, columns, rows, seen, f)
    elif family in CONTAINERS:
        f = _functions(columns, rows, CONTAINER_CODES)
        return _containers(model, family, columns, seen, returned, f)
    empty = np.zeros(len(rows), np.int32)
    return Encoded(np.full(len(rows), OTHER, np.int8), empty, empty, 0), []


def _completed(returned: Any) -> Any:
    import numpy as np

    return np.where(returned == CRASHED, 0, returned)


def _functions(columns: Columns, rows: Any, codes: dict[str, int]) -> NDArray[np.int8]:
    import numpy as np

    table = np.array([codes.get(f, OTHER) for f in columns.fs], np.int8)
    return table[columns.f[rows]]


def _registers(
    model: Any, columns: Columns, rows: Any, seen: Any, f: Any
) -> tuple[Encoded, Sequence[Any]]:
    import numpy as np

    values = columns.value[seen]
    pairs = (f == CAS) | (f == DIFFERS)
    deletes = np.array([name == "delete" for name in columns.fs], dtype=bool)
    first = plain(model.initial[0])
    if first is None and not pairs.any():
        # The history's own numbers of its values will do.
        a = values.copy()
        a[deletes[columns.f[rows]]] = 0
        return Encoded(f, a, np.zeros(len(a), np.int32), 0), columns.values
    intern = Intern()
    place = 2 * values + pairs
    used = np.zeros(2 * len(columns.values), dtype=bool)
    used[place] = True
    codes = np.zeros((2, len(used)), np.int32)
    single, double = np.flatnonzero(used[::2]), np.flatnonzero(used[1::2])
    codes[0, 2 * single] = [intern.code(columns.values[at]) for at in single.tolist()]
    for which in (0, 1):
        some = [intern.code(columns.values[at][which]) for at in double.tolist()]
        codes[which, 2 * double + 1] = some
    a, b = codes[0][place], codes[1][place]
    b[f == DIFFERS] = 0
    initial = intern.code(first)
    if deletes.any():
        a[deletes[columns.f[rows]]] = initial
    return Encoded(f, a, b, initial), intern.table


def _coded(columns: Columns, values: Any, use: Any, code: Callable[[Any], int]) -> Any:
    """The code of every value where ``use``, else 0; computed once per distinct value."""
    import numpy as np

    table = np.zeros(len(columns.values), np.int32)
    wanted = np.zeros(len(columns.values), dtype=bool)
    wanted[values[use]] = True
    which = np.flatnonzero(wanted)
    table[which] = [code(columns.values[at]) for at in which.tolist()]
    return np.where(use, table[values], 0).astype(np.int32)


def _containers(
    model: Any, family: str, columns: Columns, seen: Any, returned: Any, f: Any
) -> tuple[Encoded, Sequence[Any]]:
    import numpy as np

    values = columns.value[seen]
    intern = Intern()
    b = np.zeros(len(values), np.int32)
    unknown = (f == TAKE) & (returned == CRASHED) & (family != "set")
    has = f == HAS
    if family == "priority-queue":
        distinct = {code for code in values[~unknown].tolist() if code}
        for value in sorted(columns.values[code] for code in distinct):
            intern.code(value)
    a = _coded(columns, values, ~has & ~unknown, intern.code)
    if has.any():
        a += _coded(columns, values, has, lambda value: intern.code(value[0]))
        absent = _coded(columns, values, has, lambda value: 0 if value[1] else 1)
        f = np.where(absent == 1, LACKS, f).astype(np.int8)
    initial = 0 if not model.initial else intern.code(plain(sorted(model.initial, key=repr)))
    return Encoded(f, a, b, initial), intern.table


def plain(value: Any) -> Any:
    """A frozen value as the plain data it came from, as far as codes depend on it."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value
