"""Search by coverage: keeps the schedules that led somewhere new, and changes them.

A greybox fuzzer over fault schedules: what AFL does with inputs, with the features of
:mod:`.coverage` in place of branches and with AFLFast's preference for what few others reach
(Böhme et al., "Coverage-based Greybox Fuzzing as Markov Chain", CCS 2016).

Trials come in rounds of a fixed size. A round's trials follow from the hunt's seed, the number of
the round and what the rounds before it saw, in the order of their trials. So the sequence of
trials is the same however many processes run them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

import msgspec

from .attempts import Attempt
from .mutation import Faults, Ground, mutate, splice
from .spec import TrialSpec, with_schedule

ROUND = 16
"""Trials in a round: enough for many cores to be busy, few enough to learn early."""

FRESH = 0.3
"""Share of trials that begin anew, with faults drawn by the nemeses."""

TRIES = 10
"""How often to look for a change that makes a difference."""

LEAST_OWN = 1
"""So many features that no trial had before make a schedule worth keeping."""


@dataclass
class Kept:
    """A schedule in the corpus, what it reached, and how often it was changed."""

    seed: int
    faults: Faults
    features: frozenset[int]
    chosen: int = 0


class Guided:
    """One search. ``fresh(n)`` is the n-th trial without a schedule; all have one seed each."""

    def __init__(self, fresh: Callable[[int], TrialSpec]) -> None:
        self._fresh = fresh
        self._base = fresh(0)
        self._rounds = self._begun = 0
        self._kinds: dict[str, tuple[str, dict[str, bool]]] = {}
        self._tried: set[bytes] = set()
        self.corpus: list[Kept] = []
        self.reached: Counter[int] = Counter()
        """In how many trials each feature was seen."""

    def next_round(self, size: int = ROUND) -> list[TrialSpec]:
        """The trials of the next round."""
        random = Random(f"{self._base.seed}/guided/{self._rounds}")
        self._rounds += 1
        return [self._untried(random) for _ in range(size)]

    def learn(self, attempts: Iterable[Attempt]) -> None:
        """Keep what reached something new. To be called with a whole round, in its order."""
        for each in attempts:
            features = frozenset(each.features)
            new = [feature for feature in each.features if not self.reached[feature]]
            self.reached.update(features)
            for kind, fields, _ in each.messages:
                self._kinds.setdefault(repr((kind, sorted(fields.items()))), (kind, fields))
            if len(new) >= LEAST_OWN:
                self.corpus.append(Kept(each.spec.seed, each.faults, features))

    def _untried(self, random: Random) -> TrialSpec:
        """A trial that there was not yet, unless chance insists."""
        child = self._child(random)
        for _ in range(TRIES):
            if msgspec.json.encode(child) not in self._tried:
                break
            child = self._child(random)
        self._tried.add(msgspec.json.encode(child))
        return child

    def _child(self, random: Random) -> TrialSpec:
        if not self.corpus or random.random() < FRESH:
            self._begun += 1
            return self._fresh(self._begun - 1)
        ground = Ground(
            self._base.nodes,
            self._base.time_limit_s,
            [self._kinds[key] for key in sorted(self._kinds)],
            sorted({fault.kind for kept in self.corpus for fault in kept.faults}),
        )
        parent = self._choose(random)
        parent.chosen += 1
        faults = parent.faults
        if len(self.corpus) > 1 and random.random() < 0.2:
            faults = splice(faults, self._choose(random).faults, random, ground)
        faults = mutate(faults, random, ground)
        seed = random.randrange(2**31) if random.random() < 0.2 else parent.seed
        return msgspec.structs.replace(with_schedule(self._base, faults), seed=seed)

    def _choose(self, random: Random) -> Kept:
        """Rather one that reached what few trials did, and that was not chosen often."""
        return random.choices(self.corpus, [self._energy(kept) for kept in self.corpus])[0]

    def _energy(self, kept: Kept) -> float:
        rare = sum(1 / self.reached[feature] for feature in sorted(kept.features))
        return rare / (1 + kept.chosen)
