"""Sessions of register transactions: does everyone see causes before their effects?

Every process is a session that reads and writes a few registers; what it wrote depends on what
it had read. The isolation checker decides causal consistency exactly (Biswas and Enea, "On the
complexity of checking transactional consistency", OOPSLA 2019). Mixed in are writes of fresh
keys and reads of the latest of them: the classic *causal reverse*, a write seen without one that
was over before it began (Jepsen's ``causal-reverse``).
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

from ..checkers.causal_reverse import CausalReverse
from ..checkers.isolation import Isolation
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator
from ..harness.option_values import share, whole
from .transactions import (
    LEVEL_OPTIONS,
    SHAPE_OPTIONS,
    STRICT,
    Shape,
    Transactions,
    level_of,
    order_of,
    transaction,
)


class CausalOperations(Generator):
    """Transactions of sessions, and writes and reads of keys that are written once.

    The latter have the keys -1, -2, …; ``fresh`` is how many of them were written.
    """

    __slots__ = ("_fresh", "_reverse", "_sessions", "_window")

    ignores_updates = True

    def __init__(self, sessions: Transactions, reverse: float, window: int, fresh: int = 0) -> None:
        self._sessions = sessions
        self._reverse = reverse
        self._window = window
        self._fresh = fresh

    def op(self, context: Context) -> Any:
        """One more of them by some free process."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random = context.random
        if random.random() >= self._reverse:
            steps, sessions = self._sessions.draw(random)
            return transaction(context, process, steps), self._with(sessions, self._fresh)
        if self._fresh and random.random() < 0.5:
            keys = range(-self._fresh, min(0, self._window - self._fresh))
            steps = [["r", key, None] for key in keys]
            return transaction(context, process, steps), self
        fresh = self._fresh + 1
        return transaction(context, process, [["w", -fresh, 1]]), self._with(self._sessions, fresh)

    def _with(self, sessions: Transactions, fresh: int) -> CausalOperations:
        return CausalOperations(sessions, self._reverse, self._window, fresh)


class CausalWorkload:
    """Sessions of register transactions, judged by causal consistency; and the causal reverse."""

    name: ClassVar[str] = "causal"
    options: ClassVar[Mapping[str, str]] = {
        **SHAPE_OPTIONS,
        **LEVEL_OPTIONS,
        "level": "isolation level to judge the sessions by (default causal)",
        "reverse-share": "share of writes and reads of fresh keys (default 0.3)",
        "window": "how many of the newest fresh keys are read together (default 6)",
        "order": f"which writes come before which: session, or realtime (default, if {STRICT})",
    }

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._operations = CausalOperations(
            Transactions(Shape.of(options, "w")),
            share(options, "reverse-share", 0.3),
            whole(options, "window", 6, 2, 1000),
        )
        self._isolation = Isolation("rw-register", level_of(options, "causal"))
        self._reverse = CausalReverse(order_of(options))

    def generator(self) -> Generator:
        """Transactions by whoever is free."""
        return self._operations

    def final_generator(self) -> Generator | None:
        """None: every read of the main phase counts already."""
        return None

    def checkers(self) -> Mapping[str, Checker]:
        """Causal consistency of the sessions, and the reverse."""
        return {"isolation": self._isolation, "causal-reverse": self._reverse}
