"""Pages of campaigns, and the same as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import RedirectResponse, Response

from ...harness.campaign.results import INFRASTRUCTURE, INVALID, KILLED, UNKNOWN, VALID
from ...harness.campaign.summary import KNOWN, NEW
from .. import words
from ..campaign import gate_words, sentences
from ..campaign.page import gate_section, sections
from . import pages, run_answers, run_files, run_names, shield
from .campaign_folders import GATE, NOW, OVER, TOLD_MAX, Campaigns, Found, shown

if TYPE_CHECKING:
    from starlette.requests import Request

NEWEST_MAX = 20
"""Campaigns of a name on the page of all names."""

LISTED_MAX = 1000
WRITTEN = {
    "campaign.html": ("text/html; charset=utf-8", shield.REPORT),
    "campaign.json": ("text/plain; charset=utf-8", shield.FILE),
    GATE: ("text/plain; charset=utf-8", shield.FILE),
    "junit.xml": ("text/plain; charset=utf-8", shield.FILE),
}
"""Files of a campaign that is over: their types, and what browsers may do with them."""


def answer(campaigns: Campaigns, request: Request, asked: list[str]) -> Response:
    """What is below ``/campaigns``, except runs."""
    if len(asked) == 2:
        return _one(campaigns, *asked)
    if len(asked) == 3 and asked[2] == "runs":
        return RedirectResponse(f"/campaigns/{asked[0]}/{asked[1]}")
    if len(asked) == 3 and asked[2] in WRITTEN:
        folder = campaigns.path(*asked[:2])
        source = run_files.open_file(folder.parent, folder.name, asked[2:])
        kind, policy = WRITTEN[asked[2]]
        return run_answers.sent(request, source, kind, {"content-security-policy": policy})
    if len(asked) > 2:
        return pages.mistake(request, 404, f"a campaign has runs and {', '.join(WRITTEN)}")
    return _list(campaigns, request, asked)


def told(campaigns: Campaigns, asked: list[str]) -> dict[str, Any] | None:
    """What is below ``/api/campaigns``; ``None`` if there is nothing of that address."""
    if len(asked) > 2:
        return None
    if len(asked) < 2:
        found = {name: campaigns.listed(name, LISTED_MAX) for name in asked or campaigns.names()}
        listed = [_row(each) for some, _ in found.values() for each in some]
        return {"total": sum(total for _, total in found.values()), "campaigns": listed}
    one = campaigns.told(*asked)
    summary = {} if one.summary is None else msgspec.to_builtins(one.summary)
    trials = {
        name: [_plain(each) for each in getattr(one, name)]
        for name in ("under_way", "doubtful", "kept")
    }
    gate = {} if one.gate is None else {"gate": msgspec.to_builtins(one.gate)}
    return {**summary, **_row(one), **trials, **gate}


def _list(campaigns: Campaigns, request: Request, names: list[str]) -> Response:
    most = LISTED_MAX if names else NEWEST_MAX
    listed = []
    for name in names or campaigns.names():
        found, total = campaigns.listed(name, most)
        if found:
            listed.append(
                {
                    "slug": name,
                    "name": shown(name),
                    "rows": [_row(each) for each in found],
                    "more": total - len(found),
                }
            )
    if names and not listed:
        return pages.mistake(request, 404, f"{shown(names[0])}: there is no such campaign")
    return pages.page(
        "campaigns.html.j2",
        listed=listed,
        only=shown(names[0]) if names else "",
        running=any(row["state"] == NOW for each in listed for row in each["rows"]),
        folder=words.line(str(campaigns.folder or ""), 200),
    )


def _one(campaigns: Campaigns, name: str, time: str) -> Response:
    found = campaigns.told(name, time)
    summary, gate, runs = found.summary, found.gate, f"{found.address}/runs"
    assert summary is not None
    before = run_names.encoded(summary.before.rpartition("/")[2])

    def links(run: str, text: str) -> list[tuple[str, str]]:
        address = f"{runs}/{run_names.encoded(str(run))}"
        return [(address, text), (f"{address}/files", "files")]

    written = []
    if found.state == OVER or gate is not None:
        written = [file for file in WRITTEN if campaigns.has(name, time, file)]
    return pages.page(
        "campaign_now.html.j2",
        found=_row(found),
        said=sentences.headline(summary) if gate is None else gate_words.headline(gate),
        facts=sentences.facts(summary) if gate is None else gate_words.facts(gate, summary),
        gate=None if gate is None else gate_section(gate, links),
        share=summary.done / summary.planned if summary.planned else 1.0,
        before=shown(before) if before else "",
        before_slug=before,
        written=written,
        under_way=[_trial(each, links) for each in found.under_way],
        kept=[_trial(each, links) for each in found.kept],
        kept_max=TOLD_MAX,
        **sections(summary, found.doubtful, links),
    )


def _row(found: Found) -> dict[str, Any]:
    """Of a list, as it is shown and as JSON."""
    row = {
        "name": shown(found.name),
        "time": shown(found.time),
        "address": found.address,
        "began_s": found.began_s,
        "state": found.state,
        "problem": words.line(found.problem, 300),
    }
    summary = found.summary
    if summary is None:
        return row
    return row | {
        "ended": words.line(summary.ended, 200),
        "planned": summary.planned,
        "done": summary.done,
        "valid": summary.outcomes[VALID],
        "invalid": summary.outcomes[INVALID],
        "without_verdict": sum(summary.outcomes[k] for k in (UNKNOWN, INFRASTRUCTURE, KILLED)),
        "different": sum(each.state in (NEW, KNOWN) for each in summary.failures),
        "new": found.new,
        "seconds": summary.seconds,
        "verdict": sentences.headline(summary).state,
    }


def _trial(each: dict[str, Any], links: Any) -> dict[str, Any]:
    plain = _plain(each)
    return plain | {"links": links(plain["run"], "report") if plain["run"] else []}


def _plain(each: dict[str, Any]) -> dict[str, Any]:
    """Text and numbers, whatever was in the ledger."""
    return {
        name: value if isinstance(value, int) else words.line(str(value or ""), 300)
        for name, value in each.items()
    }
