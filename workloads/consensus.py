"""Many values are proposed, one is decided: in each of many instances, by clients that compete.

An instance is proposed to a few times in quick succession through different nodes and, less
often, long after, when everything around it was killed or cut apart since. In between, nodes are
asked what they know. At the end, when everything is healed, some instances are concluded: a value
is proposed through every node, and each must answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..checkers.consensus import Consensus
from ..harness.checker import Checker
from ..harness.generator import PENDING, Context, Generator, each_thread
from ..harness.operation import Operation
from ..harness.option_values import share, whole

MEAN_AGE = 1.5
"""The instance that is used is so many behind the newest, on average."""

CONCLUDE_TRIES = 4
"""How often each client tries to conclude an instance before it is called undecided."""


class Proposals(Generator):
    """``fresh`` is the next instance; ``value`` the last one that was proposed anywhere."""

    __slots__ = ("_fresh", "_new", "_old", "_proposals", "_value")

    ignores_updates = True

    def __init__(
        self, new: float, old: float, proposals: float, fresh: int = 0, value: int = 0
    ) -> None:
        self._new = new
        self._old = old
        self._proposals = proposals
        self._fresh = fresh
        self._value = value

    def op(self, context: Context) -> Any:
        """A proposal or a question about some instance."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        random, fresh, value = context.random, self._fresh, self._value
        if fresh == 0 or random.random() < self._new:
            instance, fresh = fresh, fresh + 1
        elif random.random() < self._old:
            instance = int(random.random() * fresh)
        else:
            instance = max(0, fresh - 1 - int(random.expovariate(1 / MEAN_AGE)))
        f, asked = "decided", None
        if instance == self._fresh or random.random() < self._proposals:
            f, asked = "propose", value + 1
            value += 1
        operation = Operation(-1, context.time, process, "invoke", f, asked, key=instance)
        return operation, Proposals(self._new, self._old, self._proposals, fresh, value)


class Conclusions(Generator):
    """One client concludes instances one after the other; ``tries`` were in vain so far."""

    __slots__ = ("_left", "_tries", "_value")

    def __init__(self, instances: Sequence[int], tries: int = 0, value: int = 0) -> None:
        self._left = instances
        self._tries = tries
        self._value = value

    def op(self, context: Context) -> Any:
        """The next conclusion, if the one before has ended."""
        process = context.some_free_process()
        if process is None:
            return PENDING, self
        if not self._left:
            return None
        value = f"final {process} {self._value}"
        operation = Operation(
            -1, context.time, process, "invoke", "conclude", value, key=self._left[0]
        )
        return operation, Conclusions(self._left, self._tries, self._value + 1)

    def update(self, context: Context, event: Operation) -> Generator | None:
        """On to the next instance once this one is concluded, or was tried often enough."""
        if event.type == "invoke":
            return self
        tries = self._tries + 1
        if event.type == "ok" or tries >= CONCLUDE_TRIES:
            return Conclusions(self._left[1:], 0, self._value)
        return Conclusions(self._left, tries, self._value)


class ConsensusWorkload:
    """Competing proposals: agreement, validity, integrity, and termination after healing."""

    name: ClassVar[str] = "consensus"
    options: ClassVar[Mapping[str, str]] = {
        "new-share": "share of operations that begin a new instance (default 0.15)",
        "old-share": "share of the others that are about any instance, not a recent one "
        "(default 0.2)",
        "propose-share": "share of operations that propose (default 0.6); the others ask",
        "conclude": "instances that are concluded through every client at the end (default 10)",
    }
    smaller: ClassVar[Mapping[str, Sequence[str]]] = {"conclude": ("0", "2"), "new-share": ("0.5",)}
    """What ``duress shrink`` tries: less at the end, and less to an instance."""

    def __init__(self, options: Mapping[str, Any], concurrency: int, random: Random) -> None:
        self._operations = Proposals(
            share(options, "new-share", 0.15),
            share(options, "old-share", 0.2),
            share(options, "propose-share", 0.6),
        )
        self._conclude = whole(options, "conclude", 10, 0, 30)

    def generator(self) -> Generator:
        """Proposals and questions by whoever is free."""
        return self._operations

    def final_generator(self) -> Generator | None:
        """Every client concludes instances of all ages, whatever the number that there are."""
        if not self._conclude:
            return None
        return each_thread(Conclusions([(1 << at) - 1 for at in range(self._conclude)]))

    def checkers(self) -> Mapping[str, Checker]:
        """The promises of consensus."""
        return {"consensus": Consensus()}
