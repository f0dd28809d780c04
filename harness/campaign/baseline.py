"""The failures that are known, which a gate lists but does not fail for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec

from ..errors import UserError
from ..store import write_atomically

Text = Annotated[str, msgspec.Meta(min_length=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A known failure.

    ``signature``  by which it is known (``verdict.json`` has it, and so have all reports).
    ``cell``       of the gate's matrix, as its reports name it; ``*`` stands for any text.
    ``why``        it is accepted, for whoever reads it in a year.
    ``name``       of the failure, for people.
    ``expires``    the last day on which it is accepted.
    ``added``      the day on which it was written.
    ``seen``       of how many trials it was seen then, of the ``judged`` ones of its cells: once
                   they are judged as often without it, it counts as fixed.
    """

    signature: Text
    cell: Text
    why: Text
    name: str = ""
    expires: date | None = None
    added: date | None = None
    seen: Count = 0
    judged: Count = 0

    def is_about(self, cell: str) -> bool:
        """Whether its pattern fits a cell."""
        pattern = ".*".join(re.escape(part) for part in self.cell.split("*"))
        return re.fullmatch(pattern, cell, re.DOTALL) is not None

    def is_over(self, today: date) -> bool:
        """Whether it is no longer accepted."""
        return self.expires is not None and today > self.expires


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a gate's ``--baseline`` file holds. ``known``: each signature at most once a cell."""

    known: list[Accepted]

    def entry(self, signature: str, cell: str, today: date) -> Accepted | None:
        """By which a failure in a cell is known: rather one that is not over."""
        found = [each for each in self.known if each.signature == signature and each.is_about(cell)]
        return min(found, key=lambda each: each.is_over(today), default=None)


def read(path: Path) -> Baseline:
    """The baseline of a file; ``UserError`` names the file and the place."""
    try:
        baseline = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        raise UserError(
            f"{path}: cannot read the baseline: {error.strerror}; --update-baseline makes one"
        ) from None
    except msgspec.ValidationError as error:
        said = str(error).replace("Invalid RFC3339 encoded date", "Expected a day as 2026-12-31")
        raise UserError(f"{path}: not a baseline: {said}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not JSON: {error}") from None
    seen: set[tuple[str, str]] = set()
    for number, each in enumerate(baseline.known):
        if (each.signature, each.cell) in seen:
            raise UserError(
                f"{path}: known[{number}]: {each.signature} in {each.cell!r} is in it twice"
            )
        seen.add((each.signature, each.cell))
    return baseline


def known_in(path: Path | None, may_be_new: bool) -> Baseline:
    """What a file holds; nothing where there is none, or where it is to be made."""
    if path is None or (may_be_new and not path.exists()):
        return Baseline([])
    return read(path)


def check_update(
    wanted: bool, path: Path | None, why: str, expires: date | None, today: date
) -> None:
    """``UserError`` where a baseline that is to be changed (``wanted``) cannot be, or the reason
    and the last day of what would be added make no sense."""
    if wanted and path is None:
        raise UserError("--update-baseline: needs the file, --baseline FILE")
    for flag, value in (("why", why), ("expires", expires)):
        if value and not wanted:
            raise UserError(f"--{flag}: is for --update-baseline; give both")
    if expires is not None and expires < today:
        raise UserError(f"--expires {expires}: is over already, it is {today} (UTC)")


def write(path: Path, known: Iterable[Accepted]) -> None:
    """Replace the file; ``UserError`` if that cannot be."""
    ordered = sorted(known, key=lambda each: (each.cell, each.signature))
    text = msgspec.json.format(msgspec.json.encode(Baseline(ordered)), indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text + b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot write the baseline: {error.strerror}") from None
