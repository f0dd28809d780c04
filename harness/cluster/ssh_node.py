"""One ssh host as a node: commands, files and programs through its agent."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence
from typing import Any

from ..errors import InfrastructureError
from . import Completed, Process
from .disks import Disk
from .host_link import HostLink, text_of
from .layered_disk import LayeredDisk
from .no_disk import NoDisk
from .resources import KINDS
from .ssh_clocks import SshClocks


class SshNode:
    """A host that somebody else owns: only what duress starts there is ever touched."""

    python: Sequence[str] = ("python3",)

    def __init__(self, name: str, address: str, link: HostLink) -> None:
        self.name = name
        self.address = address
        self.link = link
        self.directory = ""
        self._clocks = SshClocks(link)
        self._resources = SshResources(link)
        self._processes = SshProcesses(link, self._clocks)
        self.disk: Disk = NoDisk()

    async def attach(self) -> None:
        """Log in and see that the agent answers."""
        await self.link.ask("hello")
        self.directory = self.link.directory
        await self._resources.learn()

    async def mount_layer(self) -> None:
        """Put a layer under the programs that loses what a power cut would lose."""

        async def ask(order: dict[str, Any]) -> Any:
            return await self.link.ask("disk", again=False, timeout_s=70, order=order)

        await self.link.ask("mount_disk")
        self.disk = LayeredDisk(self, ask)

    @property
    def processes(self) -> SshProcesses:
        """The programs that duress started there."""
        return self._processes

    @property
    def clocks(self) -> SshClocks:
        """The clocks that these see."""
        return self._clocks

    @property
    def resources(self) -> SshResources:
        """What these live on."""
        return self._resources

    async def run(
        self, *argv: str, check: bool = True, input: bytes | None = None, timeout_s: float = 30
    ) -> Completed:
        """Run a command to its end, in the node's directory."""
        shown = shlex.join(argv)[:200]
        try:
            told = await self.link.ask(
                "run",
                again=False,
                timeout_s=timeout_s + 10,
                argv=argv,
                limit_s=timeout_s,
                input=text_of(input),
            )
        except InfrastructureError as error:
            raise InfrastructureError(f"{self.name}: `{shown}`: {error}") from None
        out, err = (base64.b64decode(told[k]).decode(errors="replace") for k in ("out", "err"))
        if check and told["status"] != 0:
            printed = (err or out).strip().splitlines() or ["it printed nothing"]
            raise InfrastructureError(
                f"{self.name}: `{shown}` ended with status {told['status']}: {printed[-1]}"
            )
        return Completed(told["status"], out, err)

    async def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file; folders above it are made, an older one is replaced at one moment."""
        await self.link.ask("put", timeout_s=120, path=path, content=text_of(content), mode=mode)

    async def get(self, path: str) -> bytes:
        """Read a file; ``FileNotFoundError`` if there is none."""
        try:
            return base64.b64decode(await self.link.ask("get", timeout_s=120, path=path))
        except FileNotFoundError:
            raise FileNotFoundError(f"{self.name}:{path}") from None


class SshProcesses:
    """The programs that duress started on a host."""

    def __init__(self, link: HostLink, clocks: SshClocks) -> None:
        self._link = link
        self._clocks = clocks

    async def start(self, process: Process) -> None:
        """Start a program and return once it was executed. No effect if it runs already."""
        told = await self._link.ask(
            "start",
            name=process.name,
            argv=list(process.argv),
            env={key: str(value) for key, value in (process.env or {}).items()},
            cwd=process.cwd,
            log=process.log,
            clock=process.clock,
        )
        self._clocks.started(told["why_no_clocks"])

    async def kill(self, *names: str, graceful_s: float = 0) -> None:
        """SIGKILL programs with all their children (none named: all of them); wait for it."""
        await self._link.ask("kill", timeout_s=30 + graceful_s, names=names, graceful_s=graceful_s)

    async def pause(self) -> None:
        """SIGSTOP all of them; checked for effect."""
        await self._link.ask("pause")

    async def resume(self) -> None:
        """SIGCONT all of them; checked for effect."""
        await self._link.ask("resume")

    async def running(self) -> dict[str, str]:
        """Programs that were started and still live: ``running`` or ``paused``."""
        return await self._link.ask("running")


class SshResources:
    """``Resources`` of a host, whose agent carries it out."""

    def __init__(self, link: HostLink) -> None:
        self._link = link
        self._why_not: dict[str, str | None] = {}

    async def learn(self) -> None:
        """Ask what cannot run short there."""
        self._why_not = await self._link.ask("scarce", kinds=list(KINDS))

    def reason_unavailable(self, kind: str) -> str | None:
        """Why this cannot run short here and what to do, or ``None``."""
        return self._why_not.get(kind)

    async def squeeze(self, kind: str, amount: float) -> dict[str, Any]:
        """Let one kind run short; what was observed."""
        return await self._link.ask("squeeze", again=False, kind=kind, amount=amount)

    async def relax(self, kind: str) -> dict[str, Any]:
        """Give back what there was; what was observed. Idempotent."""
        return await self._link.ask("relax", kind=kind)
