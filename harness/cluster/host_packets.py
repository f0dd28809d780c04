"""The packets of a host that is reached by ssh, for its agent. Standard library only."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from ..errors import InfrastructureError
from . import netem, queue_control, tcp_reset
from .meter_end import MeterEnd, Round, checksum_errors, exchange
from .shaper import Place, PlaceRules, Shaper


class HostPackets:
    """Impairs what arrives at this host from the others, and what leaves it for the harness.

    What is done by queues ends with the process that serves them, and that with the agent.
    ``commands``: the processes here that are no programs of the node.
    """

    def __init__(self, trial_id: str, commands: set[int]) -> None:
        self._trial_id = trial_id
        self._commands = commands
        self._shaper: Shaper | None = None
        self._meter: MeterEnd | None = None

    async def order(self, order: dict[str, Any]) -> Any:
        """Carry out an order: ``what`` names it, the rest are its arguments."""
        return await getattr(self, "_" + order.pop("what").replace("-", "_"))(**order)

    async def _place(self, sources: list[str], targets: list[str], open_port: int) -> str | None:
        """Where packets are impaired from now on; why they cannot be, if so."""
        if self._shaper is None:
            clean(self._trial_id)  # of an agent before this one
            place = Place(sources, targets, open_port)
            self._shaper = Shaper(self._trial_id, [place], [lambda function: function()])
        return self._shaper.reason_unavailable()

    async def _impair(self, arriving: dict[str, Any], leaving: dict[str, Any]) -> Any:
        """Exactly these rules, by address; which backend does it, and what was done under those
        before. Blocks for milliseconds: in a thread, the children that it runs would be reaped
        by others."""
        if self._shaper is None:
            raise InfrastructureError("packets: the agent was started anew and knows no place")
        done = self._shaper.become([PlaceRules(arriving, leaving)])
        if self._shaper.queue_pid is not None:
            self._commands.add(self._shaper.queue_pid)  # no program that a fault may hit
        return self._shaper.backend, done

    async def _why_ended(self) -> str | None:
        """Why what was to be done is done no longer, or ``None``."""
        return None if self._shaper is None else self._shaper.why_ended()

    async def _clock(self) -> float:
        """By which datagrams are timed here."""
        return time.monotonic()

    async def _hear(self) -> int:
        """The port at which datagrams are heard."""
        if self._meter is None:
            self._meter = MeterEnd()
        return self._meter.port

    async def _measure(self, round: list[Any], to: list[Any], expected: int) -> Any:
        """Send to others and hear them: the arrivals, and how many checksums were wrong."""
        await self._hear()
        meter, what = self._meter, Round(*round)
        assert meter is not None
        try:
            meter.open(what.port)
        except OSError as error:
            raise InfrastructureError(
                f"meter of links: cannot send from UDP port {what.port}: {error.strerror}"
            ) from error
        sends = [(meter, (address, port)) for address, port in to]
        errors = checksum_errors()
        loop = asyncio.get_running_loop()
        heard = await loop.run_in_executor(None, exchange, what, sends, {"": meter}, expected)
        return heard[""], checksum_errors() - errors

    async def _reset(self, peers: list[str], open_port: int) -> int:
        """Break connections with these, but those of a port; how many there were."""
        return tcp_reset.reset(peers, open_port)

    def end(self) -> None:
        """Let packets pass, and measure no more. Idempotent."""
        if self._shaper is not None:
            self._shaper.close(places_stay=True)
            self._shaper = None
        if self._meter is not None:
            self._meter.close()
            self._meter = None


def clean(trial_id: str) -> None:
    """Remove what an agent that was killed has left: rules of packets."""
    if queue_control.reason_unavailable() is None:
        queue_control.remove(trial_id)
    with contextlib.suppress(InfrastructureError):  # without tc, there is nothing of it
        netem.clean()
