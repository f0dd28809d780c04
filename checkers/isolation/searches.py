"""Searches and rows that the compiled kernels of this folder share (as a Kernel's helpers)."""

from __future__ import annotations

from typing import Any

import numpy as np


def first_after(place: Any, writer: Any, floor: int, left: int, right: int) -> int:
    """The first of ``writer[left:right]`` (ascending by place) whose place is above ``floor``."""
    while left < right:
        middle = (left + right) // 2
        if place[writer[middle]] <= floor:
            left = middle + 1
        else:
            right = middle
    return left


def first_write(write_key: Any, key: int, low: int, high: int) -> int:
    """The first of ``write_key[low:high]`` (ascending) that is not below ``key``."""
    while low < high:
        middle = (low + high) // 2
        if write_key[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


def as_rows(found: Any) -> Any:
    """int32[found, 4] of a list of four numbers each."""
    rows = np.empty((len(found), 4), np.int32)
    for at in range(len(found)):
        rows[at, 0] = found[at][0]
        rows[at, 1] = found[at][1]
        rows[at, 2] = found[at][2]
        rows[at, 3] = found[at][3]
    return rows
