"""One container as a node: commands and files by ``nsenter``, programs by ``docker exec``.

Commands of the harness enter the container's namespaces directly (2 ms; ``docker exec``
takes 50) and run with the harness's own rights. Programs of the system under test are
started by the engine, so that they have the control group and the reduced capabilities of
any container, and survive whoever started them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import posixpath
import shutil
import signal
from collections.abc import Iterable, Mapping, Sequence

from ..errors import InfrastructureError
from . import Completed, Process, pids
from .commands import Commands
from .disks import Disk
from .docker_engine import Engine, EngineThreads, Started, one_line
from .no_disk import NoDisk
from .program_clocks import ProgramClocks
from .program_resources import ContainerGroups, ProgramResources
from .programs import MARK, Programs

DIRECTORY = "/var/lib/duress"
"""Where a system may put its files in a container."""

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_STARTER = "duress-start"

_START = """\
mkdir -p "$(dirname -- "$2")" && cd "$1" || exit 126
log=$2; shift 2
command -v "$1" >/dev/null || { echo "$0: $1: not found" >>"$log"; exit 127; }
exec "$@" >>"$log" 2>&1 </dev/null
"""

_PUT = """\
set -e
mkdir -p "$(dirname -- "$1")"
cat >"$1.duress-put"
chmod "$2" "$1.duress-put"
mv -f -- "$1.duress-put" "$1"
"""

_NO_FILE = 66
_GET = f'test -e "$1" || exit {_NO_FILE}; exec cat -- "$1"'


class DockerNode:
    """A container whose PID 1 is an init and whose only other process sleeps."""

    python: Sequence[str] = ("python3",)

    def __init__(
        self, name: str, address: str, container: str, engine: Engine, threads: EngineThreads
    ) -> None:
        self.name = name
        self.address = address
        self.directory = DIRECTORY
        self.container = container
        self.init_pid = 0
        self.init_started = 0
        self._environment: dict[str, str] = {}
        self.commands = Commands()
        self._processes = DockerProcesses(self, engine, threads)
        self._clocks = ProgramClocks(self, self._processes.living, self._processes.duty)
        self.disk: Disk = NoDisk()
        self._resources = ProgramResources(
            name, self._processes.living, self._processes.duty, ContainerGroups(self._first_pid)
        )

    @property
    def processes(self) -> DockerProcesses:
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

    def _first_pid(self) -> int:
        return self.init_pid

    async def attach(self, started: Started) -> None:
        """Take over a container that was just started."""
        seen = pids.look(started.pid)
        if seen is None:
            raise InfrastructureError(
                f"{self.name}: PID 1 of container {self.container}, {started.pid} on its host, is "
                "not to be seen here: run duress where the engine runs, with the host's pids"
            )
        self.init_pid, self.init_started = seen.pid, seen.started
        self._environment = {
            "PATH": DEFAULT_PATH,
            "HOME": "/root",
            "HOSTNAME": self.name,
            **started.environment,
        }
        await self._processes.attach()
        await self.run("mkdir", "-p", self.directory)

    # -- commands and files --------------------------------------------------------

    async def run(
        self, *argv: str, check: bool = True, input: bytes | None = None, timeout_s: float = 30
    ) -> Completed:
        """Run a command to its end, as root of the host inside the container's namespaces."""
        status, out, err = await self._run(argv, input, timeout_s)
        done = Completed(status, out.decode(errors="replace"), err.decode(errors="replace"))
        if check and status != 0:
            raise InfrastructureError(
                f"{self.name}: `{one_line(' '.join(argv), 200)}` ended with status {status}: "
                f"{one_line(done.stderr or done.stdout) or 'it printed nothing'}"
            )
        return done

    async def _run(
        self, argv: Iterable[str], input: bytes | None, timeout_s: float
    ) -> tuple[int, bytes, bytes]:
        argv = list(argv)
        if not self.init_pid:
            raise InfrastructureError(f"{self.name}: is not up: run `{argv[0]}` after Cluster.up()")
        with self.commands.one() as command:
            child = await asyncio.create_subprocess_exec(
                _nsenter(),
                *("-t", str(self.init_pid), "-m", "-u", "-i", "-n", "-p", "--"),
                *argv,
                stdin=asyncio.subprocess.PIPE if input is not None else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**self._environment, **command.environment},
                # A group of its own: what it started inside can be ended with it.
                start_new_session=True,
            )
            command.pid = child.pid
            try:
                out, err = await asyncio.wait_for(child.communicate(input), timeout_s)
            except TimeoutError:
                raise InfrastructureError(
                    f"{self.name}: `{one_line(' '.join(argv), 200)}` had not ended "
                    f"after {timeout_s:g} s and was killed"
                ) from None
            finally:
                if child.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                    await child.wait()
        status = child.returncode if child.returncode is not None else -1
        if status != 0 and not self.init():
            raise InfrastructureError(
                f"{self.name}: container {self.container} is gone (its PID 1 has ended)"
            )
        return status, out, err

    async def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file; folders above it are made, an older one is replaced at one moment."""
        await self.run("sh", "-c", _PUT, "put", path, f"{mode:o}", input=content)

    async def get(self, path: str) -> bytes:
        """Read a file; ``FileNotFoundError`` if there is none."""
        # Not through /proc/<pid>/root: an absolute link in there would lead to the host's files.
        status, out, err = await self._run(["sh", "-c", _GET, "get", path], None, 60)
        if status == _NO_FILE:
            raise FileNotFoundError(f"{self.name}:{path}")
        if status != 0:
            raise InfrastructureError(
                f"{self.name}: cannot read {path}: {one_line(err.decode(errors='replace'))}"
            )
        return out

    def init(self) -> list[pids.Seen]:
        """The container's PID 1, if it lives."""
        seen = pids.look(self.init_pid) if self.init_pid else None
        lives = seen is not None and not seen.dead and seen.started == self.init_started
        return [seen] if seen is not None and lives else []


def _nsenter() -> str:
    program = shutil.which("nsenter", path=os.environ.get("PATH", "") + ":/usr/bin:/bin")
    if program is None:
        raise InfrastructureError("nsenter is not here: install util-linux")
    return program


class DockerProcesses(Programs):
    """The long-running programs of a container, found by its pid namespace."""

    def __init__(self, node: DockerNode, engine: Engine, threads: EngineThreads) -> None:
        super().__init__(node.name, self.living)
        self._node = node
        self._engine = engine
        self._threads = threads
        self._namespace = ""
        self._keepers: frozenset[int] = frozenset()
        self._starting = asyncio.Lock()

    async def attach(self) -> None:
        """Learn which processes keep the container alive: they are never touched."""
        node = self._node
        self._namespace = pids.namespace(node.init_pid)
        if self._namespace == pids.namespace(os.getpid()):
            raise InfrastructureError(
                f"{node.name}: process {node.init_pid} is not PID 1 of container {node.container}: "
                "the engine runs on another machine or in a virtual machine; run duress there"
            )
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            found = pids.members(self._namespace)
            if len(found) >= 2:
                self._keepers = frozenset(seen.pid for seen in found)
                return
            if asyncio.get_running_loop().time() > deadline:
                raise InfrastructureError(
                    f"{node.name}: container {node.container} has no sleeping process after 10 s"
                )
            await asyncio.sleep(pids.POLL_S)

    async def start(self, process: Process) -> None:
        """Start a program by ``docker exec`` and return once it was executed."""
        async with self._starting:  # two that heal at once must not start it twice
            if process.name not in self.states():
                self.begin(process.name)
                await self._node.disk.starting()
                await self._node.resources.starting()
                try:
                    async with self._node.clocks.starting(process):
                        await self._start(process)
                finally:
                    await self._node.resources.started()

    async def _start(self, process: Process) -> None:
        node = self._node
        script = ["sh", "-c", _START, _STARTER, process.cwd or node.directory, process.log]
        exec_id = await self._threads.call(
            self._engine.spawn,
            node.container,
            [*script, *process.argv],
            {**_text(process.env), MARK: process.name},
        )
        loop = asyncio.get_running_loop()
        deadline, patience_ends = loop.time() + 20, loop.time() + 1
        while True:
            pid, status = await self._threads.call(self._engine.spawned, exec_id)
            if status in (126, 127):
                raise InfrastructureError(
                    f"{node.name}: cannot execute {process.argv[0]} for {process.name} "
                    f"(status {status}): {await self._tail(process.log)}"
                )
            seen = pids.look(pid) if pid else None
            seen = None if seen is not None and seen.dead else seen
            # A program may overwrite its command line and environment at once: hence the patience.
            if seen is not None and (_executed(pid, process.name) or loop.time() > patience_ends):
                self.began(process.name, seen)
                return
            if seen is None and status is not None:
                return  # executed and ended already: whether it serves is asked later
            if loop.time() > deadline:
                raise InfrastructureError(
                    f"{node.name}: {process.name} was not executed within 20 s"
                )
            await asyncio.sleep(pids.POLL_S)

    def living(self) -> list[pids.Seen]:
        """Everything in the container but what keeps it alive and our own commands."""
        return self._node.commands.spare(pids.members(self._namespace, self._keepers))

    async def _tail(self, log: str) -> str:
        try:
            lines = (await self._node.get(log)).decode(errors="replace").splitlines()
        except (FileNotFoundError, InfrastructureError):
            return f"no log at {posixpath.normpath(log)}"
        return one_line(lines[-1]) if lines else "its log is empty"


def _text(env: Mapping[str, str] | None) -> dict[str, str]:
    return {key: str(value) for key, value in (env or {}).items()}


def _executed(pid: int, name: str) -> bool:
    """Whether a spawned process is the program by now.

    At first it is the container runtime, which lacks our mark, then the starting shell. The
    mark is looked for first, since the process may change between the two looks.
    """
    if not pids.environment_has(pid, MARK, name):
        return False
    words = pids.words(pid, "cmdline")
    return bool(words) and words[3:4] != [_STARTER.encode()]
