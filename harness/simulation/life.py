"""One life of a process: a protocol instance and the context through which it acts.

The process has the semantics of one that reads a socket and sleeps on timers: while it is
stopped, what arrives waits in its buffers and its timers run out silently; when it is killed,
both are gone and so is what it had not synced.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from copy import deepcopy
from heapq import heappush
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any

from ..errors import DuressError
from .clock import NodeClock
from .disk import Disk
from .guard import enters_protocol
from .loop import VirtualLoop
from .program import Program

if TYPE_CHECKING:
    from .network import SimNetwork
    from .trace import Trace

Message = dict[str, Any]

BUFFERED = 10_000
"""How many messages wait for a stopped process; later ones are lost, as when a link gives up."""


class Struck(BaseException):
    """The process died in the middle of a handler, which goes no further."""


class Life:
    """The ``Context`` of a protocol; what handles its messages, timers and signals.

    ``place``      the name of the node that it runs on.
    ``is_alive``   until it is killed or crashes; ``is_running`` while it is not stopped either.
    ``on_message`` the protocol's handler.
    """

    def __init__(
        self,
        program: Program,
        place: str,
        loop: VirtualLoop,
        network: SimNetwork,
        clock: NodeClock,
        storage: Disk,
        random: Random,
        write_log: Callable[[str], None],
        ended: Callable[[Life], None],
        trace: Trace | None,
    ) -> None:
        self.node_id = program.node_id
        self.node_ids = sorted(program.peers)
        self.options = program.options
        self.random = random
        self.storage = storage
        self.place = place
        self.program = program
        self.is_alive = True
        self.is_running = False
        self.is_paused = False
        self.on_message: Callable[[Message], None] = lambda _: None
        self._loop = loop
        self._network = network
        self._clock = clock
        self._write_log = write_log
        self._ended = ended
        self._trace = trace
        self._protocol: Any = None
        self._timers: dict[str, int] = {}
        self._timer_causes: dict[int, int | None] = {}
        self._waiting: list[tuple[Callable[[Any], object], Any, Callable[[Any], None] | None]] = []
        self.routes: dict[str, Any] = {}
        self._stuck_until = -inf
        self._held_back: list[tuple[str, dict[str, Any]]] = []

    # -- what a protocol may do ------------------------------------------------------

    def send(self, dest: str, body: dict[str, Any]) -> None:
        """Send a message to a node or to a client that is connected."""
        if self._stuck_until > self._loop.now:
            self._held_back.append((dest, deepcopy(body)))
            return
        route = self.routes.get(dest)
        if route is None:
            route = self._network.route(self, dest)
            if route is None:
                return
        route.send({"src": self.node_id, "dest": dest, "body": body})

    def reply(self, request: Message, body: dict[str, Any]) -> None:
        """Answer a message."""
        self.send(request["src"], {**body, "in_reply_to": request["body"].get("msg_id")})

    def set_timer(self, name: str, delay_s: float) -> None:
        """Start or replace a timer; the delay is by the node's clock."""
        loop = self._loop
        number = loop.sequence()
        if self._trace is not None:
            self._timer_causes.pop(self._timers.get(name, -1), None)
            self._timer_causes[number] = self._trace.cause
        self._timers[name] = number
        heappush(
            loop.heap,
            (loop.now + delay_s / self._clock.rate, number, self._run_out, (name, number)),
        )

    def cancel_timer(self, name: str) -> None:
        """Forget a timer."""
        self._timers.pop(name, None)

    def now(self) -> float:
        """Seconds on the node's clock."""
        return self._clock.read(self._loop.now)

    def wall_time(self) -> float:
        """Seconds since 1970 on the node's wall clock."""
        return self._clock.wall(self._loop.now)

    def log(self, text: str) -> None:
        """Write a line to the node's log."""
        self._write_log(f"{self._loop.now:.4f} {self.node_id} {text}")

    # -- what happens to it ----------------------------------------------------------

    @enters_protocol
    def boot(self, _: Any = None) -> None:
        """Bring the protocol to life; a stopped process boots once it is continued."""
        if not self.is_alive or self._network.is_over:
            return
        if self.is_paused:
            self._waiting.append((self.boot, None, None))
            return
        self.is_running = True
        recovered = not self.storage.is_empty
        self.log("recovered" if recovered else "started")
        try:
            self._protocol = self.program.protocol(self)
            self.on_message = self._protocol.on_message
            self._network.listen(self)
            if recovered:
                self._protocol.on_crash_recovery()
            else:
                self._protocol.on_start()
        except Struck:
            pass
        except Exception as error:
            self.crash(error)

    @enters_protocol
    def _run_out(self, timer: tuple[str, int]) -> None:
        name, number = timer
        if self._timers.get(name) != number:
            return
        if not self.is_running:
            self._waiting.append((self._run_out, timer, None))
            return
        del self._timers[name]
        trace = self._trace
        if trace is not None:
            trace.cause = trace.timer(self.node_id, name, self._timer_causes.pop(number, None))
        try:
            self._protocol.on_timer(name)
        except Struck:
            pass
        except Exception as error:
            self.crash(error, f"timer {name}")
        if trace is not None:
            trace.cause = None

    @enters_protocol
    def handle(self, number: int, message: Message) -> None:
        """Let the protocol handle a message, whose number in the trace is given."""
        trace = self._trace
        if trace is not None:
            trace.cause = trace.delivered(number)
        try:
            self.on_message(message)
        except Struck:
            pass
        except Exception as error:
            self.crash(error, message)
        if trace is not None:
            trace.cause = None

    def observe(self) -> Mapping[str, Any] | None:
        """What the protocol tells of its state, if it tells any; ``None`` while it is down."""
        if not self.is_running:
            return None
        tell = getattr(self._protocol, "observe", None)
        return {} if tell is None else tell()

    def wait(self, found: Callable[[Any], object], what: Any, lost: Callable[[Any], None]) -> bool:
        """Keep something for a stopped process; false if its buffers are full.

        ``found(what)`` is called when it goes on, ``lost(what)`` if it is killed instead.
        """
        if len(self._waiting) >= BUFFERED:
            return False
        self._waiting.append((found, what, lost))
        return True

    def pause(self) -> None:
        """SIGSTOP. Idempotent."""
        self.is_paused, self.is_running = True, False

    def resume(self) -> None:
        """SIGCONT: what waited is handled now, in the order of its arrival. Idempotent."""
        if not self.is_paused:
            return
        self.is_paused = False
        self._go_on()

    def stick(self, wait_s: float) -> None:
        """The disk takes so long: what it sends leaves later, and nothing else is done before."""
        if not self.is_alive:
            return
        self._stuck_until = max(self._stuck_until, self._loop.now) + wait_s
        self.is_running = False
        if self._stuck_until < inf:
            self._loop.at(self._stuck_until, self._unstick_at, self._stuck_until)

    def unstick(self) -> None:
        """The disk has done its work. Idempotent."""
        if not self.is_alive or self._stuck_until == -inf:
            return
        self._stuck_until = -inf
        held_back, self._held_back = self._held_back, []
        try:
            for dest, body in held_back:
                self.send(dest, body)
        except Struck:  # whoever sent it was waited for: it dies with what it had not said yet
            return
        if not self.is_paused:
            self._go_on()

    def _unstick_at(self, when: float) -> None:
        if when == self._stuck_until:
            self.unstick()

    def _go_on(self) -> None:
        if self._stuck_until > self._loop.now:
            return
        self.is_running = self._protocol is not None
        waiting, self._waiting = self._waiting, []
        for found, what, _ in waiting:
            self._loop.at(self._loop.now, found, what)

    def kill(self) -> None:
        """SIGKILL. Idempotent."""
        if self.is_alive:
            self.is_alive = self.is_running = self.is_paused = False
            self._timers.clear()
            self._timer_causes.clear()
            self._held_back.clear()
            waiting, self._waiting = self._waiting, []
            for _, what, lost in waiting:
                if lost is not None:
                    lost(what)
            self._network.hang_up(self)
            self._ended(self)

    def crash(self, error: Exception, handling: Any = "its start") -> None:
        """What a real node does about an exception: it dies at once, with a traceback in its log.

        What duress itself raised (the guard, say) goes through and ends everything.
        """
        if isinstance(error, DuressError):
            self._network.stop()
            raise error
        self.log(f"crashed, handling {handling!r:.2000}")
        for line in "".join(traceback.format_exception(error)).splitlines():
            self._write_log(line)
        self.kill()

    def clock_changed(self, old_rate: float, jumped_s: float) -> None:
        """Set running timers anew: on a clock that jumped they are due earlier."""
        loop = self._loop
        due = sorted(
            (when, number, timer[0])
            for when, number, callback, timer in loop.heap
            if callback == self._run_out and self._timers.get(timer[0]) == number
        )
        for when, _, name in due:
            self.set_timer(name, max(0.0, (when - loop.now) * old_rate - jumped_s))
