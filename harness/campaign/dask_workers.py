"""Trials on a Dask cluster: on as many machines as it has workers.

A trial is a function of its spec, so where it runs does not matter, as long as the machine can run
its kind of cluster: each worker is asked once what it can run. Run folders travel back as
archives. The scheduler runs the trials of a worker that is lost elsewhere; an answer counts once.
What happens on a worker is in :mod:`.dask_room`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ... import __version__
from ..errors import InfrastructureError, UserError
from ..spec import TrialSpec
from . import remains
from .dask_room import abilities, leave, run_there, unpack
from .plan import Limits
from .results import INFRASTRUCTURE, Result

CONNECT_TIMEOUT_S = 10
ASK_AGAIN_S = 5.0
"""How often it is looked for workers that joined or left."""

LOST_TRIES = 3
"""How many lost workers a trial may have had, before it is to blame."""


class DaskWorkers:
    """As :class:`~.workers.Executor`; make it with :meth:`connect`."""

    def __init__(self, client: Any, limits: Limits) -> None:
        self._client = client
        self._limits = limits
        self._can: dict[str, dict[str, str | None]] = {}
        self._threads: dict[str, int] = {}
        self._asked_at = 0.0
        self._number = 0
        self._word = secrets.token_hex(8)

    @classmethod
    async def connect(cls, scheduler: str, limits: Limits) -> DaskWorkers:
        """``scheduler``: such as ``tcp://host:8786``, or ``local`` for processes of this machine.

        Raises ``UserError`` if it cannot be reached or there is no Dask.
        """
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            raise UserError(
                "--scheduler: needs the package distributed: pip install 'duress[dask]'"
            ) from None
        try:
            if scheduler == "local":
                count = limits.parallel or None
                where: Any = await LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    dashboard_address=None,  # pyright: ignore[reportArgumentType] - as documented
                    silence_logs=logging.ERROR,
                    asynchronous=True,
                )
            else:
                where = scheduler
            client = await Client(where, asynchronous=True, timeout=CONNECT_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise UserError(f"--scheduler {scheduler}: cannot be reached: {error}") from None
        found = cls(client, limits)
        await found._look()
        if not found._can:
            await found.close()
            raise UserError(f"--scheduler {scheduler}: it has no workers")
        return found

    @property
    def slots(self) -> int:
        """A trial for each thread of each worker."""
        return max(1, sum(self._threads.values()))

    async def run(self, spec: TrialSpec, folder: Path) -> Result:
        """As in :class:`~.workers.Executor`."""
        from distributed import CancelledError, KilledWorker
        from distributed.comm.core import CommClosedError

        began = time.monotonic()
        for _ in range(LOST_TRIES):
            able = await self._able(spec.cluster)
            if isinstance(able, str):
                return Result(INFRASTRUCTURE, error=able)
            self._number += 1
            future = self._client.submit(
                run_there,
                self._word,
                msgspec.json.encode(spec),
                folder.name,
                msgspec.json.encode(self._limits),
                key=f"duress-{folder.name}-{self._number}",
                workers=able,
                allow_other_workers=False,
                pure=False,
            )
            try:
                answer = await self._answer(future, able)
            except KilledWorker:
                wall_s = time.monotonic() - began
                why = "several workers were lost while they ran it"
                return Result(INFRASTRUCTURE, wall_s=wall_s, error=why)
            except (CancelledError, CommClosedError, OSError) as error:
                raise InfrastructureError(f"the Dask scheduler is lost: {error}") from None
            except asyncio.CancelledError:
                await self._client.cancel([future])
                raise
            if answer is not None:
                result, archive = answer
                unpack(archive, folder)
                return msgspec.json.decode(result, type=Result)
        return Result(INFRASTRUCTURE, error="every worker that could run it was lost")

    async def _answer(self, future: Any, able: list[str]) -> tuple[bytes, bytes] | None:
        """What came of it; ``None`` if nobody is left who could run it."""
        waiting = asyncio.ensure_future(future.result())
        try:
            while True:
                await asyncio.wait([waiting], timeout=ASK_AGAIN_S)
                if waiting.done():
                    return waiting.result()
                await self._look()
                if not set(able) & set(self._can):
                    await self._client.cancel([future])
                    return None
        finally:
            waiting.cancel()

    async def _able(self, cluster: str) -> list[str] | str:
        """The workers that can run a kind of cluster, or why none can."""
        await self._look()
        able = [name for name, can in self._can.items() if can.get(cluster, "") is None]
        if able:
            return able
        why = {str(can.get(cluster) or "does not know it") for can in self._can.values()}
        return f"no worker can run {cluster}: {'; '.join(sorted(why)) or 'there is none'}"

    async def _look(self) -> None:
        """Ask the workers that are new what they can run."""
        if self._can and time.monotonic() - self._asked_at < ASK_AGAIN_S:
            return
        self._asked_at = time.monotonic()
        there = await self._client.nthreads()
        self._threads = dict(there)
        self._can = {name: can for name, can in self._can.items() if name in there}
        new = [name for name in there if name not in self._can]
        if not new:
            return
        told = await self._client.run(abilities, workers=new, on_error="return")
        for name, answer in told.items():
            if isinstance(answer, Mapping) and answer.get("duress") == __version__:
                self._can[name] = answer["clusters"]
            else:
                self._threads.pop(name, None)
        self._threads = {n: t for n, t in self._threads.items() if n in self._can}

    async def tidy(self, kinds: Collection[str]) -> None:
        """As in :class:`~.workers.Executor`, on every machine that has a worker now."""
        await self._client.run(remains.remove, list(kinds), on_error="ignore")

    async def close(self) -> None:
        """As in :class:`~.workers.Executor`."""
        with contextlib.suppress(OSError, TimeoutError):  # a worker that is lost has nothing to end
            told = self._client.run(leave, self._word, on_error="ignore")
            await asyncio.wait_for(told, CONNECT_TIMEOUT_S)
        cluster = getattr(self._client, "cluster", None)
        await self._client.close()
        if cluster is not None:
            await cluster.close()
