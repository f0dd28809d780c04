"""The disk of a real node, below which is the layer that loses what a power cut would lose."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InfrastructureError, UserError
from ..option_values import one_of
from . import layer_process
from .disks import LAYER, DiskReading, DiskTrouble
from .layer_process import LayerProcess

if TYPE_CHECKING:
    from . import Node

PROBE = ".duress-probe"
"""A file that is there when the layer is mounted, so that no name need be made for it."""

SYNCED_BYTES, UNSYNCED_BYTES = 512, 4096
PROBE_BYTES = 1 << 17
TRIES = 60
TRY_S = 0.5

_ERRORS = {
    "No space left on device": "ENOSPC",
    "Input/output error": "EIO",
    "Read-only file system": "EROFS",
}

# Before a power cut: some bytes that are durable, and some that are not.
_BEFORE = f"""\
head -c {SYNCED_BYTES} /dev/zero | tr '\\0' s | dd of={PROBE} conv=fsync status=none &&
head -c {UNSYNCED_BYTES} /dev/zero | tr '\\0' u |
dd of={PROBE} oflag=append conv=notrunc status=none
"""

_TRY = f"""\
i=0
while [ $i -lt "$1" ]; do
  dd if=/dev/zero of={PROBE} bs={PROBE_BYTES} count=1 conv=fsync status=none || exit 1
  dd if={PROBE} of=/dev/null bs={PROBE_BYTES} status=none || exit 1
  truncate -s 0 {PROBE} || exit 1
  i=$((i + 1))
done
"""

Ask = Callable[[dict[str, Any]], Awaitable[Any]]


class LayeredDisk:
    """``Disk`` of a node; ``ask`` has its layer carry out an order."""

    backend = "fuse"
    is_mounted = True

    def __init__(self, node: Node, ask: Ask) -> None:
        self._node = node
        self._ask = ask
        self._has_begun = False
        self._trouble = DiskTrouble()

    def reason_unavailable(self) -> str | None:
        """``None``: it is mounted."""
        return None

    async def starting(self) -> None:
        """Make durable what was installed, when the first program is about to be started."""
        if not self._has_begun:
            self._has_begun = True
            await self._ask({"do": "sync"})

    async def trouble(self, what: DiskTrouble, seed: str = "") -> dict[str, int]:
        """Let this be wrong from now on."""
        told = {name: getattr(what, name) for name in what.__struct_fields__}
        self._trouble = what
        return await self._ask({"do": "trouble", "what": told, "seed": seed})

    async def probe(self, what: DiskTrouble) -> DiskReading:
        """Write, sync and read with an ordinary program on the node."""
        by_chance = bool(what.error_share)
        limit_s = TRY_S if what.stalled else 30.0
        loop = asyncio.get_running_loop()
        began = loop.time()
        done = await self._node.run(
            *("timeout", "-s", "KILL", f"{limit_s:g}", "sh", "-c", _here(self._node, _TRY)),
            *("probe", str(TRIES if by_chance else 1)),
            check=False,
        )
        took_s = loop.time() - began
        if done.status == 0:
            return DiskReading("", took_s)
        if done.status in (137, -9) and took_s >= limit_s * 0.9:
            return DiskReading("", None)
        said = (done.stderr or done.stdout).strip()
        for text, name in _ERRORS.items():
            if text in said:
                return DiskReading(name, took_s)
        raise InfrastructureError(
            f"{self._node.name}: the probe of the disk ended with {done.status}: "
            f"{said.splitlines()[-1] if said else 'it printed nothing'}"
        )

    async def cut_power(self, survives: str, sector_bytes: int, seed: str) -> dict[str, Any]:
        """Kill all that runs and lose what was not synced."""
        node = self._node
        probed = await node.run("sh", "-c", _here(node, _BEFORE), check=False)
        if probed.status != 0 and self._trouble == DiskTrouble():
            raise InfrastructureError(
                f"{node.name}: cannot write to its disk before the power cut: "
                f"{probed.stderr.strip()[-200:]}"
            )
        await self._ask({"do": "hold"})
        try:
            await node.processes.kill()
        except InfrastructureError:
            await self._ask({"do": "release"})
            raise
        order = {"survives": survives, "sector_bytes": sector_bytes, "seed": seed}
        seen: dict[str, Any] = await self._ask({"do": "drop", **order})
        if probed.status == 0:
            left = await node.get(f"{node.directory}/{PROBE}")
            if left[:SYNCED_BYTES] != b"s" * SYNCED_BYTES:
                raise InfrastructureError(
                    f"{node.name}: after the power cut, synced bytes of the harness are not there"
                )
            survived = seen["probe_bytes_left"] = left[SYNCED_BYTES:].count(b"u")
            seen["bytes_kept"] -= survived
            seen["bytes_lost"] -= UNSYNCED_BYTES - survived
        return seen

    async def copy(self, name: str) -> dict[str, int]:
        """Keep a copy of all data."""
        return await self._ask({"do": "copy", "name": name})

    async def restore(self, name: str) -> dict[str, int]:
        """Kill all that runs and go back to a copy."""
        await self._node.processes.kill()
        return await self._ask({"do": "restore", "name": name})

    async def damage(self, how: str, count: int, seed: str) -> Sequence[dict[str, Any]]:
        """Kill all that runs and damage what is stored."""
        await self._node.processes.kill()
        order = "flip" if how == "bit-flip" else "cut_short"
        return await self._ask({"do": order, "count": count, "seed": seed})


def is_layered(options: Mapping[str, object]) -> bool:
    """Whether a trial's options ask for the layer."""
    return one_of(options, "disk", "plain", ("plain", LAYER)) == LAYER


class Layers:
    """The layers of a cluster's nodes, which are processes of this machine."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._wanted = is_layered(options)
        self._processes: list[LayerProcess] = []
        if self._wanted and (why := layer_process.reason_unavailable()):
            raise UserError(f"disk: {why}")

    async def mount(self, nodes: Iterable[tuple[Node, int]]) -> None:
        """Mount one over the directory of each node, if that is wanted.

        With each node comes the pid of a process in its mount namespace.
        """
        if not self._wanted:
            return

        async def one(node: Node, pid: int) -> None:
            process = LayerProcess(f"{node.name}: disk")
            self._processes.append(process)
            await process.start(pid, node.directory)
            node.disk = LayeredDisk(node, process.ask)

        await asyncio.gather(*(one(*each) for each in nodes))

    def let_go(self) -> None:
        """Answer whoever still waits: nodes are about to be ended."""
        for process in self._processes:
            process.hang_up()

    def end(self) -> None:
        """End them all. Idempotent."""
        processes, self._processes = self._processes, []
        for process in processes:
            process.close()


def _here(node: Node, script: str) -> str:
    return f"cd {node.directory} || exit 1\n{script}"
