"""The options of the checker, as people give them, made sure of."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from ...harness.errors import UserError
from .levels import ALIASES, IMPLIES, LEVELS, implied_by

_TRUE = frozenset(("true", "yes", "on", "1"))
_FALSE = frozenset(("false", "no", "off", "0"))
_FLAGS = ("realtime", "linearizable_keys", "sequential_keys", "wfr_keys")


def checked_model(model: str) -> str:
    """The model, if it is one."""
    from . import MODELS

    if model not in MODELS:
        raise UserError(f"model {model!r} is not known to the isolation checker: {known(MODELS)}")
    return model


def checked_level(level: str | None) -> str | None:
    """The level under its own name. :class:`UserError` if there is no such level."""
    if level is None:
        return None
    name = level.strip().lower().replace("_", "-").lstrip(":")
    name = ALIASES.get(name, name)
    if name not in LEVELS:
        raise UserError(f"level {level!r} is not known; give one of {known(LEVELS)}")
    return name


def checked_unwritten(word: str) -> str:
    """``initial`` or ``garbage``."""
    if word not in ("initial", "garbage"):
        raise UserError(f"unwritten {word!r}: expected initial or garbage")
    return word


def checked_order(given: Any) -> dict[int, int]:
    """The place of each operation in an order of transactions, from 0, by its index.

    ``given``: indices in order; or places, ranks or timestamps by index. :class:`UserError` for
    anything else, and if two are equal.
    """
    try:
        if isinstance(given, Mapping):
            places = {int(index): place for index, place in given.items()}
        else:
            places = {int(index): place for place, index in enumerate(given)}
            if len(places) < len(given):
                raise UserError("transaction order: an index stands twice")
        ordered = sorted(places, key=places.__getitem__)
    except (TypeError, ValueError):
        raise UserError(
            "transaction order: expected indices of operations in order, or a number for each "
            '{"index": number}'
        ) from None
    for one, two in itertools.pairwise(ordered):
        if places[one] == places[two]:
            raise UserError(
                f"transaction order: operations {one} and {two} have the same place, {places[one]}"
            )
    return {index: place for place, index in enumerate(ordered)}


def checked_anomalies(names: Any) -> list[str]:
    """Names of anomalies, given as a list or with commas."""
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",") if name.strip()]
    every = {name for level in LEVELS.values() for name in level.forbids} | set(IMPLIES)
    every |= {name for anomaly in tuple(every) for name in implied_by(anomaly)}
    wanted = []
    for name in names:
        plain = name.lstrip(":").replace("-item", "")
        plain = plain.replace("G2", "G2-item") if name.startswith("G2-item") else plain
        if plain not in every:
            raise UserError(f"anomaly {name!r} is not known; give some of {known(every)}")
        wanted.append(plain)
    return wanted


def from_wishes(model: str, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the checker from the wishes of the command line."""
    given: dict[str, Any] = {}
    if model != "rw-register" and wishes.get("transaction_order"):
        raise UserError(
            f"--transaction-order: {model} shows the order of versions itself; it is for "
            "rw-register only"
        )
    for name, value in wishes.items():
        if name in _FLAGS:
            given[name] = _flag(name, value)
        elif name == "anomalies":
            given[name] = checked_anomalies(value) if value else None
        elif name == "transaction_order":
            given[name] = checked_order(value)
        elif name in ("level", "initial", "unwritten"):
            given[name] = value
        elif name in ("first", "failed_cas"):
            if value and name == "failed_cas":
                raise UserError("--failed-cas: transactions have no cas; leave it out")
        else:
            raise UserError(
                f"--set {name}: no such option of the isolation checker; there are: "
                f"{known((*_FLAGS, 'level', 'anomalies', 'unwritten', 'transaction_order'))}"
            )
    return given


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise UserError(f"--set {name}={value}: expected true or false")


def known(names: Any) -> str:
    """The names in alphabetical order."""
    return ", ".join(sorted(names))
