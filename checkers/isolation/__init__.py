"""Which isolation levels does a history of transactions satisfy, and why not the others?

>>> verdict = Isolation("list-append", level="serializable").check(history, {})

Elle's inference over lists and registers, with exact searches in place of time limits, and
decision procedures where the order of versions is not told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...harness.history import History
    from ...harness.verdict import Verdict

__all__ = ["Isolation"]

MODELS = {
    "list-append": "transactions that append to lists and read them, judged by isolation levels",
    "rw-register": "transactions that read and write registers, judged by isolation levels",
}


class Isolation:
    """Judges transactions ``[["append", k, v], ["r", k, [v, …]], …]`` or ``[["w", k, v], …]``.

    Every value must be written to a key only once. ``takes_transactions``: it works on
    ``history.micro_operations()`` where there are such.

    ``level``            a name of ``levels.LEVELS``; ``None``: the strongest that the history
                         can be judged by, strict-serializable (serializable without real time).
    ``anomalies``        instead of a level: only these (and what implies them) make it invalid.
    ``realtime``         whether the order of operations of different processes means anything.
    ``linearizable_keys``, ``sequential_keys``, ``wfr_keys``
                         what to assume of each register (as in Elle): it is linearizable;
                         sequentially consistent; within a transaction, a write follows the reads.
    ``transaction_order``
                         the order in which transactions wrote, where the store tells it (as in
                         Elle): indices of operations in that order, or a number for each index.
                         It orders the versions of every register.
    ``initial``          what every register holds at first, beside ``None``.
    ``unwritten``        a value read that nobody wrote is ``"initial"`` (at most one a key) or
                         ``"garbage"`` (corruption).
    """

    takes_transactions = True

    def __init__(
        self,
        model: str = "list-append",
        level: str | None = None,
        anomalies: Sequence[str] | None = None,
        *,
        realtime: bool = True,
        linearizable_keys: bool = False,
        sequential_keys: bool = False,
        wfr_keys: bool = False,
        transaction_order: Mapping[int, int] | Sequence[int] | None = None,
        initial: Any = None,
        unwritten: str = "initial",
    ) -> None:
        from .settings import checked_level, checked_model, checked_order, checked_unwritten

        self.model = checked_model(model)
        self.level = checked_level(level)
        self.anomalies = list(anomalies) if anomalies else None
        self.realtime = realtime
        self.linearizable_keys = linearizable_keys
        self.sequential_keys = sequential_keys
        self.wfr_keys = wfr_keys
        self.transaction_order = (
            None if transaction_order is None else checked_order(transaction_order)
        )
        self.initial = initial
        self.unwritten = checked_unwritten(unwritten)

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge. Options: ``realtime``, ``level``, ``anomalies``, ``transaction_order`` (over the
        checker's own);
        ``time_limit_s`` and ``clock`` bound the searches for serializability.
        """
        from .judgement import judge

        return judge(self, history, options)

    @classmethod
    def models(cls) -> dict[str, str]:
        """The models by name, with a line on each."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Isolation:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        from .settings import from_wishes

        return cls(model, **from_wishes(model, wishes))
