"""What a Dask worker does for campaigns: it runs their trials, in processes that are used again.

All processes of a campaign are in its :class:`Room`, which has an event loop in a thread of its
own: they are asked to end when the thread that made them does, and Dask's come and go.
"""

from __future__ import annotations

import asyncio
import io
import tarfile
import tempfile
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import msgspec

from ... import __version__
from .. import registry
from ..spec import TrialSpec
from .plan import Limits
from .results import Result
from .workers import LocalWorkers

IDLE_S = 60.0
"""After so long without a trial a room is given up: its campaign may have been killed."""

_lock = threading.Lock()
_rooms: dict[str, Room] = {}


def abilities() -> dict[str, object]:
    """Which duress this is, and for each kind of cluster why it cannot be had here, or ``None``."""
    clusters = {
        name: registry.load("clusters", name).reason_unavailable()
        for name in registry.names("clusters")
    }
    return {"duress": __version__, "clusters": clusters}


def run_there(campaign: str, spec: bytes, name: str, limits: bytes) -> tuple[bytes, bytes]:
    """Run a trial; its result and its run folder.

    ``campaign`` is a word of its own for everyone who gives trials: nobody shares processes with
    another, who may have other versions of the files that trials are made of.
    """
    trial = msgspec.json.decode(spec, type=TrialSpec)
    with tempfile.TemporaryDirectory(prefix="duress-worker-", dir=_scratch()) as place:
        folder = Path(place) / name
        result = _entered(campaign, limits).run(trial, folder)
        return msgspec.json.encode(result), pack(folder)


def leave(campaign: str) -> None:
    """End the trials and processes of a campaign, without waiting until they have."""
    with _lock:
        room = _rooms.pop(campaign, None)
    if room is not None:
        room.close()


class Room:
    """The processes of one campaign."""

    def __init__(self, campaign: str, limits: Limits) -> None:
        self._campaign = campaign
        self._workers = LocalWorkers(limits)
        self._loop = asyncio.new_event_loop()
        self._trials: set[asyncio.Task[Any]] = set()
        threading.Thread(target=self._live, name="duress trials", daemon=True).start()
        self._visits = 0
        self.busy = 0
        """How many trials are under way or about to be; changed under the lock."""

    def run(self, spec: TrialSpec, folder: Path) -> Result:
        """Run a trial, after :func:`_entered`; ``CancelledError`` if the room is closed then."""
        try:
            with _lock:
                if _rooms.get(self._campaign) is not self:
                    raise CancelledError
                trial = asyncio.run_coroutine_threadsafe(self._trial(spec, folder), self._loop)
            return trial.result()
        finally:
            with _lock:
                self.busy -= 1
                self._visits += 1
                if _rooms.get(self._campaign) is self:
                    self._loop.call_soon_threadsafe(self._look_again, self._visits)

    def close(self) -> None:
        """End everything in it, without waiting until that is done. Once."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _trial(self, spec: TrialSpec, folder: Path) -> Result:
        task = asyncio.current_task()
        assert task is not None
        self._trials.add(task)
        try:
            return await self._workers.run(spec, folder)
        finally:
            self._trials.discard(task)

    async def _end(self) -> None:
        await asyncio.sleep(0)  # so that the last one has begun
        trials = list(self._trials)
        for trial in trials:  # and not what asyncio does for them, which it could not get over
            trial.cancel()
        await asyncio.gather(*trials, return_exceptions=True)
        await self._workers.close()

    def _look_again(self, visits: int) -> None:
        self._loop.call_later(IDLE_S, self._close_if_idle, visits)

    def _close_if_idle(self, visits: int) -> None:
        with _lock:
            if self.busy or visits != self._visits or _rooms.get(self._campaign) is not self:
                return
            del _rooms[self._campaign]
        self._loop.stop()


def _entered(campaign: str, limits: bytes) -> Room:
    with _lock:
        room = _rooms.get(campaign)
        if room is None:
            room = Room(campaign, msgspec.json.decode(limits, type=Limits))
            _rooms[campaign] = room
        room.busy += 1
        return room


def _scratch() -> str | None:
    """The worker's own folder: Dask removes what a worker leaves there that was killed."""
    from distributed import get_worker

    try:
        return get_worker().local_directory
    except ValueError:
        return None


def pack(folder: Path) -> bytes:
    """A run folder as a compressed archive; empty if there is none."""
    if not folder.is_dir():
        return b""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".")
    return content.getvalue()


def unpack(archive: bytes, folder: Path) -> None:
    """The folder of an archive; it cannot write elsewhere."""
    if archive:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as content:
            content.extractall(folder, filter="data")
