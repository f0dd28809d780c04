"""What can be done to the packets of a cluster's links, besides cutting them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from .impairment import USUAL, Impairment, Measured, Probing

if TYPE_CHECKING:
    from . import Link


class Packets(Protocol):
    """The packets on the links of a cluster, those with ``clients`` included.

    Works besides ``Network.cut``: a link may be both cut and slow. Probes of cuts are not impaired.
    """

    async def reason_unavailable(self) -> str | None:
        """Why packets cannot be impaired here and what to do, or ``None``."""
        ...

    @property
    def backend(self) -> str:
        """What does it, for the record: ``netem``, ``nfqueue`` or ``simulation``; ``none`` yet."""
        ...

    async def impair(self, rules: Mapping[Link, Impairment]) -> dict[str, int]:
        """Let exactly these links be impaired like this, in place of what was; ``{}`` heals.

        Idempotent. ``UserError`` for values without sense, ``InfrastructureError`` otherwise.
        Returns what was done under the rules before, where that is counted: of how many
        ``packets`` how many were ``lost``, ``duplicated`` and ``changed``.
        """
        ...

    async def why_ended(self) -> str | None:
        """Why links are no longer impaired as they should be, or ``None`` if they are."""
        ...

    async def measure(self, links: Iterable[Link], how: Probing = USUAL) -> dict[Link, Measured]:
        """What becomes of numbered datagrams on each link.

        Links that are cut at any moment meanwhile are left out.
        """
        ...

    async def reset(self, links: Iterable[Link]) -> int:
        """Break every open TCP connection between the ends of these links: how many there were.

        Both ends learn of it at once; data on its way is lost.
        """
        ...
