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
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from ...harness.errors import UserError
from . import (
    api,
    campaign_pages,
    live_run,
    pages,
    run_answers,
    run_files,
    run_names,
    run_roots,
    shield,
)
from .addresses import parts_of
from .campaign_folders import Campaigns
from .index_keeper import IndexKeeper
from .run_names import BadName
from .run_place import RunPlace

SHARED = ("tokens.css", "scales.js")
"""Files of the report's that pages use, too."""

OURS = ("serve.css", "serve.js", "live.js", "wait.js", "campaign.js")
TYPES = {".css": "text/css", ".js": "text/javascript"}

FRESH_WAIT_S = 0.25
"""How long a page waits for the index to take in what has just changed."""

ENDING_CHECK_S = 0.1


class Application:
    """The pages of one store, and of a folder of campaigns."""

    def __init__(self, store: Path, keeper: IndexKeeper, campaigns: Path | None = None) -> None:
        self.store = store
        self.keeper = keeper
        self.runs = RunPlace.of_store(store)
        self.campaigns = Campaigns(campaigns)
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
                Route("/campaigns", self._campaign),
                Route("/campaigns/{rest:path}", self._campaign),
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
        return self.runs.folder(slug)

    def run_folder(self, slug: str) -> Path:
        """The folder of a run of the store or of a campaign, as it is called in the list, for those
        who follow links. ``OSError`` if there is none, :class:`BadName` for what is no name."""
        name, time, run = run_roots.place_of(slug)
        place = self.campaigns.runs(name, time) if name else self.runs
        return run_files.readable_by_path(place.store, run_names.decoded(run))

    # -- requests ----------------------------------------------------------------

    def _answer(self, make: Callable[..., Response]) -> Any:
        """An endpoint that does its work in a thread, with mistakes said in one line."""

        async def endpoint(request: Request) -> Response:
            return await self._threaded(request, lambda: make(self, request))

        return endpoint

    async def _threaded(self, request: Request, make: Callable[[], Response]) -> Response:
        return await run_in_threadpool(self._guarded, request, make)

    def _guarded(self, request: Request, make: Callable[[], Response]) -> Response:
        try:
            return make()
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
        """``/runs/NAME``, and what is below it."""
        try:
            slug, *below = parts_of(request)[1:]
        except BadName as error:
            return pages.mistake(request, 404, str(error))
        if slug == "latest":
            return await self._threaded(request, lambda: _latest(self, below))
        return await self._of_run(request, self.runs, slug, below)

    async def _campaign(self, request: Request) -> Response:
        """``/campaigns``, and what is below it."""
        try:
            asked = parts_of(request)[1:]
            if len(asked) > 3 and asked[2] == "runs":
                place = await run_in_threadpool(self.campaigns.runs, asked[0], asked[1])
                return await self._of_run(request, place, asked[3], asked[4:])
        except (BadName, OSError) as error:
            return pages.mistake(request, 404, str(error))
        return await self._threaded(
            request, lambda: campaign_pages.answer(self.campaigns, request, asked)
        )

    async def _of_run(
        self, request: Request, place: RunPlace, slug: str, below: list[str]
    ) -> Response:
        """A run's page, and what is below it: ``report``, ``files/…``, ``events``, archives."""
        if not below:
            return await self._threaded(request, lambda: pages.run(self, place, slug))
        if below != ["events"]:
            return await self._threaded(
                request, lambda: run_answers.answer(place, request, slug, below)
            )
        try:
            if request.method != "HEAD":
                await run_in_threadpool(place.folder, slug)
        except (BadName, OSError) as error:
            return pages.mistake(request, 404, str(error))
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        return StreamingResponse(
            self._events(place.live[slug]), media_type="text/event-stream", headers=_STREAM
        )

    async def _events(self, run: live_run.LiveRun) -> AsyncIterator[bytes]:
        """The state of a trial whenever it has changed, until it has ended or nobody listens."""
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


def _latest(application: Application, below: list[str]) -> Response:
    """The newest run, under its own name."""
    name = (application.store / "latest").readlink().name
    application.folder(run_names.encoded(name))
    return RedirectResponse("/".join(["/runs", run_names.encoded(name), *below]))
