"""The programs that duress started on a node, found again whatever they forked into."""

from __future__ import annotations

import signal
from collections.abc import Callable

from . import pids
from .duty_cycle import DutyCycle

MARK = "DURESS_PROCESS"
"""Set in the environment of every started program and, by inheritance, of its children."""

Living = Callable[[], "list[pids.Seen]"]
"""Everything on the node that a fault may hit: not what keeps the node, nor our own commands."""


class Programs:
    """Programs by name, each with its whole family: session, descendants, bearers of its mark.

    Runs where the processes are to be seen in ``/proc``. Errors are ``InfrastructureError``.
    ``duty`` lets them stand still for a part of the time, once it is told to.
    """

    def __init__(self, node: str, living: Living) -> None:
        self._node_name = node
        self._living = living
        self._leaders: dict[str, pids.Seen | None] = {}
        self.duty = DutyCycle(self._stop_now, self._go_now)

    def begin(self, name: str) -> None:
        """A program is about to be started."""
        self._leaders[name] = None

    def began(self, name: str, leader: pids.Seen | None) -> None:
        """It was executed; ``None`` if it has ended already."""
        self._leaders[name] = leader

    def forget(self, *names: str) -> None:
        """They are not started any more (none named: all of them)."""
        for name in names or tuple(self._leaders):
            self._leaders.pop(name, None)

    async def running(self) -> dict[str, str]:
        """Programs that were started and still live, by name: ``running`` or ``paused``."""
        async with self.duty.lock:  # nobody stops one for a moment
            return self.states()

    def states(self) -> dict[str, str]:
        """The same, seen at once."""
        living = self._living()
        states = {}
        for name in self._leaders:
            if family := self._family(name, living):
                still = all(pids.stands(seen) for seen in family) and not self.duty.is_ticking
                states[name] = "paused" if still else "running"
        return states

    async def kill(self, *names: str, graceful_s: float = 0) -> None:
        """SIGKILL programs with all their children (none named: everything); wait for it."""

        def find() -> list[pids.Seen]:
            living = self._living()
            if not names:
                return living
            return sorted({seen for name in names for seen in self._family(name, living)})

        await pids.kill(self._node_name, find, graceful_s)

    async def pause(self) -> None:
        """SIGSTOP everything; checked for effect."""
        async with self.duty.holding():
            await pids.pause(self._node_name, self._living)

    async def resume(self) -> None:
        """SIGCONT everything; checked for effect."""
        async with self.duty.releasing():
            await pids.resume(self._node_name, self._living)

    def _stop_now(self) -> None:
        for seen in self._living():
            if not seen.stopped:
                pids.send(seen, signal.SIGSTOP)

    def _go_now(self) -> None:
        for seen in self._living():  # one that does not stand still yet may be about to
            pids.send(seen, signal.SIGCONT)

    def _family(self, name: str, living: list[pids.Seen]) -> list[pids.Seen]:
        kin = [seen.pid for seen in living if pids.environment_has(seen.pid, MARK, name)]
        leader = self._leaders.get(name)
        if leader is not None:  # it may be dead, and its session not; its pid may be another's
            kin.append(leader.pid)
            living = [s for s in living if s.pid != leader.pid or s.started == leader.started]
        return pids.family(kin, living)
