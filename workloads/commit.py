"""Transactions that all nodes vote on, and questions about what became of them.

Clients begin transactions, a few of which some nodes refuse, and ask nodes for the state of recent
ones; who hears that a node is in doubt asks it again. At the end every node is asked for all that
it knows until it is in doubt no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.atomic_commit import AtomicCommit
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator, each_thread
from ..harness.operation import Operation
from ..harness.option_values import real, share, whole
from .ask_until import AskUntil

MEAN_AGE = 6.0
"""Whose state is asked for has been followed by so many others, on average."""

ANY_AGE_SHARE = 0.15
"""Of the questions, those for any transaction so far: what was decided must stay."""

AGAIN_SHARE = 0.5
"""How likely a process that heard of a doubt asks again next."""

TIMEOUTS_MS = {"vote_timeout_ms": 600, "doubt_timeout_ms": 800, "failure_timeout_ms": 1000}
"""Options of the systems, after the shortest of which an abort may be for want of a vote."""

UNDECIDED = ("prepared", "precommitted")


class CommitOperations(Generator):
    """``begun`` transactions so far; ``doubts`` by thread, each followed until it is over."""

    __slots__ = ("_begins", "_begun", "_doubts", "_refusals")

    def __init__(
        self,
        begins: float,
        refusals: float,
        begun: int = 0,
        doubts: Mapping[int, int] | None = None,
    ) -> None:
        self._begins = begins
        self._refusals = refusals
        self._begun = begun
        self._doubts = doubts or {}

    def op(self, context: Context) -> Any:
        """Begin a transaction, or ask for one."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random = context.random
        doubt = self._doubts.get(context.thread_of(process))
        if doubt is not None and random.random() < AGAIN_SHARE:
            return _invoke(context, process, "state", {"txn": doubt}), self
        if not self._begun or random.random() < self._begins:
            txn = self._begun + 1
            refusals = 0
            while refusals < 2 and random.random() < self._refusals:
                refusals += 1
            value = {"txn": txn, "refusals": refusals}
            successor = CommitOperations(self._begins, self._refusals, txn, self._doubts)
            return _invoke(context, process, "begin", value), successor
        age = int(random.random() * self._begun)
        if random.random() >= ANY_AGE_SHARE:
            age = min(int(random.expovariate(1 / MEAN_AGE)), self._begun - 1)
        return _invoke(context, process, "state", {"txn": self._begun - age}), self

    def update(self, context: Context, event: Operation) -> Generator:
        """Remember who heard of a doubt."""
        if event.f != "state" or event.type != "ok":
            return self
        thread, txn = context.thread_of(event.process), event.value["txn"]
        in_doubt = event.value["state"] in UNDECIDED
        known = self._doubts.get(thread)
        if in_doubt == (known is not None) or (known is not None and known != txn):
            return self
        doubts = {at: each for at, each in self._doubts.items() if at != thread}
        if in_doubt:
            doubts[thread] = txn
        return CommitOperations(self._begins, self._refusals, self._begun, doubts)


def nothing_in_doubt(states: Mapping[str, Any]) -> bool:
    """Whether an answer to ``states`` leaves nothing undecided."""
    return not any(states.get(state) for state in UNDECIDED)


class CommitWorkload:
    """Atomic commit: transactions with votes, questions for their state, and a last one for all."""

    name: ClassVar[str] = "commit"
    options: ClassVar[Mapping[str, str]] = {
        "begin-share": "share of operations that begin a transaction (default 0.3)",
        "refusal-share": "share of transactions that some node votes no on (default 0.15)",
        "newest": "how many transactions every node is asked for at the end (default 3000)",
        "quiet": "seconds after a fault during which an abort may still be its fault (default 3)",
        **{name: f"of the system ({value})" for name, value in TIMEOUTS_MS.items()},
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {
        "refusal-share": ("0", "0.5"),
        "begin-share": ("0.6",),
    }

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._begins = share(options, "begin-share", 0.3)
        self._refusals = share(options, "refusal-share", 0.15)
        self._newest = whole(options, "newest", 3000, 1)
        self._quiet_s = real(options, "quiet", 3.0)
        shortest_ms = min(real(options, name, value) for name, value in TIMEOUTS_MS.items())
        self._at_once_s = shortest_ms / 1000 * 2 / 3

    def generator(self) -> Generator:
        """Begin transactions, ask for them."""
        return CommitOperations(self._begins, self._refusals)

    def final_generator(self) -> Generator:
        """Every process asks its node until that is in doubt no more."""
        return each_thread(AskUntil("states", nothing_in_doubt, {"newest": self._newest}))

    def checkers(self) -> Mapping[str, Checker]:
        """AC1 to AC5."""
        return {"atomic-commit": AtomicCommit(self._quiet_s, self._at_once_s)}


def _invoke(context: Context, process: Any, f: str, value: Any) -> Operation:
    return Operation(-1, context.time, process, "invoke", f, value)
