"""Commands of the harness that run on a node beside the programs: no fault is meant for them.

They are found by their pids and, since the harness learns the pid of one only after it has begun,
by a mark in their environment.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from . import pids

MARK = "DURESS_COMMAND"

_number = itertools.count(1)


class Command:
    """One that runs or is about to: its mark, and its pid once that is known."""

    def __init__(self) -> None:
        self.mark = f"{os.getpid()}-{next(_number)}"
        self.pid: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What to add to the one it is started with."""
        return {MARK: self.mark}


class Commands:
    """Those of one node. ``number``: the pid by which a process of ours goes there, if another."""

    def __init__(self, number: Callable[[int], int] | None = None) -> None:
        self._number = number
        self._running: list[Command] = []

    @contextmanager
    def one(self) -> Iterator[Command]:
        """A command, spared from before it is started until the end of this context."""
        command = Command()
        self._running.append(command)
        try:
            yield command
        finally:
            self._running.remove(command)

    def spare(self, found: Sequence[pids.Seen], init_pid: int = 0) -> list[pids.Seen]:
        """Those of ``found`` that are none of them, nor their children.

        While a command is being started, what ``init_pid`` has just forked and what executes
        something at this moment may be it, and is left alone.
        """
        if not self._running:
            return list(found)
        known = {command.pid for command in self._running if command.pid is not None}
        marks = {f"{MARK}={command.mark}".encode() for command in self._running}
        starting = any(command.pid is None for command in self._running)
        number = self._number
        leaders = known if number is None else {s.pid for s in found if number(s.pid) in known}
        forked = pids.words(init_pid, "cmdline") if init_pid and starting else None
        for seen in found:
            # In this order: what is no copy of the first process any more has its environment.
            if forked is not None and pids.words(seen.pid, "cmdline") == forked:
                leaders.add(seen.pid)
                continue
            environment = pids.words(seen.pid, "environ")
            if (starting and not environment) or not marks.isdisjoint(environment):
                leaders.add(seen.pid)
        ours = {seen.pid for seen in pids.family(leaders, found)}
        return [seen for seen in found if seen.pid not in ours]
