"""What pages and ``/api`` ask of the index: lists, groups of equal trouble, outcomes over time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from .run_filter import RunFilter
from .run_index import RunIndex, listed
from .run_roots import address_of
from .run_summary import INVALID, NONE, RUNNING, STATES, UNKNOWN

BUCKETS_MAX = 48
WIDTHS_S = (
    *(1, 5, 10, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400),
    *(2 * 86400, 7 * 86400, 14 * 86400, 28 * 86400, 91 * 86400, 364 * 86400),
)
GROUPS_MAX = 30
SEEDS_TOLD = 5
CHOICES_MAX = 300


@dataclass(frozen=True)
class Page:
    """Runs on one page of a list; ``total`` on all, ``states`` counts them."""

    runs: list[dict[str, Any]]
    total: int
    states: dict[str, int]
    pages: int


@dataclass(frozen=True)
class Bucket:
    """How many runs of each state started within ``width_s`` from ``start_s`` (epoch) on."""

    start_s: float
    width_s: float
    counts: dict[str, int]


def page(index: RunIndex, wanted: RunFilter) -> Page:
    """The page of a filtered list. One beyond the last is empty."""
    where, values = wanted.where()
    counted = index.rows(
        f"SELECT state, count(*) AS n FROM runs WHERE {where} GROUP BY state", values
    )
    states = {row["state"]: row["n"] for row in counted}
    total = sum(states.values())
    rows = index.rows(
        f"SELECT * FROM runs WHERE {where} ORDER BY {wanted.order()} LIMIT ? OFFSET ?",
        [*values, wanted.per_page, (wanted.page - 1) * wanted.per_page],
    )
    return Page(
        runs=[listed(row) for row in rows],
        total=total,
        states={state: states[state] for state in STATES if state in states},
        pages=max(1, -(-total // wanted.per_page)),
    )


def run(index: RunIndex, slug: str) -> dict[str, Any] | None:
    """What the index says of one run."""
    rows = index.rows("SELECT * FROM runs WHERE slug = ?", [slug])
    return listed(rows[0]) if rows else None


def groups(index: RunIndex, wanted: RunFilter) -> list[dict[str, Any]]:
    """Runs with trouble, those with the same together: violations first, then the most frequent.

    Each: ``signature``, ``state``, ``count``, ``first_s``, ``last_s``, some ``seeds``, and the
    ``latest`` run as in a list. Runs without a verdict are one group each system.
    """
    where, values = wanted.where()
    rows = index.rows(
        f"""SELECT signature, state, count(*) AS n, min(started_s) AS first_s,
                   max(started_s) AS last_s, CASE WHEN state = '{NONE}' THEN system END AS who
            FROM runs WHERE {where} AND state IN ('{INVALID}', '{UNKNOWN}', '{NONE}')
            GROUP BY state, signature, who
            ORDER BY CASE state WHEN '{INVALID}' THEN 0 WHEN '{UNKNOWN}' THEN 1 ELSE 2 END,
                     n DESC, last_s DESC LIMIT {GROUPS_MAX}""",
        values,
    )
    found = []
    for row in rows:
        same = f"{where} AND state = ? AND signature = ? AND (? IS NULL OR system = ?)"
        bound = [*values, row["state"], row["signature"], row["who"], row["who"]]
        latest = index.rows(
            f"SELECT * FROM runs WHERE {same} ORDER BY started_s DESC, id DESC LIMIT ?",
            [*bound, SEEDS_TOLD],
        )
        if not latest:  # gone since it was counted
            continue
        found.append(
            {
                "signature": row["signature"],
                "state": row["state"],
                "count": row["n"],
                "first_s": row["first_s"],
                "last_s": row["last_s"],
                "latest": listed(latest[0]),
                "runs": [
                    {name: each[name] for name in ("slug", "name", "seed")} for each in latest
                ],
            }
        )
    return found


def timeline(index: RunIndex, wanted: RunFilter) -> list[Bucket]:
    """Outcomes over time, in at most :data:`BUCKETS_MAX` + 1 buckets of equal, round width;
    empty if no run is wanted."""
    where, values = wanted.where()
    span = index.rows(
        f"SELECT min(started_s) AS low, max(started_s) AS high FROM runs WHERE {where}", values
    )[0]
    if span["low"] is None:
        return []
    length_s = span["high"] - span["low"]
    width_s = next((w for w in WIDTHS_S if length_s / w <= BUCKETS_MAX), None)
    width_s = width_s or length_s / BUCKETS_MAX
    first = span["low"] // width_s
    counted = index.rows(
        f"""SELECT CAST(started_s / ? AS INTEGER) AS bucket, state, count(*) AS n
            FROM runs WHERE {where} GROUP BY bucket, state""",
        [width_s, *values],
    )
    counts: dict[int, dict[str, int]] = {}
    for row in counted:
        counts.setdefault(row["bucket"], {})[row["state"]] = row["n"]
    last = max(counts)
    return [
        Bucket(number * width_s, width_s, counts.get(number, {}))
        for number in range(int(first), last + 1)
    ]


def choices(index: RunIndex, wanted: RunFilter) -> dict[str, list[tuple[str, int]]]:
    """What each filter can be set to, with how many runs that would leave: the most first.

    Each filter's own choice does not narrow what it offers.
    """
    found = {}
    for name in ("system", "workload", "cluster", "mutant", "campaign"):
        where, values = wanted.without(name).where()
        rows = index.rows(
            f"SELECT {name} AS value, count(*) AS n FROM runs WHERE {where} GROUP BY value", values
        )
        found[name] = _most({row["value"]: row["n"] for row in rows if row["value"]})
    for name, table in (("nemesis", "run_nemeses"), ("anomaly", "run_anomalies")):
        others = wanted.without(name)
        where, values = others.where()
        those = f"WHERE run IN (SELECT id FROM runs WHERE {where})" if others.is_narrow else ""
        rows = index.rows(
            f"SELECT name AS value, count(*) AS n FROM {table} {those} GROUP BY name", values
        )
        found[name] = _most({row["value"]: row["n"] for row in rows})
    return found


def around(index: RunIndex, slug: str) -> dict[str, Any]:
    """A run's neighbours (addresses): the one before and after it in time of the same store or
    campaign; how many share its trouble; and the last one that passed before it with the same
    system, workload and cluster (a slug)."""
    rows = index.rows("SELECT * FROM runs WHERE slug = ?", [slug])
    if not rows:
        return {"earlier": None, "later": None, "same": 0, "passed": None}
    row = rows[0]
    at = [row["started_s"], row["id"], row["campaign"]]
    earlier = index.rows(
        "SELECT slug FROM runs WHERE (started_s, id) < (?, ?) AND campaign = ? "
        "ORDER BY started_s DESC, id DESC LIMIT 1",
        at,
    )
    later = index.rows(
        "SELECT slug FROM runs WHERE (started_s, id) > (?, ?) AND campaign = ? "
        "ORDER BY started_s, id LIMIT 1",
        at,
    )
    passed = index.rows(
        "SELECT slug FROM runs WHERE system = ? AND workload = ? AND cluster = ? AND state = "
        "'valid' AND id <> ? ORDER BY mutant = ? DESC, abs(started_s - ?) LIMIT 1",
        [row["system"], row["workload"], row["cluster"], row["id"], row["mutant"], at[0]],
    )
    same = index.rows(
        "SELECT count(*) AS n FROM runs WHERE signature = ? AND state = ? AND signature <> ''",
        [row["signature"], row["state"]],
    )
    return {
        "earlier": address_of(earlier[0]["slug"]) if earlier else None,
        "later": address_of(later[0]["slug"]) if later else None,
        "same": same[0]["n"],
        "passed": passed[0]["slug"] if passed else None,
    }


def running(index: RunIndex) -> list[dict[str, Any]]:
    """The runs under way, the newest first."""
    rows = index.rows(
        f"SELECT * FROM runs WHERE state = '{RUNNING}' ORDER BY started_s DESC, id DESC LIMIT 50"
    )
    return [listed(row) for row in rows]


def last_judged(index: RunIndex) -> dict[str, Any] | None:
    """The newest run that has a verdict."""
    rows = index.rows(
        "SELECT * FROM runs WHERE state IN ('valid', 'invalid', 'unknown') "
        "ORDER BY started_s DESC, id DESC LIMIT 1"
    )
    return listed(rows[0]) if rows else None


def _most(counts: dict[str, int]) -> list[tuple[str, int]]:
    return Counter(counts).most_common(CHOICES_MAX)


def seeds_of(group: dict[str, Any]) -> list[str]:
    """The seeds told of a group, each once."""
    return list(dict.fromkeys(run["seed"] for run in group["runs"] if run["seed"]))
