"""Lines of transactions from bytes to numbers, without a Python object in between.

It reads what recorders write: one object a line, known fields in any order, each once, blanks
between; strings of printable ASCII without escapes; whole numbers; a value that is a list of
``[verb, key]`` or ``[verb, key, null | number | [number, …]]``. A line with anything else is
marked :data:`ODD` and left to who can read all of JSON. What is read is never guessed: a line
that is taken here means the same to any JSON reader.

Every token ends before a line does, so that the newline at the end of the buffer is a guard and
no loop looks at where the buffer ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..history import APPEND, FAIL, INFO, INVOKE, LIST, NOTHING, NUMBER, OK, READ, WRITE

# The scanner fills three groups of arrays, given as tuples:
#   rows   offset, index, time, process, type, f, first, last: one entry an operation
#   mops   what, key, number: one entry a micro-operation; elements of lists
#   table  slots; hash, kind, number, size: one entry a key; names: bytes

SHAPES = 4
"""In the ``what`` column stands ``verb * SHAPES + shape``."""

ODD = 9
"""In the ``type`` column: a line that was not understood."""

NO_VALUE = -1
"""In the ``first`` column: the operation carries null."""

LINES, MOPS, ELEMENTS, NEWLINES, KEYS, NAMES, NEXT = range(7)
"""Places in ``count``. ``NEXT``: where to go on, short of the end only if the tables are full."""

NUMBERED, NAMED = 0, 1
"""Kinds of keys: a whole number; a text, which is part of ``names``."""

_INT_MAX = 2**31 - 1
_ODD_LINE, _FULL = -1, -2


def _word(text: str) -> Any:
    return np.frombuffer(text.encode(), np.uint8)


_INDEX, _TIME, _PROCESS, _TYPE, _F, _VALUE, _KEY, _NODE, _ERROR = map(
    _word, ("index", "time", "process", "type", "f", "value", "key", "node", "error")
)
_INVOKED, _DONE, _FAILED, _UNKNOWN, _TXN = map(_word, ("invoke", "ok", "fail", "info", "txn"))
_R, _W, _APPEND = map(_word, ("r", "w", "append"))
_LONG_READ, _LONG_WRITE, _NULL = map(_word, ("read", "write", "null"))


def _skip(data: Any, at: int) -> int:
    """Past blanks, but not past the end of the line."""
    while data[at] == 32 or data[at] == 9 or data[at] == 13:
        at += 1
    return at


def _text_end(data: Any, at: int) -> int:
    """From behind an opening quote to the closing one; negative if the text is not plain."""
    while data[at] != 34:
        if data[at] < 32 or data[at] >= 127 or data[at] == 92:
            return -1
        at += 1
    return at


def _is(data: Any, at: int, end: int, word: Any) -> bool:
    if end - at != len(word):
        return False
    for i in range(len(word)):  # noqa: SIM110 - numba knows no generators
        if data[at + i] != word[i]:
            return False
    return True


def _whole(data: Any, at: int) -> Any:
    """A whole number and where it ends (negative: not one, or of more than 18 digits)."""
    negative = data[at] == 45
    if negative:
        at += 1
    begin = at
    value = 0
    while 48 <= data[at] <= 57:
        value = value * 10 + (data[at] - 48)
        at += 1
    size = at - begin
    leading_zero = data[begin] == 48 and (size > 1 or negative)
    if size == 0 or size > 18 or leading_zero:
        return 0, -1
    return (-value if negative else value), at


def _key_code(data: Any, begin: int, end: int, number: int, table: Any, count: Any) -> int:
    """The code of a key (a number if ``end`` is negative, else a text); negative: no room."""
    slots, hashes, kinds, numbers, sizes, names = table
    if end < 0:
        mixed = (number ^ (number >> 17)) & 0x7FFFFFFF
        mixed = mixed * 0x2545F491 >> 11
    else:
        mixed = 7
        for at in range(begin, end):
            mixed = (mixed * 31 + data[at]) & 0x7FFFFFFF
    slot = mixed & (len(slots) - 1)
    while slots[slot] >= 0:
        code = slots[slot]
        if hashes[code] != mixed:
            pass
        elif end < 0:
            if kinds[code] == NUMBERED and numbers[code] == number:
                return code
        elif kinds[code] == NAMED and sizes[code] == end - begin:
            same = True
            for i in range(end - begin):
                if names[numbers[code] + i] != data[begin + i]:
                    same = False
                    break
            if same:
                return code
        slot = (slot + 1) & (len(slots) - 1)
    code = count[KEYS]
    if code >= len(kinds):
        return -1
    hashes[code], kinds[code], numbers[code], sizes[code] = mixed, NUMBERED, number, 0
    if end >= 0:
        if count[NAMES] + end - begin > len(names):
            return -1
        kinds[code], numbers[code], sizes[code] = NAMED, count[NAMES], end - begin
        for i in range(end - begin):
            names[count[NAMES] + i] = data[begin + i]
        count[NAMES] += end - begin
    slots[slot] = code
    count[KEYS] += 1
    return code


def _seat(hashes: Any, count: int, slots: Any) -> None:
    """Find slots for the codes below ``count`` in an empty table."""
    for code in range(count):
        slot = int(hashes[code]) & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = code


def _verb(data: Any, at: int, end: int) -> int:
    """Which verb a text is, with or without a colon before it; or negative."""
    if _is(data, at, end, _LONG_READ):
        return READ
    if _is(data, at, end, _LONG_WRITE):
        return WRITE
    if data[at] == 58:
        at += 1
    if _is(data, at, end, _R):
        return READ
    if _is(data, at, end, _APPEND):
        return APPEND
    if _is(data, at, end, _W):
        return WRITE
    return -1


def _list(data: Any, at: int, elements: Any, count: Any) -> int:
    """Behind ``[``: whole numbers, up to behind ``]``; negative if it is not such a list."""
    place = count[ELEMENTS]
    at = _skip(data, at)
    if data[at] == 93:
        return at + 1
    while True:
        value, at = _whole(data, at)
        if at < 0 or value > _INT_MAX or value < -_INT_MAX - 1:
            return _ODD_LINE
        elements[place] = value
        place += 1
        at = _skip(data, at)
        if data[at] == 93:
            break
        if data[at] != 44:
            return _ODD_LINE
        at = _skip(data, at + 1)
    count[ELEMENTS] = place
    return at + 1


def _step(data: Any, at: int, mops: Any, table: Any, count: Any) -> int:
    """One micro-operation, from its ``[`` to behind its ``]``; negative if it is not one."""
    what, mop_key, mop_number, elements = mops
    if data[at] != 91:
        return _ODD_LINE
    at = _skip(data, at + 1)
    if data[at] != 34:
        return _ODD_LINE
    end = _text_end(data, at + 1)
    if end < 0:
        return _ODD_LINE
    verb = _verb(data, at + 1, end)
    at = _skip(data, end + 1)
    if verb < 0 or data[at] != 44:
        return _ODD_LINE
    at = _skip(data, at + 1)
    number, begin, end = 0, 0, -1
    if data[at] == 34:
        begin = at + 1
        end = _text_end(data, begin)
        at = end + 1
        if end < 0:
            return _ODD_LINE
    else:
        number, at = _whole(data, at)
        if at < 0:
            return _ODD_LINE
    code = _key_code(data, begin, end, number, table, count)
    if code < 0:
        return _FULL
    shape, value = NOTHING, 0
    at = _skip(data, at)
    if data[at] == 44:
        at = _skip(data, at + 1)
        if data[at] == 91:
            before = count[ELEMENTS]
            at = _list(data, at + 1, elements, count)
            shape, value = LIST, count[ELEMENTS] - before
        elif data[at] == 110:
            at = at + 4 if _is(data, at, at + 4, _NULL) else _ODD_LINE
        else:
            shape = NUMBER
            value, at = _whole(data, at)
            if value > _INT_MAX or value < -_INT_MAX - 1:
                return _ODD_LINE
        if at < 0:
            return _ODD_LINE
        at = _skip(data, at)
    if data[at] != 93:
        return _ODD_LINE
    place = count[MOPS]
    what[place], mop_key[place], mop_number[place] = verb * SHAPES + shape, code, value
    count[MOPS] = place + 1
    return at + 1


def _steps(data: Any, at: int, mops: Any, table: Any, count: Any) -> int:
    """A list of micro-operations, from its ``[`` to behind its ``]``."""
    at = _skip(data, at + 1)
    if data[at] == 93:
        return at + 1
    while True:
        at = _step(data, at, mops, table, count)
        if at < 0:
            return at
        at = _skip(data, at)
        if data[at] == 93:
            return at + 1
        if data[at] != 44:
            return _ODD_LINE
        at = _skip(data, at + 1)


def _outcome(data: Any, at: int, end: int, colons: bool) -> int:
    """The code of a type as in a history's columns; or negative."""
    if colons and data[at] == 58:
        at += 1
    if _is(data, at, end, _DONE):
        return OK
    if _is(data, at, end, _INVOKED):
        return INVOKE
    if _is(data, at, end, _FAILED):
        return FAIL
    return INFO if _is(data, at, end, _UNKNOWN) else -1


def _function(data: Any, at: int, end: int, colons: bool) -> int:
    """0 for ``txn``, 1 for ``:txn`` where colons mean something; or negative."""
    if _is(data, at, end, _TXN):
        return 0
    if data[at] == 58 and _is(data, at + 1, end, _TXN):
        return 0 if colons else 1
    return -1


def _scalar(data: Any, at: int) -> int:
    """Past a plain text, a whole number or null, which nobody asks for here."""
    if data[at] == 34:
        return _text_end(data, at + 1) + 1 or _ODD_LINE
    if data[at] == 110:
        return at + 4 if _is(data, at, at + 4, _NULL) else _ODD_LINE
    return _whole(data, at)[1]


def _line(
    data: Any, at: int, colons: bool, row: int, rows: Any, mops: Any, table: Any, count: Any
) -> int:
    """One operation, from its ``{`` to the end of its line; negative if it is odd."""
    _, index, time, process, type_, f, first, last = rows
    seen = 0
    index[row], first[row], last[row] = -1, NO_VALUE, NO_VALUE
    while True:
        at = _skip(data, at + 1)
        if data[at] != 34:
            return _ODD_LINE
        name = at + 1
        end = _text_end(data, name)
        if end < 0:
            return _ODD_LINE
        at = _skip(data, end + 1)
        if data[at] != 58:
            return _ODD_LINE
        at = _skip(data, at + 1)
        if _is(data, name, end, _VALUE):
            field = 1
            if data[at] == 91:
                first[row] = count[MOPS]
                at = _steps(data, at, mops, table, count)
                last[row] = count[MOPS]
            else:
                at = at + 4 if _is(data, at, at + 4, _NULL) else _ODD_LINE
        elif _is(data, name, end, _INDEX):
            field = 2
            index[row], at = _whole(data, at)
        elif _is(data, name, end, _TIME):
            field = 4
            time[row], at = _whole(data, at)
        elif _is(data, name, end, _PROCESS):
            field = 8
            value, at = _whole(data, at)
            if value < 0 or value > _INT_MAX:
                return _ODD_LINE
            process[row] = value
        elif _is(data, name, end, _TYPE) or _is(data, name, end, _F):
            field = 16 if end - name > 1 else 32
            if data[at] != 34:
                return _ODD_LINE
            begin = at + 1
            at = _text_end(data, begin)
            if at < 0:
                return _ODD_LINE
            if field == 16:
                code = _outcome(data, begin, at, colons)
                type_[row] = code
            else:
                code = _function(data, begin, at, colons)
                f[row] = code
            at = at + 1 if code >= 0 else _ODD_LINE
        elif _is(data, name, end, _KEY):
            field = 64
            at = at + 4 if _is(data, at, at + 4, _NULL) else _ODD_LINE
        elif _is(data, name, end, _NODE):
            field = 128
            at = _scalar(data, at) if data[at] == 34 or data[at] == 110 else _ODD_LINE
        elif _is(data, name, end, _ERROR):
            field = 256
            at = _scalar(data, at)
        else:
            return _ODD_LINE
        if at < 0 or seen & field:
            return at if at == _FULL else _ODD_LINE
        seen |= field
        at = _skip(data, at)
        if data[at] == 125:
            break
        if data[at] != 44:
            return _ODD_LINE
    at = _skip(data, at + 1)
    required = 60 if colons else 62
    return at if data[at] == 10 and seen & required == required else _ODD_LINE


def _scan(
    data: Any, at: int, stop: int, colons: bool, rows: Any, mops: Any, table: Any, count: Any
) -> None:
    offset, _, _, _, type_, _, first, last = rows
    while at < stop:
        at = _skip(data, at)
        if data[at] == 10:
            at += 1
            count[NEWLINES] += 1
            continue
        row, before, found = count[LINES], count[MOPS], count[ELEMENTS]
        end = _ODD_LINE
        if data[at] == 123:
            end = _line(data, at, colons, row, rows, mops, table, count)
        if end < 0:
            count[MOPS], count[ELEMENTS] = before, found
            if end == _FULL:
                break
            type_[row], first[row], last[row] = ODD, NO_VALUE, NO_VALUE
            end = at
            while data[end] != 10:
                end += 1
        offset[row] = at
        count[LINES] = row + 1
        count[NEWLINES] += 1
        at = end + 1
    count[NEXT] = at


_HELPERS = (
    _skip, _text_end, _is, _whole, _key_code, _verb, _list, _step, _steps, _outcome, _function,
    _scalar, _line,
)  # fmt: skip
_compiled: list[Callable[..., Any]] = []


def loops(compiled: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``_scan`` and ``_seat``, compiled (over arrays of bytes) or as they are (over ``bytes``)."""
    if not compiled:
        return _scan, _seat
    if not _compiled:
        import numba
        from numba.extending import register_jitable

        for helper in _HELPERS:  # without reference counts, which cost two steps a call
            register_jitable(_nrt=False)(helper)
        options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
        for function in (_scan, _seat):
            compiled_function: Any = numba.njit(**options)(function)
            _compiled.append(compiled_function)
    return _compiled[0], _compiled[1]
