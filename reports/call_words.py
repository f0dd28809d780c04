"""A call of a client and what became of it, in a sentence and in a few characters.

Functions that a reader could not guess are put into words; of everything else the fields of its
value are said. What an answer only repeats of the question is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from . import answer_words, micro_operations, words
from .witnesses import Pair

VALUE_LENGTH = 70

ADDITIONS = ("add", "enqueue", "send", "broadcast")
"""Functions that add an element to something that is read as a list."""


@dataclass(frozen=True)
class About:
    """What an anomaly is about: its ``key`` (a transaction, say) and ``elements`` of collections.

    Of an answer about many things only these are told.
    """

    key: Any = None
    elements: tuple[Any, ...] = ()

    @classmethod
    def of(cls, anomaly: Anomaly, evidence: Sequence[Pair] = ()) -> About:
        """Read from an anomaly: ``details["elements"]`` are the elements, or else what the calls
        of the evidence added."""
        given = anomaly.details.get("elements")
        added = [a.value for a, _ in evidence if a.f in ADDITIONS and _is_scalar(a.value)]
        elements = given if isinstance(given, list) else list(dict.fromkeys(added))
        return cls(anomaly.key, tuple(elements[:4]))


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


NOTHING = About()


def sentence(invocation: Operation, completion: Operation | None, about: About = NOTHING) -> str:
    """``process 3 on n2 …``, and what became of it."""
    transaction = micro_operations.sentence(invocation, completion)
    if transaction is not None:
        return transaction
    say = _SENTENCES.get(invocation.f)
    if say is not None:
        try:
            said = say(_Call(invocation, completion, about))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            said = None  # another system's function of that name
        if said is not None:
            return words.line(said, 500)
    done = completion or invocation
    took = completion.time - invocation.time if completion else None
    return words.call(
        invocation.process,
        invocation.f,
        invocation.value,
        done.value,
        completion.type if completion else "info",
        invocation.key,
        done.node or invocation.node,
        done.error,
        took,
    )


class _Call:
    """A call with its parts at hand. ``who`` names the process and its node."""

    def __init__(self, invocation: Operation, completion: Operation | None, about: About) -> None:
        self.asked = invocation.value
        self.key = invocation.key
        self.answer = completion.value if completion is not None else None
        self.fields = self.answer if isinstance(self.answer, Mapping) else {}
        self.outcome = completion.type if completion is not None else "info"
        self.error = completion.error if completion is not None else None
        self.about = about
        self.process = f"process {invocation.process}"
        node = (completion or invocation).node or invocation.node
        self.node = words.line(str(node), 60) if node else "a node"

    def ending(self, ok: str) -> str:
        """How it ended: what an ok means, or that it failed or is unknown, and why."""
        why = f" ({words.plain(self.error, VALUE_LENGTH)})" if self.error is not None else ""
        if self.outcome == "ok":
            return ok
        return f"refused{why}" if self.outcome == "fail" else f"outcome unknown{why}"


def _begin(call: _Call) -> str | None:
    number = call.asked["txn"]
    refusals = int(call.asked.get("refusals", 0))
    refusing = call.fields.get("refusing") or []
    if refusing:
        votes = f"{words.names(refusing)} to vote no"
    else:
        votes = f"{words.count(refusals, 'node')} to vote no" if refusals else "all to vote yes"
    outcome = call.fields.get("outcome")
    told = call.ending(f"{call.node} answered: {outcome}")
    return f"{call.process} asked {call.node} to commit transaction {number} ({votes}); {told}"


def _state(call: _Call) -> str | None:
    number = call.asked["txn"]
    told = call.ending(f"{call.node} answered: {call.fields.get('state')}")
    return f"{call.process} asked {call.node} for the state of transaction {number}; {told}"


def _states(call: _Call) -> str | None:
    held = call.fields
    asked = f"{call.process} asked {call.node} for the state of all transactions"
    if not isinstance(call.about.key, int):
        return f"{asked}; {call.ending(words.plain(held, VALUE_LENGTH))}"
    state = next(
        (s for s, all_of in held.items() if _holds(all_of, call.about.key)), "unknown there"
    )
    return f"{asked}; {call.ending(f'{call.node} answered: {call.about.key} is {state}')}"


def _holds(all_of: Any, number: int) -> bool:
    return isinstance(all_of, list) and number in all_of


def _acquire(call: _Call) -> str | None:
    answer = call.fields
    number, lease = answer.get("sequencer"), answer.get("lease_ms")
    parts = [f"sequencer {number}"] if number is not None else []
    parts += [f"lease for {words.plain(lease)} ms"] if lease is not None else []
    told = "granted" + (f" ({', '.join(parts)})" if parts else "")
    return f"{call.process} on {call.node} asked for lock {_key(call)}: {call.ending(told)}"


def _release(call: _Call) -> str | None:
    return f"{call.process} on {call.node} gave lock {_key(call)} back: {call.ending('accepted')}"


def _put(call: _Call) -> str | None:
    asked = call.asked if isinstance(call.asked, Mapping) else {}
    answer = call.fields
    fields = {**asked, **answer}
    if "sequencer" not in fields and "value" not in fields:
        what = words.plain(call.asked, VALUE_LENGTH)
        told = call.ending("acknowledged")
        return f"{call.process} on {call.node} put {what} under key {_key(call)}: {told}"
    number = fields.get("sequencer")
    held = f", holding sequencer {number}," if number is not None else ""
    what = words.plain(fields.get("value", call.asked), VALUE_LENGTH)
    place = f"what lock {_key(call)} protects"
    return f"{call.process}{held} wrote {what} to {place}: {call.ending('accepted')}"


def _get(call: _Call) -> str | None:
    answer = call.fields
    if "sequencer" not in answer:
        told = call.ending(f"it got {words.plain(call.answer, VALUE_LENGTH)}")
        return f"{call.process} on {call.node} asked for key {_key(call)}: {told}"
    told = f"{words.plain(answer.get('value'), VALUE_LENGTH)}, written with sequencer "
    told += str(answer["sequencer"])
    return f"{call.process} read what lock {_key(call)} protects: {call.ending(told)}"


def _add(call: _Call) -> str | None:
    what = words.plain(call.asked, VALUE_LENGTH)
    where = f" on {call.node}" if call.node != "a node" else ""
    return f"{call.process}{where} added {what}: {call.ending('acknowledged')}"


def _read(call: _Call) -> str | None:
    seen = found(call.answer, call.about) if call.outcome == "ok" else None
    if seen is None:
        return None
    where = f" key {_key(call)}" if call.key is not None else ""
    return f"{call.process} on {call.node} read{where} and got {seen}"


def _append(call: _Call) -> str | None:
    where = f"list {_key(call)}" if call.key is not None else "the list"
    what = words.plain(call.asked, VALUE_LENGTH)
    return (
        f"{call.process} on {call.node} appended {what} to {where}: {call.ending('acknowledged')}"
    )


def _recovered(call: _Call) -> str | None:
    held = call.fields["elements"] if call.outcome == "ok" else None
    got = call.ending(f"it holds {found(held, call.about) or words.plain(held, VALUE_LENGTH)}")
    where = f"list {_key(call)}" if call.key is not None else "the list"
    return f"{call.process} asked {call.node} what {where} holds after all restarts: {got}"


def _remove(call: _Call) -> str | None:
    what = words.plain(call.asked, VALUE_LENGTH)
    return f"{call.process} on {call.node} removed {what}: {call.ending('acknowledged')}"


def _final(call: _Call) -> str | None:
    told = call.ending(answer_words.held(call.answer, call.about.key, call.about.elements))
    return f"{call.process} asked {call.node} what it holds in the end: {told}"


def _change(call: _Call) -> str | None:
    change, node = call.asked
    verb = {"join": "join", "leave": "leave"}[change]
    told = call.ending("acknowledged")
    who = words.line(str(node), 30)
    return f"{call.process} asked {call.node} to let {who} {verb} the ring: {told}"


def _ring(call: _Call) -> str | None:
    told = call.ending(answer_words.ring(call.fields) if call.outcome == "ok" else "")
    return f"{call.process} asked {call.node} for its ring: {told}"


def _generate(call: _Call) -> str | None:
    got = call.ending(f"it got {words.plain(call.answer, VALUE_LENGTH)}")
    return f"{call.process} asked {call.node} for a new id: {got}"


def _suspects(call: _Call) -> str | None:
    told = call.ending(f"{call.node} suspects {words.names(_list(call, 'suspected')) or 'nobody'}")
    return f"{call.process} asked {call.node} whom it suspects; {told}"


def _delivered(call: _Call, is_whole: bool = False) -> str | None:
    said = ""
    if call.outcome == "ok":
        said = answer_words.log(call.fields, call.about.elements, is_whole)
    asked = f"{call.process} asked {call.node} what it has delivered"
    return f"{asked}; {call.ending(f'{call.node} answered: {said}')}"


def _all_delivered(call: _Call) -> str | None:
    return _delivered(call, is_whole=True)


def _list(call: _Call, name: str) -> list[Any]:
    return list(call.fields[name]) if call.outcome == "ok" else []


def _send(call: _Call) -> str | None:
    to = call.fields.get("to")
    what = words.plain(call.asked["message"], VALUE_LENGTH)
    where = f" to {words.line(str(to), 30)}" if to else ""
    return f"{call.process} on {call.node} sent {what}{where}: {call.ending('accepted')}"


def _broadcast(call: _Call) -> str | None:
    what = words.plain(call.asked, VALUE_LENGTH)
    return f"{call.process} on {call.node} broadcast {what}: {call.ending('accepted')}"


def _insert(call: _Call) -> str | None:
    key, row = call.asked
    table, number = next((name, each) for name, each in zip("ab", row, strict=True) if each)
    what = f"insert row {number} of key {words.plain(key, 20)} into table {table}"
    return (
        f"{call.process} on {call.node} asked to {what} if the key has no row in either: "
        f"{call.ending('inserted, for there was none')}"
    )


def _drain(call: _Call) -> str | None:
    got = "nothing: it was empty" if call.answer == [] else words.plain(call.answer, VALUE_LENGTH)
    seen = found(call.answer, call.about) if call.answer else None
    told = call.ending(f"it got {seen or got}")
    return f"{call.process} on {call.node} took all that was left in the queue: {told}"


def _dequeue(call: _Call) -> str | None:
    where = f" on {call.node}" if call.node != "a node" else ""
    got = call.ending(f"it got {words.plain(call.answer, VALUE_LENGTH)}")
    return f"{call.process}{where} took from the queue: {got}"


def _key(call: _Call) -> str:
    return words.plain(call.key, 30)


_SENTENCES: dict[str, Callable[[_Call], str | None]] = {
    "begin": _begin,
    "state": _state,
    "states": _states,
    "acquire": _acquire,
    "claim": _acquire,
    "release": _release,
    "put": _put,
    "get": _get,
    "add": _add,
    "dequeue": _dequeue,
    "read": _read,
    "drain": _drain,
    "insert": _insert,
    "append": _append,
    "recovered": _recovered,
    "remove": _remove,
    "final": _final,
    "generate": _generate,
    "suspects": _suspects,
    "delivered": _delivered,
    "all-delivered": _all_delivered,
    "change": _change,
    "ring": _ring,
    "last-ring": _ring,
    "last-get": _get,
    "send": _send,
    "broadcast": _broadcast,
}


def found(answered: Any, about: About) -> str | None:
    """Of a list that was read: how long it is, and whether the elements are in it."""
    return answer_words.elements(answered, about.elements)


def label(invocation: Operation, completion: Operation | None, about: About) -> str | None:
    """The same in a few characters, for the functions that have words of their own."""
    f, asked = invocation.f, invocation.value
    answer = completion.value if completion is not None and completion.type == "ok" else None
    number = asked.get("txn") if isinstance(asked, Mapping) else None
    held = answer if isinstance(answer, Mapping) else {}
    if f == "begin" and number is not None:
        return f"begin {number} → {held.get('outcome', '?')}"
    if f == "state" and number is not None:
        return f"state of {number} → {held.get('state', '?')}"
    if f == "states" and isinstance(about.key, int):
        state = next((s for s, all_of in held.items() if _holds(all_of, about.key)), "unknown")
        return f"state of {about.key} → {state if answer is not None else '?'}"
    if f in ("read", "drain") and (seen := found(answer, about)) is not None:
        return f"{f} → {seen}"
    short = _SHORT.get(f)
    if short is not None and answer is not None:
        try:
            return words.line(short(asked, answer, about), 80)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            return None  # another system's function of that name
    if f in ("acquire", "claim") and "sequencer" in held:
        return f"{f} → {held['sequencer']}"
    if f in ("put", "get") and "sequencer" in held:
        return f"{f} {words.plain(held.get('value'), 10)} with {held['sequencer']}"
    return None


def _short_log(_: Any, answer: Any, about: About) -> str:
    said = answer_words.log(answer, about.elements, False).partition("; ")[2]
    return f"log → {said or words.count(len(answer['messages']), 'message')}"


def _short_final(_: Any, answer: Any, about: About) -> str:
    return f"final → {answer_words.held(answer, about.key, about.elements)}".replace(
        "it holds ", ""
    )


_SHORT: dict[str, Callable[[Any, Any, About], str]] = {
    "delivered": _short_log,
    "all-delivered": _short_log,
    "final": _short_final,
    "change": lambda asked, _, about: f"{asked[1]} {asked[0]}s",
    "ring": lambda _, answer, about: answer_words.ring(answer),
    "last-ring": lambda _, answer, about: answer_words.ring(answer),
}
