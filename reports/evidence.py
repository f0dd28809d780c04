"""Chooses what to draw of an anomaly: its calls, their neighbours, and the order tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..harness.history import (
    FAIL,
    INFO,
    INVOKE,
    NEMESIS_PROCESS,
    OK,
    UNPAIRED,
    Columns,
    History,
)
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from . import call_words, micro_operations, words
from .call_words import About
from .witnesses import evidence_calls, stuck_call

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EVIDENCE_MAX = 40
CONTEXT_MAX = 24
BEFORE_MAX = 4
LABEL_LENGTH = 18
NAME_LENGTH = 16


def drawing(history: History, anomaly: Anomaly) -> dict[str, Any] | None:
    """What ``assets/evidence.js`` draws; ``None`` if the anomaly names no call.

    ``calls``: ``index``, ``process``, ``start``, ``end`` (``None``: never completed), ``outcome``,
    ``label``, ``said`` (a sentence), ``role`` (``stuck``, ``evidence`` or ``context``), ``order``
    (place in the longest linearization, from 1) and ``state`` (after it). ``states``: what the
    object can hold after the longest order.
    """
    pairs = evidence_calls(history, anomaly)
    if not pairs:
        return None
    stuck = stuck_call(history, anomaly)
    pairs = pairs[-EVIDENCE_MAX:]
    chosen = {a.index for a, _ in pairs}
    if stuck is not None:
        chosen.add(stuck)
    context = neighbours(history.columns(), sorted(chosen), CONTEXT_MAX)
    about = About.of(anomaly, evidence_calls(history, anomaly))
    order, states = linearization(anomaly.details, history)
    calls = []
    for index in sorted(chosen | context):
        invocation, completion = history[index], history.completion(index)
        outcome = completion.type if completion else "info"
        known_end = completion is not None and outcome != "info"
        calls.append(
            {
                "index": index,
                "process": invocation.process,
                "node": words.line(str((completion or invocation).node or invocation.node or "")),
                "start": invocation.time,
                "end": completion.time if completion is not None and known_end else None,
                "outcome": outcome,
                "label": label_of(invocation, completion, about),
                "said": call_words.sentence(invocation, completion, about),
                "role": "stuck" if index == stuck else "evidence" if index in chosen else "context",
                "order": order.get(index),
                "state": states.get(index),
            }
        )
    # Places are counted among what is drawn: the whole order may have begun long before.
    drawn = sorted(call["order"] for call in calls if call["order"] is not None)
    for call in calls:
        if call["order"] is not None:
            call["order"] = drawn.index(call["order"]) + 1
    arrows = [
        {name: edge[name] for name in ("from", "to", "type", "why")}
        for edge in edges(anomaly.details, history)
    ]
    return {"calls": calls, "edges": arrows, "states": _last_states(anomaly.details)}


def label_of(invocation: Operation, completion: Operation | None, about: About) -> str:
    """A call in a few characters, of what the anomaly is about."""
    own = call_words.label(invocation, completion, about)
    if own is not None:
        return own
    outcome = completion.type if completion else "info"
    return label(invocation.f, invocation.value, completion and completion.value, outcome == "ok")


def label(f: str, asked: Any, answered: Any, is_known: bool = False) -> str:
    """A call in a few characters: ``w 5``, ``r → 3``, ``cas 1→2``, ``append x 1; r y → [2]``.

    ``is_known``: what was answered is known even if it is nothing.
    """
    for value in (answered, asked):
        mops = micro_operations.listed(value)
        if mops is not None:
            said = "; ".join(micro_operations.say(mop, LABEL_LENGTH) for mop in mops[:8])
            return said if len(said) <= 60 else f"{said[:59]}…"
    if f == "read":
        text = "r → " + (
            words.value(answered, LABEL_LENGTH) if is_known or answered is not None else "?"
        )
    elif f == "write":
        text = f"w {words.value(asked, LABEL_LENGTH)}"
    elif f == "cas" and isinstance(asked, list | tuple) and len(asked) == 2:
        text = f"cas {words.value(asked[0], 8)}→{words.value(asked[1], 8)}"
    else:
        given = answered if answered is not None else asked
        name = words.line(f if len(f) <= NAME_LENGTH else f"{f[: NAME_LENGTH - 1]}…")
        said = words.plain(given) if isinstance(given, Mapping) else words.value(given, 60)
        text = f"{name} {'' if given is None else said}"
    return text.strip()


def neighbours(columns: Columns, chosen: Sequence[int], limit: int) -> set[int]:
    """Calls on the same keys that say where the evidence stands: those that overlap it, nearest
    first, those that were open all the while, and the last few that ended before it (the value
    must have come from somewhere)."""
    import numpy as np

    at = np.array(chosen)
    pairs = columns.pair[at]
    ended = pairs[pairs != UNPAIRED]
    low, high = int(at.min()), int(max(at.max(), ended.max(initial=0)))
    same_key = np.isin(columns.key, np.unique(columns.key[at]))
    related = np.flatnonzero(same_key & (columns.process != NEMESIS_PROCESS))
    # A call that overlaps [low, high] has its invocation or its completion inside.
    first, last = (int(i) for i in np.searchsorted(related, [low, high + 1]))
    found = np.setdiff1d(_invocations(columns, related[first:last]), at)
    ends = columns.pair[found]
    found = found[(ends == UNPAIRED) | (columns.type[ends] != FAIL)]  # those did not happen
    after = np.searchsorted(at, found)
    distance = np.minimum(
        np.abs(found - at[np.maximum(after - 1, 0)]),
        np.abs(found - at[np.minimum(after, len(at) - 1)]),
    )
    overlapping = found[np.argsort(distance, kind="stable")[:limit]]
    before = related[max(0, first - 6 * BEFORE_MAX) : first]
    done = before[(columns.type[before] == OK) & (columns.f[before] != 0)]
    earlier = _invocations(columns, done[-BEFORE_MAX:])
    known = set(chosen)
    spanning = _still_open(columns, related[:first], high)[-BEFORE_MAX:]
    return {int(i) for i in (*overlapping, *earlier, *spanning) if i not in known}


def _still_open(columns: Columns, at: NDArray[np.int64], high: int) -> NDArray[np.int64]:
    """Those invocations whose call may take effect during the evidence, or after it."""
    starts = at[columns.type[at] == INVOKE]
    pair = columns.pair[starts]
    return starts[(pair == UNPAIRED) | (pair > high) | (columns.type[pair] == INFO)]


def _invocations(columns: Columns, at: NDArray[np.int64]) -> NDArray[np.int64]:
    """The invocations of the operations at these positions."""
    import numpy as np

    starts = np.where(columns.type[at] == INVOKE, at, columns.pair[at])
    return starts[starts != UNPAIRED]


def linearization(
    details: Mapping[str, Any], history: History
) -> tuple[dict[int, int], dict[int, str]]:
    """The longest order that the checker could build: place and state by invocation.

    Entries of ``details["longest"]`` are indices, or objects with ``index`` and maybe ``state``;
    ``details["longest_states"]`` may hold the states beside it.
    """
    order: dict[int, int] = {}
    states: dict[int, str] = {}
    given = details.get("longest", details.get("linearization"))
    given = given if isinstance(given, list) else []
    held = details.get("longest_states")
    held = held if isinstance(held, list) and len(held) == len(given) else [None] * len(given)
    for entry, state in zip(given, held, strict=True):
        at = _index_of(entry, history)
        if at is None or at in order:
            continue
        order[at] = len(order) + 1
        if isinstance(entry, dict):
            state = entry.get("state", state)
        if state is not None:
            states[at] = words.line(state if isinstance(state, str) else words.value(state), 60)
    return order, states


def _last_states(details: Mapping[str, Any]) -> list[str]:
    given = details.get("states")
    found = [
        words.line(str(each.get("state")), 60)
        for each in (given if isinstance(given, list) else [])
        if isinstance(each, dict)
    ]
    return list(dict.fromkeys(found))[:3]


def dead_ends(details: Mapping[str, Any], history: History) -> list[tuple[str, list[str]]]:
    """Where every order gets stuck: a state of the object, and why each open call is of no help.

    From ``details["states"]``: ``{"state": text, "stuck": [{"operation": index, "why": text}]}``.
    """
    found: dict[str, dict[str, None]] = {}
    given = details.get("states")
    for entry in given if isinstance(given, list) else []:
        if not isinstance(entry, dict):
            continue
        stuck = entry.get("stuck")
        why = found.setdefault(words.line(str(entry.get("state")), 80), {})
        for each in stuck if isinstance(stuck, list) else []:
            if not isinstance(each, dict):
                continue
            at = _index_of(each, history)
            who = "" if at is None else f"process {history[at].process}: "
            why[f"{who}{words.line(str(each.get('why', '')), 300)}"] = None
    return [(state, list(why)) for state, why in found.items()]


def edges(details: Mapping[str, Any], history: History) -> list[dict[str, Any]]:
    """The edges of a cycle, if the details have them: from, to, type, why, and as the checker
    gave them, key and value."""
    found: list[dict[str, Any]] = []
    given = details.get("edges", details.get("cycle"))
    for edge in given if isinstance(given, list) else []:
        if not isinstance(edge, dict):
            continue
        a, b = _index_of(edge.get("from"), history), _index_of(edge.get("to"), history)
        if a is None or b is None:
            continue
        why = edge.get("because", edge.get("why", edge.get("explanation", "")))
        kind = edge.get("type", edge.get("kind", ""))
        found.append(
            {
                "from": a,
                "to": b,
                "type": words.line(str(kind), 30),
                "why": words.line(str(why), 600),
                "key": edge.get("key"),
                "value": edge.get("value"),
            }
        )
    return found


def _index_of(entry: Any, history: History) -> int | None:
    """The invocation that an index, or an object with one, stands for."""
    if isinstance(entry, dict):
        entry = next((entry[n] for n in ("index", "operation", "invoked") if n in entry), None)
    if not isinstance(entry, int) or isinstance(entry, bool) or not 0 <= entry < len(history):
        return None
    if history[entry].type == "invoke":
        return entry
    invocation = history.completion(entry)
    return None if invocation is None else invocation.index
