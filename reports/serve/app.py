"""Which address is answered by what."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ...harness.errors import UserError
from . import api, archive, live_run, pages, run_files, run_names, shield
from .addresses import parts_of
from .index_keeper import IndexKeeper
from .run_names import BadName

SHARED = ("tokens.css", "scales.js")
"""Files of the report's that pages use, too."""

OURS = ("serve.css", "serve.js", "live.js", "wait.js")
TYPES = {".css": "text/css", ".js": "text/javascript"}
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

FRESH_WAIT_S = 0.25
"""How long a page waits for the index to take in what has just changed."""

ENDING_CHECK_S = 0.1


class Application:
    """The pages of one store."""

    def __init__(self, store: Path, keeper: IndexKeeper) -> None:
        self.store = store
        self.keeper = keeper
        self.live = live_run.LiveRuns(store)
        self._ending = threading.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._answer(pages.runs)),
                Route("/compare", self._answer(pages.compare)),
                Route("/live", self._answer(pages.live)),
                Route("/assets/{name}", self._asset),
                Route("/api/{rest:path}", self._answer(api.answer)),
                Route("/runs", lambda _: RedirectResponse("/")),
                Route("/runs/{rest:path}", self._run),
                Route("/{rest:path}", self._answer(pages.not_found)),
            ],
        )

    def end(self) -> None:
        """Let streams of events end: the server is about to. May be called by a signal handler."""
        self._ending.set()

    @staticmethod
    def is_private(host: str) -> bool:
        """Whether only this machine can reach a server that is bound there."""
        return shield.is_loopback(host)

    def look(self) -> None:
        """Let the index take in what has changed, without waiting long."""
        is_reading = self.keeper.index.done < self.keeper.index.total
        self.keeper.ask(0 if is_reading else FRESH_WAIT_S)

    def folder(self, slug: str) -> Path:
        """The folder of a run; ``OSError`` if there is none of that name, or a link."""
        return run_files.real_folder(self.store, run_names.decoded(slug))

    # -- requests ----------------------------------------------------------------

    def _answer(self, make: Callable[..., Response]) -> Any:
        """An endpoint that does its work in a thread, with mistakes said in one line."""

        async def endpoint(request: Request) -> Response:
            return await run_in_threadpool(self._guarded, request, make)

        return endpoint

    def _guarded(self, request: Request, make: Callable[..., Response], *given: Any) -> Response:
        try:
            return make(self, request, *given)
        except (UserError, UnicodeError) as error:
            return pages.mistake(request, 400, str(error))
        except BadName as error:
            return pages.mistake(request, 404, str(error))
        except sqlite3.Error as error:
            self.keeper.mend(f"{self.keeper.index.file}: {error}")
            return pages.mistake(request, 503, "the index is made anew; try again in a moment")
        except OSError as error:
            said = error.strerror or str(error)
            return pages.mistake(request, 404, f"no such run or file: {said}")

    async def _asset(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in (*OURS, *SHARED):
            return pages.mistake(request, 404, "no such file")
        content = asset(name)
        headers = {"cache-control": "no-cache", "etag": f'"{hashlib.sha256(content).hexdigest()}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=TYPES[Path(name).suffix], headers=headers)

    async def _run(self, request: Request) -> Response:
        """``/runs/NAME``, and what is below it: ``report``, ``files/…``, ``events``, archives."""
        try:
            slug, *below = parts_of(request)[1:]
            if slug == "latest":
                return await run_in_threadpool(self._guarded, request, _latest, below)
            if below == ["events"]:
                if request.method == "HEAD":
                    return Response(media_type="text/event-stream")
                await run_in_threadpool(self.folder, slug)
                return StreamingResponse(
                    self._events(slug), media_type="text/event-stream", headers=_STREAM
                )
        except (BadName, OSError) as error:
            return pages.mistake(request, 404, str(error))
        make = _BELOW.get(below[0] if below else "")
        if make is None or (below and below[0] != "files" and len(below) > 1):
            return pages.mistake(request, 404, "a run has a report, files, events and archives")
        return await run_in_threadpool(self._guarded, request, make, slug, below[1:])

    async def _events(self, slug: str) -> AsyncIterator[bytes]:
        """The state of a trial whenever it has changed, until it has ended or nobody listens."""
        run = self.live[slug]
        before = b""
        while not self._ending.is_set():
            state = await run_in_threadpool(run.snapshot)
            data = api.encoded(state)
            if data != before:
                before = data
                yield b"event: state\ndata: " + data + b"\n\n"
            if state["ended"]:
                yield b"event: ended\ndata: {}\n\n"
                return
            until_s = time.monotonic() + live_run.EVERY_S
            # No asyncio.Event: a signal handler sets it, outside of what the loop knows of.
            while time.monotonic() < until_s and not self._ending.is_set():  # noqa: ASYNC110
                await asyncio.sleep(ENDING_CHECK_S)


_STREAM = {"cache-control": "no-store", "x-accel-buffering": "no"}


@cache
def asset(name: str) -> bytes:
    """A style sheet or script."""
    return ((pages.SHARED_ASSETS if name in SHARED else pages.ASSETS) / name).read_bytes()


def _latest(application: Application, request: Request, below: list[str]) -> Response:
    """The newest run, under its own name."""
    name = (application.store / "latest").readlink().name
    application.folder(run_names.encoded(name))
    return RedirectResponse("/".join(["/runs", run_names.encoded(name), *below]))


def _report(application: Application, request: Request, slug: str, _: list[str]) -> Response:
    """The report as it lies in the folder, else one made for this request."""
    folder = application.folder(slug)
    headers = {"content-security-policy": shield.REPORT}
    try:
        source = run_files.open_file(application.store, folder.name, ["report.html"])
    except FileNotFoundError:
        from .. import html, run_folder  # not needed to start

        readable = run_files.readable_by_path(application.store, folder.name)
        for relative in filter(None, pages.relatives(application, folder.name).values()):
            run_files.readable_by_path(application.store, run_names.decoded(relative))
        made = html.page(run_folder.load(readable)).encode("utf-8", "replace")
        return Response(made, media_type="text/html", headers=headers)
    return _sent(request, source, "text/html; charset=utf-8", headers)


def _file(application: Application, request: Request, slug: str, below: list[str]) -> Response:
    """A file of the run; the list of all of them where none is named."""
    application.folder(slug)
    if not below:
        return pages.files(application, request, slug)
    names = [run_names.decoded(part) for part in below]
    source = run_files.open_file(application.store, run_names.decoded(slug), names)
    headers = {"content-security-policy": shield.FILE}
    if names[-1].lower().endswith(PLAIN):
        return _sent(request, source, "text/plain; charset=utf-8", headers)
    headers["content-disposition"] = f"attachment; filename*=UTF-8''{below[-1]}"
    return _sent(request, source, "application/octet-stream", headers)


def _sent(request: Request, source: BinaryIO, kind: str, headers: dict[str, str]) -> Response:
    size = source.seek(0, 2)
    source.seek(0)
    headers["content-length"] = str(size)
    if request.method == "HEAD":
        source.close()
        return Response(media_type=kind, headers=headers)
    return StreamingResponse(archive.sent(source, size), media_type=kind, headers=headers)


def _archive(
    pack: Callable[[Path, str], Any], ending: str, kind: str
) -> Callable[[Application, Request, str, list[str]], Response]:
    def answer(application: Application, request: Request, slug: str, _: list[str]) -> Response:
        name = application.folder(slug).name
        headers = {"content-disposition": f"attachment; filename*=UTF-8''{slug}.{ending}"}
        if request.method == "HEAD":
            return Response(media_type=kind, headers=headers)
        return StreamingResponse(pack(application.store, name), media_type=kind, headers=headers)

    return answer


_BELOW: dict[str, Callable[..., Response]] = {
    "": pages.run,
    "report": _report,
    "report.html": _report,  # so do reports of shrunk runs call each other
    "files": _file,
    "archive.zip": _archive(archive.zipped, "zip", "application/zip"),
    "archive.tar.gz": _archive(archive.tarred, "tar.gz", "application/gzip"),
}
