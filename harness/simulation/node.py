"""A simulated node: files in memory, one disk a data folder, a clock, and its processes."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Sequence
from random import Random

import msgspec

from ..cluster import Completed, Process
from ..cluster.clocks import ClockReading, Disturbance, MachineClock
from ..cluster.disks import Disk as NodeDisk
from ..cluster.duty_cycle import DutyCycle
from ..errors import InfrastructureError, UserError
from . import guard, program
from .clock import NodeClock
from .disk import Disk
from .life import Life
from .loop import VirtualLoop
from .network import SimNetwork
from .node_disk import SimNodeDisk
from .resources import SimResources
from .settings import Settings
from .trace import Trace


class SimNode:
    """One host (the ``Node`` of :mod:`duress.harness.cluster`), and its ``Processes``."""

    python: Sequence[str] = ("python3",)

    def __init__(
        self,
        name: str,
        address: str,
        loop: VirtualLoop,
        network: SimNetwork,
        settings: Settings,
        trace: Trace | None,
    ) -> None:
        self.name = name
        self.address = address
        self.directory = f"/duress/{name}"
        self._loop = loop
        self._settings = settings
        chance = Random(f"{settings.seed}/clock/{name}")
        offset_s = round(chance.random() * settings.clock_offset_s, 6)
        drift = (2 * chance.random() - 1) * settings.clock_drift
        self.clock = NodeClock(offset_s, 1 + round(drift, 9))
        self._files: dict[str, bytes] = {}
        self._logs: dict[str, list[str]] = {}
        self._disks: dict[str, Disk] = {}
        self._processes = SimProcesses(self, loop, network, settings, trace)
        self._clocks = SimClocks(self, loop, trace)
        chance = Random(f"{settings.seed}/disk/{name}")
        self._own_disk = SimNodeDisk(self, self._disks, chance, trace)
        self.disk: NodeDisk = self._own_disk
        self._resources = SimResources(name, self._processes.duty)

    @property
    def processes(self) -> SimProcesses:
        """The node's long-running programs."""
        return self._processes

    @property
    def clocks(self) -> SimClocks:
        """The clocks that these see."""
        return self._clocks

    @property
    def resources(self) -> SimResources:
        """What these live on."""
        return self._resources

    async def run(
        self, *argv: str, check: bool = True, input: bytes | None = None, timeout_s: float = 30
    ) -> Completed:
        """Run one of the few commands that there are: ``rm``, ``mkdir``, ``true``."""
        command, arguments = argv[0], [word for word in argv[1:] if not word.startswith("-")]
        if command == "rm":
            for path in arguments:
                self._remove(path)
        elif command not in ("mkdir", "true"):
            raise InfrastructureError(
                f"node {self.name}: `{' '.join(argv)[:200]}` cannot be simulated; expected rm, "
                "mkdir or true; run this system on local or docker"
            )
        return Completed(0, "", "")

    def _remove(self, path: str) -> None:
        path = self._whole(path)
        for table in (self._files, self._logs, self._disks):
            for name in [n for n in table if n == path or n.startswith(path + "/")]:
                del table[name]

    async def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file."""
        self._files[self._whole(path)] = content

    async def get(self, path: str) -> bytes:
        """Read a file or a log; ``FileNotFoundError`` if there is none."""
        path = self._whole(path)
        if path in self._logs:
            return "".join(self._logs[path]).encode()
        if path not in self._files:
            raise FileNotFoundError(f"{self.name}:{path}")
        return self._files[path]

    def files(self) -> list[str]:
        """Paths of the files that were put here."""
        return list(self._files)

    def log_lines(self, path: str) -> list[str]:
        """The lines of a log, to be added to."""
        return self._logs.setdefault(self._whole(path), [])

    def storage(self, path: str) -> Disk:
        """The disk behind a data folder, empty at first."""
        disk = self._disks.setdefault(self._whole(path), Disk())
        self._own_disk.attend(disk)
        return disk

    def _whole(self, path: str) -> str:
        return posixpath.normpath(posixpath.join(self.directory, path))


class SimProcesses:
    """The programs of one node, by name."""

    def __init__(
        self,
        node: SimNode,
        loop: VirtualLoop,
        network: SimNetwork,
        settings: Settings,
        trace: Trace | None,
    ) -> None:
        self._node = node
        self._loop = loop
        self._network = network
        self._settings = settings
        self._trace = trace
        self._crashes = Random(f"{settings.seed}/crash/{node.name}")
        self._lives: dict[str, Life] = {}
        self._started = 0
        self._survives = ""
        self._left = 0, 0
        self.duty = DutyCycle(self._stop_now, self._go_now)
        node.clock.changed = self._clock_changed

    async def start(self, process: Process) -> None:
        """Begin a life; its first step comes after the boot time. No effect if it runs already."""
        if process.name in self._lives:
            return
        node = self._node
        what = program.find(process, node.files())
        if not what.node_id:
            raise UserError(f"{process.name}: a simulated node needs its name as --id")
        guard.inspect(what.protocol)
        self._started += 1
        seed = what.seed or f"{self._settings.seed}/node/{self._started}"
        lines = node.log_lines(process.log)

        def ended(life: Life) -> None:
            del self._lives[process.name]
            survives = self._survives or self._settings.unsynced
            kept, lost = life.storage.crash(survives, self._crashes)
            self._left = self._left[0] + kept, self._left[1] + lost
            if lost and survives == "torn":
                lines.append(f"{self._loop.now:.4f} {node.name} a torn write was dropped\n")
            self._say("end", process=process.name, kept=kept, lost=lost)

        life = Life(
            program=what,
            place=node.name,
            loop=self._loop,
            network=self._network,
            clock=node.clock,
            storage=node.storage(what.data),
            random=Random(f"{seed}/{what.node_id}"),
            write_log=lambda line: lines.append(line + "\n"),
            ended=ended,
            trace=self._trace,
        )
        self._lives[process.name] = life
        self._say("start", process=process.name)
        self._loop.at(self._loop.now + self._settings.boot_s, life.boot)

    async def kill(self, *names: str, graceful_s: float = 0) -> None:
        """SIGKILL. With ``graceful_s``, SIGTERM: it syncs what it has written and ends at once."""
        for name in names or tuple(self._lives):
            life = self._lives.get(name)
            if life is None:
                continue
            if graceful_s > 0 and not self.duty.is_held:
                self._say("stop", process=name)
                _write_back(life.storage)
            else:
                self._say("kill", process=name)
            life.kill()

    async def cut_power(self, survives: str) -> tuple[int, int]:
        """Kill all of them; of what was not synced, this is left: (writes kept, writes lost)."""
        self._survives, self._left = survives, (0, 0)
        try:
            await self.kill()
        finally:
            self._survives = ""
        return self._left

    def stick(self, wait_s: float) -> None:
        """Whichever process is at work waits for its disk; so does all that would come after."""
        for life in self._lives.values():
            life.stick(wait_s)

    def unstick(self) -> None:
        """None of them waits any more."""
        for life in self._lives.values():
            life.unstick()

    async def pause(self) -> None:
        """SIGSTOP every program on the node. Idempotent."""
        async with self.duty.holding():
            self._stop_now()
        self._say("pause")

    async def resume(self) -> None:
        """SIGCONT every program on the node. Idempotent."""
        async with self.duty.releasing():
            self._go_now()
        self._say("resume")

    async def running(self) -> dict[str, str]:
        """Programs that live, by name: ``running`` or ``paused``."""
        ticking = self.duty.is_ticking
        return {
            name: "paused" if life.is_paused and not ticking else "running"
            for name, life in self._lives.items()
        }

    def _stop_now(self) -> None:
        for life in self._lives.values():
            life.pause()

    def _go_now(self) -> None:
        for life in self._lives.values():
            life.resume()

    def _clock_changed(self, old_rate: float, jumped_s: float) -> None:
        for life in self._lives.values():
            life.clock_changed(old_rate, jumped_s)
        self._say("clock", rate=self._node.clock.rate, jumped_s=jumped_s)

    def _say(self, event: str, **fields: object) -> None:
        if self._trace is not None:
            self._trace.happened(event, at=self._node.name, **fields)


def _write_back(disk: Disk) -> None:
    with contextlib.suppress(OSError):  # a disk that is at fault: then it ends without
        disk.sync()
        for name in disk.files.names():
            disk.files.sync(name)
        disk.files.sync_names()


class SimClocks:
    """The clocks of one node (``Clocks`` of :mod:`duress.harness.cluster.clocks`)."""

    def __init__(self, node: SimNode, loop: VirtualLoop, trace: Trace | None) -> None:
        self._node = node
        self._loop = loop
        self._trace = trace

    def reason_unavailable(self) -> str | None:
        """``None``: simulated clocks do as they are told."""
        return None

    async def disturb(self, disturbance: Disturbance) -> None:
        """Let them be wrong from now on."""
        if self._trace is not None:
            said = msgspec.to_builtins(disturbance)
            self._trace.happened("disturb", at=self._node.name, **said)
        self._node.clock.disturb(self._loop.now, disturbance)

    async def read(self) -> dict[str, ClockReading]:
        """What each running program sees."""
        reading = self._node.clock.against_truth(self._loop.now)
        states = await self._node.processes.running()
        return {name: reading for name, state in states.items() if state == "running"}

    async def machine(self) -> MachineClock:
        """There is one true time."""
        return MachineClock()
