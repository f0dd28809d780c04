"""One local node: commands and files in its namespaces."""

from __future__ import annotations

import asyncio
import os
import posixpath
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import InfrastructureError
from . import Completed
from .commands import Commands
from .disks import Disk
from .local_control import NodeControl
from .local_processes import LocalProcesses, pid_on_node
from .no_disk import NoDisk
from .program_clocks import ProgramClocks
from .program_resources import NodeGroups, ProgramResources

_READY_TIMEOUT_S = 20


class LocalNode:
    """A node whose file system is the machine's, but for /proc, /run and /etc/hosts."""

    # It shares the machine's Python; without site that starts in half the time.
    python: Sequence[str] = (sys.executable, "-S", "-E")

    def __init__(self, name: str, address: str, directory: Path, trial_id: str = "") -> None:
        self.name = name
        self.address = address
        self.directory = str(directory)
        self.init_pid = 0
        self._control: NodeControl | None = None
        self.commands = Commands(pid_on_node)
        self._processes = LocalProcesses(self)
        self._clocks = ProgramClocks(self, self._processes.living, self._processes.duty)
        self.disk: Disk = NoDisk()
        self._resources = ProgramResources(
            name, self._processes.living, self._processes.duty, NodeGroups(trial_id, name)
        )

    @property
    def processes(self) -> LocalProcesses:
        """The node's long-running programs."""
        return self._processes

    @property
    def clocks(self) -> ProgramClocks:
        """The clocks that these see."""
        return self._clocks

    @property
    def resources(self) -> ProgramResources:
        """What these live on."""
        return self._resources

    @property
    def control(self) -> NodeControl:
        """The way to its first process. Raises ``InfrastructureError`` while the node is down."""
        if self._control is None:
            raise InfrastructureError(f"node {self.name}: is not up; use it after Cluster.up()")
        return self._control

    def attach(self, control: NodeControl) -> None:
        """Take over a node that was just launched."""
        self._control = control

    async def ready(self) -> None:
        """Wait until the node is furnished; its first process is ``init_pid`` then."""
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                self.init_pid = await self.control.ready()
        except TimeoutError:
            raise InfrastructureError(
                f"node {self.name}: was not furnished within {_READY_TIMEOUT_S} s"
            ) from None
        self._processes.attach(self.init_pid)

    def detach(self) -> None:
        """Let go of the node. Idempotent."""
        if self._control is not None:
            self._control.close()
        self._control = None

    # -- commands and files --------------------------------------------------------

    async def run(
        self, *argv: str, check: bool = True, input: bytes | None = None, timeout_s: float = 30
    ) -> Completed:
        """Run a command to its end, in the node's directory.

        What it printed is taken when the command itself has ended: children that it left
        running do not hold it up.
        """
        control = self.control
        given, out, err = (os.memfd_create(f"duress-{name}") for name in ("in", "out", "err"))
        try:
            if input is not None:
                await asyncio.to_thread(_fill, given, input)
            with self.commands.one() as command:
                try:
                    started = await control.start(
                        argv,
                        command.environment,
                        self.directory,
                        None,
                        descriptors=(given, out, err),
                    )
                except InfrastructureError as error:
                    raise self._complaint(argv, f"cannot be run: {error}") from None
                command.pid = started.pid
                try:
                    async with asyncio.timeout(timeout_s):
                        status = await asyncio.shield(started.ended)
                except TimeoutError:
                    raise self._complaint(argv, f"was killed after {timeout_s:g} s") from None
                finally:
                    if not started.ended.done():
                        control.stop(started.identity)
            done = Completed(status, _text(out), _text(err))
        finally:
            for descriptor in (given, out, err):
                os.close(descriptor)
        if check and status != 0:
            printed = (done.stderr or done.stdout).strip().splitlines() or ["it printed nothing"]
            raise self._complaint(argv, f"ended with status {status}: {printed[-1]}")
        return done

    def _complaint(self, argv: tuple[str, ...], what: str) -> InfrastructureError:
        command = shlex.join(argv)
        shown = command if len(command) <= 200 else command[:200] + "…"
        return InfrastructureError(f"node {self.name}: `{shown}` {what}")

    async def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file; folders above it are made, an older one is replaced at one moment."""
        try:
            await asyncio.to_thread(_write, self._seen_from_outside(path), content, mode)
        except OSError as error:
            raise InfrastructureError(
                f"node {self.name}: cannot write {path}: {error.strerror}"
            ) from error

    async def get(self, path: str) -> bytes:
        """Read a file; ``FileNotFoundError`` if there is none."""
        try:
            return await asyncio.to_thread(self._seen_from_outside(path).read_bytes)
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.name}:{path}") from None
        except OSError as error:
            raise InfrastructureError(
                f"node {self.name}: cannot read {path}: {error.strerror}"
            ) from error

    def _seen_from_outside(self, path: str) -> Path:
        whole = posixpath.join(self.directory, path)
        _ = self.control  # a node that is down has no files
        return Path(f"/proc/{self.init_pid}/root{whole}")


def _fill(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.lseek(descriptor, 0, os.SEEK_SET)


def _text(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode(errors="replace")


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".duress-put")
    fresh.write_bytes(content)
    fresh.chmod(mode)
    fresh.replace(path)
