"""How many faults there may be at once, and how much of the cluster they must leave alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from .errors import UserError
from .fault import Fault
from .option_values import whole

FEW = 12
"""Of so many candidates every set is looked at; of more, the most connected ones come first."""


@dataclass(frozen=True)
class Bounds:
    """``most`` faults at once (``None``: any number), and ``spared`` nodes that stay well."""

    most: int | None = None
    spared: int = 0

    options: ClassVar[Mapping[str, str]] = {
        "faults-at-once": "how many faults may be active at once; others wait (default: no bound)",
        "spare": "majority, or a number: so many nodes no fault touches, and they reach each "
        "other; what would leave fewer is drawn again or left out (default: nobody)",
    }

    @classmethod
    def of(cls, options: Mapping[str, Any], nodes: int) -> Bounds:
        """As the ``--set`` options say; ``UserError`` for others."""
        most = options.get("faults-at-once")
        spare = str(options.get("spare", "nobody"))
        spared = {"nobody": 0, "majority": nodes // 2 + 1}.get(spare)
        if spared is None:
            if not spare.isdecimal():
                raise UserError(f"spare: expected majority, nobody or a number, got {spare!r}")
            spared = whole(options, "spare", 0, 0, nodes)
        return cls(None if most is None else whole(options, "faults-at-once", 1, 1), spared)

    def allow(self, nodes: Sequence[str], faults: Iterable[Fault]) -> bool:
        """Whether enough nodes stay well under all these faults together."""
        return self.spared == 0 or has_well(nodes, faults, self.spared)


def has_well(nodes: Sequence[str], faults: Iterable[Fault], wanted: int) -> bool:
    """Whether so many nodes are struck by none of the faults and all hear each other.

    A fault that names links (``cut`` or ``links``, pairs of nodes) strikes those alone, any other
    one all of its targets.
    """
    struck: set[str] = set()
    apart: set[frozenset[str]] = set()
    for fault in faults:
        links = _links(fault)
        if links is None:
            struck.update(fault.targets)
        else:
            apart.update(links)
    left = [node for node in nodes if node not in struck]
    hear = {a: {b for b in left if b != a and frozenset((a, b)) not in apart} for a in left}
    able = [node for node in left if len(hear[node]) >= wanted - 1]
    able.sort(key=lambda node: (-len(hear[node]), node))
    return _can_grow([], able, hear, wanted)


def _links(fault: Fault) -> list[frozenset[str]] | None:
    for name in ("cut", "links"):
        links = fault.parameters.get(name)
        if isinstance(links, list):
            return [frozenset(map(str, link[:2])) for link in links if isinstance(link, list)]
    return None


def _can_grow(
    group: list[str], candidates: list[str], hear: Mapping[str, set[str]], wanted: int
) -> bool:
    """Depth first over sets of nodes that all hear each other (Bron and Kerbosch, 1973)."""
    if len(group) >= wanted:
        return True
    for at, node in enumerate(candidates):
        if len(group) + len(candidates) - at < wanted:
            return False
        rest = [other for other in candidates[at + 1 :] if other in hear[node]]
        if _can_grow([*group, node], rest, hear, wanted):
            return True
        if len(hear) > FEW and not group and at >= FEW:
            return False
    return False
