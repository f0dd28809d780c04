"""Whether what was measured on links is what was to be done to them: pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from ..harness.cluster import Link
from ..harness.cluster.impairment import Impairment, Measured, Probing

UNLIKELY = 1e-9
"""Chance at which a fault that is there may go unseen on a link."""

MOST_PROBES = 1500
HEALED_MS = 5.0
"""Datagrams on a healed link may take so long on a busy machine."""


def probing(impairment: Impairment) -> Probing:
    """How to measure so that it would show."""
    if impairment.rate_kbit:
        count = min(40, max(4, int(impairment.rate_kbit * 1000 * 0.3 / (1228 * 8))))
        return Probing(count, size=1200, gap_s=0.0, patience_s=_patience_s(impairment))
    shares = [share for share in _shares(impairment) if 0 < share < 1]
    count = 20
    if shares:
        count = math.ceil(math.log(UNLIKELY) / math.log(1 - min(shares)))
    return Probing(
        min(MOST_PROBES, max(20, count)),
        patience_s=_patience_s(impairment),
        port=impairment.ports[0] if impairment.ports else 0,
    )


def _patience_s(impairment: Impairment) -> float:
    return 0.1 + impairment.latest_s


def _shares(impairment: Impairment) -> list[float]:
    names = ("loss", "reorder", "duplicate", "corrupt", "garble")
    return [getattr(impairment, name) for name in names]


def first_wrong(impairment: Impairment, measured: Mapping[Link, Measured]) -> str | None:
    """The first link on which the impairment does not show, in words, or ``None``."""
    for (source, target), seen in sorted(measured.items()):
        if why := _wrong(impairment, seen):
            return f"{source}->{target}: {why}"
    is_corrupt = impairment.corrupt and impairment.loss < 1 and measured
    if is_corrupt and not any(seen.checksum_errors for seen in measured.values()):
        return "no kernel saw a wrong checksum"
    return None


def _wrong(wanted: Impairment, seen: Measured) -> str | None:
    if wanted.loss >= 1:
        return f"{seen.arrived} of {seen.sent} arrived although it is cut" if seen.arrived else None
    if wanted.rate_kbit:
        too_fast = seen.arrived > 2 and seen.rate_kbit > 1.5 * wanted.rate_kbit
        return f"{seen.rate_kbit:g} kbit/s, expected {wanted.rate_kbit:g}" if too_fast else None
    gone = 1 - (1 - wanted.loss) * (1 - wanted.corrupt)
    margin = 6 * math.sqrt(gone * (1 - gone) / seen.sent) + 0.05
    if abs(seen.loss - gone) > margin:
        return f"{seen.loss:.1%} lost, expected {gone:.1%} within {margin:.1%}"
    wanted_ms = 0.7 * wanted.delay_ms - 1.5 * wanted.jitter_ms
    if wanted.delay_ms and seen.median_ms < wanted_ms:
        return f"late by {seen.median_ms:g} ms, expected {wanted.delay_ms:g}"
    for name, share, number in (
        ("lost", gone, seen.sent - seen.arrived),
        ("duplicated", wanted.duplicate, seen.duplicates),
        ("garbled", wanted.garble, seen.garbled),
        ("overtook another", wanted.reorder, seen.disordered),
    ):
        if share and not number and (1 - share) ** seen.sent < UNLIKELY * 10:
            return f"none of {seen.sent} was {name}, expected {share:.1%}"
    return None


def first_unhealed(measured: Mapping[Link, Measured]) -> str | None:
    """The first link on which packets are still disturbed, in words, or ``None``."""
    for (source, target), seen in sorted(measured.items()):
        wrong = []
        if seen.arrived < seen.sent:
            wrong.append(f"{seen.sent - seen.arrived} of {seen.sent} lost")
        if seen.duplicates or seen.garbled:
            wrong.append(f"{seen.duplicates} doubled, {seen.garbled} garbled")
        if seen.median_ms > HEALED_MS:
            wrong.append(f"late by {seen.median_ms:g} ms")
        if wrong:
            return f"{source}->{target}: {', '.join(wrong)}"
    return None


def told(measured: Mapping[Link, Measured]) -> dict[str, Any]:
    """What was seen on all links together, for the record: only what is not nothing."""
    seen: Iterable[Measured] = measured.values()
    sent = sum(each.sent for each in seen)
    if not sent:
        return {"observed_links": 0}
    sums = {
        "lost": sum(each.sent - each.arrived for each in seen),
        **{
            name: sum(getattr(each, name) for each in seen)
            for name in ("duplicates", "disordered", "garbled")
        },
        "checksum_errors": max(each.checksum_errors for each in seen),
    }
    delays = [each.median_ms for each in seen if each.arrived]
    return {
        "observed_links": len(measured),
        "sent": sent,
        **{name: number for name, number in sums.items() if number},
        **({"median_ms": round(median(delays), 3)} if delays else {}),
    }
