"""What can be done on a host, by a process that runs there: commands, files, programs, links.

All that is started here descends from this process, which adopts orphans (it is their
*subreaper*): so it is found again, whoever its parent was, and nothing else on the host is touched.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import InfrastructureError
from . import pids
from .host_clocks import HostClocks
from .host_disk import HostDisk
from .host_filter import HostFilter
from .host_packets import HostPackets
from .host_probe import HostProbe
from .local_init import execute
from .program_resources import NodeGroups, ProgramResources
from .programs import MARK, Programs

_PR_SET_CHILD_SUBREAPER = 36


class Host:
    """This host, for one trial. ``directory``: where its files are; removed at the end."""

    def __init__(self, trial_id: str, directory: str) -> None:
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1) != 0:
            raise InfrastructureError(f"prctl: {os.strerror(ctypes.get_errno())}")
        self.trial_id = trial_id
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.programs = Programs("host", self.living)
        self._commands: set[int] = set()
        self.clocks = HostClocks(self)
        self.disk = HostDisk(directory, self._commands)
        self.packets = HostPackets(trial_id, self._commands)
        self.resources = ProgramResources(
            "host",
            self.living,
            self.programs.duty,
            NodeGroups(trial_id, "host"),
            self._commands,
        )
        self._ends: dict[int, asyncio.Future[int]] = {}
        self._filter: HostFilter | None = None
        self._probe: HostProbe | None = None
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    # -- commands and files --------------------------------------------------------

    async def run(
        self, argv: Sequence[str], content: bytes | None, timeout_s: float
    ) -> tuple[int, bytes, bytes]:
        """Run a command to its end in the directory: its status and what it printed."""
        given, out, err = (os.memfd_create(f"duress-{name}") for name in ("in", "out", "err"))
        try:
            if content is not None:
                _fill(given, content)
            request = {"argv": list(argv), "env": {}, "cwd": str(self.directory), "log": None}
            try:
                pid = execute(request, [given, out, err])
            except OSError as error:
                raise InfrastructureError(f"cannot be run: {error}") from None
            ended = self._ends[pid] = asyncio.get_running_loop().create_future()
            self._commands.add(pid)
            self._reap()
            try:
                status = await asyncio.wait_for(asyncio.shield(ended), timeout_s)
            except asyncio.TimeoutError:  # noqa: UP041 - another one before Python 3.11
                raise InfrastructureError(f"was killed after {timeout_s:g} s") from None
            finally:
                if not ended.done():
                    os.killpg(pid, signal.SIGKILL)
                self._commands.discard(pid)
            return status, _all_of(out), _all_of(err)
        finally:
            for descriptor in (given, out, err):
                os.close(descriptor)

    def put(self, path: str, content: bytes, mode: int) -> None:
        """Write a file; folders above it are made, an older one is replaced at one moment."""
        whole = self.directory / path
        try:
            whole.parent.mkdir(parents=True, exist_ok=True)
            fresh = whole.with_name(whole.name + ".duress-put")
            fresh.write_bytes(content)
            fresh.chmod(mode)
            fresh.replace(whole)
        except OSError as error:
            raise InfrastructureError(f"cannot write {path}: {error.strerror}") from error

    def get(self, path: str) -> bytes:
        """Read a file; ``FileNotFoundError`` if there is none."""
        try:
            return (self.directory / path).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise InfrastructureError(f"cannot read {path}: {error.strerror}") from error

    # -- programs ------------------------------------------------------------------

    def start(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], cwd: str | None, log: str
    ) -> None:
        """Start a program and return once it was executed. No effect if it runs already."""
        if name in self.programs.states():
            return
        self.programs.begin(name)
        request = {
            "argv": list(argv),
            "env": {**env, MARK: name},
            "cwd": cwd or str(self.directory),
            "log": str(self.directory / log),
        }
        try:
            pid = execute(request, [])
        except OSError as error:
            self.programs.forget(name)
            raise InfrastructureError(f"cannot start {name} ({argv[0]}): {error}") from None
        self.programs.began(name, pids.look(pid))

    def living(self) -> list[pids.Seen]:
        """What was started here, with all that it started, but commands of the harness."""
        found = [seen for seen in _everyone() if not seen.dead]
        ours = {seen.pid for seen in pids.family(self._commands, found)}
        mine = {os.getpid()}
        while True:  # by descent alone: the session of this process is that of its host's daemons
            more = {s.pid for s in found if s.pid not in mine and s.parent in mine}
            if not more:
                break
            mine |= more
        return [s for s in found if s.pid in mine - {os.getpid()} and s.pid not in ours]

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            ended = self._ends.pop(pid, None)
            if ended is not None and not ended.done():
                ended.set_result(os.waitstatus_to_exitcode(status))

    # -- links ---------------------------------------------------------------------

    def cut(self, ssh_port: int, sources: Sequence[str], targets: Sequence[str]) -> str:
        """Drop exactly what comes from ``sources`` and goes to ``targets``; with which backend."""
        if self._filter is None:
            self._filter = HostFilter(self.trial_id, ssh_port)
        self._filter.cut(sources, targets)
        return self._filter.backend

    def probe(self) -> HostProbe:
        """This host's end of a probe of links."""
        if self._probe is None:
            self._probe = HostProbe()
        return self._probe

    # -- the end -------------------------------------------------------------------

    async def end(self) -> None:
        """Kill what was started, heal what was cut, remove the directory. Tries all of it."""
        failures = []
        for step in (
            *(self.programs.kill, self.clocks.end, self.resources.end),
            *(self._heal, self.disk.end, self._remove),
        ):
            try:
                done = step()
                if done is not None:
                    await done
            except (InfrastructureError, OSError) as error:
                failures.append(str(error))
        if failures:
            raise InfrastructureError("; ".join(failures))

    def _heal(self) -> None:
        self.packets.end()
        if self._filter is not None:
            self._filter.remove()
            self._filter = None
        if self._probe is not None:
            self._probe.close()
            self._probe = None

    def _remove(self) -> None:
        if self.directory.exists():
            shutil.rmtree(self.directory)


def _everyone() -> list[pids.Seen]:
    entries = (int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208
    return [seen for seen in map(pids.look, entries) if seen is not None]


def _fill(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.lseek(descriptor, 0, os.SEEK_SET)


def _all_of(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
