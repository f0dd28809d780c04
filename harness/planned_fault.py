"""A fault with its times."""

from __future__ import annotations

from typing import Any

import msgspec


class PlannedFault(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of a schedule.

    ``at_s``        seconds from the beginning of the load until it is injected.
    ``until_s``     the same until it is healed; ``None``: when the load is over.
    ``targets``     node names.
    ``parameters``  as in :class:`~.fault.Fault`; a partition has its ``cut`` and, if it changes
                    while it lasts, ``moves``: ``[{"after_s": …, "cut": …}, …]``.
    """

    kind: str
    at_s: float
    until_s: float | None = None
    targets: list[str] = []
    parameters: dict[str, Any] = {}
