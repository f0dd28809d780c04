"""From a history to the operations on each object, as arrays.

Failed operations did not happen and are left out, but for a failed cas under
``failed_cas="observe"``: there it tells that the value was not ``from`` at some moment of
the call (``DIFFERS``). What never completed may take effect at any time after its
invocation, or never; where it cannot change anything (a crashed read), it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...harness.history import FAIL, INVOKE, OK, Columns, History
from ...harness.operation import Operation
from .calls import CRASHED, Calls
from .encoding import encode
from .values import freeze

if TYPE_CHECKING:
    pass


class StrangeHistory(ValueError):
    """The history holds something that the model has no meaning for; says what and where."""


class Problem:
    """One object's operations: what is to be decided.

    ``key``      the independent object (``None``: there is only one).
    ``part``     the part of its state that this is about (a map's key), or ``None``.
    ``calls``    the operations as arrays; ``calls.invoked`` are indices of invocations. They are
                 those of ``every`` from ``low`` to ``high``.
    """

    def __init__(
        self, model: Any, history: History, key: Any, part: Any, every: Calls, low: int, high: int,
        values: Sequence[Any],
    ) -> None:  # fmt: skip
        self.model, self.history, self.key, self.part = model, history, key, part
        self._every, self._low, self._high, self.values = every, low, high, values

    @cached_property
    def calls(self) -> Calls:
        """The operations as arrays; only cut out if somebody looks at them."""
        every, some = self._every, slice(self._low, self._high)
        return Calls(
            every.invoked[some], every.returned[some], every.f[some], every.a[some],
            every.b[some], every.initial,
        )  # fmt: skip

    def with_calls(self, calls: Calls) -> Problem:
        """The same object with other calls."""
        return Problem(
            self.model, self.history, self.key, self.part, calls, 0, len(calls), self.values
        )

    def __len__(self) -> int:
        return self._high - self._low

    def operation(self, at: int) -> Operation:
        """Call ``at`` as the model sees it: one operation with its result, where known."""
        invoked, returned = int(self.calls.invoked[at]), int(self.calls.returned[at])
        return _seen(self.model, self.history, invoked, returned, self.part is not None)

    @cached_property
    def kinds(self) -> tuple[list[int], list[Operation]]:
        """For every call the number of its kind, and the kinds; equal calls are one kind."""
        return self.kinds_of(range(len(self)))

    def kinds_of(self, calls: Sequence[int]) -> tuple[list[int], list[Operation]]:
        """The same for some of the calls."""
        kinds: dict[Any, int] = {}
        operations: list[Operation] = []
        numbers: list[int] = []
        owner_aware = getattr(self.model, "owner_aware", False)
        for at in calls:
            operation = self.operation(at)
            value = operation.value
            identity = (
                operation.type,
                operation.f,
                type(value),
                freeze(value),
                operation.process if owner_aware else None,
            )
            number = kinds.get(identity)
            if number is None:
                number = kinds[identity] = len(operations)
                operations.append(operation)
            numbers.append(number)
        return numbers, operations


class Problems(Sequence[Problem]):
    """The problems of a history, made when asked for.

    ``calls`` holds those of all, problem ``k`` from ``starts[k]`` on; ``names`` their keys
    and parts.
    """

    def __init__(
        self, model: Any, history: History, calls: Calls, starts: Any, names: Any, values: Any
    ) -> None:
        self.model, self.history, self.calls = model, history, calls
        self.starts, self.names, self.values = starts, names, values
        self._first = starts.tolist()

    def __len__(self) -> int:
        return len(self._first) - 1

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at %= len(self)
        key, part = self.names[at]
        low, high = self._first[at], self._first[at + 1]
        return Problem(self.model, self.history, key, part, self.calls, low, high, self.values)


def prepare(
    history: History, model: Any, failed_cas: str = "drop", none_reads: str = "auto"
) -> Sequence[Problem]:
    """Split a history into the problems that can be decided one by one.

    ``none_reads``: whether a read that answered ``None`` saw the ``"value"`` ``None`` or is
    ``"unknown"`` (and is left out); ``"auto"`` takes it as unknown if the register neither
    began as ``None`` nor was ever set to it.

    Raises :class:`StrangeHistory` where an operation means nothing to the model.
    """
    import numpy as np

    columns = history.columns()
    rows, returned = _selected(columns, model, failed_cas)
    rows, returned = _without_unknown_reads(columns, model, rows, returned, none_reads)
    fs = [columns.fs[code] for code in range(len(columns.fs))]
    _known_functions(model, columns, rows, fs)
    if len(rows) == 0:
        return []
    order, starts, names = _grouped(columns, rows)
    parted = hasattr(model, "part") and any(key is None for key, _ in names)
    if parted:
        order, starts, names = _parted(order, starts, names, model, history, rows, returned)
    seen = _effective(columns, model, rows, returned)
    arrays, values = encode(model, columns, rows, seen, returned, parted)
    calls = Calls(rows.astype(np.int64), returned, arrays.f, arrays.a, arrays.b, arrays.initial)
    if order is not None:
        calls = Calls(
            calls.invoked[order],
            calls.returned[order],
            calls.f[order],
            calls.a[order],
            calls.b[order],
            calls.initial,
        )
    return Problems(model, history, calls, starts, names, values)


def _grouped(columns: Columns, rows: Any) -> tuple[Any, Any, list[tuple[Any, Any]]]:
    """An order (``None``: as it is) that brings the calls on each key together."""
    import numpy as np

    keys = columns.key[rows]
    if int(keys.min()) == int(keys.max()):
        return None, np.array([0, len(rows)]), [(columns.keys[int(keys[0])], None)]
    if len(columns.keys) < 1 << 16:
        keys = keys.astype(np.uint16)  # then NumPy sorts by radix
    order = np.argsort(keys, kind="stable")
    counts = np.bincount(keys, minlength=len(columns.keys))
    used = np.flatnonzero(counts)
    starts = np.concatenate(([0], np.cumsum(counts[used])))
    return order, starts, [(columns.keys[code], None) for code in used.tolist()]


def _selected(columns: Columns, model: Any, failed_cas: str) -> tuple[Any, Any]:
    """Invocations that count, and the positions of their completions."""
    import numpy as np

    rows = np.flatnonzero((columns.type == INVOKE) & (columns.process >= 0))
    pair = columns.pair[rows].astype(np.int64)
    ended = np.where(pair >= 0, columns.type[pair], -1)
    pure = getattr(model, "pure", frozenset())
    is_pure = np.array([f in pure for f in columns.fs], dtype=bool)[columns.f[rows]]
    keep = (ended == OK) | ((ended != FAIL) & ~is_pure)
    if failed_cas == "observe":
        is_cas = np.array([f == "cas" for f in columns.fs], dtype=bool)[columns.f[rows]]
        keep |= (ended == FAIL) & is_cas
    known = (ended == OK) | (ended == FAIL)
    returned = np.where(known, pair, CRASHED)
    return rows[keep], returned[keep]


def _without_unknown_reads(
    columns: Columns, model: Any, rows: Any, returned: Any, none_reads: str
) -> tuple[Any, Any]:
    """Leave out reads of ``None`` that tell nothing."""
    import numpy as np

    if getattr(model, "family", None) not in ("register", "map") or none_reads == "value":
        return rows, returned
    if none_reads == "auto" and model.initial == (None,):
        return rows, returned
    is_read = np.array([f in ("read", "get") for f in columns.fs], dtype=bool)[columns.f[rows]]
    values = columns.value
    sets_none = ~is_read & (values[rows] == 0)
    with_none = [type(v) is list and len(v) == 2 and v[1] is None for v in columns.values]
    sets_none |= ~is_read & np.array(with_none, dtype=bool)[values[rows]]
    if none_reads == "auto" and sets_none.any():
        return rows, returned
    done = np.where(returned == CRASHED, 0, returned)
    keep = ~(is_read & (returned != CRASHED) & (values[done] == 0))
    return rows[keep], returned[keep]


def _known_functions(model: Any, columns: Columns, rows: Any, fs: list[Any]) -> None:
    functions = getattr(model, "functions", None)
    if functions is None:
        return
    import numpy as np

    wrong = np.array([f not in functions for f in fs], dtype=bool)[columns.f[rows]]
    if wrong.any():
        at = int(rows[int(np.argmax(wrong))])
        name = type(model).__name__
        raise StrangeHistory(
            f"operation {at}: {fs[columns.f[at]]!r} is not an operation of the model {name}; "
            f"expected one of {', '.join(sorted(functions))}"
        )


def _effective(columns: Columns, model: Any, rows: Any, returned: Any) -> Any:
    """For every call the row whose value counts: the completion for an observer."""
    import numpy as np

    done = returned != CRASHED
    completed = np.where(done, returned, 0)
    succeeded = done & (columns.type[completed] == OK)
    observers = getattr(model, "observers", None)
    if observers is None:
        use = succeeded & (columns.value[completed] != 0)
    else:
        is_observer = np.array([f in observers for f in columns.fs], dtype=bool)
        use = succeeded & is_observer[columns.f[rows]]
    return np.where(use, completed, rows)


def _seen(model: Any, history: History, invoked: int, returned: int, parted: bool) -> Operation:
    invocation = history[invoked]
    f, value, kind = invocation.f, invocation.value, "ok"
    if returned == CRASHED:
        kind = "info"
    else:
        completion = history[returned]
        observers = getattr(model, "observers", None)
        if completion.type == "fail":
            f = "differs"
        elif observers is None:
            value = value if completion.value is None else completion.value
        elif f in observers:
            value = completion.value
    operation = Operation(
        index=invoked,
        time=invocation.time,
        process=invocation.process,
        type=kind,
        f=f,
        value=value,
        node=invocation.node,
    )
    return model.part(operation)[1] if parted else operation


def _parted(
    order: Any, starts: Any, names: list[Any], model: Any, history: History, rows: Any,
    returned: Any,
) -> tuple[Any, Any, list[tuple[Any, Any]]]:  # fmt: skip
    """Split groups whose operations carry the part in their value; keyed ones stay whole."""
    import numpy as np

    every = np.arange(len(rows)) if order is None else order
    found: list[tuple[Any, Any]] = []
    groups: list[Any] = []
    for at, (key, part) in enumerate(names):
        some = every[starts[at] : starts[at + 1]]
        if key is not None:
            found.append((key, part))
            groups.append(some)
            continue
        parts: dict[Any, list[int]] = {}
        for each in some.tolist():
            operation = _seen(model, history, int(rows[each]), int(returned[each]), False)
            parts.setdefault(model.part(operation)[0], []).append(each)
        found.extend((None, part) for part in parts)
        groups.extend(parts.values())
    sizes = [0, *(len(group) for group in groups)]
    return np.concatenate(groups), np.cumsum(sizes), found
