"""What long answers say of the few things in question: logs, replicas, rings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import words

NAMED_MAX = 4
ELEMENT_LENGTH = 20


def elements(answered: Any, wanted: Sequence[Any]) -> str | None:
    """Of a list that was read: how long it is, and whether the elements are in it."""
    if not isinstance(answered, list) or not wanted:
        return None
    parts = [f"{words.count(len(answered), 'element')}"]
    for element in wanted:
        times = answered.count(element)
        said = "without" if times == 0 else "with" if times == 1 else f"{times} times"
        parts.append(f"{said} {words.plain(element, ELEMENT_LENGTH)}")
    return ", ".join(parts)


def log(answer: Mapping[str, Any], wanted: Sequence[Any], is_whole: bool) -> str:
    """Of (a part of) a node's log of deliveries: where in it the messages in question are, or else
    what it holds. Raises ``TypeError``, ``ValueError`` or ``KeyError`` for what is no log."""
    start, messages = int(answer["from"]), list(answer["messages"])
    size = words.count(len(messages), "message")
    if not wanted:
        named = [f"{words.plain(message)} (of {source})" for source, message in messages]
        return f"{words.names(named) or 'nothing'}, in this order" if named else "nothing"
    found = []
    missing = []
    for element in wanted[:NAMED_MAX]:
        said = words.plain(element, ELEMENT_LENGTH)
        at = [start + n for n, (_, message) in enumerate(messages, 1) if message == element]
        if at:
            found.append(f"{said} is its {words.names([words.ordinal(place) for place in at])}")
        else:
            missing.append(said)
    parts = [words.names(found)] if found else []
    if missing and is_whole:
        parts.append(f"{words.names(missing)} {'is' if len(missing) == 1 else 'are'} not in it")
    what = f"its whole log of {size}" if is_whole else f"{size} more in its log"
    return f"{what}; {', '.join(parts)}" if parts else what


def held(answer: Any, key: Any, wanted: Sequence[Any]) -> str:
    """Of all that a replica holds: what it holds of a key, or which of the elements."""
    if isinstance(answer, Mapping) and key is not None:
        mine = answer.get(str(key))
        what = words.plain_list(mine) if isinstance(mine, list) else words.plain(mine)
        return f"it holds {what} in key {words.plain(key, 30)}"
    told = elements(answer, wanted)
    if told is not None:
        return f"it holds {told}"
    if isinstance(answer, list):
        return f"it holds {words.plain_list(answer)}"
    return f"it holds {words.plain(answer, 70)}"


def ring(answer: Mapping[str, Any]) -> str:
    """``ring 4 of n1 and n2``."""
    return f"ring {answer['epoch']} of {words.names(list(answer['members'])) or 'nobody'}"
