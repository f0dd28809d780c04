"""Measure what links do to packets, with sockets inside the network namespaces of the nodes."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Mapping, Sequence

from ..errors import InfrastructureError
from . import Link
from .impairment import Measured, Probing
from .meter_end import Arrival, MeterEnd, Round, checksum_errors, exchange
from .probe import run_in_netns


class LinkMeter:
    """``addresses`` and ``netns_pids`` of all ends, as for ``LinkProbe``. Blocks: not for the event
    loop. One measurement at a time."""

    def __init__(self, addresses: Mapping[str, str], netns_pids: Mapping[str, int]) -> None:
        self._addresses = dict(addresses)
        self._pids = dict(netns_pids)
        self._ends: dict[str, MeterEnd] = {}
        self._turn = 0
        try:
            for name in self._addresses:
                self._ends[name] = run_in_netns(self._pids[name], MeterEnd)
        except OSError as error:
            self.close()
            raise InfrastructureError(f"meter of links: no socket: {error.strerror}") from error

    def close(self) -> None:
        """Close the sockets. Idempotent."""
        for end in self._ends.values():
            end.close()

    def measure(self, links: Sequence[Link], how: Probing) -> dict[Link, Measured]:
        """As ``Packets.measure``."""
        senders = {source for source, _ in links}
        for name in senders if how.port else ():
            try:
                run_in_netns(self._pids[name], lambda name=name: self._ends[name].open(how.port))
            except OSError as error:
                raise InfrastructureError(
                    f"meter of links: cannot send from UDP port {how.port} of {name}: "
                    f"{error.strerror}"
                ) from error
        self._turn += 1
        receivers = {target for _, target in links}
        errors = {name: self._checksum_errors(name) for name in receivers}
        sends = [(self._ends[a], (self._addresses[b], self._ends[b].port)) for a, b in links]
        hearers = {name: self._ends[name] for name in sorted(receivers)}
        what = Round(self._turn, *how)
        arrivals = exchange(what, sends, hearers, how.datagrams * len(links))
        for name in receivers:
            errors[name] = self._checksum_errors(name) - errors[name]
        by_address = {address: name for name, address in self._addresses.items()}
        heard: dict[Link, list[Arrival]] = {link: [] for link in links}
        for name, its in arrivals.items():
            for arrival in its:
                link = (by_address.get(arrival.source, ""), name)
                if link in heard:
                    heard[link].append(arrival)
        return {link: summary(how.datagrams, heard[link], errors[link[1]]) for link in links}

    def _checksum_errors(self, name: str) -> int:
        pid = self._pids[name]
        try:
            return checksum_errors("self" if pid == os.getpid() else pid)
        except OSError as error:
            raise InfrastructureError(
                f"meter of links: {name} is gone: its first process ({pid}) has ended"
            ) from error


def summary(count: int, arrivals: Iterable[Arrival], checksum_errors: int) -> Measured:
    """What the arrivals of ``count`` datagrams on one link say."""
    arrivals = list(arrivals)
    right = [each for each in arrivals if each.number >= 0]
    seen: set[int] = set()
    firsts, disordered, newest = [], 0, -1
    for each in right:
        if each.number in seen:
            continue
        seen.add(each.number)
        firsts.append(each)
        disordered += each.number < newest
        newest = max(newest, each.number)
    delays = [(each.heard_s - each.sent_s) * 1000 for each in firsts] or [0.0]
    span_s = right[-1].heard_s - right[0].heard_s if right else 0.0
    bits = sum(each.size + 28 for each in right[1:]) * 8
    return Measured(
        sent=count,
        arrived=len(seen) + min(len(arrivals) - len(right), count - len(seen)),
        duplicates=len(right) - len(seen),
        disordered=disordered,
        garbled=len(arrivals) - len(right),
        least_ms=round(min(delays), 3),
        median_ms=round(statistics.median(delays), 3),
        most_ms=round(max(delays), 3),
        rate_kbit=round(bits / span_s / 1000, 1) if span_s > 0 else 0.0,
        checksum_errors=checksum_errors,
    )
