"""Options as people give them, made sure of; :class:`UserError` names the one that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from .errors import UserError

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")


def whole(
    options: Mapping[str, Any], name: str, default: int, low: int = 0, high: float = inf
) -> int:
    """A whole number from ``low`` to ``high``; :class:`UserError` naming the option if not."""
    value = options.get(name, default)
    try:
        number = int(value)
        if number != float(value):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{name}: expected a whole number, got {value!r}") from None
    return int(_within(name, number, low, high))


def real(
    options: Mapping[str, Any], name: str, default: float, low: float = 0.0, high: float = inf
) -> float:
    """A number from ``low`` to ``high``; :class:`UserError` naming the option if not."""
    value = options.get(name, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UserError(f"{name}: expected a number, got {value!r}") from None
    return _within(name, number, low, high)


def share(options: Mapping[str, Any], name: str, default: float) -> float:
    """A number from 0 to 1."""
    return real(options, name, default, 0.0, 1.0)


def _within(name: str, number: float, low: float, high: float) -> float:
    if not low <= number <= high:
        wanted = f"at least {low:g}" if high == inf else f"from {low:g} to {high:g}"
        raise UserError(f"{name}: expected a number {wanted}, got {number:g}")
    return number


def one_of(options: Mapping[str, Any], name: str, default: str, known: Sequence[str]) -> str:
    """One of some words; :class:`UserError` naming the option if not."""
    value = str(options.get(name, default))
    if value not in known:
        raise UserError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
    return value


def flag(options: Mapping[str, Any], name: str, default: bool) -> bool:
    """True or false; :class:`UserError` naming the option if it is neither."""
    value = options.get(name, default)
    word = str(value).strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise UserError(f"{name}: expected true or false, got {value!r}")
    return word in _TRUE
