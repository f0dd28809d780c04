"""A transaction's micro-operations in a few characters each."""

from __future__ import annotations

from typing import Any

from ..harness.operation import Operation
from . import words

HEAD, TAIL = 3, 5
"""How many elements of a long list are shown at its ends."""

SAID_MAX = 10


def micro_operations(invocation: Operation, completion: Operation | None) -> list[list[Any]] | None:
    """The micro-operations of a transaction, reads filled in where it is known to have happened;
    ``None`` if the call is no transaction."""
    value = invocation.value
    if completion is not None and completion.type == "ok" and completion.value is not None:
        value = completion.value
    return listed(value)


def listed(value: Any) -> list[list[Any]] | None:
    """A value as micro-operations; ``None`` if it is something else."""
    if not isinstance(value, list | tuple) or not value:
        return None
    for mop in value:
        if not isinstance(mop, list | tuple) or len(mop) < 2 or not isinstance(mop[0], str):
            return None
    return [list(mop) for mop in value]


def say(mop: list[Any], limit: int = 60) -> str:
    """``append x 5``, ``r x → [1, 2]``, ``w x 3``."""
    f, key = words.line(mop[0], 12), words.value(mop[1], 24)
    given = mop[2] if len(mop) > 2 else None
    if f in ("r", "read"):
        return f"r {bare(key)} → {'nothing' if given is None else _list(given, limit)}"
    return f"{f} {bare(key)} {'' if given is None else words.value(given, limit)}".rstrip()


def tell(mop: list[Any], limit: int = 60) -> str:
    """The same in words: ``append 5 to x``, ``read x → [1, 2]``, ``write 3 to x``."""
    f, key = words.line(mop[0], 12), bare(words.value(mop[1], 24))
    verb = {"append": "append", "w": "write"}.get(f)
    if f in ("r", "read"):
        return f"read {say(mop, limit).partition(' ')[2]}"
    if verb is None or len(mop) < 3:
        return say(mop, limit)
    return f"{verb} {words.value(mop[2], limit)} to {key}"


def bare(key: str) -> str:
    """A key without the quotation marks of JSON."""
    return key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key


def _list(given: Any, limit: int) -> str:
    """A long list by its ends: the last elements are the ones that tell."""
    if not isinstance(given, list) or len(words.value(given, limit + 1)) <= limit:
        return words.value(given, limit)
    if len(given) <= HEAD + TAIL:
        return words.value(given, limit)
    head, tail = (words.value(part, limit // 2)[1:-1] for part in (given[:HEAD], given[-TAIL:]))
    return f"[{head}, … {len(given) - HEAD - TAIL} more …, {tail}]"


def sentence(invocation: Operation, completion: Operation | None) -> str | None:
    """A transaction and what became of it; ``None`` if the call is none."""
    mops = micro_operations(invocation, completion)
    if mops is None:
        return None
    outcome = completion.type if completion else "info"
    done = completion or invocation
    node = done.node or invocation.node
    who = f"T{invocation.index}, process {words.line(str(invocation.process), 20)}"
    if node:
        who += f" on {words.line(str(node), 60)}"
    said = ", ".join(tell(mop) for mop in mops[:SAID_MAX])
    if len(mops) > SAID_MAX:
        said += f", … {len(mops) - SAID_MAX} more"
    why = f" ({words.value(done.error, 80)})" if done.error is not None else ""
    if completion is None or outcome == "info":
        return f"{who}: {said}: outcome unknown{why}"
    took = words.duration(completion.time - invocation.time)
    fate = "committed" if outcome == "ok" else "aborted"
    return f"{who}: {said}: {fate} after {took}{why}"
