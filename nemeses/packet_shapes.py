"""On which links packets are disturbed, and how badly."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from ..harness.cluster import CLIENTS, Link
from ..harness.cluster.impairment import MOST_DELAY_MS, Impairment
from ..harness.cluster.packet_lane import DISTRIBUTIONS
from ..harness.errors import UserError
from ..harness.option_values import one_of, real, share
from . import partition

Links = frozenset[Link]
Make = Callable[[Sequence[str], Random], Links]


def everywhere(nodes: Sequence[str], random: Random) -> Links:
    """Every link between nodes, and those with the clients."""
    return partition.one_way(nodes, nodes) | with_clients(nodes, random)


def between_nodes(nodes: Sequence[str], random: Random) -> Links:
    """Every link between nodes; clients see none of it."""
    return partition.one_way(nodes, nodes)


def with_clients(nodes: Sequence[str], random: Random) -> Links:
    """Every link between clients and nodes, both ways."""
    return partition.between(nodes, [CLIENTS])


def one_link(nodes: Sequence[str], random: Random) -> Links:
    """A single link between two random nodes, one way."""
    source, target = random.sample([*nodes, CLIENTS] if len(nodes) < 2 else list(nodes), 2)
    return frozenset({(source, target)})


def around(nodes: Sequence[str], alone: Sequence[str]) -> Links:
    """Every link of some nodes, with clients too."""
    others = [node for node in nodes if node not in alone]
    return partition.between(alone, [*others, CLIENTS])


def one_node(nodes: Sequence[str], random: Random) -> Links:
    """Every link of a random node, those with clients too."""
    return around(nodes, [random.choice(nodes)])


SHAPES: Mapping[str, Make] = {
    "all": everywhere,
    "nodes": between_nodes,
    "clients": with_clients,
    "one": one_node,
    "link": one_link,
    "one-way": partition.half_deaf,
    "halves": partition.halves,
    "majorities-ring": partition.majorities_ring,
}

PRIMARY = "primary"

ABOUT = {
    **{name: (make.__doc__ or "").strip() for name, make in SHAPES.items()},
    "one-way": "What a random group of nodes sends to the others.",
    "halves": "Between two halves.",
    "majorities-ring": "So that every node has good links to a majority, no two to the same.",
    PRIMARY: "Every link of a primary, those with clients too.",
}

FAULTS = {
    "loss": "a share of the packets gets lost",
    "delay": "packets are late, all by the same time",
    "jitter": "packets are late by different times, and overtake each other",
    "reorder": "packets are late, but for a share that overtakes the others",
    "duplicate": "a share of the packets arrives twice",
    "corrupt": "a share arrives with a flipped bit",
    "rate": "bandwidth is small",
    "mixed": "loss, jitter and duplicates at once",
    "cut": "nothing passes; with packets-ports: of these ports",
    "reset": "open TCP connections are broken, once",
}

DEFAULT_FAULTS = tuple(name for name in FAULTS if name != "cut")


@dataclass(frozen=True)
class Strengths:
    """The largest of each, and what all faults have in common."""

    loss: float
    delay_ms: float
    share: float
    least_rate_kbit: float
    distributions: tuple[str, ...]
    passes_checksums: bool
    ports: tuple[int, ...]


OPTIONS = {
    "packets-max-loss": "the largest share of packets lost (0.3)",
    "packets-max-delay-ms": "the longest delay, in ms (100)",
    "packets-max-share": "the largest share reordered, duplicated or corrupted (0.3)",
    "packets-min-rate-kbit": "the smallest bandwidth, in 1000 bits a second (256)",
    "packets-distribution": f"of jitter: {', '.join(DISTRIBUTIONS)} (default: any of them)",
    "packets-corrupt": "checksum: the receiver's kernel sees it and drops the packet; payload: "
    "the checksum fits, and its program gets the flipped bit (checksum)",
    "packets-ports": "comma-separated TCP and UDP ports: only packets from or to these (all)",
}


def strengths(options: Mapping[str, Any]) -> Strengths:
    """What the options say; ``UserError`` names the one that is wrong."""
    shape = one_of(options, "packets-distribution", "any", ("any", *DISTRIBUTIONS))
    corrupt = one_of(options, "packets-corrupt", "checksum", ("checksum", "payload"))
    return Strengths(
        loss=share(options, "packets-max-loss", 0.3),
        delay_ms=real(options, "packets-max-delay-ms", 100.0, 1.0, MOST_DELAY_MS),
        share=share(options, "packets-max-share", 0.3),
        least_rate_kbit=real(options, "packets-min-rate-kbit", 256.0, 8.0, 1e6),
        distributions=DISTRIBUTIONS if shape == "any" else (shape,),
        passes_checksums=corrupt == "payload",
        ports=_ports(options.get("packets-ports")),
    )


def draw(what: str, random: Random, most: Strengths) -> Impairment:
    """What is wrong, between a quarter of the largest and all of it."""
    late = {"delay_ms": round(_between(random, max(1.0, most.delay_ms / 20), most.delay_ms), 1)}
    spread = {
        **late,
        "jitter_ms": round(late["delay_ms"] * (0.1 + 0.4 * random.random()), 2),
        "distribution": random.choice(most.distributions),
    }
    some = round(most.share * (0.25 + 0.75 * random.random()), 3)
    lost = round(most.loss * (0.25 + 0.75 * random.random()), 3)
    rate = round(_between(random, most.least_rate_kbit, most.least_rate_kbit * 16))
    fields: dict[str, dict[str, Any]] = {
        "loss": {"loss": lost},
        "delay": late,
        "jitter": spread,
        "reorder": {**late, "reorder": some},
        "duplicate": {"duplicate": some},
        "corrupt": {"garble" if most.passes_checksums else "corrupt": some},
        "rate": {"rate_kbit": rate},
        "mixed": {**spread, "loss": lost, "duplicate": some},
        "cut": {"loss": 1.0},
        "reset": {},
    }
    return Impairment(**fields[what], ports=most.ports)


def gentler(impairment: Impairment) -> list[Impairment]:
    """Less of the same, the boldest first."""
    found = []
    names = ("loss", "delay_ms", "jitter_ms", "reorder", "duplicate", "corrupt", "garble")
    for name in (*names, "rate_kbit"):
        value = getattr(impairment, name)
        if value:
            nothing = {name: 0.0}
            if name == "delay_ms":
                nothing |= {"jitter_ms": 0.0, "reorder": 0.0}
            found.append(msgspec.structs.replace(impairment, **nothing))
    if impairment.delay_ms > 2:
        half = {name: round(getattr(impairment, name) / 2, 2) for name in ("delay_ms", "jitter_ms")}
        found.append(msgspec.structs.replace(impairment, **half))
    return [each for each in found if not each.is_nothing]


def _between(random: Random, low: float, high: float) -> float:
    """Any order of magnitude is as likely as any other."""
    return math.exp(math.log(low) + random.random() * (math.log(high) - math.log(low)))


def _ports(given: Any) -> tuple[int, ...]:
    words = [word.strip() for word in str(given or "").split(",") if word.strip()]
    if not all(word.isdecimal() and 0 < int(word) < 1 << 16 for word in words):
        raise UserError(f"packets-ports: expected ports from 1 to 65535, got {given!r}")
    return tuple(sorted({int(word) for word in words}))
