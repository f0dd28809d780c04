"""Where nodes run: the types that every kind of cluster implements.

A :class:`Cluster` is made for one trial and owned by it. Everything it creates
on the machine carries the trial's id, so that nothing else is ever touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from .clocks import Clocks
from .disks import Disk
from .packets import Packets
from .resources import Resources

if TYPE_CHECKING:
    from ..verdict import Verdict

Link = tuple[str, str]
"""A directed link: packets from the first node to the second. ``"clients"`` is the harness."""

CLIENTS = "clients"
"""The end of a link where the clients are."""


@dataclass(frozen=True)
class Completed:
    """What a command on a node did: its exit status and what it printed, as text."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Process:
    """A long-running program of a system, as data.

    ``name``      what to call it in commands and logs (``etcd``, ``node``); one a node.
    ``argv``      the program and its arguments, as found on the node.
    ``env``       added to the node's environment.
    ``log``       path on the node to which standard output and error are appended.
    ``clock``     path of the file by which it sets its clocks (see :mod:`.followed_clocks`), if it
                  has such clocks; other programs ask the kernel.
    """

    name: str
    argv: Sequence[str]
    log: str
    env: Mapping[str, str] | None = None
    cwd: str | None = None
    clock: str | None = None


class Node(Protocol):
    """One host of a cluster: commands and files. Errors are ``InfrastructureError``."""

    name: str
    """``n1``, ``n2``, …"""
    address: str
    """Its IP address, reachable from the harness and from the other nodes."""
    directory: str
    """An absolute path on the node where a system may put its files (data below it)."""
    python: Sequence[str]
    """The beginning of a command that runs Python (3.9 or later, standard library) there."""

    async def run(
        self, *argv: str, check: bool = True, input: bytes | None = None, timeout_s: float = 30
    ) -> Completed:
        """Run a command to its end. A non-zero status raises unless ``check`` is false."""
        ...

    async def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file on the node (folders above it are made)."""
        ...

    async def get(self, path: str) -> bytes:
        """Read a file of the node; ``FileNotFoundError`` if there is none."""
        ...

    @property
    def processes(self) -> Processes:
        """The node's long-running programs."""
        ...

    @property
    def clocks(self) -> Clocks:
        """The clocks that its programs see."""
        ...

    disk: Disk
    """What its programs keep their data on."""

    @property
    def resources(self) -> Resources:
        """What its programs live on: processor, memory, descriptors, processes."""
        ...


class Processes(Protocol):
    """The long-running programs of a node, from outside. Signals reach all their children too."""

    async def start(self, process: Process) -> None:
        """Start a program and return once it was executed. No effect if it runs already."""
        ...

    async def kill(self, *names: str, graceful_s: float = 0) -> None:
        """SIGKILL programs and all their children (none named: every one on the node).

        With ``graceful_s``, SIGTERM first and wait so long. Returns when they are gone.
        """
        ...

    async def pause(self) -> None:
        """SIGSTOP every program on the node. Idempotent; checked for effect."""
        ...

    async def resume(self) -> None:
        """SIGCONT every program on the node. Idempotent; checked for effect."""
        ...

    async def running(self) -> dict[str, str]:
        """Programs that were started and still live, by name: ``running`` or ``paused``."""
        ...


class Network(Protocol):
    """The links between the nodes, which duress alone controls."""

    async def cut(self, links: frozenset[Link]) -> None:
        """Let exactly these directed links drop every packet, all at one moment.

        Replaces whatever was cut before; ``frozenset()`` heals everything. Idempotent.
        """
        ...

    async def probe(self) -> frozenset[Link]:
        """The directed links between nodes through which a packet does not pass, as observed."""
        ...

    @property
    def packets(self) -> Packets:
        """What else can be done to the packets on the links."""
        ...


class Cluster(Protocol):
    """Nodes and the network between them, for one trial.

    Made as ``Kind(trial_id, node_names, folder, options)``: ``trial_id`` is unique and
    fit for names of resources; ``folder`` is the run folder, in which the kind may keep
    files of its nodes under ``nodes/<name>/``; ``options`` is plain data from the trial.
    """

    kind: str
    nodes: dict[str, Node]
    network: Network

    async def up(self) -> None:
        """Bring every node up, reachable, with nothing injected."""
        ...

    async def down(self) -> None:
        """Remove everything that :meth:`up` made, whatever state it is in. Idempotent."""
        ...


@runtime_checkable
class Complaining(Protocol):
    """A cluster that carries the messages itself, and sees what no node may do."""

    def complaints(self, origin_s: float | None = None) -> Verdict:
        """What nodes did so far that none may do, whatever protocol they run.

        ``origin_s``: when the history's time began, on the clock of the cluster's own records.
        """
        ...


class ClusterKind(Protocol):
    """The constructor of a cluster, and what is asked of the kind before there is one."""

    @staticmethod
    def prepare(image: str) -> None:
        """Whatever must be done before the trial's clock starts and before any thread exists.

        Called once a process by the command line; may fork, build images, or do nothing.
        """
        ...

    @staticmethod
    def reason_unavailable() -> str | None:
        """Why this kind cannot be had on this machine and what to do, or ``None``."""
        ...

    def __call__(
        self, trial_id: str, node_names: Sequence[str], folder: Path, options: Mapping[str, object]
    ) -> Cluster:
        """A cluster that is not up yet."""
        ...
