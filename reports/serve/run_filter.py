"""Which runs are wanted, from the query of an address; the same for pages and for ``/api``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ...harness.errors import UserError
from .. import words
from .run_summary import STATES

CHOICES = (
    *("state", "system", "workload", "nemesis", "cluster", "mutant", "anomaly", "signature"),
    "campaign",
)
"""Each may be given several times: any of the values will do."""

TEXTS = ("seed", "q", "since", "until")
SORTS = {
    "started": "started_s",
    "name": "name",
    "state": "CASE state WHEN 'invalid' THEN 0 WHEN 'unknown' THEN 1 WHEN 'none' THEN 2 "
    "WHEN 'running' THEN 3 ELSE 4 END",
    "system": "system || '/' || mutant",
    "workload": "workload",
    "cluster": "cluster",
    "seed": "CAST(seed AS INTEGER)",
    "calls": "calls",
    "served": "served",
    "faults": "faults",
}
PER_PAGE, PER_PAGE_MAX = 50, 1000
NOBODY = "none"
"""``mutant=none``: right versions; ``nemesis=none``: trials without faults; ``campaign=none``: runs
of no campaign."""

VALUES_MAX, VALUE_MAX = 50, 300

_AGO = re.compile(r"(\d{1,6})(min|h|d)")
_SIZES_S = {"min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class RunFilter:
    """``chosen`` by name of :data:`CHOICES`; times are epoch seconds, ``until_s`` is excluded."""

    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seed: str = ""
    q: str = ""
    since: str = ""
    until: str = ""
    since_s: float | None = None
    until_s: float | None = None
    sort: str = "-started"
    page: int = 1
    per_page: int = PER_PAGE

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anything out."""
        return bool(self.chosen or self.seed or self.q or self.since or self.until)

    def query(self, **changes: Any) -> str:
        """The query that asks for this, with some of its values changed (``None``: left out).

        A change of what is wanted begins on the first page again.
        """
        values: dict[str, Any] = {
            **{name: list(given) for name, given in self.chosen.items()},
            **{name: getattr(self, name) for name in TEXTS},
            "sort": "" if self.sort == "-started" else self.sort,
            "per_page": "" if self.per_page == PER_PAGE else self.per_page,
            "page": "" if self.page == 1 or changes else self.page,
        }
        values.update(changes)
        if values["page"] == 1:
            values["page"] = ""
        given = {name: value for name, value in values.items() if value not in (None, "", [], ())}
        return urlencode(given, doseq=True)

    def without(self, *names: str) -> RunFilter:
        """The same with some of the choices left open."""
        kept = {name: given for name, given in self.chosen.items() if name not in names}
        return replace(self, chosen=kept)

    def where(self) -> tuple[str, list[Any]]:
        """A condition on the table ``runs``, with its values."""
        conditions, values = [], []
        for name, given in self.chosen.items():
            condition, bound = _chosen(name, given)
            conditions.append(condition)
            values += bound
        for condition, value in (
            ("seed = ?", self.seed),
            ("started_s >= ?", self.since_s),
            ("started_s < ?", self.until_s),
        ):
            if value not in ("", None):
                conditions.append(condition)
                values.append(value)
        for word in self.q.casefold().split():
            conditions.append("instr(searched, ?) > 0")
            values.append(word)
        return " AND ".join(conditions) or "1", values

    def order(self) -> str:
        """What follows ``ORDER BY``."""
        way = "DESC" if self.sort.startswith("-") else "ASC"
        column = SORTS[self.sort.removeprefix("-")]
        return f"{column} {way} NULLS LAST, started_s DESC, id DESC"


def parse(pairs: Sequence[tuple[str, str]], now_s: float) -> RunFilter:
    """A filter from a query's names and values, in order.

    Raises ``UserError`` that names what is wrong with which of them.
    """
    chosen: dict[str, list[str]] = {}
    single: dict[str, str] = {}
    for name, value in pairs:
        if len(value) > VALUE_MAX:
            raise UserError(f"{name}: expected at most {VALUE_MAX} characters, got {len(value)}")
        if name in CHOICES:
            if value and value not in chosen.setdefault(name, []):
                chosen[name].append(value)
        elif name in (*TEXTS, "sort", "page", "per_page"):
            single[name] = value.strip()
        else:
            known = ", ".join((*CHOICES, *TEXTS, "sort", "page", "per_page"))
            raise UserError(f"no filter is named {words.value(name)}; there are: {known}")
    for name, given in chosen.items():
        if len(given) > VALUES_MAX:
            raise UserError(f"{name}: expected at most {VALUES_MAX} values, got {len(given)}")
    for state in chosen.get("state", ()):
        if state not in STATES:
            raise UserError(f"state: expected {', '.join(STATES)}, got {words.value(state)}")
    sort = single.get("sort") or "-started"
    if sort.removeprefix("-") not in SORTS:
        raise UserError(
            f"sort: expected one of {', '.join(SORTS)}, with - before it for the other way round, "
            f"got {words.value(sort)}"
        )
    since, until = single.get("since", ""), single.get("until", "")
    return RunFilter(
        chosen={name: tuple(given) for name, given in chosen.items() if given},
        seed=single.get("seed", ""),
        q=single.get("q", ""),
        since=since,
        until=until,
        since_s=_moment("since", since, now_s) if since else None,
        until_s=_moment("until", until, now_s) if until else None,
        sort=sort,
        page=_whole("page", single.get("page", ""), 1, 1_000_000),
        per_page=_whole("per_page", single.get("per_page", ""), PER_PAGE, PER_PAGE_MAX),
    )


def _chosen(name: str, given: Sequence[str]) -> tuple[str, list[str]]:
    places = ", ".join("?" * len(given))
    if name == "nemesis":
        one = f"id IN (SELECT run FROM run_nemeses WHERE name IN ({places}))"
        if NOBODY in given:
            return f"({one} OR id NOT IN (SELECT run FROM run_nemeses))", list(given)
        return one, list(given)
    if name == "anomaly":
        return f"id IN (SELECT run FROM run_anomalies WHERE name IN ({places}))", list(given)
    if name in ("mutant", "campaign"):
        return f"{name} IN ({places})", ["" if value == NOBODY else value for value in given]
    return f"{name} IN ({places})", list(given)


def _moment(name: str, text: str, now_s: float) -> float:
    """A time: ``24h`` or ``7d`` ago, or a date (and time) in UTC."""
    ago = _AGO.fullmatch(text)
    if ago:
        return now_s - int(ago[1]) * _SIZES_S[ago[2]]
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if name == "until" and len(text) == len("2026-11-21"):
            moment += timedelta(days=1)  # that day is still in it
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise UserError(
            f"{name}: expected a date such as 2026-11-21 or 2026-11-21T06:30 (UTC), or 24h or 7d "
            f"(ago), got {words.value(text)}"
        ) from None


def _whole(name: str, text: str, otherwise: int, most: int) -> int:
    if not text:
        return otherwise
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise UserError(
            f"{name}: expected a whole number from 1 to {most}, got {words.value(text)}"
        )
    return int(text)
