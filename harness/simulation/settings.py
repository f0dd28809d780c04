"""The options of a simulated cluster, parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..option_values import flag, one_of, real, share
from . import latency
from .disk import CRASHES

OPTIONS = {
    "latency": "between nodes in ms: constant:MS, uniform:LOW:HIGH or exponential:MEAN "
    "(default: as the system's own nodes would add)",
    "link-latency": "of single directed links: n1>n2=constant:50,…",
    "client-latency": "between clients and nodes (constant:0.2)",
    "loss": "probability that a message between nodes is lost (0)",
    "duplicate": "probability that it arrives twice (0)",
    "order": "any: messages overtake each other; fifo: not on one link (any)",
    "unsynced": "what a crash leaves of writes that were not synced: nothing (lost), a random "
    "number of the first (prefix), or that with the next one torn (torn) (prefix)",
    "clock-offset": "most seconds by which a node's clock is off (1000)",
    "clock-drift": "most millionths by which it runs fast or slow (200)",
    "boot-ms": "from the start of a process to its first step (50)",
    "trace": "write every message and timer to messages.jsonl (true; false while hunting)",
    "coverage": "write which states of the protocol were seen to coverage.json (false)",
}
"""By name, with one line of documentation each."""


class Settings:
    """What the options say; ``UserError`` names the one that is wrong."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        chosen = options.get("latency")
        self.latency = latency.parse("latency", str(chosen)) if chosen else None
        self.link_latency = latency.parse_links(
            "link-latency", str(options.get("link-latency", ""))
        )
        self.client_latency = latency.parse(
            "client-latency", str(options.get("client-latency", "constant:0.2"))
        )
        self.loss = share(options, "loss", 0.0)
        self.duplicate = share(options, "duplicate", 0.0)
        self.is_fifo = one_of(options, "order", "any", ("any", "fifo")) == "fifo"
        self.unsynced = one_of(options, "unsynced", CRASHES[0], CRASHES)
        self.clock_offset_s = real(options, "clock-offset", 1000.0, high=1e9)
        self.clock_drift = real(options, "clock-drift", 200.0, high=500_000.0) / 1e6
        self.boot_s = real(options, "boot-ms", 50.0, high=1e6) / 1000
        self.trace = flag(options, "trace", True)
        self.coverage = flag(options, "coverage", False)
        self.seed = str(options.get("seed", 0))
