"""How a fault is said to a person, that of a clock with what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..harness.cluster.clocks import Disturbance
from . import disk_words, packet_words, words

FARTHEST_S = 1e10
"""What is farther off than that was not written by us."""


def disturbances(parameters: Mapping[str, Any]) -> list[tuple[str, Disturbance]]:
    """Nodes and what was wrong with their clocks, as far as a fault's parameters say so."""
    lines = parameters.get("clocks")
    found = []
    for line in lines if isinstance(lines, list) else ():
        if not isinstance(line, dict) or not isinstance(line.get("node"), str):
            continue
        try:
            rest = {name: value for name, value in line.items() if name != "node"}
            what = msgspec.convert(rest, Disturbance)
        except msgspec.ValidationError:
            continue
        sizes = (what.step_s, what.skip_s, what.strobe_s, what.rate, what.period_s)
        if all(math.isfinite(size) and abs(size) < FARTHEST_S for size in sizes):
            found.append((line["node"], what))
    return found


def fault(
    kind: str, targets: Sequence[str], parameters: Mapping[str, Any], nodes: Sequence[str]
) -> str:
    """As :func:`.words.fault`; of clocks ``clock bump: n1 300 ms back, n2 1.20 s ahead``;
    of ambushes ``ambush n1 n3 (kill-sender of promise, isolate-sender of accept)``."""
    if traps := _traps(parameters.get("traps")):
        return words.printable(f"{kind} {' '.join(targets)} ({', '.join(traps)})", 200)
    if kind == "disk" and "shape" in parameters:
        return disk_words.fault(targets, parameters)
    if packets := packet_words.fault(kind, parameters, nodes):
        return packets
    clocks = disturbances(parameters)
    if not clocks:
        return words.fault(kind, targets, parameters, nodes)
    parts = [f"{node} {_said(what)}" for node, what in clocks if node in targets]
    shape = parameters.get("shape")
    return words.printable(f"{kind} {shape}: {', '.join(parts) or ' '.join(targets)}", 200)


def _traps(traps: Any) -> list[str]:
    """On which messages an ambush strikes, and how."""
    return [
        f"{trap['deed']} of {trap['type']}"
        for trap in (traps if isinstance(traps, list) else ())
        if isinstance(trap, dict)
        and isinstance(trap.get("deed"), str)
        and isinstance(trap.get("type"), str)
    ]


def _said(what: Disturbance) -> str:
    parts = []
    if what.step_s:
        parts.append(f"{words.duration(abs(what.step_s) * 1e9)} {_side(what.step_s)}")
    if what.skip_s:
        parts.append(f"skips {words.duration(what.skip_s * 1e9)}")
    if what.strobe_s:
        parts.append(f"flips {words.duration(abs(what.strobe_s) * 1e9)} {_side(what.strobe_s)}")
    if what.rate != 1:
        parts.append(f"{_share(abs(what.rate - 1))} {'fast' if what.rate > 1 else 'slow'}")
    return " and ".join(parts) or "true"


def _side(seconds: float) -> str:
    return "ahead" if seconds > 0 else "back"


def _share(share: float) -> str:
    return f"{share * 1e6:.0f} ppm" if share < 0.001 else f"{share * 100:.3g} %"
