"""Histories to measure checkers with: made by simulated clients, seeded, valid unless spoiled.

Clients are always busy. An operation takes 0.1 + Exp(0.9) time units and takes effect at
one instant chosen uniformly within. A crashed one takes effect with probability one half, up
to ten such times later; its process is then replaced by a new one. Kinds:

=============  ==========================================================================
``cas5``       a third each of read, write and cas over 5 values
``rw5``        half read, half write over 5 values
``rwU``        the same, every write of a value of its own
``casU``       a third each; a cas goes from what the register held when it began
``queue``      half enqueue, half dequeue of values of their own (``None``: empty)
``stack``      the same with push and pop
``pq``         the same with insert and remove of the least, priorities in random order
``set``        add, remove, contains over many elements, each added once
``kv``         half get, half append of a text of its own, over ten keys of a map
=============  ==========================================================================

How it is spoiled when 99 % of the calls (70 % below 1,000) have begun:

=============  ==========================================================================
``stale``      the first completed read answers a value that the very first operation wrote and
               that was overwritten since; containers: the first take that succeeds gives an
               early element once more
``crossed``    two clients see two writes that are still open in opposite orders
``backwards``  a client sees the value of a write that is still open, then the one before it again
``twice``      two cas that are open at a time both succeed from one write (a lock taken twice)
=============  ==========================================================================

The last three, for registers, are a few calls more, by clients of their own, of values that nothing
else writes; a write at their end puts back what was there. No single answer in them is wrong.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from typing import Any

from duress.harness.history import History
from duress.harness.operation import Operation

MARKER = 7
REGISTERS = ("cas5", "rw5", "rwU", "casU")
CONTAINERS = ("queue", "stack", "pq", "set")
MODEL = {
    **dict.fromkeys(REGISTERS, "cas-register"),
    "queue": "queue",
    "stack": "stack",
    "pq": "priority-queue",
    "set": "set",
    "kv": "kv-map",
}
KEYS = 10
BLOCKS: dict[str, str] = {
    "crossed": "a+w8 b+w9 c+r c=8 d+r d=9 c+r c=9 d+r d=8 a. b.",
    "backwards": "a+w8 a. b+w9 c+r c=9 c+r c=8 b.",
    "twice": "a+w8 a. b+c89 c+c89 b. c.",
}
"""Late violations: ``a+w8`` client a invokes a write of 8, ``a.`` it completes, ``c=8`` with 8."""


@dataclass(slots=True)
class _Call:
    process: int
    f: str
    argument: Any
    result: Any = None
    ok: bool = True
    crashed: bool = False
    key: Any = None


def generate(
    kind: str, calls: int, clients: int, seed: int, crash: float = 0.0, spoil: str = ""
) -> History:
    """A history of that kind. ``crash``: the share of operations that end ``info``."""
    return _history(rows_of(kind, calls, clients, seed, crash, spoil))


def keyed(kind: str, keys: int, calls: int, clients: int, seed: int, crash: float) -> History:
    """Registers of so many ``calls`` each, ten at a time, every one with clients of its own."""
    ends = [0.0] * 10
    rows: list[tuple[float, _Call, str]] = []
    for key in range(keys):
        group = ends.index(min(ends))
        made = rows_of(kind, calls, clients, seed * keys + key, crash)
        for time, call, type_ in made:
            if type_ == "invoke":
                call.key = key
                call.process += key * 2 * calls
            rows.append((ends[group] + time, call, type_))
        ends[group] += made[-1][0] + 0.1
    rows.sort(key=lambda row: row[0])
    return _history(rows)


def _history(rows: list[tuple[float, _Call, str]]) -> History:
    return History(
        Operation(
            index=index,
            time=int(time * 1_000_000),
            process=call.process,
            type=type_,  # type: ignore[arg-type]
            f=call.f,
            value=call.argument if type_ in ("invoke", "info") else call.result,
            key=call.key,
        )
        for index, (time, call, type_) in enumerate(rows)
    )


def rows_of(
    kind: str, calls: int, clients: int, seed: int, crash: float, spoil: str = ""
) -> list[tuple[float, _Call, str]]:
    """The history as (time, call, type) in order of time."""
    chance = random.Random(seed).random
    stale = spoil == "stale"
    target = _Object(kind, chance)
    agenda: list[tuple[float, int, str, Any]] = [
        (chance() * 0.1, client, "start", client) for client in range(clients)
    ]
    heapq.heapify(agenda)
    rows: list[tuple[float, _Call, str]] = []
    spoil_after = int(calls * (0.99 if calls >= 1000 else 0.7))
    ticket, started, names, spoiled = clients, 0, clients, not stale
    spoilable: set[int] = set()
    while agenda:
        now, _, what, subject = heapq.heappop(agenda)
        ticket += 1
        if what == "start":
            if started >= calls:
                continue
            call = target.call(subject, started == 0 and stale)
            started += 1
            if started == spoil_after and spoil in BLOCKS:
                rows += [(now, *row) for row in _block(spoil, 10 * calls, target.value)]
            if started > spoil_after:
                spoilable.add(id(call))
            rows.append((now, call, "invoke"))
            latency = 0.1 - 0.9 * math.log(1.0 - chance())
            call.crashed = chance() < crash
            if call.crashed:
                if chance() < 0.5:
                    heapq.heappush(agenda, (now + 10 * latency * chance(), ticket, "act", call))
                heapq.heappush(agenda, (now + latency, -ticket, "end", call))
            else:
                heapq.heappush(agenda, (now + latency * chance(), ticket, "act", call))
                heapq.heappush(agenda, (now + latency, -ticket, "end", call))
        elif what == "act":
            target.act(subject)
        elif subject.crashed:
            rows.append((now, subject, "info"))
            heapq.heappush(agenda, (now, ticket, "start", names))
            names += 1
        else:
            if not spoiled and id(subject) in spoilable and target.spoil(subject):
                spoiled = True
            rows.append((now, subject, "ok" if subject.ok else "fail"))
            heapq.heappush(agenda, (now, ticket, "start", subject.process))
    return rows


def _block(shape: str, base: int, value: Any) -> list[tuple[_Call, str]]:
    """The calls of a late violation, processes from ``base`` on; then ``value`` is there again."""
    rows: list[tuple[_Call, str]] = []
    running: dict[str, _Call] = {}
    kinds = {"w": "write", "r": "read", "c": "cas"}
    for word in BLOCKS[shape].split():
        name, what, rest = word[0], word[1], word[2:]
        if what == "+":
            argument: Any = [8, 9] if rest[0] == "c" else int(rest[1:]) if rest[1:] else None
            running[name] = _Call(base + ord(name), kinds[rest[0]], argument, argument)
        elif what == "=":
            running[name].result = int(rest)
        rows.append((running[name], "invoke" if what == "+" else "ok"))
    last = _Call(base, "write", value, value)
    return [*rows, (last, "invoke"), (last, "ok")]


class _Object:
    """The real object that the simulated clients talk to."""

    def __init__(self, kind: str, chance: Any) -> None:
        self.kind, self.chance = kind, chance
        self.texts: dict[int, str] = {}
        self.value: Any = None
        self.fresh = 100
        self.items: list[Any] = []
        self.taken: list[Any] = []
        self.members: set[Any] = set()
        self.added: list[Any] = []

    def call(self, process: int, marker: bool) -> _Call:
        """The next operation of a process; the very first one writes the marker."""
        if self.kind in REGISTERS:
            return self._register_call(process, marker)
        draw = self.chance()
        if self.kind == "kv":
            self.fresh += 1
            key = int(self.chance() * KEYS)
            if draw < 0.5:
                return _Call(process, "get", None, key=key)
            return _Call(process, "append", f"x {process} {self.fresh} y", key=key)
        if self.kind == "set":
            return self._set_call(process, draw)
        names = {"queue": ("enqueue", "dequeue"), "stack": ("push", "pop")}
        put, take = names.get(self.kind, ("insert", "remove"))
        if draw < 0.5:
            self.fresh += 1
            value = self.fresh
            if self.kind == "pq":
                value = int(self.chance() * 1e9) * 10_000_000 + self.fresh
            return _Call(process, put, value)
        return _Call(process, take, None)

    def _register_call(self, process: int, marker: bool) -> _Call:
        draw, two = self.chance(), self.kind in ("rw5", "rwU")
        if marker:
            return _Call(process, "write", MARKER)
        if draw < (0.5 if two else 1 / 3):
            return _Call(process, "read", None)
        if two or draw < 2 / 3:
            return _Call(process, "write", self._value())
        old = self.value if self.kind == "casU" else int(self.chance() * 5)
        return _Call(process, "cas", [old, self._value()])

    def _set_call(self, process: int, draw: float) -> _Call:
        if draw < 1 / 3 or not self.added:
            self.fresh += 1
            self.added.append(self.fresh)
            return _Call(process, "add", self.fresh)
        recent = self.added[-min(len(self.added), 50) :]
        element = recent[int(self.chance() * len(recent))]
        if draw < 2 / 3:
            return _Call(process, "remove", element)
        return _Call(process, "contains", [element, None])

    def _value(self) -> int:
        if self.kind in ("cas5", "rw5"):
            return int(self.chance() * 5)
        self.fresh += 1
        return self.fresh

    def act(self, call: _Call) -> None:
        """The operation takes effect now."""
        f, argument = call.f, call.argument
        call.result = argument
        if f == "read":
            call.result = self.value
        elif f == "write":
            self.value = argument
        elif f == "cas":
            call.ok = self.value == argument[0]
            if call.ok:
                self.value = argument[1]
        elif f == "get":
            call.result = self.texts.get(call.key, "")
        elif f == "append":
            self.texts[call.key] = self.texts.get(call.key, "") + argument
        elif f == "add":
            self.members.add(argument)
        elif f == "contains":
            call.result = [argument[0], argument[0] in self.members]
        elif f == "remove" and self.kind == "set":
            self.members.discard(argument)
        elif argument is not None:
            heapq.heappush(self.items, argument) if self.kind == "pq" else self.items.append(
                argument
            )
        else:
            call.result = self._take()

    def _take(self) -> Any:
        if self.kind == "queue" and len(self.taken) < len(self.items):
            self.taken.append(self.items[len(self.taken)])
            return self.taken[-1]
        if self.kind != "queue" and self.items:
            item = heapq.heappop(self.items) if self.kind == "pq" else self.items.pop()
            self.taken.append(item)
            return item
        return None

    def spoil(self, call: _Call) -> bool:
        """Alter a result so that no order explains it; false if this call will not do."""
        if call.f == "read":
            call.result = MARKER
            return True
        if call.f == "contains":
            call.result = [99, True]
            return True
        if self.kind != "set" and call.argument is None and call.result is not None:
            call.result = self.taken[0]
            return True
        return False
