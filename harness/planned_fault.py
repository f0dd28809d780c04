"""A fault with its times."""

from __future__ import annotations

from typing import Any

import msgspec

ROLE = "role:"
"""What an aim at the nodes in some role other than the primary's begins with: ``role:head``."""


class PlannedFault(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of a schedule.

    ``at_s``        seconds from the beginning of the load until it is injected.
    ``until_s``     the same until it is healed; ``None``: when the load is over.
    ``targets``     node names. Without these and ``parameters``, it is aimed when it strikes.
    ``parameters``  as in :class:`~.fault.Fault`; a partition has its ``cut`` and, if it changes
                    while it lasts, ``moves``: ``[{"after_s": …, "cut": …}, …]``.
    ``aim``         what was wished for before there were targets, in the nemesis's words:
                    ``{"shape": "primary"}``, ``{"targets": "followers"}``.
    """

    kind: str
    at_s: float
    until_s: float | None = None
    targets: list[str] = []
    parameters: dict[str, Any] = {}
    aim: dict[str, Any] = {}

    @property
    def is_concrete(self) -> bool:
        """Whether it says what to strike, and not only what to aim at."""
        return bool(self.targets or self.parameters)

    def aimed_anew(self) -> PlannedFault:
        """The same fault, whose targets are chosen when it strikes; needs an ``aim``."""
        return msgspec.structs.replace(self, targets=[], parameters={})
