"""One node of a cluster on pipes: a folder and a program of this machine."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..cluster import Completed
from ..cluster.disks import Disk
from ..cluster.no_clocks import NoClocks
from ..cluster.no_disk import NoDisk
from ..errors import InfrastructureError
from .programs import PipeProcesses

if TYPE_CHECKING:
    from .router import Router

_SHARED = "programs on pipes share this machine's; run the system on local or docker"


class PipeNode:
    """The ``Node`` of :mod:`duress.harness.cluster`; its address means nothing."""

    python: Sequence[str] = (sys.executable,)
    address = "127.0.0.1"

    def __init__(self, name: str, directory: Path, router: Router, mark: str) -> None:
        self.name = name
        self.directory = str(directory)
        self.disk: Disk = NoDisk(_SHARED)
        self.clocks = NoClocks(_SHARED)
        self.resources = SharedResources()
        self._processes = PipeProcesses(self, router, mark)

    @property
    def processes(self) -> PipeProcesses:
        """The node's program."""
        return self._processes

    async def run(
        self, *argv: str, check: bool = True, input: bytes | None = None, timeout_s: float = 30
    ) -> Completed:
        """Run a command of this machine to its end, in the node's folder."""
        pipe = asyncio.subprocess.PIPE
        given = asyncio.subprocess.DEVNULL if input is None else pipe
        try:
            child = await asyncio.create_subprocess_exec(
                *argv, cwd=self.directory, stdin=given, stdout=pipe, stderr=pipe
            )
        except OSError as error:
            raise InfrastructureError(
                f"node {self.name}: cannot run {argv[0]}: {error.strerror}"
            ) from None
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await child.communicate(input)
        except TimeoutError:
            child.kill()
            await child.wait()
            raise InfrastructureError(
                f"node {self.name}: `{' '.join(argv)[:200]}` took more than {timeout_s:g} s"
            ) from None
        done = Completed(child.returncode or 0, *(t.decode("utf-8", "replace") for t in (out, err)))
        if check and done.status:
            raise InfrastructureError(
                f"node {self.name}: `{' '.join(argv)[:200]}` ended with status {done.status}: "
                f"{done.stderr.strip()[-300:]}"
            )
        return done

    async def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file."""
        target = Path(self.directory, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        os.chmod(target, mode)  # noqa: PTH101

    async def get(self, path: str) -> bytes:
        """Read a file; ``FileNotFoundError`` if there is none."""
        return Path(self.directory, path).read_bytes()


class SharedResources:
    """``Resources`` that cannot run short."""

    def reason_unavailable(self, kind: str) -> str | None:
        """Why not."""
        return _SHARED

    async def squeeze(self, kind: str, amount: float) -> dict[str, Any]:
        """Refused."""
        raise InfrastructureError(f"{kind}: {_SHARED}")

    async def relax(self, kind: str) -> dict[str, Any]:
        """There is as much as ever."""
        return {}
