"""What sessions wrote and read, key by key, and which writes knew of which.

Shared by the checkers of replicated registers. Each process is a session; operations on a key are
``write`` v → the values that then stand side by side (or ``v``), ``read`` → the values (a list, or
one value), ``delete``. Every value is written to its key at most once.

A write *knows* the values that its session had seen of the key by then, its own among them, and
whatever these knew. In a store that keeps siblings it overwrites just these; in any store it must
not be older than these. That is the happened-before of L. Lamport (1978), within one key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation

SIBLINGS, LAST_WRITE = "siblings", "last-write-wins"
CONFLICTS = (SIBLINGS, LAST_WRITE)
"""What becomes of writes that did not know of each other."""

WRITES = ("write", "delete")


class Write:
    """A write or delete that may have happened.

    ``value``  what was written; ``None``: a delete.
    ``saw``    what its session had seen of the key by then.
    ``knew``   that, and what the writes of these values knew in turn.
    """

    __slots__ = ("completion", "invoked", "is_ok", "knew", "saw", "value")

    def __init__(self, invoked: Operation, completion: Operation | None) -> None:
        self.invoked = invoked
        self.completion = completion
        self.is_ok = completion is not None and completion.type == "ok"
        self.value = invoked.value if invoked.f == "write" else None
        self.saw: frozenset[Any] = frozenset()
        self.knew: set[Any] = set()

    def precedes(self, other: Write) -> bool:
        """Whether it was complete before the other one began."""
        return self.is_ok and self.completion.index < other.invoked.index  # type: ignore[union-attr]

    def is_done_before(self, operation: Operation) -> bool:
        """Whether it was acknowledged before an operation began."""
        return self.is_ok and self.completion.index < operation.index  # type: ignore[union-attr]


class Read:
    """A read that succeeded, or a write with what it showed: ``values`` in the answer."""

    __slots__ = ("completion", "invoked", "values", "write")

    def __init__(self, invoked: Operation, completion: Operation, write: Write | None) -> None:
        self.invoked = invoked
        self.completion = completion
        self.write = write
        value = completion.value
        if invoked.f == "delete" and not isinstance(value, list):
            value = None
        self.values: list[Any] = value if isinstance(value, list) else [value]
        self.values = [each for each in self.values if each is not None]


class KeyStory:
    """All that happened to one key.

    ``writes``   by value, those that did not definitely fail; ``deletes`` likewise.
    ``failed``   values whose write definitely failed.
    ``steps``    by process, what it did successfully, in its order.
    ``strange``  why the story cannot be judged, if so.
    """

    def __init__(self, key: Any, pairs: Iterable[tuple[Operation, Operation | None]]) -> None:
        self.key = key
        self.writes: dict[Any, Write] = {}
        self.deletes: list[Write] = []
        self.failed: set[Any] = set()
        self.steps: dict[Any, list[Read]] = {}
        self.strange = ""
        seen: dict[Any, set[Any]] = {}
        for invoked, completion in _in_session_order(pairs):
            is_failed = completion is not None and completion.type == "fail"
            write = None
            if invoked.f in WRITES:
                write = self._add(invoked, completion, is_failed)
                if write is not None:
                    write.saw = frozenset(seen.get(invoked.process, ()))
            if completion is not None and completion.type == "ok":
                step = Read(invoked, completion, write)
                known = seen.setdefault(invoked.process, set())
                if not self._is_plain(step):
                    return
                known.update(step.values)
                if write is not None and write.value is not None:
                    known.add(write.value)
                self.steps.setdefault(invoked.process, []).append(step)
        self._close()

    def _add(
        self, invoked: Operation, completion: Operation | None, is_failed: bool
    ) -> Write | None:
        write = Write(invoked, completion)
        value = write.value
        if is_failed:
            if value is not None:
                self.failed.add(value)
            return None
        if value is None:
            self.deletes.append(write)
        elif value in self.writes:
            self.strange = f"operation {invoked.index}: {value!r} was written twice to {self.key!r}"
        else:
            self.writes[value] = write
        return write

    def _is_plain(self, step: Read) -> bool:
        if all(type(value) in (int, str, float, bool) for value in step.values):
            return True
        self.strange = (
            f"operation {step.completion.index}: expected plain values, got {step.values!r}"
        )
        return False

    def _close(self) -> None:
        """What each write knew. A value that is seen was written before, save for phantoms."""
        for write in sorted([*self.writes.values(), *self.deletes], key=lambda w: w.invoked.index):
            pending = list(write.saw)
            while pending:
                value = pending.pop()
                if value in write.knew:
                    continue
                write.knew.add(value)
                before = self.writes.get(value)
                if before is not None and before is not write:
                    pending.extend(before.saw)

    # -- what a read shows ---------------------------------------------------------

    def reads(self) -> Iterator[Read]:
        """All that succeeded, in no particular order."""
        for steps in self.steps.values():
            yield from (step for step in steps if step.write is None)

    @cached_property
    def updates(self) -> list[Write]:
        """Acknowledged writes and deletes, in the order in which they began."""
        found = [w for w in [*self.writes.values(), *self.deletes] if w.is_ok]
        return sorted(found, key=lambda write: write.invoked.index)

    def knew(self, value: Any) -> set[Any]:
        """What the write of a value knew."""
        write = self.writes.get(value)
        return write.knew if write is not None else set()

    def reflected(self, values: Sequence[Any], until: Operation | None = None) -> set[Any]:
        """All values of which these show, or are known to stand for, the effect.

        Whatever a delete knew counts as well: it may be why the value is not there. It must have
        begun before the operation ``until`` ended, and cannot be the reason if something that it
        knew is still there.
        """
        found: set[Any] = set()
        for value in values:
            found.add(value)
            found |= self.knew(value)
        for delete in self.deletes:
            is_begun = until is None or delete.invoked.index < until.index
            if is_begun and delete.knew.isdisjoint(values):
                found |= delete.knew
        return found

    def came_back(self, read: Read) -> tuple[Write, Any] | None:
        """A value that is shown, and a write or delete that knew it and is in effect, too."""
        there = [self.writes[value] for value in read.values if value in self.writes]
        there += [write for write in self.updates if write.is_done_before(read.invoked)]
        for write in there:
            back = write.knew.intersection(read.values)
            if back:
                return write, min(back, key=str)
        return None

    def missed(self, read: Read, conflicts: str) -> list[Write]:
        """Acknowledged writes that were complete before a read began, and that it does not show.

        With siblings: neither they nor one that knew of them are among its values, or values are
        that they had overwritten. Of the last write only: what it shows was complete before they
        began, so that no order of the writes allows it.
        """
        done = [write for write in self.updates if write.is_done_before(read.invoked)]
        if conflicts == SIBLINGS:
            reflected = self.reflected(read.values, read.completion)
            return [
                write
                for write in done
                if (write.value is not None and write.value not in reflected)
                or (write.value is None and not write.knew.isdisjoint(read.values))
            ]
        if read.values:
            shown = [self.writes[value] for value in read.values if value in self.writes]
            return [write for write in done if any(each.precedes(write) for each in shown)]
        best = done
        for delete in self.deletes:
            if delete.invoked.index < read.completion.index:
                newer = [write for write in done if delete.precedes(write)]
                best = newer if len(newer) < len(best) else best
        return best

    def was_gone(self, read: Read, missed: Sequence[Write]) -> tuple[Write, Any] | None:
        """A missed delete, and a value that an earlier read had shown to be gone because of it."""
        for delete in (write for write in missed if write.value is None):
            back = [value for value in read.values if value in delete.knew] or read.values
            for other in self.reads():
                is_between = delete.is_done_before(other.invoked) and (
                    other.completion.index < read.invoked.index
                )
                value = next((each for each in back if each not in other.values), None)
                if is_between and value is not None:
                    return delete, value
        return None

    def unwritten(self, read: Read) -> list[Any]:
        """Values that nobody had written by then, or whose write definitely failed."""
        return [
            value
            for value in read.values
            if value not in self.writes or self.writes[value].invoked.index > read.completion.index
        ]


def key_stories(history: History) -> Mapping[str, KeyStory]:
    """The stories of all keys, by their names as text."""
    pairs: dict[str, list[tuple[Operation, Operation | None]]] = {}
    keys: dict[str, Any] = {}
    for invoked, completion in history.pairs():
        if invoked.f in (*WRITES, "read"):
            pairs.setdefault(str(invoked.key), []).append((invoked, completion))
            keys[str(invoked.key)] = invoked.key
    return {name: KeyStory(keys[name], mine) for name, mine in pairs.items()}


def _in_session_order(
    pairs: Iterable[tuple[Operation, Operation | None]],
) -> list[tuple[Operation, Operation | None]]:
    """By invocation: each process does one thing at a time, so that this is its own order."""
    return sorted(pairs, key=lambda pair: pair[0].index)
