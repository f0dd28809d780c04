"""What a request's address says, taken apart byte by byte before any decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from ...harness.errors import UserError
from . import run_names

if TYPE_CHECKING:
    from starlette.requests import Request

FIELDS_MAX = 500


def parts_of(request: Request) -> list[str]:
    """The parts of the path, each a safe name, still encoded.

    Raises :class:`.run_names.BadName`.
    """
    path = request.scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
    parts = path.removeprefix("/").removesuffix("/").split("/")
    return [run_names.encoded(run_names.decoded(part)) for part in parts]


def query_of(request: Request) -> list[tuple[str, str]]:
    """Names and values of the query, in order; empty values are left out.

    Raises ``UserError`` for more than anybody would ask.
    """
    text = request.scope.get("query_string", b"").decode("latin-1")
    try:
        return parse_qsl(text, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise UserError(
            f"the query: expected at most {FIELDS_MAX} names and values, in UTF-8"
        ) from None
