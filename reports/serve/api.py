"""``/api/…``: what the pages show, as JSON. Documented in ``docs/serve.md``."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from . import campaign_pages, run_filter, run_queries, run_summary
from .addresses import parts_of, query_of

if TYPE_CHECKING:
    from starlette.requests import Request

    from .app import Application

ADDRESSES = (
    *("runs", "runs/NAME", "groups", "timeline", "choices", "status"),
    *("campaigns", "campaigns/NAME", "campaigns/NAME/TIME"),
)


def encoded(value: Any) -> bytes:
    """Compact JSON, on one line."""
    return msgspec.json.encode(value)


def answer(application: Application, request: Request) -> Response:
    """One request below ``/api``."""
    asked = parts_of(request)[1:]
    if asked == ["status"]:
        application.look()
        return _json(status(application))
    if len(asked) == 2 and asked[0] == "runs":
        return _one(application, asked[1])
    if asked[:1] == ["campaigns"]:
        told = campaign_pages.told(application.campaigns, asked[1:])
        if told is not None:
            return _json(told)
    if len(asked) != 1 or asked[0] not in ("runs", "groups", "timeline", "choices"):
        return _json({"error": f"expected one of /api/{', /api/'.join(ADDRESSES)}"}, 404)
    wanted = run_filter.parse(query_of(request), time.time())
    application.look()
    index = application.keeper.index
    progress = indexing(application)  # before the rows are read, of which it tells
    if asked == ["groups"]:
        return _json({"groups": run_queries.groups(index, wanted)})
    if asked == ["timeline"]:
        buckets = run_queries.timeline(index, wanted)
        return _json({"buckets": [dataclasses.asdict(bucket) for bucket in buckets]})
    if asked == ["choices"]:
        found = run_queries.choices(index, wanted)
        return _json({name: dict(values) for name, values in found.items()})
    page = run_queries.page(index, wanted)
    return _json(
        {
            "total": page.total,
            "states": page.states,
            "page": wanted.page,
            "pages": page.pages,
            "per_page": wanted.per_page,
            "runs": page.runs,
            "indexing": progress,
        }
    )


def status(application: Application) -> dict[str, Any]:
    """``changes`` grows when the list has changed; ``running`` are the trials under way."""
    changes = application.keeper.changes
    running = run_queries.running(application.keeper.index)
    return {
        "changes": changes,
        "running": [run["slug"] for run in running],
        "indexing": indexing(application),
        "problem": application.keeper.problem,
    }


def indexing(application: Application) -> dict[str, int] | None:
    """How far the first look at all folders has got; ``None`` once everything is known."""
    index = application.keeper.index
    if index.is_complete:
        return None
    return {"done": index.done, "total": index.total}


def _one(application: Application, slug: str) -> Response:
    """A run as its folder says now, whether the index knows it yet or not."""
    folder = application.folder(slug)
    summary = run_summary.summarise(folder, time.time())
    return _json(dataclasses.asdict(summary))


def _json(value: Any, status_code: int = 200) -> Response:
    return Response(encoded(value), status_code, media_type="application/json")
