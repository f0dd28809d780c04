"""What each replica holds in the end, and how it came to: a line for each node.

Of convergence: once all is healed and quiet, replicas are asked for all that they hold. States that
are equal look alike, so that the one that differs stands out; before them, on the node that took
it, each update that matters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from . import call_words, tracks, words
from .call_words import About
from .statistics import Statistics
from .tracks import Drawing, Moment, Row, Stretch
from .witnesses import Pair, calls_of, completions_of, evidence_calls

FINAL = "final"
UPDATES = ("write", "delete", "add", "remove")
UPDATES_MAX, STATES_MAX, VALUE_LENGTH = 12, 3, 26
AFTER_SHARE = 0.12

CAPTION = (
    "A line for each node. ◆ an update that it took from a client, ● what it answered one. On the "
    "right stands what it held when it was asked in the end, with everything healed: equal bars "
    "are equal states. Time is stretched where much happens."
)

Say = Callable[[Any], tuple[Any, str]]
"""Of all that a node holds, what is in question (equal if nodes agree), and how that is said."""


def drawing(
    history: History, anomaly: Anomaly, figures: Statistics, nodes: Sequence[str]
) -> Drawing | None:
    """The drawing of an anomaly of replicas; ``None`` if nobody was asked in the end, or if it is
    about something else."""
    finals = _last_answers(history)
    evidence = evidence_calls(history, anomaly)
    if not finals or not any(a.f in (FINAL, *UPDATES, "read") for a, _ in evidence):
        return None
    found = _subject(anomaly, evidence, finals)
    if found is None:
        return None
    title, say = found
    held = {node: say(answer.value) for node, answer in finals.items()}
    held = {node: (state, text) for node, (state, text) in held.items() if state is not _NOT_HERE}
    kinds = _kinds([state for state, _ in held.values()])
    told = _updates(history, evidence, anomaly, finals)
    healed = max((w.healed or 0 for w in figures.faults), default=0)
    asked = [answer.time for answer in finals.values()]
    times = [o.time for pair in told for o in pair if o is not None] + asked
    begin, last = min(times), max(times)
    end = last + max(int((last - begin) * AFTER_SHARE), 1_000_000)
    about = About.of(anomaly, evidence)
    own = set(anomaly.operations)
    rows = {node: Row(node) for node in sorted({*nodes, *finals}, key=_place(nodes))}
    for invocation, completion in told:
        node = (completion or invocation).node or invocation.node
        if node in rows:
            is_own = invocation.index in own
            rows[node].moments.append(_moment(invocation, completion, about, is_own))
    for node, (state, text) in held.items():
        answer = finals[node]
        invocation = history.completion(answer.index)
        since = answer.time if invocation is None else invocation.time
        said = f"{node} was asked in the end: {text}"
        label = text.removeprefix("holds ")
        rows[node].stretches.append(Stretch(since, end, kinds[_plain(state)], label, said))
    for node, row in rows.items():
        row.stretches += tracks.down(node, figures.faults, begin, last, figures.duration_ns)
        row.moments.sort(key=lambda moment: moment.time)
    marks = [(healed, "all healed")] if figures.faults and begin < healed <= last else []
    legend = [(kind, name) for kind, name in _LEGEND if kind in kinds.values()]
    if any(s.kind == "down" for row in rows.values() for s in row.stretches):
        legend.append(("down", "not running"))
    return Drawing(title, CAPTION, list(rows.values()), [], legend, marks=marks)


_LEGEND = (
    ("state-0", "what most hold in the end"),
    ("state-1", "something else"),
    ("state-2", "something else again"),
)


def _last_answers(history: History) -> dict[str, Operation]:
    """What each node answered the last time that it was asked for all that it holds."""
    found = {}
    for at in completions_of(history, (FINAL,)):
        answer = history[at]
        if answer.node:
            found[answer.node] = answer
    return dict(sorted(found.items()))


def _place(nodes: Sequence[str]) -> Callable[[str], tuple[int, str]]:
    return lambda node: (nodes.index(node) if node in nodes else len(nodes), node)


def _subject(
    anomaly: Anomaly, evidence: Sequence[Pair], finals: Mapping[str, Operation]
) -> tuple[str, Say] | None:
    """A title, and how to say of each answer what matters."""
    values = [answer.value for answer in finals.values()]
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return "What each node counts in the end", lambda value: (value, f"counts {value}")
    if all(isinstance(value, Mapping) for value in values) and anomaly.key is not None:
        key = str(anomaly.key)
        name = words.plain(anomaly.key, 30)
        return f"Who holds what of key {name}", lambda value: _register(value, key)
    if not all(isinstance(value, list) for value in values):
        return None
    element = _element(evidence, values)
    if element is None:
        return None
    name = words.plain(element, 30)
    return f"Who holds {name} in the end", lambda value: _member(value, element)


_NOT_HERE = object()
"""Of a node that is none of the key's replicas."""


def _register(held: Mapping[str, Any], key: str) -> tuple[Any, str]:
    if key not in held:
        return _NOT_HERE, ""
    value = held[key]
    if value == []:
        return None, "holds nothing"
    listed = value if isinstance(value, list) else [value]
    return value, f"holds {', '.join(words.plain(v, VALUE_LENGTH) for v in listed)}"


def _member(held: Sequence[Any], element: Any) -> tuple[Any, str]:
    return (True, "has it") if element in held else (False, "has it not")


def _element(evidence: Sequence[Pair], values: Sequence[list[Any]]) -> Any:
    """The element that was added or removed; else one on which the answers differ."""
    named = [a.value for a, _ in evidence if a.f in ("add", "remove")]
    differing = (v for held in values for v in held if any(v not in other for other in values))
    return named[-1] if named else next(differing, None)


def _plain(state: Any) -> str:
    return words.value(sorted(state, key=str) if isinstance(state, list) else state, 2000)


def _kinds(states: Sequence[Any]) -> dict[str, str]:
    """A look for each different state, what most hold first."""
    counts: dict[str, int] = {}
    for state in states:
        counts[_plain(state)] = counts.get(_plain(state), 0) + 1
    ranked = sorted(counts, key=lambda state: -counts[state])
    return {state: f"state-{min(at, STATES_MAX - 1)}" for at, state in enumerate(ranked)}


def _updates(
    history: History, evidence: Sequence[Pair], anomaly: Anomaly, finals: Mapping[str, Operation]
) -> list[Pair]:
    """Updates of what is in question, of many those that left what is held in the end and the last;
    and reads of the evidence."""
    subjects = [a.value for a, _ in evidence if a.f in ("add", "remove")]
    if anomaly.key is not None:
        found = calls_of(history, ("write", "delete"), anomaly.key)
    elif subjects:
        found = calls_of(history, ("add", "remove"), values=subjects)
    else:
        found = []
    likely = [(a, b) for a, b in found if not (b is not None and b.type == "fail")]
    held = [each for answer in finals.values() for each in _held(answer.value, anomaly.key)]
    left = [(a, b) for a, b in likely if a.value in held][-UPDATES_MAX:]
    told = {a.index: (a, b) for a, b in [*left, *likely[len(left) - UPDATES_MAX :]]}
    told |= {a.index: (a, b) for a, b in evidence if a.f != FINAL}
    return [told[at] for at in sorted(told)][-2 * UPDATES_MAX :]


def _held(value: Any, key: Any) -> list[Any]:
    """The values of a key that a replica holds."""
    mine = value.get(str(key)) if isinstance(value, Mapping) else None
    return mine if isinstance(mine, list) else []


def _moment(
    invocation: Operation, completion: Operation | None, about: About, is_own: bool
) -> Moment:
    said = words.line(call_words.sentence(invocation, completion, about), 300)
    kind = "asked" if invocation.f in UPDATES else "told"
    ended = completion is not None and completion.type == "ok"
    time = completion.time if completion is not None and kind == "told" else invocation.time
    value = invocation.value
    label = invocation.f if value is None else f"{invocation.f} {words.plain(value, 12)}"
    label = f"{label}{_tags(completion)}" if ended else f"{label} (unknown)"
    return Moment(time, f"{kind} evidence" if is_own else kind, label, said, invocation.index)


def _tags(completion: Operation | None) -> str:
    """Of an observed-remove set: which adds it was, or removed."""
    answer = completion.value if completion is not None else None
    if not isinstance(answer, Mapping):
        return ""
    tags = answer.get("tags", answer.get("tag"))
    named = tags if isinstance(tags, list) else [tags] if tags is not None else []
    return f" ({words.names([words.plain(tag, 12) for tag in named], 3)})" if named else ""
