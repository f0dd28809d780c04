"""Writes ``docs/schema/``: what the files of a run folder, a campaign and a gate look like, as
JSON Schema.

    .venv/bin/python scripts/schemas.py

They are made of the types that write the files; a test compares them with these, and files that
trials wrote with them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import msgspec

from duress.harness.campaign.aftermath import Notice
from duress.harness.campaign.baseline import Baseline
from duress.harness.campaign.gate import Report
from duress.harness.campaign.summary import Summary
from duress.harness.schedule import Schedule
from duress.harness.spec import TrialSpec
from duress.harness.verdict import Verdict

FOLDER = Path(__file__).parent.parent / "docs" / "schema"


class Phase(msgspec.Struct):
    """A part of a trial: its name, and when it began, in ns."""

    name: str
    time: int


class Trial(TrialSpec, frozen=True, kw_only=True):
    """``trial.json``: the trial as data, and how it ended.

    ``title``            what its system is called where people read of it.
    ``id``, ``started``  the folder's name and when it was made (UTC).
    ``duress``           the version that ran it, on the ``host``.
    ``command``          that runs it again.
    ``system_info``      what the system says of itself: version, settings.
    ``outcome``          ``null`` while it runs; ``error`` why it ended early, in a line.
    ``phases``           its parts in order.
    ``history_origin_ns``  where the history's time begins, since the trial began.
    ``recovered_s``      how long after the last heal every node was ready.
    """

    duress: str
    id: str
    started: str
    command: str
    host: dict[str, Any]
    title: str | None = None
    system_info: dict[str, Any] = msgspec.field(default_factory=dict)
    outcome: Literal["valid", "invalid", "unknown", "interrupted", "error"] | None = None
    error: str | None = None
    phases: list[Phase] = msgspec.field(default_factory=list)
    history_origin_ns: int | None = None
    history_clocks: dict[str, int] | None = None
    recovered_s: float | None = None


FILES = {"verdict.json": Verdict, "trial.json": Trial, "schedule.json": Schedule}
"""Of a run folder."""

ALL = {
    **FILES,
    "campaign.json": Summary,
    "notice.json": Notice,
    "gate.json": Report,
    "baseline.json": Baseline,
}
"""And of campaigns and gates."""


def schema(name: str) -> dict[str, Any]:
    """The schema of one file. Fields that it does not name may be there, and come to be."""
    made = msgspec.json.schema(ALL[name])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:duress:schema:{name.removesuffix('.json')}",
        "title": f"duress {name}",
        **made,
    }


def text(name: str) -> str:
    """The schema as it is written."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False) + "\n"


def path_of(name: str) -> Path:
    """Where it is published."""
    return FOLDER / f"{name.removesuffix('.json')}.schema.json"


def main() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name in ALL:
        path_of(name).write_text(text(name))
        print(path_of(name).relative_to(Path.cwd()))


if __name__ == "__main__":
    main()
