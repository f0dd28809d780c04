"""What a cluster can do that carries the nodes' messages itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, runtime_checkable

from . import Link

Watcher = Callable[[str, str, Mapping[str, Any]], Collection[str]]
"""``watcher(sender, receiver, body)`` of a message that a node just sent, to another node or to
``"clients"``. Returns the nodes whose processes must die at this moment.
"""


@runtime_checkable
class WatchesMessages(Protocol):
    """A network that can be asked to act on a message at the moment at which it is sent."""

    def watch(self, watcher: Watcher | None) -> None:
        """Call somebody for every message, or nobody any more."""
        ...

    def cut_apart(self, links: frozenset[Link]) -> None:
        """Let these links be dead besides those of ``cut``, which neither shows nor heals them."""
        ...
