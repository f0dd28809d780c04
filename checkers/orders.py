"""Which orders of transactions a checker goes by: that of each session, or real time too."""

from __future__ import annotations

from typing import Any

from ..harness.errors import UserError

SESSION, REALTIME = "session", "realtime"
ORDERS = (SESSION, REALTIME)


def checked_order(order: Any) -> str:
    """The order, if it is one. :class:`UserError` if not."""
    if order not in ORDERS:
        raise UserError(f"order: expected session or realtime, got {order!r}")
    return order
