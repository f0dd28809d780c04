"""Configuration search over any model, in plain Python.

A frontier of configurations is carried through the history, event by event
("just-in-time linearization": Lowe 2017, "Testing for linearizability", §4): an operation
takes effect only when the completion of some operation forces it. A configuration is

* the state,
* the set of operations that are open (invoked, not completed) and have not taken effect,
  as the bits of an integer: any number of them may be open,
* for every kind of crashed operation, how many have taken effect. Those of a kind are
  alike but for their invocation, so the earliest go first, and only the number matters.

Nothing in it grows with the history. Three facts keep the frontier small:

* An operation that never changes the state takes effect as soon as it can: any later
  moment at which it could is no better, since removing it from there changes nothing.
* Among open operations of one kind, the one that completes first goes first (in any
  explanation two alike may be exchanged, if each still lies within its call).
* A configuration is dropped if another has the same state and open set and has used no
  more crashed operations of any kind: whatever the first can do, the second can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...harness.operation import Operation
from .calls import CRASHED
from .models import successors

FIELD_BITS = 32
"""Width of one count of crashed operations within the packed integer."""

COLLECT_NODES = 200_000
"""From how many recorded steps on those of dead configurations are thrown away."""

NODE_BYTES = 200
"""What one explored configuration costs in memory, measured, rounded up."""


@dataclass
class Budget:
    """What a search may spend; ``exhausted`` says in words what ran out."""

    time_limit_s: float | None = None
    memory_limit_bytes: int | None = None
    clock: Callable[[], float] | None = None
    explored: int = 0
    limit: int | None = None
    _deadline: float | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.time_limit_s is not None and self.clock is not None:
            self._deadline = self.clock() + self.time_limit_s

    def exhausted(self, nodes: int) -> str:
        """Empty while there is time and memory left."""
        if self.limit is not None and self.explored > self.limit:
            return f"{self.explored} configurations explored"
        if self.memory_limit_bytes is not None and nodes * NODE_BYTES > self.memory_limit_bytes:
            return f"memory limit of {self.memory_limit_bytes} bytes reached"
        if self._deadline is not None and self.clock is not None and self.clock() > self._deadline:
            return f"time limit of {self.time_limit_s:g} s reached"
        return ""


class Stepper:
    """A model's transitions, computed once for each state and kind of operation."""

    def __init__(self, model: Any, operations: Sequence[Operation]) -> None:
        self.operations = operations
        self.states: list[Any] = []
        self._numbers: dict[Any, int] = {}
        self._successors = successors(model)
        self._table: list[dict[int, tuple[int, ...]]] = []
        names = getattr(model, "pure", frozenset())
        is_pure = getattr(model, "is_pure", lambda operation: operation.f in names)
        self.pure = [bool(is_pure(operation)) for operation in operations]

    def number(self, state: Any) -> int:
        """The number of a state, new or known."""
        found = self._numbers.get(state)
        if found is None:
            found = self._numbers[state] = len(self.states)
            self.states.append(state)
            self._table.append({})
        return found

    def next(self, state: int, kind: int) -> tuple[int, ...]:
        """The states that an operation of this kind may lead to."""
        row = self._table[state]
        found = row.get(kind)
        if found is None:
            after = self._successors(self.states[state], self.operations[kind])
            found = row[kind] = tuple(dict.fromkeys(self.number(each) for each in after))
        return found


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    ``valid``      ``True``, ``False``, or ``None`` (the budget ran out, or a beam lost it).
    ``witness``    calls in an order that explains everything (valid), else the longest one.
    ``position``   index in the history of the completion at which it stopped.
    ``call``       the call that completed there and could not be placed, or -1.
    ``states``     the states reachable just before, with the calls still to be placed in each.
    ``frontier``   number of configurations there.
    ``explored``   number of configurations looked at in all.
    """

    valid: bool | None
    witness: list[int]
    position: int = -1
    call: int = -1
    states: tuple[tuple[Any, tuple[int, ...]], ...] = ()
    frontier: int = 0
    explored: int = 0
    note: str = ""


class Search:
    """One search; ``calls`` are numbers ``0 … n-1`` in order of invocation.

    ``kinds`` gives each call's kind in ``stepper``. Calls in ``optional`` may take effect
    within their call or not at all. ``beam`` bounds the frontier; a search that had to
    drop configurations answers ``None`` where it would have said ``False``.
    """

    def __init__(
        self,
        stepper: Stepper,
        invoked: Sequence[int],
        returned: Sequence[int],
        kinds: Sequence[int],
        *,
        optional: frozenset[int] = frozenset(),
        beam: int | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.stepper, self.kinds, self.optional = stepper, kinds, optional
        self.returned = returned
        self.beam, self.budget = beam, budget or Budget()
        self.events = _events(invoked, returned)
        self.parents: list[int] = [-1]
        self.placed: list[int] = [-1]
        self.open_by_kind: dict[int, dict[int, None]] = {}
        self.open_pure: dict[int, int] = {}
        self.slot: dict[int, int] = {}
        self.in_slot: dict[int, int] = {}
        self.free: list[int] = []
        self.crashed: dict[int, list[int]] = {}
        self.shift: dict[int, int] = {}
        self.guard = 0
        self.dropped = False
        self._collect_at = COLLECT_NODES

    def run(self, initial: Iterable[Any]) -> Outcome:
        """Search from any of these initial states."""
        frontier: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for state in initial:
            frontier[(self.stepper.number(state), 0)] = [(0, 0)]
        for position, call, completes in self.events:
            if not completes:
                frontier = self._invoke(frontier, call)
                continue
            after = {}
            if not self.budget.exhausted(len(self.parents)):
                after = self._complete(frontier, call)
            if not after:
                lost = "the beam lost every explanation" if self.dropped else ""
                out = self.budget.exhausted(len(self.parents))
                return self._stopped(frontier, position, call, out or lost)
            frontier = after
            if len(self.parents) > self._collect_at:
                frontier = self._collect(frontier)
        node = next(iter(frontier.values()))[0][1]
        return Outcome(
            True, self._order(node), explored=self.budget.explored, frontier=_size(frontier)
        )

    # -- events ------------------------------------------------------------------

    def _invoke(self, frontier: Any, call: int) -> Any:
        kind = self.kinds[call]
        if self.returned[call] >= CRASHED:
            if not self.stepper.pure[kind]:
                self._add_crashed(kind, call)
            return frontier
        if self.stepper.pure[kind] and call in self.optional:
            return frontier
        slot = self.free.pop() if self.free else len(self.in_slot)
        self.slot[call], self.in_slot[slot] = slot, call
        bit = 1 << slot
        if self.stepper.pure[kind]:
            self.open_pure[kind] = self.open_pure.get(kind, 0) | bit
        else:
            self.open_by_kind.setdefault(kind, {})[call] = None
        result: dict[tuple[int, int], list[tuple[int, int]]] = {}
        pure = self.stepper.pure[kind]
        for (state, pending), uses in frontier.items():
            if pure and self.stepper.next(state, kind):
                result[(state, pending)] = [(used, self._node(node, call)) for used, node in uses]
            else:
                result[(state, pending | bit)] = uses
        return result

    def _add_crashed(self, kind: int, call: int) -> None:
        if kind not in self.crashed:
            self.shift[kind] = FIELD_BITS * len(self.shift)
            self.guard |= 1 << (self.shift[kind] + FIELD_BITS - 1)
            self.crashed[kind] = []
        self.crashed[kind].append(call)

    def _complete(self, frontier: Any, call: int) -> Any:
        slot = self.slot.get(call)
        if slot is None:
            return frontier
        bit, kind = 1 << slot, self.kinds[call]
        result: dict[tuple[int, int], list[tuple[int, int]]] = {}
        work: list[tuple[int, int, int, int]] = []
        seen: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for (state, pending), uses in frontier.items():
            for used, node in uses:
                if not pending & bit:
                    self._keep(result, state, pending, used, node)
                    continue
                if call in self.optional:
                    self._keep(result, state, pending & ~bit, used, node)
                if self._keep(seen, state, pending, used, node):
                    work.append((state, pending, used, node))
        while work:
            for state, pending, used, node in self._expand(*work.pop()):
                self.budget.explored += 1
                if not pending & bit:
                    self._keep(result, state, pending, used, node)
                elif self._keep(seen, state, pending, used, node):
                    work.append((state, pending, used, node))
            if not self.budget.explored % 1024 and self.budget.exhausted(len(self.parents)):
                self.dropped = True
                break
        if result:
            self._close(call, slot, kind)
        return self._narrowed(result)

    def _close(self, call: int, slot: int, kind: int) -> None:
        del self.slot[call], self.in_slot[slot]
        self.in_slot[slot] = -1
        self.free.append(slot)
        if self.stepper.pure[kind]:
            self.open_pure[kind] &= ~(1 << slot)
            if not self.open_pure[kind]:
                del self.open_pure[kind]
        else:
            del self.open_by_kind[kind][call]
            if not self.open_by_kind[kind]:
                del self.open_by_kind[kind]

    # -- configurations ------------------------------------------------------------

    def _expand(
        self, state: int, pending: int, used: int, node: int
    ) -> Iterator[tuple[int, int, int, int]]:
        """All configurations one (changing) operation further."""
        step = self.stepper.next
        for kind, calls in self.open_by_kind.items():
            after = step(state, kind)
            if after:
                for first in self._soonest(calls, pending):
                    left = pending & ~(1 << self.slot[first])
                    for each in after:
                        yield self._settled(each, left, used, self._node(node, first))
        for kind, calls in self.crashed.items():
            shift = self.shift[kind]
            count = (used >> shift) & ((1 << FIELD_BITS) - 1)
            if count < len(calls):
                for each in step(state, kind):
                    if each != state:
                        yield self._settled(
                            each, pending, used + (1 << shift), self._node(node, calls[count])
                        )

    def _soonest(self, calls: dict[int, None], pending: int) -> list[int]:
        """Of the calls of one kind the first to complete: one that must, one that need not."""
        best: dict[bool, int] = {}
        for call in calls:
            if pending >> self.slot[call] & 1:
                free = call in self.optional
                if free not in best or self.returned[call] < self.returned[best[free]]:
                    best[free] = call
        return list(best.values())

    def _settled(self, state: int, pending: int, used: int, node: int) -> tuple[int, int, int, int]:
        """The same with every open operation that does not change the state out of the way."""
        for kind, mask in self.open_pure.items():
            here = pending & mask
            if here and self.stepper.next(state, kind):
                pending &= ~mask
                while here:
                    low = here & -here
                    node = self._node(node, self.in_slot[low.bit_length() - 1])
                    here ^= low
        return state, pending, used, node

    def _keep(self, where: Any, state: int, pending: int, used: int, node: int) -> bool:
        """Add a configuration unless another one there can do all that it can."""
        guard = self.guard
        uses = where.get((state, pending))
        if uses is None:
            where[(state, pending)] = [(used, node)]
            return True
        for other, _ in uses:
            if ((used | guard) - other) & guard == guard:
                return False
        uses[:] = [each for each in uses if ((each[0] | guard) - used) & guard != guard]
        uses.append((used, node))
        return True

    def _narrowed(self, result: Any) -> Any:
        if self.beam is None or _size(result) <= self.beam:
            return result
        self.dropped = True
        every = [
            (self._total(used), -pending.bit_count(), at, state, pending, used, node)
            for at, ((state, pending), uses) in enumerate(result.items())
            for used, node in uses
        ]
        every.sort()
        kept: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for _, _, _, state, pending, used, node in every[: self.beam]:
            kept.setdefault((state, pending), []).append((used, node))
        return kept

    def _total(self, used: int) -> int:
        total = 0
        while used:
            total += used & ((1 << FIELD_BITS) - 1)
            used >>= FIELD_BITS
        return total

    # -- evidence --------------------------------------------------------------------

    def _node(self, parent: int, call: int) -> int:
        self.parents.append(parent)
        self.placed.append(call)
        return len(self.parents) - 1

    def _collect(self, frontier: Any) -> Any:
        """Forget the steps of configurations that are gone; renumber the others."""
        alive = {0}
        for uses in frontier.values():
            for _, node in uses:
                while node not in alive:
                    alive.add(node)
                    node = self.parents[node]
        order = sorted(alive)
        number = {old: new for new, old in enumerate(order)}
        self.parents = [-1, *(number[self.parents[old]] for old in order[1:])]
        self.placed = [self.placed[old] for old in order]
        self._collect_at = 2 * len(order) + COLLECT_NODES
        return {at: [(used, number[node]) for used, node in uses] for at, uses in frontier.items()}

    def _order(self, node: int) -> list[int]:
        order = []
        while node > 0:
            order.append(self.placed[node])
            node = self.parents[node]
        order.reverse()
        return order

    def _stopped(self, frontier: Any, position: int, call: int, why: str) -> Outcome:
        longest: list[int] = []
        states: dict[int, set[int]] = {}
        for (state, pending), uses in frontier.items():
            open_calls = states.setdefault(state, set())
            open_calls.update(
                at for slot, at in self.in_slot.items() if at >= 0 and pending >> slot & 1
            )
            for _, node in uses[:1]:
                order = self._order(node)
                if len(order) > len(longest):
                    longest = order
        return Outcome(
            valid=None if why else False,
            witness=longest,
            position=position,
            call=call,
            states=tuple((self.stepper.states[s], tuple(sorted(c))) for s, c in states.items()),
            frontier=_size(frontier),
            explored=self.budget.explored,
            note=why,
        )


def _size(frontier: dict[Any, list[Any]]) -> int:
    return sum(len(uses) for uses in frontier.values())


def _events(invoked: Sequence[int], returned: Sequence[int]) -> list[tuple[int, int, bool]]:
    events = [(at, call, False) for call, at in enumerate(invoked)]
    events += [(at, call, True) for call, at in enumerate(returned) if at < CRASHED]
    events.sort()
    return events
