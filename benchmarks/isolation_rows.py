"""The rows of the isolation benchmark: what is judged, by which level, and what it has to reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.isolation_histories import Simulation, knot

from duress.checkers.isolation.transactions import Transactions

SIZES = (10_000, 100_000, 1_000_000)


class Row(NamedTuple):
    """``made`` gives a history of so many transactions; ``targets``: seconds, megabytes by size.

    ``short``: what a tester of weak levels calls the level (rc, ra, cc). ``disk``: from JSON lines
    in a file, loading included.
    """

    model: str
    options: dict[str, Any]
    made: Callable[[int], Transactions]
    targets: dict[int, tuple[float, int]]
    sizes: tuple[int, ...] = SIZES
    short: str = ""
    disk: bool = False


NO_LIMIT = 1 << 20
STRICT = {"level": "strict-serializable"}
WFR = {"level": "serializable", "wfr_keys": True}
LINEARIZABLE = {**STRICT, "linearizable_keys": True}


def _lists(stale: bool = False) -> Callable[[int], Transactions]:
    return lambda size: Simulation(size, lists=True, stale=stale).transactions()


def _registers(stale: bool = False) -> Callable[[int], Transactions]:
    return lambda size: Simulation(size, stale=stale).transactions()


def _weak(**options: bool) -> Callable[[int], Transactions]:
    return lambda size: Simulation(size, weak=True, **options).transactions()


def _weak_row(level: str, short: str, limit_s: float, **options: bool) -> Row:
    given = {"level": level, "realtime": False}
    targets = {1_000_000: (limit_s, 2048)}
    return Row("rw-register", given, _weak(**options), targets, short=short)


def _knot(shape: str) -> Row:
    targets = {10_000: (1.0, NO_LIMIT), 100_000: (1.0, NO_LIMIT)}
    sizes = (10_000, 100_000)
    return Row("list-append", STRICT, lambda size: knot(shape, size), targets, sizes)


_LIST_TARGETS = {100_000: (0.5, NO_LIMIT), 1_000_000: (5.0, 3072)}
_MAV = "strong-session-monotonic-atomic-view"

ROWS: dict[str, Row] = {
    "list": Row("list-append", STRICT, _lists(), _LIST_TARGETS),
    "list stale": Row("list-append", STRICT, _lists(stale=True), _LIST_TARGETS),
    "list from disk": Row(
        "list-append", STRICT, _lists(), {1_000_000: (20.0, 3072)}, disk=True
    ),
    "register wfr": Row("rw-register", WFR, _registers(), {100_000: (1.0, NO_LIMIT)}),
    "register wfr stale": Row("rw-register", WFR, _registers(True), {100_000: (1.0, NO_LIMIT)}),
    "register linearizable": Row(
        "rw-register", LINEARIZABLE, _registers(), {100_000: (2.0, NO_LIMIT)}
    ),
    "register linearizable stale": Row(
        "rw-register", LINEARIZABLE, _registers(True), {100_000: (2.0, NO_LIMIT)}
    ),
    "register strict stale": Row("rw-register", STRICT, _registers(True), {}),
    "register from disk": Row("rw-register", LINEARIZABLE, _registers(), {}, disk=True),
    "weak serial read-committed": _weak_row(_MAV, "rc", 5.0),
    "weak serial read-atomic": _weak_row("strong-session-read-atomic", "ra", 5.0),
    "weak serial causal": _weak_row("causal", "cc", 10.0),
    "weak causal read-committed": _weak_row(_MAV, "rc", 5.0, replicated=True),
    "weak causal read-atomic": _weak_row("strong-session-read-atomic", "ra", 5.0, replicated=True),
    "weak causal causal": _weak_row("causal", "cc", 10.0, replicated=True),
    "weak stale causal": _weak_row("causal", "cc", 10.0, stale=True),
    **{f"knot {shape}": _knot(shape) for shape in (
        "ring", "layers", "deep", "random", "far", "skews"
    )},
}  # fmt: skip
