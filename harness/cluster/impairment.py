"""What is wrong with a link, as data; and what was seen on it."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ..errors import UserError
from .packet_lane import DISTRIBUTIONS

SHARES = ("loss", "reorder", "duplicate", "corrupt", "garble")

MOST_DELAY_MS = 60_000.0


class Impairment(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is wrong with a directed link. Nothing, by default. Shares are from 0 to 1.

    ``loss``          share of the packets that get lost; 1 is a cut.
    ``delay_ms``      by how much they are late, give or take ``jitter_ms``, as ``distribution``
                      says: ``normal`` and ``pareto`` (with the jitter as standard deviation) or
                      ``uniform`` (as half the range). Jitter lets packets overtake each other.
    ``reorder``       share that are not delayed, and so overtake the others.
    ``duplicate``     share that arrive twice.
    ``corrupt``       share with a flipped bit and a checksum that tells: the receiver's kernel
                      drops them.
    ``garble``        share with a flipped bit in their data and a checksum that fits: the
                      receiving *program* gets them.
    ``rate_kbit``     bandwidth in 1000 bits a second, 0 being unlimited; what would have to wait
                      longer than a second for its turn is lost.
    ``ports``         only packets from or to these TCP or UDP ports are concerned; none: all.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    distribution: str = "normal"
    reorder: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    garble: float = 0.0
    rate_kbit: float = 0.0
    ports: tuple[int, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether packets pass as if it were not there."""
        return not any((*(getattr(self, n) for n in SHARES), self.delay_ms, self.rate_kbit))

    @property
    def latest_s(self) -> float:
        """How late nearly every packet that is not lost is at most, in seconds."""
        spread = 8 if self.distribution == "pareto" else 4
        return (self.delay_ms + spread * self.jitter_ms) / 1000 + (1.0 if self.rate_kbit else 0.0)


def checked(impairment: Impairment) -> Impairment:
    """The same; ``UserError`` where a value means nothing."""
    for name in SHARES:
        if not 0 <= getattr(impairment, name) <= 1:
            raise UserError(
                f"{name}: expected a share from 0 to 1, got {getattr(impairment, name)}"
            )
    for name in ("delay_ms", "jitter_ms"):
        if not 0 <= getattr(impairment, name) <= MOST_DELAY_MS:
            raise UserError(
                f"{name}: expected 0 to {MOST_DELAY_MS:g} ms, got {getattr(impairment, name)}"
            )
    if impairment.distribution not in DISTRIBUTIONS:
        raise UserError(
            f"distribution: expected {', '.join(DISTRIBUTIONS)}, got {impairment.distribution!r}"
        )
    if not 0 <= impairment.rate_kbit <= 1e8:
        raise UserError(f"rate_kbit: expected 0 to 1e8, got {impairment.rate_kbit}")
    if impairment.reorder and not impairment.delay_ms:
        raise UserError("reorder: packets overtake only those that are delayed; set delay_ms too")
    if impairment.jitter_ms and not impairment.delay_ms:
        raise UserError("jitter_ms: is around a delay; set delay_ms too")
    if any(not 0 < port < 1 << 16 for port in impairment.ports):
        raise UserError(f"ports: expected 1 to 65535, got {list(impairment.ports)}")
    return impairment


class Probing(NamedTuple):
    """How a link is measured: ``datagrams`` that are numbered, with ``size`` bytes of content.

    They leave ``gap_s`` apart, from ``port`` if one is named, and are awaited for ``patience_s``
    after the last, or until all were there.
    """

    datagrams: int = 50
    size: int = 100
    gap_s: float = 0.001
    patience_s: float = 0.1
    port: int = 0


USUAL = Probing()


class Measured(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of numbered datagrams on one directed link.

    ``sent``, ``arrived`` (each counted once), ``duplicates`` (arrived once more), ``disordered``
    (arrived after one that was sent later), ``garbled`` (arrived with other content than sent).
    ``least_ms``, ``median_ms``, ``most_ms``: how long they were on their way.
    ``rate_kbit``: of what arrived, from the first to the last; 0 if that cannot be told.
    ``checksum_errors``: packets that the receiver's kernel dropped meanwhile because their
    checksum was wrong, whichever link they came by.
    """

    sent: int
    arrived: int = 0
    duplicates: int = 0
    disordered: int = 0
    garbled: int = 0
    least_ms: float = 0.0
    median_ms: float = 0.0
    most_ms: float = 0.0
    rate_kbit: float = 0.0
    checksum_errors: int = 0

    @property
    def loss(self) -> float:
        """Share of what was sent that did not arrive."""
        return 1 - self.arrived / self.sent if self.sent else 0.0
