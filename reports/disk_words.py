"""What is wrong with disks, said to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import words

_LEFT = {
    "prefix": "the first part of what was not synced survives",
    "torn": "what was not synced survives in part, with holes",
    "lost": "nothing survives that was not synced",
}


def fault(targets: Sequence[str], parameters: Mapping[str, Any]) -> str:
    """``disk full: n4 (3014 bytes free)``."""
    shape = str(parameters.get("shape", ""))
    said = _said(shape, parameters)
    return words.printable(
        f"disk {shape}: {' '.join(targets)}" + (f" ({said})" if said else ""), 200
    )


def _said(shape: str, told: Mapping[str, Any]) -> str:
    if shape == "power-cut":
        return _LEFT.get(str(told.get("survives")), "")
    if shape == "full":
        return f"{told.get('free_bytes')} bytes free"
    if shape == "errors":
        kinds = told.get("on")
        return f"{told.get('share')} of {' and '.join(kinds) if isinstance(kinds, list) else kinds}"
    if shape == "slow":
        return f"{_milliseconds(told.get('delay_s'))} more for each write and sync"
    if shape == "rollback":
        return f"to {_milliseconds(told.get('age_s'))} before"
    if shape == "bit-flip":
        return f"bits: {told.get('count')}"
    return f"files: {told.get('count')}" if shape == "truncate" else ""


def _milliseconds(seconds: Any) -> str:
    return words.duration(seconds * 1e9) if isinstance(seconds, int | float) else "?"
