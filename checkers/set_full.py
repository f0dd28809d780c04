"""What became of every element that was added to a set. Source: Jepsen's ``set-full``.

An element is *known* once its addition was acknowledged or a read that saw it was over, whichever
came first. From then on every read that begins should see it. Where Jepsen's checker goes by the
order in which reads began, this one calls lost only what no order of overlapping reads explains;
it also judges duplicates, which Jepsen's by a slip never reports, and elements from nowhere.

For sets that only grow, ``linearizable`` decides linearizability exactly. With L(r), the latest
of the beginnings of a read and of the additions of what it saw, a history is linearizable just if
(1) no read ended before the addition of what it saw began, (2) of any two reads one saw all that
the other saw, and (3) what a read did not see was not known before L(r). Proof: let each read
take effect at the greatest L of those that saw no more than it did; by (1) to (3) that is
within the read, and each addition fits between the last read without it and the first with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..harness.calls import calls
from ..harness.errors import UserError
from ..harness.history import History
from ..harness.verdict import Verdict
from .set_fates import Fates
from .set_figures import Figures
from .set_readings import Readings
from .set_sentences import Sentences
from .tally import Tally, strange, wishes_of

MODELS = {"set-full": "additions to a set and reads of all of it: what became of each element"}


class SetFull:
    """Judges ``add`` of an element and ``read`` → a list of all. Linear in what was read.

    ``linearizable``  reads that lack what was known before they began are failures, too.

    Anomalies: ``lost-element`` (no read saw it after one that began when it was known, and did
    not), ``duplicated-element`` (a read saw it several times), ``unexpected-element`` (never
    added, or seen before its addition began). If ``linearizable`` also ``stale-read`` (lacks what
    was known), ``causal-reverse`` (lacks what was known when an element that it saw was not even
    begun), ``long-fork`` (two reads each saw what the other did not).

    Statistics as Jepsen names them: ``attempt-count``, ``stable-count``, ``lost-count``, ``lost``,
    ``never-read-count``, ``never-read``, ``stale-count``, ``stale``, ``worst-stale``,
    ``stable-latencies`` and ``lost-latencies`` (ms by quantile), ``duplicated-count``,
    ``duplicated``. An element is ``unsettled`` if only overlapping reads disagree about its end.
    """

    def __init__(self, linearizable: bool = False) -> None:
        self.linearizable = linearizable

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every element and every read."""
        everything = calls(history.columns())
        tally, figures = Tally(), Figures()
        for key, mine in everything.by_key():
            readings = Readings(mine)
            if readings.odd:
                return strange(readings.odd)
            fates = Fates(readings)
            tells = Sentences(history, key, readings, fates)
            _judge(fates, tells, tally, self.linearizable)
            figures.take(fates, key, everything.columns.time)
        statistics = {"operations": len(everything), **figures.plain()}
        return tally.verdict(statistics, vacuous=figures.vacuous())

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> SetFull:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        taken = wishes_of(model, wishes, ("linearizable",))
        word = str(taken.get("linearizable", "false")).lower()
        if word not in ("true", "false"):
            raise UserError(f"linearizable: expected true or false, got {word!r}")
        return cls(word == "true")


def _judge(fates: Fates, tells: Sentences, tally: Tally, linearizable: bool) -> None:
    for number in fates.lost.tolist():
        tally.add("lost-element", lambda number=number: tells.lost(number))
    for number, content in fates.repeated():
        tally.add("duplicated-element", lambda n=number, c=content: tells.duplicated(n, c))
    for number, content in fates.strangers():
        tally.add("unexpected-element", lambda n=number, c=content: tells.unexpected(n, c))
    for number, content in fates.early():
        tally.add("unexpected-element", lambda n=number, c=content: tells.early(n, c))
    if not linearizable:
        return
    for content, number, later in fates.behind():
        if later is None:
            tally.add("stale-read", lambda n=number, c=content: tells.stale(n, c))
        else:
            tally.add("causal-reverse", lambda n=number, c=content, y=later: tells.reverse(n, c, y))
    for one, two in fates.forks():
        tally.add("long-fork", lambda one=one, two=two: tells.fork(one, two))
