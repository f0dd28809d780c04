"""What a fault did, in a sentence: for the story, where :mod:`.fault_words` would be too terse."""

from __future__ import annotations

from collections.abc import Sequence

from . import fault_words, words
from .statistics import FaultWindow

_DONE = {
    "kill": ("{who} {was} killed", "{who} {was} started again"),
    "pause": ("{who} {was} paused (stopped, but not dead)", "{who} {was} resumed"),
    "restart": ("{who} {was} restarted", ""),
}
"""By kind of fault: what it did, and what its healing did."""

_HARMS = {
    "clock": ("clocks were tampered with", "the clocks were true again"),
    "packets": ("the network went bad", "the network was good again"),
    "disk": ("disks went bad", "the disks were good again"),
}


MOVES_MAX, KINDS_MAX = 3, 3
"""So many moves of a cut are told one by one; of more, so many different ones are named."""


def struck(window: FaultWindow, nodes: Sequence[str]) -> str:
    """``n1 was killed``; ``the network was cut: n1 n2 | n3 n4 n5 …``."""
    if window.kind in _DONE and window.targets:
        return _said(_DONE[window.kind][0], window.targets)
    if window.kind == "membership" and isinstance(window.parameters.get("members"), list):
        change = words.line(str(window.parameters.get("change", "change")), 20)
        members = words.names(window.parameters["members"])
        return f"{words.names(window.targets)}: the members were to change ({change}) to {members}"
    if window.kind == "ambush" and window.targets:
        return f"an ambush lay in wait on {words.names(window.targets)} for certain messages"
    said = fault_words.fault(window.kind, window.targets, window.parameters, nodes)
    if window.kind == "partition" and ":" in said:
        shape, cut = said.split(":", 1)
        groups = "no message passes from one group to another" if "|" in cut else "both ways"
        if "→" in cut:
            groups = "that way alone" if "–" not in cut else "– both ways, → that way alone"
        kind, cut = shape.removeprefix("partition").strip(), cut.replace(" cut ", " ", 1)
        return f"the network was cut:{cut} ({groups}{f'; shape {kind}' if kind else ''})"
    if _is_power_cut(window):
        left = said.partition(" (")[2].rstrip(")")
        return f"the power of {words.names(window.targets)} went" + (f": {left}" if left else "")
    head, _, rest = said.partition(": ")
    if window.kind in _HARMS and rest:
        return f"{_HARMS[window.kind][0]} ({words.line(head, 40)}): {rest}"
    return f"{said} took effect"


def healed(window: FaultWindow, nodes: Sequence[str]) -> str:
    """``n1 was started again``; ``the cut was mended``."""
    if window.kind in _DONE and window.targets:
        return _said(_DONE[window.kind][1] or _DONE[window.kind][0], window.targets)
    if window.kind == "partition":
        return "the network was whole again: that cut was mended"
    if window.kind == "ambush":
        return "the ambush was over"
    if _is_power_cut(window):
        return f"{words.names(window.targets)} had power again"
    if window.kind in _HARMS:
        return _HARMS[window.kind][1]
    if window.kind == "membership":
        return "the members were to be those of before"
    return f"{fault_words.fault(window.kind, window.targets, window.parameters, nodes)} was healed"


def _is_power_cut(window: FaultWindow) -> bool:
    return window.kind == "disk" and window.parameters.get("shape") == "power-cut"


def strikes(window: FaultWindow) -> list[tuple[int, str]]:
    """What the traps of an ambush did, and when (ns), as its ledger line says."""
    told = window.seen.get("strikes")
    found = []
    for strike in told if isinstance(told, list) else []:
        try:
            nodes = [str(node) for node in strike["nodes"]]
            time = window.start + int(float(strike["after_s"]) * 1e9)
            kind = words.line(str(strike["on"]["type"]), 40)
            deed, _, side = str(strike["deed"]).partition("-")
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        done = _DEEDS.get(deed, words.line(deed, 20))
        how = "it received" if side == "receiver" else "it sent"
        found.append((time, f"{_said('{who} {was}', nodes)} {done} just as {how} {kind}"))
    return found


def moves(window: FaultWindow, nodes: Sequence[str]) -> list[tuple[int, str]]:
    """How a cut changed while it lasted, and when (ns), as its ledger line says."""
    told = window.seen.get("moves")
    found = []
    for move in told if isinstance(told, list) else []:
        try:
            time = window.start + int(float(move["after_s"]) * 1e9)
            said = fault_words.fault(window.kind, window.targets, {"cut": move["cut"]}, nodes)
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        cut = said.partition(":")[2].strip()
        found.append((time, f"the cut moved: {cut}" if cut else "for a moment nothing was cut"))
    return found


def in_short(moved: Sequence[tuple[int, str]]) -> Sequence[tuple[int, str]]:
    """Many moves of a cut as one: how often it moved, and between what."""
    if len(moved) <= MOVES_MAX:
        return moved
    kinds = list(dict.fromkeys(text.removeprefix("the cut moved: ") for _, text in moved))
    said = "; ".join(kinds[:KINDS_MAX]) + ("; …" if len(kinds) > KINDS_MAX else "")
    until = words.moment(moved[-1][0])
    return [(moved[0][0], f"the cut moved {len(moved)} times until {until}: {said}")]


def kills(window: FaultWindow) -> list[tuple[int, str]]:
    """Which nodes it killed, and when (ns)."""
    if window.kind == "kill":
        return [(window.start, node) for node in window.targets]
    told = window.seen.get("strikes")
    return [
        (time, node)
        for (time, _), strike in zip(strikes(window), told or [], strict=False)
        if str(strike.get("deed", "")).startswith("kill")
        for node in map(str, strike["nodes"])
    ]


_DEEDS = {"kill": "killed (and started again)", "isolate": "cut off from the others"}


def _said(text: str, targets: Sequence[str]) -> str:
    return text.format(who=words.names(targets), was="was" if len(targets) == 1 else "were")
