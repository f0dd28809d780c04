"""One ssh host as a node: commands, files and programs through its agent."""

from __future__ import annotations

import base64
import shlex

from ..errors import InfrastructureError
from . import Completed, Process
from .host_link import HostLink, text_of
from .no_clocks import NoClocks


class SshNode:
    """A host that somebody else owns: only what duress starts there is ever touched."""

    def __init__(self, name: str, address: str, link: HostLink) -> None:
        self.name = name
        self.address = address
        self.link = link
        self.directory = ""
        self._processes = SshProcesses(link)
        self._clocks = NoClocks(
            "of hosts reached by ssh none can be disturbed yet: run on local or docker"
        )

    async def attach(self) -> None:
        """Log in and see that the agent answers."""
        await self.link.ask("hello")
        self.directory = self.link.directory

    @property
    def processes(self) -> SshProcesses:
        """The programs that duress started there."""
        return self._processes

    @property
    def clocks(self) -> NoClocks:
        """Out of reach."""
        return self._clocks

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

    def __init__(self, link: HostLink) -> None:
        self._link = link

    async def start(self, process: Process) -> None:
        """Start a program and return once it was executed. No effect if it runs already."""
        await self._link.ask(
            "start",
            name=process.name,
            argv=list(process.argv),
            env={key: str(value) for key, value in (process.env or {}).items()},
            cwd=process.cwd,
            log=process.log,
        )

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
