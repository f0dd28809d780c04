"""The families of cycles as data: which edges each may have, and in what order."""

from __future__ import annotations

from .graph import LINK, RW, WR, WW

CLOSED, PROCESS, REALTIME = 0, 1, 2
"""What closes the cycle: a dependency, the order of a session, or real time."""

SUFFIXES = ("", "-process", "-realtime")
FAMILIES = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item")

BUDGET = 200_000_000
"""Edges that one search for the smallest cycle walks at most before it is content with a cycle."""

PLAIN_BUDGET = 20_000
"""The same for the uncompiled search; then it is compiled."""

APART = ("G-single", "G-nonadjacent")

KINDS = {
    "G0": (WW, LINK),
    "G1c": (WW, WR, LINK),
    "G-single": (WW, WR, RW, LINK),
    "G-nonadjacent": (WW, WR, RW, LINK),
    "G2-item": (WW, WR, RW, LINK),
    "any": (WW, WR),
}
COVERED_BY = {
    "G0": ("G0",),
    "G1c": ("G0", "G1c"),
    "G-single": ("G-single",),
    "G-nonadjacent": ("G0", "G1c", "G-single", "G-nonadjacent"),
    "G2-item": FAMILIES,
}
"""A cycle of a family is not looked for where one of these was found: it would tell less."""

# Rows are states, columns what ww, wr, rw and an order edge lead to (-1: nowhere). A cycle
# closed by a dependency may be entered anywhere (state 0 is left at once, and the states of
# G-nonadjacent remember whether the first edge, and whether the last, was an rw); other cycles
# begin behind their order edge.
CLOSED_TABLES: dict[str, tuple[list[list[int]], list[int]]] = {
    "any": ([[1, 1, -1, -1], [1, 1, -1, -1]], [1]),
    "G0": ([[1, -1, -1, -1], [1, -1, -1, -1]], [1]),
    "G1c": ([[1, 2, -1, -1], [1, 2, -1, -1], [2, 2, -1, -1]], [2]),
    "G-single": ([[1, 1, 2, -1], [1, 1, 2, -1], [2, 2, -1, -1]], [2]),
    "G-nonadjacent": (
        [[1, 1, 4, -1], [1, 1, 2, -1], [1, 1, -1, -1], [3, 3, 4, -1], [3, 3, -1, -1]],
        [1, 2, 3],
    ),
    "G2-item": ([[1, 1, 2, -1], [1, 1, 2, -1], [2, 2, 3, -1], [3, 3, 3, -1]], [3]),
}
OPEN_TABLES: dict[str, tuple[list[list[int]], list[int]]] = {
    "G0": ([[1, -1, -1, 0], [1, -1, -1, 1]], [1]),
    "G1c": ([[0, 1, -1, 0], [1, 1, -1, 1]], [1]),
    "G-single": ([[0, 0, 1, 0], [1, 1, -1, 1]], [1]),
    "G-nonadjacent": (
        [[0, 0, 1, 0], [2, 2, -1, 2], [2, 2, 3, 2], [4, 4, -1, 4], [4, 4, 3, 4]],
        [3, 4],
    ),
    "G2-item": ([[0, 0, 1, 0], [0, 0, 2, 0], [2, 2, 2, 2]], [2]),
}
