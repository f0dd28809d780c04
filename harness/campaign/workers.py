"""Processes that run trials, each of which can be killed without harm to the others."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import msgspec

from .. import registry
from ..cluster.in_thread import in_thread
from ..errors import InfrastructureError
from ..spec import TrialSpec
from . import remains
from .plan import Limits
from .results import INFRASTRUCTURE, KILLED, Result

MODULE = "duress.harness.cli.trial_worker"
TRIALS_EACH = 50
"""After so many trials a process is replaced, so that nothing can pile up in it."""

WATCH_S = 0.5
GRACE_S = 20.0
"""How long a trial that is ended has for healing and removing what it made."""

ERROR_LINES_MAX = 3
LINE_MAX = 16 << 20


class Executor(Protocol):
    """Whoever runs trials."""

    @property
    def slots(self) -> int:
        """How many at once."""
        ...

    async def run(self, spec: TrialSpec, folder: Path) -> Result:
        """Run one. What goes wrong is in the result; cancelled, it ends the trial first."""
        ...

    async def tidy(self, kinds: Collection[str]) -> None:
        """Remove what trials left on these kinds of clusters that came to a sudden end."""
        ...

    async def close(self) -> None:
        """End everything. Idempotent."""
        ...


class LocalWorkers:
    """Processes of this machine. One that has run a kind of cluster runs no other kind."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._idle: dict[tuple[str, str], list[Worker]] = {}
        self.slots = limits.parallel or len(os.sched_getaffinity(0))

    async def run(self, spec: TrialSpec, folder: Path) -> Result:
        """As in :class:`Executor`."""
        image = getattr(registry.load("systems", spec.system), "image", None) or ""
        kind = (spec.cluster, image if spec.cluster != "sim" else "")
        idle = self._idle.setdefault(kind, [])
        worker = idle.pop() if idle else Worker(*kind)
        try:
            result = await worker.run(spec, folder, self._limits)
        except BaseException:
            await worker.end()
            raise
        if worker.lives and worker.trials < TRIALS_EACH:
            idle.append(worker)
        else:
            await worker.end()
        return result

    async def tidy(self, kinds: Collection[str]) -> None:
        """As in :class:`Executor`."""
        await in_thread(remains.remove, kinds)

    async def close(self) -> None:
        """As in :class:`Executor`."""
        workers = [worker for idle in self._idle.values() for worker in idle]
        self._idle.clear()
        await asyncio.gather(*(worker.end() for worker in workers))


class Worker:
    """One process. ``lives``: whether it can run another trial; ``trials``: how many it has run."""

    def __init__(self, cluster: str, image: str) -> None:
        self._words = [sys.executable, "-m", MODULE, cluster, image]
        self._cluster = cluster
        self._process: asyncio.subprocess.Process | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in end()
        self.trials = 0

    @property
    def lives(self) -> bool:
        """Whether it can run another trial."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Of the process, which there is once a trial was begun."""
        assert self._process is not None
        return self._process.pid

    async def run(self, spec: TrialSpec, folder: Path, limits: Limits) -> Result:
        """Run one, watched: it is killed if it takes too long or too much memory."""
        began = time.monotonic()
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=self._errors,
                limit=LINE_MAX,
                start_new_session=True,
            )
        self.trials += 1
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        answer = asyncio.ensure_future(process.stdout.readline())
        try:
            task = {"spec": spec, "folder": str(folder)}
            with contextlib.suppress(ConnectionError):  # the answer says that there is none
                process.stdin.write(msgspec.json.encode(task) + b"\n")
                await process.stdin.drain()
            why = await self._watched(answer, limits, began)
            wall_s = time.monotonic() - began
            if why is not None:
                await self.end()
                name = folder.name if folder.is_dir() else ""
                return Result(KILLED, run=name, wall_s=wall_s, error=why)
            line = answer.result()
        finally:
            answer.cancel()
        if not line:
            status = await process.wait()
            said = " | ".join(self._last_errors()) or "it said nothing"
            why = f"the process of the trial ended with status {status}: {said}"
            name = folder.name if folder.is_dir() else ""
            return Result(INFRASTRUCTURE, run=name, wall_s=wall_s, error=why)
        try:
            return msgspec.json.decode(line, type=Result)
        except msgspec.MsgspecError as error:
            raise InfrastructureError(
                f"a trial's process answered {line[:100]!r}: {error}"
            ) from None

    async def _watched(
        self, answer: asyncio.Future[bytes], limits: Limits, began: float
    ) -> str | None:
        """Wait for an answer; why it is not worth waiting any longer."""
        assert self._process is not None
        while not answer.done():
            await asyncio.wait([answer], timeout=WATCH_S)
            if answer.done():
                break
            if time.monotonic() - began > 60 * limits.minutes:
                return f"killed after {limits.minutes:g} minutes"
            resident = resident_bytes(self._process.pid)
            if resident > limits.memory_mb * 1e6:
                return f"killed: it had {resident / 1e6:,.0f} MB, more than {limits.memory_mb:g}"
        return None

    async def end(self) -> None:
        """End it, by force if it does not otherwise. Idempotent."""
        self._errors.close()
        process = self._process
        if process is None or process.returncode is not None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), GRACE_S)
                break
        if process.returncode == -signal.SIGKILL:  # it had no time to do so itself
            await in_thread(remains.remove, [self._cluster])

    def _last_errors(self) -> list[str]:
        """The last lines that the process wrote to its standard error."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip()][-ERROR_LINES_MAX:]


def resident_bytes(pid: int) -> int:
    """What a process and all its descendants have in memory; 0 if it is gone."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (parent := _parent(entry)) is not None:
            below.setdefault(parent, []).append(int(entry.name))
    total, family = 0, [pid]
    while family:
        one = family.pop()
        total += _resident(one)
        family += below.get(one, [])
    return total


def _parent(entry: Path) -> int | None:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return None


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
