"""What performs operations against a system."""

from typing import Any, Protocol

from .operation import Operation


class Client(Protocol):
    """One logical client, bound to one node, used by one process at a time.

    The interpreter makes a fresh one for every process: after an ``info`` the
    process is gone, and its client with it. A client must not retry on its own
    (a retry invents lost updates) and must not read the wall clock or global
    randomness. Every method may be cancelled at any await.
    """

    async def open(self, node: str) -> None:
        """Connect to a node by name. Raising means that no operation can start yet."""
        ...

    async def setup(self) -> None:
        """Prepare shared state (create a table, …) once a trial, before the first operation."""
        ...

    async def invoke(self, operation: Operation) -> Any:
        """Perform the operation; return the completed value (or a :class:`Completed`).

        Raise :class:`~duress.harness.errors.Failed` if it definitely did not happen
        and :class:`~duress.harness.errors.Indeterminate` if nobody knows. Anything
        else counts as indeterminate and is reported as the client's bug.
        """
        ...

    async def close(self) -> None:
        """Let go of the connection. Must not raise on a broken one."""
        ...


class Completed:
    """A completion that says more than its value: the node that really answered."""

    __slots__ = ("node", "value")

    def __init__(self, value: Any = None, node: str | None = None) -> None:
        self.value = value
        self.node = node
