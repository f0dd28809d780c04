"""The writing half of EDN."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .edn_types import UNREADABLE, Char, Keyword, Symbol, Tagged

_ESCAPED = str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
)
_CHARACTERS = {"\n": "newline", "\r": "return", " ": "space", "\t": "tab",
               "\b": "backspace", "\f": "formfeed"}  # fmt: skip


def write(value: Any) -> str:
    """One value of :class:`~.edn_types.Exact` as EDN, on one line.

    :class:`TypeError` for what EDN has no word for.
    """
    kind = type(value)
    if kind is int:
        return str(value) if -(2**63) <= value < 2**63 else f"{value}N"
    if kind is str:
        return f'"{value.translate(_ESCAPED)}"'
    if value is None:
        return "nil"
    if kind is bool:
        return "true" if value else "false"
    if kind is Keyword:
        return f":{value.name}"
    if isinstance(value, list):
        return f"[{' '.join(map(write, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{write(k)} {write(v)}' for k, v in value.items())}}}"
    if isinstance(value, tuple):
        return f"({' '.join(map(write, value))})"
    if isinstance(value, (set, frozenset)):
        return f"#{{{' '.join(sorted(map(write, value)))}}}"
    return _write_rare(value)


def _write_rare(value: Any) -> str:
    if isinstance(value, float):
        if math.isfinite(value):
            return repr(float(value))
        return "##NaN" if math.isnan(value) else "##Inf" if value > 0 else "##-Inf"
    if isinstance(value, Symbol):
        return value.name
    if isinstance(value, Char):
        return "\\" + _character(value.char)
    if isinstance(value, Tagged):
        if value.tag == UNREADABLE:
            return str(value.value)
        return f"#{value.tag}{' ' if value.tag else ''}{write(value.value)}"
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value}M"
    raise TypeError(f"{type(value).__name__} has no EDN form: {value!r}")


def _character(char: str) -> str:
    if char in _CHARACTERS:
        return _CHARACTERS[char]
    if char.isalnum() or (char.isprintable() and not char.isspace()):
        return char
    return f"u{ord(char):04x}" if ord(char) <= 0xFFFF else char
