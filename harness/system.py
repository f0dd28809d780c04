"""Systems under test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from .client import Client
from .cluster import Cluster, Node
from .cluster.clocks import ClockReading


class System(Protocol):
    """What is under test: how it is put on a node, run, and spoken to.

    Made as ``Kind(cluster, options)``; ``options`` are the trial's ``--set`` pairs (values
    are strings, or plain data from a file), which the constructor checks (``UserError``).
    The class attributes declare what the trial needs to know.
    """

    name: ClassVar[str]
    workloads: ClassVar[Sequence[str]]
    """Names of the workloads it supports, the default first."""
    nemeses: ClassVar[Sequence[str]]
    """The nemeses it must survive by default."""
    clusters: ClassVar[Sequence[str]]
    """Kinds of cluster it runs on, the default first."""
    nodes: ClassVar[int]
    """How many nodes by default."""
    image: ClassVar[str]
    """The image of ``fixtures/images/`` for its containers."""
    options: ClassVar[Mapping[str, str]]
    """The options it takes, with one line of documentation each."""
    # ``concurrency`` (optional): how many clients where the user does not say, as for
    # ``--concurrency``; for systems of one node, say.
    # ``workload_defaults`` (optional): by workload, its options that follow from what the system
    # is, where the user does not give others.
    # ``title`` (optional): from the workload's name and the options, what reports call it.
    # ``as_command`` (optional): from the same, what follows ``duress run`` first and last, and the
    # names of the options which that says.
    # ``partition_shapes`` (optional): the shapes of partitions where the user does not say.
    # ``clocks`` (optional): which ones its programs read, of ``monotonic`` and ``wall``. Without
    # it the nemesis ``clock`` refuses the system, with the reason ``why_no_clocks`` if there is.

    async def install(self, node: Node) -> None:
        """Put programs and configuration on a node; the data directory is empty afterwards."""
        ...

    async def start(self, node: Node) -> None:
        """Start (or restart, data kept) its processes on a node; does not wait for readiness."""
        ...

    async def ready(self) -> None:
        """Return once the whole cluster serves; raise ``InfrastructureError`` if it never does."""
        ...

    def logs(self, node: Node) -> Sequence[str]:
        """Paths on a node of the log files to collect."""
        ...

    def client(self, workload: str) -> Client:
        """A new client for a workload that it supports."""
        ...

    def describe(self) -> dict[str, Any]:
        """Version and settings for the report: plain data."""
        ...


@runtime_checkable
class HasPrimary(Protocol):
    """A system whose nodes have roles."""

    async def primaries(self) -> list[str]:
        """The nodes that believe to be primary (leader, coordinator) now."""
        ...


@runtime_checkable
class HasRoles(Protocol):
    """A system whose nodes have more roles than the primary's, which faults may be aimed at."""

    primary_role: ClassVar[str]
    """What it calls its primary: ``leader``, ``coordinator``, …"""
    roles: ClassVar[Sequence[str]]
    """All that there are."""

    async def in_role(self, role: str) -> list[str]:
        """The nodes that say to be in a role now."""
        ...


@runtime_checkable
class Reconfigurable(Protocol):
    """A system whose nodes can become members and cease to be.

    All raise ``Failed`` or ``Indeterminate`` as a client does, and answer within a second.
    """

    async def members(self) -> list[str]:
        """Which nodes are members, as far as that is certain."""
        ...

    async def add_member(self, node: str) -> None:
        """Make a node a member; returns once it is."""
        ...

    async def remove_member(self, node: str) -> None:
        """Let a node be a member no longer; returns once that is so. Its process goes on."""
        ...


@runtime_checkable
class PromisesLevel(Protocol):
    """A system whose transactions have an isolation level, by which workloads judge them."""

    @classmethod
    def promised_level(cls, options: Mapping[str, Any]) -> str | None:
        """The level it promises with these options, such as ``snapshot-isolation``."""
        ...


@runtime_checkable
class TellsTime(Protocol):
    """A system that can be asked what time it is, where nothing else shows what its clocks do."""

    async def clock_reading(self, node: Node) -> ClockReading | None:
        """By how much its wall clock is off on a node, seen from this machine's own; ``None`` if
        it does not answer within a second.
        """
        ...


@runtime_checkable
class Closable(Protocol):
    """A system that itself holds connections (to ask for roles, say)."""

    async def close(self) -> None:
        """Let go of them, at the end of the trial."""
        ...


class SystemKind(Protocol):
    """The constructor of a system."""

    def __call__(self, cluster: Cluster, options: Mapping[str, Any]) -> System:
        """A system for a cluster that is up."""
        ...


class Mutant(Protocol):
    """A system with one planted bug."""

    name: str
    system: str
    doc: str
    """What is wrong, and where the mistake is known from."""
    anomaly: str
    """The anomaly that must be reported. Optional besides: ``or_else``, a tuple of others in
    which the same mistake may show first."""
    options: Mapping[str, Any]
    """The system options that plant it."""
    conditions: Mapping[str, Any]
    """Flags of a trial, and ``options``, under which it shows where the defaults do not do."""
