"""A checker's options as a command line has them: strings, checked and named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...harness.errors import UserError

CHOICES: dict[str, tuple[str, ...]] = {
    "failed_cas": ("drop", "observe"),
    "none_reads": ("auto", "value", "unknown"),
    "algorithm": ("auto", "search"),
}
"""Options with few values, the default first."""

KNOWN = ("initial", *CHOICES, "first")

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def from_wishes(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of :class:`Linearizable` but for the model.

    :class:`UserError` for a name or value that does not exist.
    """
    made: dict[str, Any] = {}
    for name, value in wishes.items():
        if name not in KNOWN:
            raise UserError(
                f"linearizability has no option {name!r}; expected one of {', '.join(KNOWN)}"
            )
        if name == "first":
            value = _boolean(value)
        made[name] = value
    checked(**{name: made[name] for name in CHOICES if name in made})
    return made


def checked(**given: Any) -> None:
    """:class:`UserError` unless each option has one of its values."""
    for name, value in given.items():
        if value not in CHOICES[name]:
            known = " or ".join(repr(each) for each in CHOICES[name])
            raise UserError(f"{name} is {value!r}; expected {known}")


def _boolean(value: Any) -> bool:
    found = value if isinstance(value, bool) else _BOOLEANS.get(str(value).lower())
    if found is None:
        raise UserError(f"first is {value!r}; expected true or false")
    return found
