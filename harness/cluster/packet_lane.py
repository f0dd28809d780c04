"""What becomes of the packets on one impaired link: pure, in real and in virtual time alike.

The words mean what they mean to ``tc netem`` (tc-netem(8)): packets without a delay of their own
overtake those that have one, a duplicate is delayed like any other packet, jitter of the
distributions ``normal`` and ``pareto`` is scaled to its standard deviation. Standard library only:
this is also run on hosts reached by ssh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

DISTRIBUTIONS = ("normal", "uniform", "pareto")

BACKLOG_S = 1.0
"""What would wait longer for its turn on a slow link is lost."""

QUANTILES = 1 << 12

PLAIN, CORRUPT, GARBLE = "", "corrupt", "garble"


class Passage(NamedTuple):
    """One arrival of a packet: when (by the clock that :meth:`Lane.passages` was given), and
    whether its bits were changed."""

    due_s: float
    change: str


@cache
def standard(distribution: str) -> tuple[float, ...]:
    """Equally likely values around 0; rounded, so that every machine has the same ones."""
    middles = [(place + 0.5) / QUANTILES for place in range(QUANTILES)]
    if distribution == "uniform":
        return tuple(2 * u - 1 for u in middles)
    if distribution == "pareto":  # of shape 3: mean 3/2, variance 3/4
        return tuple(round(((1 - u) ** (-1 / 3) - 1.5) / 0.75**0.5, 9) for u in middles)
    from statistics import NormalDist  # slow to import

    return tuple(round(NormalDist().inv_cdf(u), 9) for u in middles)


class Lane:
    """One directed link. ``rule`` has the fields of an ``Impairment``; those left out are 0.

    ``random`` gives numbers from 0 to 1 and is asked only for what the rule needs.
    """

    def __init__(self, rule: Mapping[str, Any], random: Callable[[], float]) -> None:
        self.rule = dict(rule)
        self.counts = {"packets": 0, "lost": 0, "duplicated": 0, "changed": 0}
        self._random = random
        self._loss = rule.get("loss", 0.0)
        self._duplicate = rule.get("duplicate", 0.0)
        self._reorder = rule.get("reorder", 0.0)
        self._corrupt = rule.get("corrupt", 0.0)
        self._garble = rule.get("garble", 0.0)
        self._delay_s = rule.get("delay_ms", 0.0) / 1000
        self._jitter_s = rule.get("jitter_ms", 0.0) / 1000
        self._table = standard(rule.get("distribution", "normal")) if self._jitter_s else ()
        self._bytes_a_second = rule.get("rate_kbit", 0.0) * 125
        self._free_s = 0.0

    @property
    def is_cut(self) -> bool:
        """Whether nothing passes."""
        return self._loss >= 1

    @property
    def changes_packets(self) -> bool:
        """Whether the content of packets is needed."""
        return bool(self._duplicate or self._corrupt or self._garble)

    @property
    def is_slow(self) -> bool:
        """Whether bandwidth is limited."""
        return bool(self._bytes_a_second)

    def passages(self, now_s: float, length: int) -> list[Passage]:
        """When a packet of so many bytes arrives, the copy last; nothing if it is lost."""
        random, counts = self._random, self.counts
        counts["packets"] += 1
        if self._loss and random() < self._loss:
            counts["lost"] += 1
            return []
        found = []
        copies = 1
        if self._duplicate and random() < self._duplicate:
            counts["duplicated"] += 1
            copies = 2
        for _ in range(copies):
            due_s = now_s
            if self._bytes_a_second:
                due_s = max(now_s, self._free_s) + length / self._bytes_a_second
                if due_s - now_s > BACKLOG_S + 1e-9 and self._free_s > now_s:
                    counts["lost"] += 1
                    continue
                self._free_s = due_s
            due_s += self._late_s()
            found.append(Passage(due_s, self._change()))
        return found

    def _late_s(self) -> float:
        if not self._delay_s or (self._reorder and self._random() < self._reorder):
            return 0.0
        if not self._jitter_s:
            return self._delay_s
        drawn = self._table[int(self._random() * QUANTILES)]
        return max(0.0, self._delay_s + self._jitter_s * drawn)

    def _change(self) -> str:
        for share, change in ((self._corrupt, CORRUPT), (self._garble, GARBLE)):
            if share and self._random() < share:
                self.counts["changed"] += 1
                return change
        return PLAIN
