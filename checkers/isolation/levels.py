"""The isolation levels, what each forbids, and which is stronger than which.

Sources: Adya, "Weak consistency" (PhD thesis, MIT 1999), chapters 3 and 4: PL-1, PL-2,
PL-CS, PL-2+, PL-2.99, PL-SI, PL-3. Bailis et al., "Highly available transactions" (VLDB 2014)
and "RAMP" (SIGMOD 2014): monotonic atomic view, read atomic, PRAM. Cerone, Bernardi, Gotsman,
"A framework for transactional consistency models with atomic visibility" (CONCUR 2015) and
Cerone, Gotsman, "Analysing snapshot isolation" (JACM 2018): causal, parallel snapshot isolation,
snapshot isolation by their forbidden cycles. Crooks et al., "Seeing is believing" (PODC 2017):
the strong-session and strong (real-time) variants. Biswas, Enea, "On the complexity of checking
transactional consistency" (OOPSLA 2019): the axioms by which MAV (their read committed), read
atomic and causal are decided. Names are Jepsen's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """``forbids``: anomalies besides those of the ``weaker`` levels that it implies."""

    doc: str
    forbids: tuple[str, ...] = ()
    weaker: tuple[str, ...] = ()


LEVELS: dict[str, Level] = {
    "read-uncommitted": Level(
        "PL-1: writes are not interleaved", ("G0", "duplicate-elements", "cyclic-versions")
    ),
    "read-committed": Level(
        "PL-2: nothing aborted, intermediate or circular is read",
        ("G1a", "G1b", "G1c", "garbage-read", "dirty-update", "incompatible-order", "future-read"),
        ("read-uncommitted",),
    ),
    "cursor-stability": Level(
        "PL-CS: who writes what it has read writes directly after that version",
        ("lost-update", "G-cursor"),
        ("read-committed",),
    ),
    "monotonic-atomic-view": Level(
        "once a part of a transaction is seen, all of it is (Biswas and Enea's read committed)",
        ("observed-transaction-vanishes",),
        ("read-committed",),
    ),
    "read-atomic": Level(
        "no fractured reads: all of a transaction is seen or nothing",
        ("internal", "fractured-read"),
        ("monotonic-atomic-view",),
    ),
    "pram": Level(
        "read your writes, monotonic reads, monotonic writes (Burckhardt 2014, chapter 5)",
        ("pram-violation",),
        ("strong-session-read-committed",),
    ),
    "causal": Level(
        "read atomic, and everything that happened before is seen",
        ("causal-violation",),
        ("pram", "strong-session-read-atomic"),
    ),
    "consistent-view": Level("PL-2+: no read skew", ("G-single",), ("read-committed",)),
    "parallel-snapshot-isolation": Level(
        "no read skew and no lost update, but long forks",
        ("lost-update",),
        ("consistent-view", "read-atomic", "cursor-stability"),
    ),
    "repeatable-read": Level(
        "PL-2.99: serializable but for predicates",
        ("G2-item", "lost-update"),
        ("cursor-stability", "consistent-view"),
    ),
    "snapshot-isolation": Level(
        "PL-SI: reads from a snapshot, first committer wins",
        ("G-nonadjacent",),
        ("parallel-snapshot-isolation",),
    ),
    "serializable": Level(
        "PL-3: as if one transaction ran after the other",
        ("G2",),
        ("repeatable-read", "snapshot-isolation"),
    ),
    "strong-session-read-uncommitted": Level(
        "PL-1 within the order of sessions", ("G0-process",), ("read-uncommitted",)
    ),
    "strong-session-read-committed": Level(
        "PL-2 within the order of sessions",
        ("G1c-process",),
        ("read-committed", "strong-session-read-uncommitted"),
    ),
    "strong-session-monotonic-atomic-view": Level(
        "monotonic atomic view within the order of sessions (AWDIT's and Plume's read committed)",
        ("observed-transaction-vanishes-process",),
        ("monotonic-atomic-view", "strong-session-read-committed"),
    ),
    "strong-session-read-atomic": Level(
        "read atomic within the order of sessions (AWDIT's and Plume's read atomic)",
        ("fractured-read-process",),
        ("read-atomic", "strong-session-monotonic-atomic-view"),
    ),
    "strong-session-snapshot-isolation": Level(
        "snapshot isolation within the order of sessions",
        ("G-nonadjacent-process",),
        ("snapshot-isolation", "causal", "strong-session-read-committed"),
    ),
    "strong-session-serializable": Level(
        "serializable within the order of sessions",
        ("G2-item-process", "G2-process"),
        ("serializable", "strong-session-snapshot-isolation"),
    ),
    "strong-read-uncommitted": Level(
        "PL-1 within real time", ("G0-realtime",), ("strong-session-read-uncommitted",)
    ),
    "strong-read-committed": Level(
        "PL-2 within real time",
        ("G1c-realtime",),
        ("strong-session-read-committed", "strong-read-uncommitted"),
    ),
    "strong-snapshot-isolation": Level(
        "snapshot isolation within real time",
        ("G-nonadjacent-realtime",),
        ("strong-session-snapshot-isolation", "strong-read-committed"),
    ),
    "strict-serializable": Level(
        "serializable in an order that real time allows",
        ("G2-item-realtime", "G2-realtime"),
        ("strong-session-serializable", "strong-snapshot-isolation"),
    ),
}

ALIASES = {
    "strong-serializable": "strict-serializable",
    "pl-1": "read-uncommitted",
    "pl-2": "read-committed",
    "pl-cs": "cursor-stability",
    "pl-2+": "consistent-view",
    "pl-2.99": "repeatable-read",
    "pl-si": "snapshot-isolation",
    "pl-3": "serializable",
    "pl-ss": "strict-serializable",
    "causal-cerone": "causal",
}

IMPLIES = {
    "G0": ("G1c",),
    "G1a": ("G1",),
    "G1b": ("G1",),
    "G1c": ("G1",),
    "dirty-update": ("G1a",),
    "incompatible-order": ("G1a",),
    "future-read": ("G1c",),
    "G-single": ("G-nonadjacent",),
    "G-nonadjacent": ("G2-item",),
    "G2-item": ("G2",),
    "lost-update": ("write-skew", "G2-item"),
    "G-cursor": ("G-single",),
    "long-fork": ("G-nonadjacent",),
    "write-skew": ("G2-item",),
    "observed-transaction-vanishes": ("fractured-read", "observed-transaction-vanishes-process"),
    "fractured-read": ("fractured-read-process", "G-single"),
    "causal-violation": ("G-single-process",),
    "observed-transaction-vanishes-process": ("fractured-read-process",),
    "fractured-read-process": ("causal-violation",),
    "pram-violation": ("causal-violation",),
    "not-snapshot-isolated": ("G-nonadjacent", "not-serializable"),
    "not-snapshot-isolated-process": ("G-nonadjacent-process", "not-serializable-process"),
    "not-snapshot-isolated-realtime": ("G-nonadjacent-realtime", "not-serializable-realtime"),
    "not-serializable": ("G2-item",),
    "not-serializable-process": ("G2-item-process",),
    "not-serializable-realtime": ("G2-item-realtime",),
}
_VARIED = ("G0", "G1c", "G-single", "G-nonadjacent", "G2-item", "G2")


def implied_by(anomaly: str) -> set[str]:
    """The anomaly and all whose presence follows from it."""
    reached: set[str] = set()
    pending = [anomaly]
    while pending:
        name = pending.pop()
        if name in reached:
            continue
        reached.add(name)
        stem, suffix = name, ""
        for ending in ("-process", "-realtime"):
            if name.endswith(ending):
                stem, suffix = name.removesuffix(ending), ending
        if name in IMPLIES:
            pending.extend(IMPLIES[name])
        if stem in _VARIED:
            if suffix:
                pending.extend(n + suffix for n in IMPLIES.get(stem, ()) if n in _VARIED)
            else:
                pending.append(f"{stem}-process")
            if suffix == "-process":
                pending.append(f"{stem}-realtime")
    return reached


def at_or_below(level: str) -> set[str]:
    """The level and all weaker ones."""
    reached: set[str] = set()
    pending = [level]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending.extend(LEVELS[name].weaker)
    return reached


def forbidden(level: str) -> set[str]:
    """All anomalies that the level forbids, by itself or through a weaker one."""
    return {anomaly for name in at_or_below(level) for anomaly in LEVELS[name].forbids}


def ruled_out(anomalies: Iterable[str]) -> list[str]:
    """Every level that one of the anomalies breaks, weakest first."""
    present: set[str] = set().union(*(implied_by(a) for a in anomalies), set())
    return [level for level in LEVELS if forbidden(level) & present]


def strongest(holding: Iterable[str]) -> list[str]:
    """Of the levels that hold, those that no other of them implies."""
    holding = list(holding)
    covered = {weak for level in holding for weak in at_or_below(level) - {level}}
    return [level for level in holding if level not in covered]


def violates(anomaly: str, wanted: Iterable[str]) -> bool:
    """Whether an anomaly is, or implies, one of those wanted."""
    return bool(implied_by(anomaly) & set(wanted))
