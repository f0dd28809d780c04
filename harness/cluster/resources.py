"""What a node's programs live on, from outside: how little there can be left, and what is seen.

Only the programs of the node feel it: the machine has as much as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

KINDS: Mapping[str, str] = {
    "cpu": "the node's programs get only a share of one processor",
    "memory": "they may take so many MiB more; then the largest was killed for want of memory",
    "descriptors": "they can open so many more files and sockets, each of them",
    "pids": "they can make no further process or thread",
}
"""What can run short, with what the ``amount`` of :meth:`Resources.squeeze` is: of ``pids``, 0."""


class Resources(Protocol):
    """The resources of the programs on a node. Errors are ``InfrastructureError``."""

    def reason_unavailable(self, kind: str) -> str | None:
        """Why this cannot run short here and what to do, or ``None``."""
        ...

    async def squeeze(self, kind: str, amount: float) -> dict[str, Any]:
        """Let one kind run short until it is relaxed, for programs that are started later too.

        Returns what was observed, among it the ``backend``: what keeps the limit. Squeezing what
        is squeezed sets another amount.
        """
        ...

    async def relax(self, kind: str) -> dict[str, Any]:
        """Give back what there was; returns what was observed. Idempotent."""
        ...
