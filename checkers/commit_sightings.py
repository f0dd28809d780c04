"""What a history of atomic commits tells: who was seen in which state, and when what had failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation

DECIDED = ("committed", "aborted")
UNDECIDED = ("prepared", "precommitted")
STATES = ("unknown", *UNDECIDED, *DECIDED)


@dataclass(frozen=True)
class Sighting:
    """A node told the state of a transaction, between ``asked`` and ``told``."""

    node: str
    state: str
    asked: Operation
    told: Operation


@dataclass
class Transaction:
    """``begun`` and its ``answer`` (``None``: never answered), and every sighting as told."""

    number: int
    begun: Operation | None = None
    answer: Operation | None = None
    coordinator: str | None = None
    refusals: int = 0
    refusing: list[str] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)

    @property
    def outcome(self) -> str | None:
        """What the client who began it was told."""
        return None if self.answer is None else self.answer.value["outcome"]

    def firsts(self, state: str) -> Iterator[Sighting]:
        """The first sighting of a state on each node."""
        seen: dict[str, bool] = {}
        for sighting in self.sightings:
            if sighting.state == state and sighting.node not in seen:
                seen[sighting.node] = True
                yield sighting

    def first(self, state: str) -> Sighting | None:
        """The first sighting of a state."""
        return next(self.firsts(state), None)


@dataclass(frozen=True)
class LastAnswer:
    """What a node told of everything, the last time that it was asked: states by number."""

    asked: Operation
    told: Operation
    states: Mapping[int, str]

    def state(self, number: int) -> str:
        """Of a transaction; ``unasked`` if it is older than what the answer covers."""
        missing = "unknown" if number >= self.told.value.get("from", 0) else "unasked"
        return self.states.get(number, missing)


@dataclass
class Record:
    """All transactions by number, and each node's last answer about everything."""

    transactions: dict[int, Transaction] = field(default_factory=dict)
    last_answers: dict[str, LastAnswer] = field(default_factory=dict)
    nodes: set[str] = field(default_factory=set)

    def of(self, number: int) -> Transaction:
        """A transaction, new or known."""
        return self.transactions.setdefault(number, Transaction(number))

    def any_seen(self, state: str) -> bool:
        """Whether any node was seen in a state."""
        return any(each.first(state) is not None for each in self.transactions.values())

    def statistics(self) -> dict[str, Any]:
        """How many transactions came out how, as their clients were told."""
        begun = [each for each in self.transactions.values() if each.begun is not None]
        outcomes = [each.outcome for each in begun]
        return {
            "transactions": len(begun),
            "committed": outcomes.count("committed"),
            "aborted": outcomes.count("aborted"),
            "unanswered": outcomes.count(None),
            "refused": sum(each.refusals > 0 for each in begun),
        }


def read(history: History) -> Record:
    """Sort a history by transactions. ``ValueError`` for a completion that is strange."""
    record = Record()
    for asked, told in history.pairs():
        if asked.f == "begin":
            _take_begin(record, asked, told)
        elif told is not None and told.type == "ok" and asked.f in ("state", "states"):
            if told.node is None:
                raise ValueError(f"operation {told.index}: it is not known which node answered")
            record.nodes.add(told.node)
            if asked.f == "state":
                number, state = _state_of(told)
                record.of(number).sightings.append(Sighting(told.node, state, asked, told))
            else:
                _take_states(record, asked, told, told.node)
    for transaction in record.transactions.values():
        transaction.sightings.sort(key=lambda each: each.told.index)
    return record


def _take_begin(record: Record, asked: Operation, told: Operation | None) -> None:
    value = asked.value
    if not isinstance(value, Mapping) or type(value.get("txn")) is not int:
        raise ValueError(f"operation {asked.index}: a begin names its transaction, got {value!r}")
    if told is not None and told.type == "fail":
        return
    transaction = record.of(value["txn"])
    transaction.begun = asked
    transaction.refusals = int(value.get("refusals", 0))
    if told is None:
        return
    transaction.coordinator = told.node
    if told.type == "ok":
        outcome = told.value.get("outcome") if isinstance(told.value, Mapping) else None
        if outcome not in DECIDED or told.node is None:
            raise ValueError(f"operation {told.index}: expected an outcome, got {told.value!r}")
        transaction.answer = told
        transaction.refusing = list(told.value.get("refusing", ()))
        record.nodes.add(told.node)
        transaction.sightings.append(Sighting(told.node, outcome, asked, told))


def _state_of(told: Operation) -> tuple[int, str]:
    value = told.value
    if not isinstance(value, Mapping) or value.get("state") not in STATES:
        raise ValueError(f"operation {told.index}: expected a state, got {value!r}")
    return value["txn"], value["state"]


def _take_states(record: Record, asked: Operation, told: Operation, node: str) -> None:
    if not isinstance(told.value, Mapping):
        raise ValueError(f"operation {told.index}: expected states, got {told.value!r}")
    states = {number: state for state in STATES for number in told.value.get(state, ())}
    for number, state in states.items():
        record.of(number).sightings.append(Sighting(node, state, asked, told))
    last = record.last_answers.get(node)
    if last is None or last.told.index < told.index:
        record.last_answers[node] = LastAnswer(asked, told, states)


@dataclass(frozen=True)
class Fault:
    """A fault on some nodes, from when it began to strike until it was healed, in nanoseconds.

    ``struck`` and ``healing`` are the moments between which it was in full effect.
    ``parameters`` are those of the fault, by kind: a partition's ``cut``, say.
    """

    kind: str
    targets: tuple[str, ...]
    began: int
    struck: int
    healing: int
    ended: int
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def touches(self, since: int, until: int) -> bool:
        """Whether any of it falls into that time."""
        return self.began <= until and self.ended >= since


FOREVER = 1 << 62


def faults_of(history: History) -> list[Fault]:
    """Every fault that took effect, or may have; one that was never healed lasts for ever."""
    open_: dict[Any, tuple[Operation, Operation]] = {}
    faults: list[Fault] = []
    invoked: Operation | None = None
    for operation in history.nemesis():
        if operation.type == "invoke":
            invoked = operation
            continue
        begun = invoked or operation
        invoked = None
        value = operation.value
        if operation.f == "inject":
            if isinstance(value, Mapping) and "skipped" in value:
                continue
            number = value.get("id") if isinstance(value, Mapping) else None
            open_[number if number is not None else -operation.index] = (begun, operation)
        elif operation.f == "heal" and isinstance(value, list):
            for each in value:
                found = open_.pop(each.get("id"), None) if isinstance(each, Mapping) else None
                if found is not None:
                    faults.append(_fault(*found, begun.time, operation.time))
    faults += [_fault(begun, done, FOREVER, FOREVER) for begun, done in open_.values()]
    return sorted(faults, key=lambda fault: fault.began)


def _fault(begun: Operation, done: Operation, healing: int, ended: int) -> Fault:
    value = done.value if isinstance(done.value, Mapping) else {}
    targets = tuple(value.get("targets", ()))
    parameters = value.get("parameters", {})
    kind = str(value.get("kind", ""))
    return Fault(kind, targets, begun.time, done.time, healing, ended, parameters)
