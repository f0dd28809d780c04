"""The disk of a simulated node (``Disk`` of :mod:`duress.harness.cluster.disks`).

A kill loses what was not synced here in any case (see :mod:`.disk`), so a power cut is a kill that
says what is left. Reads never fail: protocols read their storage when they begin.
"""

from __future__ import annotations

import asyncio
import copy
import errno
import math
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from ..cluster.disks import DiskReading, DiskTrouble
from .disk import Disk
from .disk_gate import DiskGate

if TYPE_CHECKING:
    from .node import SimNode
    from .trace import Trace

PROBE_BYTES = 1 << 17
TRIES = 60


class SimNodeDisk:
    """All data folders of one node. ``disks`` are those, by path."""

    backend = "simulation"
    is_mounted = False

    def __init__(
        self, node: SimNode, disks: dict[str, Disk], random: Random, trace: Trace | None
    ) -> None:
        self._node = node
        self._disks = disks
        self._trace = trace
        self._copies: dict[str, dict[str, Disk]] = {}
        self.gate = DiskGate(random, node.processes.stick)

    def reason_unavailable(self) -> str | None:
        """``None``: simulated disks do as they are told."""
        return None

    async def starting(self) -> None:
        """Nothing was installed that could be lost."""

    async def trouble(self, what: DiskTrouble, seed: str = "") -> dict[str, int]:
        """Let this be wrong from now on."""
        was_stalled = self.gate.trouble.stalled
        met = self.gate.change(what)
        for disk in self._disks.values():
            self.attend(disk)
        if was_stalled and not what.stalled:
            self._node.processes.unstick()
        self._say("disk", free=what.free_bytes, delay_s=what.delay_s, stalled=what.stalled)
        return met

    def attend(self, disk: Disk) -> None:
        """Let a disk have the trouble that there is; without any, nothing is slower for it."""
        gate = None if self.gate.trouble == DiskTrouble() else self.gate
        disk.gate = disk.files.gate = gate

    async def probe(self, what: DiskTrouble) -> DiskReading:
        """Try the gate out, as a small synced write would."""
        gate = self.gate.twin()
        took_s = gate.wait_s() + gate.wait_s()
        if math.isinf(took_s):
            return DiskReading("", None)
        await asyncio.sleep(took_s)
        try:
            for _ in range(TRIES if what.error_share else 1):
                gate.write(PROBE_BYTES)
                gate.sync()
        except OSError as error:
            return DiskReading(errno.errorcode[error.errno or errno.EIO], took_s)
        return DiskReading("", took_s)

    async def cut_power(self, survives: str, sector_bytes: int, seed: str) -> dict[str, Any]:
        """Kill all that runs and lose what was not synced; files tear at any byte."""
        kept, lost = await self._node.processes.cut_power(survives)
        return {"writes_kept": kept, "writes_lost": lost}

    async def copy(self, name: str) -> dict[str, int]:
        """Keep a copy of all data."""
        self._copies[name] = {path: _durable(disk) for path, disk in self._disks.items()}
        return {"disks": len(self._disks)}

    async def restore(self, name: str) -> dict[str, int]:
        """Kill all that runs and go back to a copy."""
        await self._node.processes.kill()
        restored = self._copies.pop(name)
        self._disks.clear()
        self._disks.update(restored)
        for disk in restored.values():
            self.attend(disk)
        self._say("disk-restored")
        return {"disks": len(restored)}

    async def damage(self, how: str, count: int, seed: str) -> Sequence[dict[str, Any]]:
        """Kill all that runs and damage raw files, or cut off the ends of logs of records."""
        await self._node.processes.kill()
        random = Random(seed)
        done: list[dict[str, Any]] = []
        for path, disk in sorted(self._disks.items()):
            disk.gate = disk.files.gate = None
            damaged = _damaged(disk, how, count, random)
            done += [{"path": f"{path}/{what.pop('name')}", **what} for what in damaged]
            self.attend(disk)
        self._say("disk-damaged", how=how, what=done)
        return done

    def _say(self, event: str, **fields: object) -> None:
        if self._trace is not None:
            self._trace.happened(event, at=self._node.name, **fields)


def _durable(disk: Disk) -> Disk:
    """A copy, with all that was written synced and nothing wrong."""
    gate, disk.gate = disk.gate, None
    disk.files.gate = None
    try:
        other = copy.deepcopy(disk)
    finally:
        disk.gate = disk.files.gate = gate
    other.sync()
    for name in other.files.names():
        other.files.sync(name)
    other.files.sync_names()
    return other


def _damaged(disk: Disk, how: str, count: int, random: Random) -> list[dict[str, Any]]:
    files = [(name, len(disk.files.read(name))) for name in disk.files.names()]
    files = [(name, size) for name, size in files if size]
    if how == "truncate" and not files:
        return _cut_log(disk, random)
    done: list[dict[str, Any]] = []
    for _ in range(count if files else 0):
        name, size = random.choices(files, [size for _, size in files])[0]
        content = disk.files.read(name)
        if how == "bit-flip":
            at, bit = random.randrange(size), random.randrange(8)
            disk.files.write(name, at, bytes([content[at] ^ 1 << bit]))
            done.append({"name": name, "offset": at, "bit": bit})
        else:
            left = random.randrange(size)
            disk.files.truncate(name, left)
            done.append({"name": name, "bytes": len(content), "left": left})
        disk.files.sync(name)
    return done


def _cut_log(disk: Disk, random: Random) -> list[dict[str, Any]]:
    logs = [name for name in disk.logs() if disk.read(name)]
    if not logs:
        return []
    name = random.choice(logs)
    records = len(disk.read(name))
    left = random.randrange(records)
    disk.truncate(name, left)
    disk.sync()
    return [{"name": name, "records": records, "left": left}]
