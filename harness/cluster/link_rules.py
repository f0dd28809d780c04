"""Rules of links, checked, and by the node at which they are carried out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import InfrastructureError
from . import CLIENTS, Link
from .impairment import Impairment, checked
from .queue_shaper import PlaceRules

Rules = Mapping[Link, Impairment]


def checked_links(links: Iterable[Link], ends: Collection[str], wish: str = "impair") -> list[Link]:
    """Sorted; ``InfrastructureError`` if there is no such end."""
    found = sorted({(a, b) for a, b in links if a != b})
    if unknown := {end for link in found for end in link} - set(ends):
        raise InfrastructureError(
            f"network: cannot {wish} links of {sorted(unknown)}; there are {', '.join(ends)}"
        )
    return found


def checked_rules(rules: Rules, ends: Collection[str]) -> dict[Link, Impairment]:
    """Those that do something, with values that make sense (``UserError``)."""
    links = checked_links(rules, ends)
    return {link: rules[link] for link in links if not checked(rules[link]).is_nothing}


def plain(impairment: Impairment) -> dict[str, Any]:
    """As data."""
    return msgspec.to_builtins(impairment)


def place_of(link: Link) -> str:
    """The node at which the packets of a link are impaired."""
    return link[0] if link[1] == CLIENTS else link[1]


def place_rules(
    rules: Rules, nodes: Sequence[str], addresses: Mapping[str, str]
) -> list[PlaceRules]:
    """For each node, the rules of what arrives there and of what leaves it, by address."""
    return [
        PlaceRules(
            {addresses[a]: plain(rule) for (a, b), rule in rules.items() if b == node},
            {
                addresses[b]: plain(rule)
                for (a, b), rule in rules.items()
                if a == node and b == CLIENTS
            },
        )
        for node in nodes
    ]
