"""What is answered below the address of a run: its report, files and archives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from starlette.responses import Response, StreamingResponse

from . import archive, pages, run_files, run_names, shield

if TYPE_CHECKING:
    from starlette.requests import Request

    from .run_place import RunPlace

PLAIN = (
    ".json",
    ".jsonl",
    ".log",
    ".txt",
    ".edn",
    ".toml",
    ".xml",
    ".csv",
    ".conf",
    ".cfg",
    ".yml",
)
"""Endings of files that browsers show as text; others are saved."""


def _report(place: RunPlace, request: Request, slug: str, _: list[str]) -> Response:
    """The report as it lies in the folder, else one made for this request."""
    folder = place.folder(slug)
    headers = {"content-security-policy": shield.REPORT}
    try:
        source = run_files.open_file(place.store, folder.name, ["report.html"])
    except FileNotFoundError:
        from .. import html, run_folder  # not needed to start

        readable = run_files.readable_by_path(place.store, folder.name)
        for relative in filter(None, pages.relatives(place, folder.name).values()):
            run_files.readable_by_path(place.store, run_names.decoded(relative))
        made = html.page(run_folder.load(readable)).encode("utf-8", "replace")
        return Response(made, media_type="text/html", headers=headers)
    return sent(request, source, "text/html; charset=utf-8", headers)


def _file(place: RunPlace, request: Request, slug: str, below: list[str]) -> Response:
    """A file of the run; the list of all of them where none is named."""
    place.folder(slug)
    if not below:
        return pages.files(place, slug)
    names = [run_names.decoded(part) for part in below]
    source = run_files.open_file(place.store, run_names.decoded(slug), names)
    headers = {"content-security-policy": shield.FILE}
    if names[-1].lower().endswith(PLAIN):
        return sent(request, source, "text/plain; charset=utf-8", headers)
    headers["content-disposition"] = f"attachment; filename*=UTF-8''{below[-1]}"
    return sent(request, source, "application/octet-stream", headers)


def sent(request: Request, source: BinaryIO, kind: str, headers: dict[str, str]) -> Response:
    """An open file as it is now, then closed."""
    size = source.seek(0, 2)
    source.seek(0)
    headers["content-length"] = str(size)
    if request.method == "HEAD":
        source.close()
        return Response(media_type=kind, headers=headers)
    return StreamingResponse(archive.sent(source, size), media_type=kind, headers=headers)


def _archive(
    pack: Callable[[Path, str], Any], ending: str, kind: str
) -> Callable[[RunPlace, Request, str, list[str]], Response]:
    def answer(place: RunPlace, request: Request, slug: str, _: list[str]) -> Response:
        name = place.folder(slug).name
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{slug}.{ending}"}
        if request.method == "HEAD":
            return Response(media_type=kind, headers=headers)
        return StreamingResponse(pack(place.store, name), media_type=kind, headers=headers)

    return answer


def answer(place: RunPlace, request: Request, slug: str, below: list[str]) -> Response:
    """A file or an archive of a run, or its report by itself."""
    make = BELOW.get(below[0])
    if make is None or (below[0] != "files" and len(below) > 1):
        return pages.mistake(request, 404, "a run has a report, files, events and archives")
    return make(place, request, slug, below[1:])


BELOW: dict[str, Callable[..., Response]] = {
    "report": _report,
    "report.html": _report,  # so do reports of shrunk runs call each other
    "files": _file,
    "archive.zip": _archive(archive.zipped, "zip", "application/zip"),
    "archive.tar.gz": _archive(archive.tarred, "tar.gz", "application/gzip"),
}
