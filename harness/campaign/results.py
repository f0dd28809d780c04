"""What became of a campaign's trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ..errors import UserError
from ..store import RunFolder
from ..verdict import Signature

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"
INFRASTRUCTURE = "infrastructure"
"""The trial could not be run: no fault of the system's, and no verdict. Such are run again."""
KILLED = "killed"
"""The trial took more time or memory than it may, and was killed. Not run again."""

NOT_FOR_TRIALS = ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
"""Variables of the environment that ask for a word on each trial: a campaign says one on all."""

OUTCOMES = (VALID, INVALID, UNKNOWN, INFRASTRUCTURE, KILLED)


class Result(msgspec.Struct, frozen=True):
    """How one trial ended.

    ``outcome``    one of :data:`OUTCOMES`.
    ``anomalies``  their names, sorted, each once.
    ``run``        name of its run folder; empty if there is none (any more).
    ``wall_s``     how long it took; ``bytes`` on disk.
    ``error``      why there is no verdict, in a line.
    """

    outcome: str
    anomalies: list[str] = []
    signature: Signature | None = None
    operations: int = 0
    run: str = ""
    wall_s: float = 0.0
    bytes: int = 0
    error: str = ""


def of_folder(folder: RunFolder, wall_s: float = 0.0) -> Result | None:
    """What a run folder says; ``None`` if its trial did not come to its end."""
    try:
        info = folder.read_json("trial.json")
        verdict = folder.read_json("verdict.json")
        outcome = info.get("outcome")
        if outcome is None or outcome == "interrupted":
            return None
        anomalies = sorted({str(each["name"]) for each in verdict.get("anomalies", [])})
        told = verdict.get("signature")
        signature = None if told is None else msgspec.convert(told, Signature, strict=False)
        mutant = info.get("mutant")
        if signature is not None and mutant:  # a planted bug is known to be another one
            signature = msgspec.structs.replace(signature, id=f"{signature.id}-{mutant}")
    except (UserError, AttributeError, KeyError, TypeError, msgspec.ValidationError):
        return None
    if verdict.get("valid") is False:
        said = INVALID
    else:
        said = {"valid": VALID, "unknown": UNKNOWN}.get(outcome, INFRASTRUCTURE)
    return Result(
        said,
        anomalies,
        signature,
        operations=_invocations(verdict),
        run=folder.path.name,
        wall_s=wall_s,
        bytes=size_of(folder.path),
        error=str(info.get("error") or (verdict.get("reason", "") if said == UNKNOWN else "")),
    )


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _invocations(verdict: Any) -> int:
    counts = verdict.get("parts", {}).get("vacuity", {}).get("statistics", {}).get("outcomes", {})
    return sum(int(number) for by_type in counts.values() for number in by_type.values())
