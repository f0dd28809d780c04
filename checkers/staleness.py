"""How old is what reads show: by how many versions, and for how long it had been out of date?

Source: P. Bailis, S. Venkataraman, M. Franklin, J. Hellerstein and I. Stoica, "Probabilistically
Bounded Staleness for Practical Partial Quorums", VLDB 2012: k-staleness counts versions,
t-visibility asks how likely a read that begins t after a write was acknowledged shows it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import partial
from math import inf
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .register_sessions import LAST_WRITE, SIBLINGS, KeyStory, Read, Write, key_stories
from .regular import evidence, told, wrote
from .tally import Tally, shown, strange, wishes_of

MODELS = {
    "staleness": "how stale reads of registers are, of which the last write stays",
    "staleness-siblings": "the same, but writes that did not know of each other stay side by side",
}

AGES_MS = (1, 3, 10, 30, 100, 300, 1000, 3000)
"""Reads are grouped by how long ago the newest write was acknowledged: below each of these."""


class Staleness:
    """Measures reads of registers; invalid only beyond bounds that were asked for.

    ``most_versions``, ``most_s``  bounds for every read: how many acknowledged writes it may
                                   miss, and how long ago the first of them may be.
    ``most_share``                 how large a share of the reads may be stale at all.

    Anomaly: ``too-stale``. Statistics: shares, quantiles, and ``visible_by_age``: of the reads
    that began at most so many milliseconds after the newest acknowledged write (and no less than
    the bound before), which share shows all.
    """

    def __init__(
        self,
        conflicts: str = LAST_WRITE,
        most_versions: float = inf,
        most_s: float = inf,
        most_share: float = 1.0,
    ) -> None:
        self.conflicts = conflicts
        self.most_versions = most_versions
        self.most_s = most_s
        self.most_share = most_share

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Measure every read that succeeded after some write."""
        tally, figures = Tally(), _Figures()
        for story in key_stories(history).values():
            if story.strange:
                return strange(story.strange)
            for read in story.reads():
                self._measure(tally, figures, story, read)
        statistics = figures.statistics()
        if statistics["stale_share"] > self.most_share:
            tally.add("too-stale", partial(_too_many, statistics, self.most_share))
        vacuous = "" if figures.reads else "no read succeeded after a write was acknowledged"
        return tally.verdict(statistics, vacuous=vacuous)

    def _measure(self, tally: Tally, figures: _Figures, story: KeyStory, read: Read) -> None:
        done = [w.completion.time for w in story.updates if w.is_done_before(read.invoked)]  # type: ignore[union-attr]
        if not done:
            return
        missed = story.missed(read, self.conflicts)
        since = min((w.completion.time for w in missed if w.completion), default=read.invoked.time)
        late_s = (read.invoked.time - since) / 1e9
        figures.add((read.invoked.time - max(done)) / 1e6, len(missed), late_s)
        if len(missed) > self.most_versions or late_s > self.most_s:
            tally.add("too-stale", partial(_too_stale, self, story, read, missed, late_s))

    @classmethod
    def models(cls) -> dict[str, str]:
        """The models by name, with a line on each."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Staleness:
        """A checker with bounds as the command line has them. :class:`UserError` for others."""
        names = ("most_versions", "most_s", "most_share")
        taken = wishes_of(model, wishes, names)
        bounds = {}
        for name, value in taken.items():
            try:
                bounds[name] = float(value)
            except (TypeError, ValueError):
                wanted = f"{name.replace('_', '-')}: expected a number, got {value!r}"
                raise UserError(wanted) from None
        return cls(SIBLINGS if model == "staleness-siblings" else LAST_WRITE, **bounds)


class _Figures:
    """Collects what was measured."""

    def __init__(self) -> None:
        self.reads = 0
        self._versions: list[int] = []
        self._late_s: list[float] = []
        self._by_age = [[0, 0] for _ in (*AGES_MS, inf)]

    def add(self, age_ms: float, missed: int, late_s: float) -> None:
        """One read, so long after the newest write was acknowledged."""
        self.reads += 1
        group = self._by_age[bisect_left(AGES_MS, age_ms)]
        group[0] += 1
        group[1] += not missed
        if missed:
            self._versions.append(missed)
            self._late_s.append(late_s)

    def statistics(self) -> dict[str, Any]:
        """Plain data; times in milliseconds."""
        versions, late = sorted(self._versions), sorted(self._late_s)
        labels = [*(f"<={age}ms" for age in AGES_MS), f">{AGES_MS[-1]}ms"]
        visible = {
            label: round(fresh / count, 4)
            for label, (count, fresh) in zip(labels, self._by_age, strict=True)
            if count
        }
        return {
            "operations": self.reads,
            "reads": self.reads,
            "stale_reads": len(versions),
            "stale_share": round(len(versions) / self.reads, 6) if self.reads else 0.0,
            "versions_p50": _quantile(versions, 0.5),
            "versions_p99": _quantile(versions, 0.99),
            "versions_most": versions[-1] if versions else 0,
            "late_ms_p50": round(_quantile(late, 0.5) * 1000, 3),
            "late_ms_p99": round(_quantile(late, 0.99) * 1000, 3),
            "late_ms_most": round(late[-1] * 1000, 3) if late else 0,
            "visible_by_age": visible,
        }


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0


def _too_stale(
    bounds: Staleness, story: KeyStory, read: Read, missed: Sequence[Write], late_s: float
) -> Anomaly:
    allowed = [f"{bounds.most_versions:g} versions"] if bounds.most_versions < inf else []
    allowed += [f"{bounds.most_s:g} s"] if bounds.most_s < inf else []
    text = (
        f"Of key {shown(story.key)}, {told(read)}, which is {len(missed)} versions and "
        f"{late_s:.3f} s behind, beyond the bound of {' and '.join(allowed)}; it misses "
        f"{wrote(missed[-1])}."
    )
    return Anomaly("too-stale", text, evidence(read, missed[-1]), key=story.key)


def _too_many(statistics: Mapping[str, Any], most_share: float) -> Anomaly:
    text = (
        f"{statistics['stale_reads']} of {statistics['reads']} reads were stale "
        f"({statistics['stale_share']:.2%}), more than the bound of {most_share:.2%}."
    )
    return Anomaly("too-stale", text)
