"""What EDN text becomes: exact Python types, or plain data as histories hold it.

The reader asks one of two sets of constructors: :class:`Exact` keeps everything apart
(a keyword is not a string, a list is not a vector), :class:`Plain` makes what JSON can say.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Keyword:
    """``:name`` or ``:namespace/name``; ``name`` is without the colon."""

    name: str


@dataclass(frozen=True, slots=True)
class Symbol:
    """A bare word."""

    name: str


@dataclass(frozen=True, slots=True)
class Char:
    """A character literal such as ``\\a`` or ``\\newline``."""

    char: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """``#tag value``. The empty tag is a regular expression (``#"…"``)."""

    tag: str
    value: Any


class FrozenMap(dict[Any, Any]):
    """A map inside a set or as a key of a map. Not to be changed."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


class Keyed(list[Any]):
    """Plain data for a tuple of ``jepsen.independent``: ``[key, value]``, known to be one."""


UNREADABLE = "unreadable"
"""The tag given to what Clojure printed but cannot read back: ``#<Object …>``."""

MAX_DEPTH = 256
"""Deeper nesting is refused: it is never data, and every later recursion relies on it."""


class Exact:
    """Vectors become lists, lists tuples, maps dicts, sets frozensets, N and ratios exact.

    Inside sets and map keys a vector becomes a tuple too (EDN calls a list and a vector of the
    same elements equal). Python holds ``1``, ``1.0`` and ``true`` equal: they clash as keys.
    """

    keyword = Keyword
    symbol = Symbol
    char = Char
    ratio = Fraction
    decimal = Decimal

    @staticmethod
    def number(value: float) -> Any:
        """A float, infinities and NaN included."""
        return value

    @staticmethod
    def of_vector(items: list[Any]) -> Any:
        """``[…]``"""
        return items

    @staticmethod
    def of_list(items: list[Any]) -> Any:
        """``(…)``"""
        return tuple(items)

    @staticmethod
    def of_set(items: list[Any]) -> Any:
        """``#{…}``; :class:`ValueError` if an element stands twice."""
        members = frozenset(_frozen(item) for item in items)
        if len(members) != len(items):
            raise ValueError("an element stands twice in a set")
        return members

    @staticmethod
    def of_map(items: list[Any]) -> Any:
        """``{…}`` from keys and values in turn; :class:`ValueError` if a key stands twice."""
        made = {_frozen(k): v for k, v in zip(items[::2], items[1::2], strict=True)}
        if 2 * len(made) != len(items):
            raise ValueError("a key stands twice in a map")
        return made

    @staticmethod
    def tagged(tag: str, value: Any) -> Any:
        """``#tag value``"""
        return Tagged(tag, value)

    @staticmethod
    def in_namespace(namespace: str, made: dict[Any, Any]) -> Any:
        """``#:namespace{…}``"""
        return {
            Keyword(_qualified(namespace, k.name)) if isinstance(k, Keyword) else k: v
            for k, v in made.items()
        }


class Plain:
    """Keywords, symbols, characters become strings; lists, vectors and sets lists; tags go.

    Sets are sorted where their elements can be compared. Map keys become strings, as in JSON;
    infinities and NaN, which JSON lacks, become ``"Inf"``, ``"-Inf"``, ``"NaN"``; ratios and
    decimals that no float equals become strings.
    """

    keyword = str
    symbol = str
    char = str

    @staticmethod
    def number(value: float) -> Any:
        """A float, infinities and NaN included."""
        if value != value:
            return "NaN"
        return value if abs(value) != float("inf") else ("Inf" if value > 0 else "-Inf")

    @staticmethod
    def ratio(value: Fraction) -> Any:
        """A ratio."""
        return value.numerator if value.denominator == 1 else str(value)

    @staticmethod
    def decimal(text: str) -> Any:
        """The digits of a decimal (``M``)."""
        exact = Decimal(text)
        if not exact.is_finite() or abs(exact.adjusted()) > 300:
            return text
        return float(exact) if Decimal(float(exact)) == exact else text

    @staticmethod
    def of_vector(items: list[Any]) -> Any:
        """``[…]``"""
        return items

    of_list = of_vector

    @staticmethod
    def of_set(items: list[Any]) -> Any:
        """``#{…}``; :class:`ValueError` if an element stands twice."""
        try:
            items.sort()
        except TypeError:
            items.sort(key=_canonical)
        return items

    @staticmethod
    def of_map(items: list[Any]) -> Any:
        """``{…}`` from keys and values in turn; :class:`ValueError` if a key stands twice."""
        keys = items[::2]
        made = dict(zip(keys, items[1::2], strict=True)) if _all_text(keys) else None
        if made is None:
            keys = [_key(k) for k in keys]
            made = dict(zip(keys, items[1::2], strict=True))
        if len(made) != len(keys):
            raise ValueError("a key stands twice in a map")
        return made

    @staticmethod
    def tagged(tag: str, value: Any) -> Any:
        """``#tag value``"""
        if tag.startswith("jepsen.independent.") and type(value) is list and len(value) == 2:
            return Keyed(value)
        return value

    @staticmethod
    def in_namespace(namespace: str, made: dict[Any, Any]) -> Any:
        """``#:namespace{…}``"""
        return {_qualified(namespace, k): v for k, v in made.items()}


def _all_text(keys: list[Any]) -> bool:
    return set(map(type, keys)) <= {str}


def _qualified(namespace: str, name: str) -> str:
    if name.startswith("_/"):
        return name[2:]
    return name if "/" in name else f"{namespace}/{name}"


_canonical = msgspec.json.Encoder(order="deterministic").encode


def _key(value: Any) -> str:
    return value if type(value) is str else _canonical(value).decode()


def _frozen(value: Any) -> Any:
    if type(value) is list or type(value) is tuple:
        return tuple(_frozen(item) for item in value)
    if type(value) is dict:
        return FrozenMap({k: _frozen(v) for k, v in value.items()})
    if type(value) is Tagged:
        return Tagged(value.tag, _frozen(value.value))
    return value
