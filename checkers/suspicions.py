"""What nodes told of whom they suspect, put on the trial's own time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation

POLLS = ("suspects", "last-suspects")

DRIFT = 1e-3
"""Clocks of nodes are taken to run at most so much faster or slower than the trial's."""


@dataclass(frozen=True)
class Poll:
    """A node told whom it suspects, between ``asked`` and ``told``."""

    asked: Operation
    told: Operation


@dataclass(frozen=True)
class Moment:
    """A time of a node's clock on the trial's: surely between ``low`` and ``high``."""

    low: int
    high: int

    @property
    def error(self) -> int:
        """How uncertain it is."""
        return self.high - self.low


@dataclass(frozen=True)
class Suspicion:
    """A node suspected another from ``begin`` to ``end`` (``None``: as long as is known)."""

    begin: Moment
    end: Moment | None
    told: Poll
    withdrawn: Poll | None = None


@dataclass
class Life:
    """One life of a node: since when, and every change of mind by number."""

    node: str
    number: int
    born: Moment | None = None
    polls: list[Poll] = field(default_factory=list)
    changes: dict[int, tuple[Moment, str, bool, Poll]] = field(default_factory=dict)

    @property
    def known_until(self) -> int:
        """Up to here nothing can have been missed: when it was last asked."""
        return max(poll.asked.time for poll in self.polls)

    def suspicions(self, peer: str) -> list[Suspicion]:
        """Of one node, in order."""
        found: list[Suspicion] = []
        for number in sorted(self.changes):
            moment, of, suspected, poll = self.changes[number]
            if of != peer:
                continue
            if suspected:
                found.append(Suspicion(moment, None, poll))
            elif found:
                found[-1] = Suspicion(found[-1].begin, moment, found[-1].told, poll)
        return found

    def contradiction(self) -> tuple[Poll, str] | None:
        """Where what it told does not fit together: the last answer, and in which way."""
        now = max(poll.told.value["now"] for poll in self.polls)
        # It may answer, change its mind and answer again, all at one reading of its clock.
        last = [poll for poll in self.polls if poll.told.value["now"] == now]
        suspected: dict[str, bool] = {}
        for at, number in enumerate(sorted(self.changes), 1):
            _, peer, is_suspected, poll = self.changes[number]
            if number != at:
                return poll, f"change {number} came after change {at - 1}"
            if suspected.get(peer, False) == is_suspected:
                return poll, f"change {number} of {peer} changed nothing"
            suspected[peer] = is_suspected
        folded = sorted(peer for peer, is_suspected in suspected.items() if is_suspected)
        if all(folded != sorted(poll.told.value["suspected"]) for poll in last):
            return last[-1], f"its changes leave {', '.join(folded) or 'nobody'} suspected"
        return None


def lives_of(history: History) -> list[Life]:
    """All lives of all nodes. ``ValueError`` for an answer that is strange."""
    lives: dict[tuple[str, int], Life] = {}
    for asked, told in history.pairs():
        if asked.f not in POLLS or told is None or told.type != "ok":
            continue
        if told.node is None:
            raise ValueError(f"operation {told.index}: it is not known which node answered")
        _checked(told)
        key = (told.node, told.value["life"])
        _take(lives.setdefault(key, Life(*key)), Poll(asked, told))
    return [lives[key] for key in sorted(lives)]


def _checked(told: Operation) -> None:
    value: Any = told.value
    fine = (
        isinstance(value, Mapping)
        and type(value.get("life")) is int
        and all(type(value.get(name)) in (int, float) for name in ("now", "born"))
        and isinstance(value.get("suspected"), list)
        and isinstance(value.get("changes"), list)
        and all(isinstance(each, list) and len(each) == 4 for each in value["changes"])
    )
    if not fine:
        raise ValueError(
            f"operation {told.index}: expected life, born, now, changes and suspected, "
            f"got {str(value)[:80]}"
        )


def _take(life: Life, poll: Poll) -> None:
    life.polls.append(poll)
    value = poll.told.value
    born = _moment(poll, value["born"])
    if life.born is None or born.error < life.born.error:
        life.born = born
    for number, time, peer, suspected in value["changes"]:
        moment = _moment(poll, time)
        known = life.changes.get(number)
        if known is None or moment.error < known[0].error:
            life.changes[number] = (moment, peer, bool(suspected), poll)


def _moment(poll: Poll, time: float) -> Moment:
    """A time of the node's clock: it answered at some moment between question and answer."""
    ago = (poll.told.value["now"] - time) * 1e9
    slack = abs(ago) * DRIFT
    return Moment(int(poll.asked.time - ago - slack), int(poll.told.time - ago + slack))


def nodes_of(lives: list[Life]) -> Iterator[str]:
    """Every node that answered or was spoken of."""
    for life in lives:
        yield life.node
        for _, peer, _, _ in life.changes.values():
            yield peer
        yield from life.polls[-1].told.value["suspected"]
