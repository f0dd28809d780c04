"""A generator that never has anything to do and never ends."""

from __future__ import annotations

from .context import Context
from .core import PENDING, Answer, Combinator


class Idle(Combinator, frozen=True):
    """Beside others in a race it keeps the race from being over when they are exhausted."""

    def op(self, context: Context) -> Answer:
        """Nothing, for now and ever."""
        return PENDING, self
