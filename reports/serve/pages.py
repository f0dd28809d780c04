"""The pages: what a template is given. Text reaches them through an autoescaping environment."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import RedirectResponse, Response

from ...harness.errors import UserError
from .. import words
from ..templates import templates
from . import (
    api,
    drawings,
    run_files,
    run_filter,
    run_names,
    run_queries,
    run_summary,
)
from .addresses import query_of
from .run_roots import address_of
from .run_summary import RUNNING

if TYPE_CHECKING:
    from jinja2 import Environment
    from starlette.requests import Request

    from .app import Application
    from .run_filter import RunFilter
    from .run_place import RunPlace

ASSETS = Path(__file__).parent / "assets"
SHARED_ASSETS = ASSETS.parent.parent / "assets"
"""Those of reports."""

CAMPAIGN_ASSETS = ASSETS.parent.parent / "campaign" / "assets"

STATE_WORDS = {
    "invalid": "Invalid",
    "unknown": "Unknown",
    "none": "No verdict",
    "running": "Running",
    "valid": "Valid",
}
COLUMNS = (
    *(("state", "Verdict"), ("started", "Started (UTC)"), ("system", "System")),
    *(("workload", "Workload"), ("", "Nemeses"), ("cluster", "Cluster"), ("seed", "Seed")),
    *(("calls", "Calls"), ("served", "Served")),
)
GROUPS_SHOWN = 8
"""More of them wait behind a click, so that what follows can be seen."""

PERIODS = (("", "all time"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"))
LABELS = {
    "state": "Verdict",
    "system": "System",
    "workload": "Workload",
    "nemesis": "Nemesis",
    "cluster": "Cluster",
    "mutant": "Mutant",
    "campaign": "Campaign",
    "anomaly": "Anomaly",
    "signature": "Trouble",
    "seed": "Seed",
    "q": "Text",
    "since": "From",
    "until": "To",
}


def runs(application: Application, request: Request) -> Response:
    """The list: what failed, outcomes over time, and one page of the runs."""
    wanted = run_filter.parse(query_of(request), time.time())
    application.look()
    index = application.keeper.index
    # Before the rows are read, so that whatever comes meanwhile counts as news.
    changes, indexing = application.keeper.changes, api.indexing(application)
    found = run_queries.page(index, wanted)
    buckets = run_queries.timeline(index, wanted)
    return page(
        "runs.html.j2",
        wanted=wanted,
        page=found,
        groups=run_queries.groups(index, wanted),
        chart=drawings.bars(buckets, _axis_time(buckets)) if len(buckets) > 0 else None,
        choices=run_queries.choices(index, wanted),
        running=run_queries.running(index),
        changes=changes,
        indexing=indexing,
        problem=application.keeper.problem,
        store=words.line(str(application.store), 200),
    )


def run(application: Application, place: RunPlace, slug: str) -> Response:
    """A run's report in a frame; while its trial runs, the live view."""
    folder = place.folder(slug)
    around, judged = relatives(place, folder.name), None
    summary = run_summary.summarise(folder, time.time())
    application.look()
    index = application.keeper.index
    around |= run_queries.around(index, place.prefix + slug)
    if place.is_store:
        judged = run_queries.last_judged(index)
    if summary.state == RUNNING:
        return page("live.html.j2", run=summary, place=place, around=around, judged=judged)
    return page("run.html.j2", run=summary, place=place, around=around)


def relatives(place: RunPlace, name: str) -> dict[str, Any]:
    """The run that this one was shrunk to, and the one that it was shrunk from (slugs)."""
    found: dict[str, Any] = {}
    for relation, file, field in (
        ("shrunk", "shrunk.json", "run"),
        ("shrunk_from", "trial.json", "shrunk_from"),
    ):
        found[relation] = None
        with contextlib.suppress(OSError, ValueError, RecursionError):
            with run_files.open_file(place.store, name, [file]) as content:
                given = msgspec.json.decode(content.read(), type=dict[str, Any]).get(field)
            if isinstance(given, str):
                slug = run_names.encoded(run_names.decoded(run_names.encoded(given)))
                place.folder(slug)
                found[relation] = slug
    return found


def live(application: Application, request: Request) -> Response:
    """The trial that runs now, or a page that waits for one."""
    application.look()
    running = run_queries.running(application.keeper.index)
    if running:
        return RedirectResponse(running[0]["address"])
    return page("wait.html.j2", store=words.line(str(application.store), 200))


def files(place: RunPlace, slug: str) -> Response:
    """The files of a run, each to look at or to keep."""
    name = run_names.decoded(slug)
    found, more = run_files.files(place.store, name)
    listed = [
        {
            "shown": "/".join(run_names.shown(part) for part in file.parts),
            "address": "/".join(run_names.encoded(part) for part in file.parts),
            "size": file.size_bytes,
            "changed_s": file.changed_s,
        }
        for file in found
    ]
    summary = run_summary.summarise(place.folder(slug), time.time())
    return page("files.html.j2", run=summary, place=place, files=listed, more=more)


def compare(application: Application, request: Request) -> Response:
    """Two runs side by side; a form that asks for them where there are not two."""
    from . import comparison

    asked = [value for name, value in query_of(request) if name == "run" and value]
    if len(asked) > 2:
        raise UserError(f"compare: expected two runs, got {len(asked)}")
    if len(asked) < 2:
        latest = run_queries.page(application.keeper.index, run_filter.RunFilter(per_page=300))
        return page("choose.html.j2", asked=asked, runs=latest.runs)
    folders = [application.run_folder(slug) for slug in asked]
    found = comparison.compare(folders[0], folders[1])
    return page(
        "compare.html.j2",
        found=found,
        addresses=[address_of(slug) for slug in asked],
        names=[run_names.shown(folder.name) for folder in folders],
        swapped="/compare?" + urlencode([("run", asked[1]), ("run", asked[0])]),
        rates=drawings.lines(found.rates, lambda rate: f"{rate:,.3g}/s"),
        latencies=drawings.lines(found.latencies, words.duration, logarithmic=True),
    )


def not_found(application: Application, request: Request) -> Response:
    """Any other address."""
    return mistake(request, 404, "there is no such page")


def mistake(request: Request, status: int, text: str) -> Response:
    """What was wrong with a request, in one line: as JSON where that was asked for."""
    said = words.line(text, 400)
    if request.url.path.startswith("/api/"):
        return Response(api.encoded({"error": said}), status, media_type="application/json")
    return page("mistake.html.j2", status=status, said=said)


def page(template: str, status: int = 200, **given: Any) -> Response:
    """A page of ours."""
    text = environment().get_template(template).render(status=status, **given)
    return Response(text.encode("utf-8", "replace"), status, media_type="text/html")


@cache
def environment() -> Environment:
    """Templates with what they say things with."""
    made = templates([ASSETS, CAMPAIGN_ASSETS])
    made.filters |= {
        "moment": moment,
        "iso": iso,
        "share": words.share,
        "size": size,
        "begin": lambda text: text[:1].upper() + text[1:],
        "state_word": lambda state: STATE_WORDS.get(state, state),
        "span": span,
    }
    made.globals |= {
        "columns": COLUMNS,
        "groups_shown": GROUPS_SHOWN,
        "groups_max": run_queries.GROUPS_MAX,
        "labels": LABELS,
        "periods": PERIODS,
        "states": STATE_WORDS,
        "seeds_of": run_queries.seeds_of,
        "sorted_by": sorted_by,
        "active_filters": active_filters,
        "pages_around": pages_around,
    }
    return made


def moment(epoch_s: float) -> str:
    """``2026-11-21 06:30:12``, in UTC."""
    return _utc(epoch_s).strftime("%Y-%m-%d %H:%M:%S")


def iso(epoch_s: float) -> str:
    """For the ``datetime`` of a ``<time>``."""
    return _utc(epoch_s).strftime("%Y-%m-%dT%H:%M:%SZ")


def _utc(epoch_s: float) -> datetime:
    try:
        return datetime.fromtimestamp(epoch_s, UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.fromtimestamp(0, UTC)


def _axis_time(buckets: list[run_queries.Bucket]) -> Any:
    """Times as short as the span allows."""
    span_s = buckets[-1].start_s - buckets[0].start_s if buckets else 0
    form = "%H:%M:%S" if span_s < 600 else "%H:%M" if span_s < 20 * 3600 else "%d %b %H:%M"
    form = "%d %b %Y" if span_s > 40 * 86400 else form
    return lambda epoch_s: _utc(epoch_s).strftime(form)


def size(size_bytes: int) -> str:
    """``12.3 KiB``."""
    amount = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:,.0f} {unit}" if unit == "B" else f"{amount:,.1f} {unit}"
        amount /= 1024
    raise AssertionError


def span(seconds: float) -> str:
    """``15 minutes``: what :data:`.run_queries.WIDTHS_S` are in words."""
    for unit, length in (("week", 604800), ("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            return words.count(int(seconds // length), unit)
    return words.count(max(1, round(seconds)), "second")


def sorted_by(wanted: RunFilter, name: str) -> dict[str, str]:
    """For a column's head: the address that sorts by it, and how it is sorted by it now."""
    now = {name: "ascending", f"-{name}": "descending"}.get(wanted.sort, "none")
    downwards = name in ("started", "calls", "served", "faults")
    again = name if wanted.sort == f"-{name}" else f"-{name}"
    first = f"-{name}" if downwards else name
    turned = again if now != "none" else first
    return {"query": wanted.query(sort=turned), "now": now}


def active_filters(wanted: RunFilter) -> list[dict[str, str]]:
    """What narrows the list, each with the address that leaves it out."""
    found = []
    for name, given in wanted.chosen.items():
        for value in given:
            rest = [other for other in given if other != value]
            said = STATE_WORDS.get(value, value) if name == "state" else value
            found.append(
                {"label": LABELS[name], "value": said, "query": wanted.query(**{name: rest})}
            )
    found += [
        {"label": LABELS[name], "value": value, "query": wanted.query(**{name: None})}
        for name in run_filter.TEXTS
        if (value := getattr(wanted, name))
    ]
    return found


def pages_around(wanted: RunFilter, last: int) -> list[int]:
    """Numbers of pages to offer: the first, the last, and those around this one; 0 for a gap."""
    near = {1, last, *range(wanted.page - 2, wanted.page + 3)}
    numbers = sorted(number for number in near if 1 <= number <= last)
    told: list[int] = []
    for number in numbers:
        if told and number - told[-1] > 1:
            told.append(0)
        told.append(number)
    return told
