"""Histories recorded by others, made to keep our rules, with a note for every liberty taken.

The order of the file is the order of observation. Times that are missing are made up, times
that run backwards are lifted; a process that goes on after an ``info`` gets a new number, as
Jepsen's own processes do; what contradicts itself is a :class:`UserError` that names the place.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import UserError
from ..history import TYPE_CODES, History, HistoryError
from ..operation import NEMESIS, Operation
from .edn_types import Keyed
from .loaded import Loaded
from .source import excerpt

FIRST_NEW_PROCESS = 1_000_000
"""Renumbered processes count up from here (past every number that is taken)."""

_MAX_PROCESS = 2**31 - 1
_MAX_TIME_NS = 2**63 - 1


class HistoryBuilder:
    """Takes a foreign history operation by operation and gives a :class:`Loaded`.

    ``place``        tells where the operation at hand stands, for errors: ``file:line``.
    ``independent``  ``True``: every client value is ``[key, value]``; ``False``: none is;
                     ``None``: decide from the whole history (see :class:`_Keys`).
    ``orphans``      ``"refuse"`` a completion without an invocation, or ``"invoke"`` it just
                     before (unit tests of Elle consist of completions only).
    """

    def __init__(
        self,
        place: Callable[[], str],
        *,
        independent: bool | None = None,
        orphans: str = "refuse",
    ) -> None:
        self._place = place
        self._keys = _Keys(independent)
        self._orphans = orphans
        self._operations: list[Operation] = []
        self._indexes = array("q")
        self._open: dict[int, Operation] = {}
        self._crashed: set[int] = set()
        self._alias: dict[int, int] = {}
        self._taken: set[int] = set()
        self._fresh = FIRST_NEW_PROCESS
        self._nemesis: list[int] = []
        self._nemesis_open: str | None = None
        self._time = -1
        self._counts = dict.fromkeys(
            ("untimed", "backwards", "renumbered", "orphans", "unnamed"), 0
        )

    def __len__(self) -> int:
        return len(self._operations)

    def refuse(self, what: str) -> UserError:
        """The error to raise about the operation at hand."""
        return UserError(f"{self._place()}: {what}")

    def add(
        self,
        process: Any,
        type_: Any,
        f: Any,
        value: Any = None,
        *,
        time: Any = None,
        key: Any = None,
        node: Any = None,
        error: Any = None,
        index: Any = None,
    ) -> None:
        """The next operation, in plain data. :class:`UserError` if it cannot be one."""
        if type(type_) is not str or type_ not in TYPE_CODES:
            raise self.refuse(
                f"type {excerpt(type_)} is not invoke, ok, fail or info"
                if type_ is not None
                else "an operation without a type"
            )
        if f is not None and type(f) is not str:
            raise self.refuse(f"f {excerpt(f)} is not a name")
        if node is not None and type(node) is not str:
            node = str(node)
        at = self._next_time(time)
        if process == NEMESIS:
            self._add_nemesis(at, type_, f, value, key, node, error)
        elif type(process) is not int or process < 0:
            raise self.refuse(f"process {excerpt(process)} is neither a number nor nemesis")
        elif type_ == "invoke":
            self._invoke(at, process, f, value, key, node, error)
        else:
            self._complete(at, process, type_, f, value, key, node, error)
        self._indexes.append(index if type(index) is int and 0 <= index <= _MAX_TIME_NS else -1)

    def _next_time(self, time: Any) -> int:
        if type(time) is not int:
            if time is None:
                self._counts["untimed"] += 1
                time = self._time + 1
            elif type(time) is float and abs(time) < _MAX_TIME_NS:
                time = int(time)
            else:
                raise self.refuse(f"time {excerpt(time)} is not a number of nanoseconds")
        if time < self._time and self._operations:
            self._counts["backwards"] += 1
            time = self._time
        if not -_MAX_TIME_NS <= time <= _MAX_TIME_NS:
            raise self.refuse(f"time {excerpt(time)} does not fit 64 bits")
        self._time = time
        return time

    def _add_nemesis(
        self, at: int, type_: Any, f: Any, value: Any, key: Any, node: Any, error: Any
    ) -> None:
        if f is None:
            raise self.refuse("a nemesis operation without f")
        if type_ == "invoke":
            if self._nemesis_open is not None:
                raise self.refuse(
                    f"the nemesis invokes {f!r} while its {self._nemesis_open!r} is open"
                )
            self._nemesis_open = f
        else:
            if self._nemesis_open not in (None, f):
                raise self.refuse(f"the nemesis completes {f!r} but invoked {self._nemesis_open!r}")
            self._nemesis_open = None
        self._nemesis.append(len(self._operations))
        self._operations.append(Operation(-1, at, NEMESIS, type_, f, value, key, node, error))

    def _invoke(
        self, at: int, process: int, f: Any, value: Any, key: Any, node: Any, error: Any
    ) -> None:
        if f is None:
            f = self._guess_f(value)
        number = self._alias.get(process, process)
        if number in self._open:
            raise self.refuse(
                f"process {process} invokes {f!r} while its {self._open[number].f!r} is open"
            )
        # Crashed, too large for a column, or a number that a renumbered process was given.
        stranger = number == process and process in self._taken
        if number in self._crashed or stranger or number > _MAX_PROCESS:
            number = self._new_number(process)
        operation = Operation(-1, at, number, "invoke", f, value, key, node, error)
        self._keys.invoked(operation, self)
        self._open[number] = operation
        self._operations.append(operation)

    def _new_number(self, process: int) -> int:
        while (
            self._fresh in self._open or self._fresh in self._crashed or self._fresh in self._taken
        ):
            self._fresh += 1
        self._taken.add(self._fresh)
        self._alias[process] = self._fresh
        self._counts["renumbered"] += 1
        return self._fresh

    def _complete(
        self, at: int, process: int, type_: Any, f: Any, value: Any, key: Any, node: Any, error: Any
    ) -> None:
        number = self._alias.get(process, process)
        opened = self._open.pop(number, None)
        if opened is None:
            if self._orphans == "refuse":
                raise self.refuse(
                    f"process {process} completes {f or 'an operation'!r}, which it never invoked"
                )
            f = f or self._guess_f(value)
            self._counts["orphans"] += 1
            self._invoke(at, process, f, _as_invoked(f, value), key, node, None)
            self._indexes.append(-1)
            number = self._alias.get(process, process)
            opened = self._open.pop(number)
        elif f is not None and f != opened.f:
            raise self.refuse(f"process {process} completes {f!r} but had invoked {opened.f!r}")
        if key is None:
            key = opened.key
        operation = Operation(-1, at, number, type_, opened.f, value, key, node, error)
        self._keys.completed(opened, operation, self)
        if type_ == "info":
            self._crashed.add(number)
        self._operations.append(operation)

    def _guess_f(self, value: Any) -> str:
        if type(value) is list and all(type(step) is list and step for step in value):
            self._counts["unnamed"] += 1
            return "txn"
        raise self.refuse("an operation without f")

    # -- the end -------------------------------------------------------------------

    def finish(
        self, format_: str, metadata: dict[str, Any], notes: list[str] | None = None
    ) -> Loaded:
        """The history, once every operation has been added."""
        paired = self.nemesis_invocations()
        keyed = self._keys.decided()
        history = History()
        append = history.append
        self._open.clear()
        try:
            if keyed or paired:
                for position, operation in enumerate(self._operations):
                    if position in paired:
                        operation = msgspec.structs.replace(operation, type="invoke")
                    append(self._keys.split(operation) if keyed else operation)
            else:
                for operation in self._operations:
                    append(operation)
        except HistoryError as error:  # our own checks were not strict enough
            raise self.refuse(str(error)) from None
        except (ValueError, RecursionError, TypeError):
            raise self.refuse(
                f"operation {len(history)}: its value cannot be written as JSON"
            ) from None
        metadata = dict(metadata)
        if keyed:
            metadata["independent"] = True
        if self._counts["orphans"]:
            metadata["realtime"] = False
        own = any(i >= 0 and i != position for position, i in enumerate(self._indexes))
        return Loaded(
            history,
            format_,
            metadata,
            [*self._notes(keyed), *(notes or ())],
            source_index=self._indexes if own else None,
        )

    def nemesis_invocations(self) -> set[int]:
        """Positions of its infos that begin something.

        Jepsen logs both ends of a fault as ``info``: of two alike, the first invokes it.
        """
        operations, paired = self._operations, set[int]()
        if any(operations[at].type != "info" for at in self._nemesis):
            return paired
        before: int | None = None
        for at in self._nemesis:
            if before is not None and operations[before].f == operations[at].f:
                paired.add(before)
                before = None
            else:
                before = at
        return paired

    def _notes(self, keyed: bool) -> list[str]:
        counts, total, notes = self._counts, len(self._operations), []
        if counts["untimed"]:
            notes.append(f"{counts['untimed']} of {total} operations have no time; made up from "
                         "their order")  # fmt: skip
        if counts["backwards"]:
            notes.append(f"{counts['backwards']} of {total} times run backwards; lifted to the "
                         "time before, the order is the file's")  # fmt: skip
        if counts["renumbered"]:
            notes.append(f"{counts['renumbered']} times a process went on after an info (or its "
                         f"number was taken or too large); renumbered from {FIRST_NEW_PROCESS} "
                         "on")  # fmt: skip
        if counts["orphans"]:
            notes.append(f"{counts['orphans']} completions without an invocation; invoked just "
                         "before, so real-time order means nothing")  # fmt: skip
        if counts["unnamed"]:
            notes.append("operations without f hold transactions; taken as f txn")
        if keyed and self._keys.forced is None:
            notes.append("every client value is a pair [key value]; taken as independent keys")
        return notes


class _Keys:
    """Are the values tuples of ``jepsen.independent``? They print as any vector ``[k v]``.

    They are, if every client invocation carries a pair whose first is a scalar, the completion
    repeats the pair's key (or carries nothing), and at least one invocation shows that the second
    is the argument: ``nil`` (a read) or a vector (a cas, a transaction). A cas whose second is no
    vector is a plain ``[from to]``.
    """

    def __init__(self, forced: bool | None) -> None:
        self.forced = forced
        self._possible = forced is not False
        self._evidence = False
        self._tagged = False
        self._last: dict[Any, Any] = {}

    def invoked(self, operation: Operation, builder: HistoryBuilder) -> None:
        value = operation.value
        if not self._possible:
            return
        if type(value) is Keyed:
            self._tagged = True
        elif self.forced:
            if type(value) is not list or len(value) != 2:
                raise builder.refuse(f"value {excerpt(value)} is not a pair [key value]")
        elif type(value) is not list or len(value) != 2 or operation.key is not None:
            self._possible = self._tagged
        else:
            key, argument = value
            kind = type(argument)
            scalar = type(key) is int or type(key) is str
            fits = scalar and (kind is list or argument is None or "cas" not in operation.f)
            self._evidence = self._evidence or kind is list or argument is None
            self._possible = fits or self._tagged

    def completed(self, invoked: Operation, operation: Operation, builder: HistoryBuilder) -> None:
        value = operation.value
        if not self._possible or value is None or self._tagged:
            return
        if type(value) is Keyed:
            self._tagged = True
        elif type(value) is not list or len(value) != 2 or value[0] != invoked.value[0]:
            if self.forced:
                raise builder.refuse(
                    f"value {excerpt(value)} is not a pair of the key {excerpt(invoked.value[0])} "
                    "that was invoked"
                )
            self._possible = False

    def decided(self) -> bool:
        return self._possible and bool(self.forced or self._tagged or self._evidence)

    def split(self, operation: Operation) -> Operation:
        """The operation with its key taken out of its value."""
        if operation.process == NEMESIS:
            return operation
        value = operation.value
        pair = type(value) is Keyed or (
            type(value) is list and len(value) == 2 and not self._tagged
        )
        if operation.type == "invoke":
            if not pair:
                return operation
            self._last[operation.process] = value[0]
        key = value[0] if pair else self._last.get(operation.process, operation.key)
        return msgspec.structs.replace(operation, key=key, value=value[1] if pair else value)


def _as_invoked(f: str, value: Any) -> Any:
    """What was asked, from what was answered: a transaction with its reads emptied."""
    if f == "txn" and type(value) is list:
        return [
            [step[0], step[1], None]
            if type(step) is list and len(step) == 3 and step[0] in ("r", "read")
            else step
            for step in value
        ]
    return None if f == "read" else value
