"""Did the failure detectors suspect who was dead, and in the end nobody else? How well?

The properties are those of class ◇P (Chandra and Toueg, "Unreliable Failure Detectors for Reliable
Distributed Systems", JACM 43(2), 1996), each with a bound, for "eventually" cannot be judged. The
figures are the metrics of Chen, Toueg and Aguilera, "On the Quality of Service of Failure
Detectors", IEEE Transactions on Computers 51(5), 2002. Who was silent when is known from the
nemesis's operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.operation import NEMESIS, Operation
from ..harness.verdict import Anomaly, Verdict
from .commit_sightings import FOREVER, Fault, faults_of
from .detector_quality import Quality
from .silences import HEARD, SILENT, Stretch, Truth
from .suspicions import Life, Poll, Suspicion, lives_of, nodes_of
from .tally import Tally, strange, wishes_of

MODELS = {"failure-detector": "whom nodes suspect, against who was dead: completeness, accuracy"}

COMPLETENESS, ACCURACY = "strong-completeness", "eventual-strong-accuracy"
INCONSISTENT = "inconsistent-suspicions"

DETECT_WITHIN_S, TRUST_WITHIN_S = 1.5, 2.0


class FailureDetectors:
    """Judges ``suspects`` → ``{"life", "born", "now", "changes", "suspected"}``.

    ``changes`` are ``[number, time, node, suspected]``, numbered in each life from 1, with times
    and ``born`` and ``now`` of the node's clock. ``last-suspects`` is the same, asked after
    everything was healed.

    ``strong-completeness``: a node that was dead, stopped or cut off for more than
    ``detect_within_s`` was not suspected by one that lived, or not any more.
    ``eventual-strong-accuracy``: a node that lived and could be heard for more than
    ``trust_within_s`` was suspected all that time. ``inconsistent-suspicions``: what a node told of
    its changes does not fit together.

    ``relayed``: nodes pass on what they hear, so that a link that is cut silences nobody.
    """

    def __init__(
        self,
        detect_within_s: float = DETECT_WITHIN_S,
        trust_within_s: float = TRUST_WITHIN_S,
        relayed: bool = False,
    ) -> None:
        self.detect_within_s = detect_within_s
        self.trust_within_s = trust_within_s
        self.relayed = relayed

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every node's view of every other."""
        try:
            lives = lives_of(history)
        except ValueError as wrong:
            return strange(str(wrong))
        if not lives:
            return strange("no node ever told whom it suspects")
        faults = healed_at_last(history)
        end = history[len(history) - 1].time
        names = {*nodes_of(lives), *(node for fault in faults for node in fault.targets)}
        truth = Truth(names, faults, end, self.relayed)
        tally, quality = Tally(), Quality()
        judged = {SILENT: 0, HEARD: 0}
        for life in lives:
            contradiction = life.contradiction()
            if contradiction is not None:
                tally.add(INCONSISTENT, partial(_explain_contradiction, life, *contradiction))
                continue
            for peer in truth.nodes:
                if peer != life.node:
                    pair = Pair(life, peer, history, self)
                    for stretch in truth.stretches(life.node, peer):
                        judged[stretch.status] += pair.judge(stretch, tally)
                        quality.add(life, pair.suspicions, stretch)
        polls = sum(len(life.polls) for life in lives)
        statistics = {"operations": polls, "nodes": len(truth.nodes), "lives": len(lives)}
        statistics |= quality.statistics()
        statistics |= {"silences_judged": judged[SILENT], "connections_judged": judged[HEARD]}
        vacuous = []
        if not judged[SILENT]:
            vacuous.append(f"nobody was silent for more than {self.detect_within_s:g} s")
        if not judged[HEARD]:
            vacuous.append(f"nobody could be heard for more than {self.trust_within_s:g} s")
        return tally.verdict(statistics, vacuous=" and ".join(vacuous))

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> FailureDetectors:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        taken = wishes_of(model, wishes, ("detect_within_s", "trust_within_s", "relayed"))
        seconds = {"detect_within_s": DETECT_WITHIN_S, "trust_within_s": TRUST_WITHIN_S}
        for name in seconds:
            try:
                seconds[name] = float(taken.get(name, seconds[name]))
            except (TypeError, ValueError):
                option = name.replace("_", "-")
                raise UserError(f"{option}: expected seconds, got {taken[name]!r}") from None
        relayed = str(taken.get("relayed", "false")).lower()
        if relayed not in ("true", "false"):
            raise UserError(f"relayed: expected true or false, got {relayed!r}")
        return cls(**seconds, relayed=relayed == "true")


def healed_at_last(history: History) -> list[Fault]:
    """All faults; those left at the end of the load were healed before anything was asked at last.

    (The trial heals them itself, which is no operation.)
    """
    loaded, asked_at_last = 0, FOREVER
    for operation in history:
        if operation.process == NEMESIS or operation.type != "invoke":
            continue
        if operation.f == "last-suspects":
            asked_at_last = operation.time
            break
        loaded = operation.time
    return [
        Fault(
            f.kind, f.targets, f.began, f.struck, max(loaded, f.struck), asked_at_last, f.parameters
        )
        if f.ended == FOREVER
        else f
        for f in faults_of(history)
    ]


class Pair:
    """One life of a node, and whom it watches."""

    def __init__(self, life: Life, peer: str, history: History, bounds: FailureDetectors) -> None:
        self._life = life
        self._peer = peer
        self._history = history
        self._detect_ns = int(bounds.detect_within_s * 1e9)
        self._trust_ns = int(bounds.trust_within_s * 1e9)
        self.suspicions = life.suspicions(peer)

    def judge(self, stretch: Stretch, tally: Tally) -> bool:
        """Add what is wrong; whether the stretch was long enough to be judged."""
        born = self._life.born
        assert born is not None
        start, end = max(stretch.start, born.high), min(stretch.end, self._life.known_until)
        if stretch.status == SILENT:
            trusted = self._first_trust(start + self._detect_ns, end)
            if trusted is not None:
                explain = partial(self._explain_trust, stretch, start, trusted)
                tally.add(COMPLETENESS, explain)
            return end > start + self._detect_ns
        for each in self.suspicions:
            since = max(start, each.begin.high)
            until = end if each.end is None else min(end, each.end.low)
            if until - since > self._trust_ns:
                explain = partial(self._explain_suspicion, stretch, each, since, until)
                tally.add(ACCURACY, explain)
        return end - start > self._trust_ns

    def _first_trust(self, start: int, end: int) -> int | None:
        """When, from start to end, it surely did not suspect."""
        at = start
        for each in self.suspicions:
            if each.begin.low > at:
                break
            until = FOREVER if each.end is None else each.end.high
            at = max(at, until)
        return at if at < end else None

    def _explain_trust(self, stretch: Stretch, start: int, trusted: int) -> Anomaly:
        node, poll = self._life.node, self._poll_after(trusted)
        before = [s for s in self.suspicions if s.end is not None and s.end.low <= trusted]
        is_back = bool(before) and before[-1].end is not None and before[-1].end.high > start
        text = (
            f"{node} did not suspect {self._peer} at {trusted / 1e9:.3f} s, "
            f"{(trusted - start) / 1e9:.2f} s after {_since(stretch, start)}"
        )
        text += "; it had suspected it, and withdrew that." if is_back else "."
        return _anomaly(COMPLETENESS, text, self._of(stretch), poll, node, self._peer)

    def _explain_suspicion(
        self, stretch: Stretch, suspicion: Suspicion, since: int, until: int
    ) -> Anomaly:
        node = self._life.node
        text = (
            f"{node} suspected {self._peer} from {suspicion.begin.high / 1e9:.3f} s until "
            f"{until / 1e9:.3f} s at least, although both lived and {stretch.why} for "
            f"{(until - since) / 1e9:.2f} s of that time."
        )
        poll = self._poll_after(until) or suspicion.told
        return _anomaly(ACCURACY, text, [], poll, node, self._peer, suspicion.told)

    def _poll_after(self, moment: int) -> Poll | None:
        later = [poll for poll in self._life.polls if poll.asked.time >= moment]
        return min(later, key=lambda poll: poll.told.index, default=None)

    def _of(self, stretch: Stretch) -> list[int]:
        """The nemesis's operation that silenced it."""
        if stretch.fault is None:
            return []
        struck = [o.index for o in self._history.nemesis() if _is_it(o, stretch.fault)]
        return struck[:1]


def _is_it(operation: Operation, fault: Fault) -> bool:
    return operation.f == "inject" and operation.type != "invoke" and operation.time == fault.struck


def _since(stretch: Stretch, start: int) -> str:
    if start > stretch.start:
        return f"it started itself, at {start / 1e9:.3f} s, when {stretch.why}"
    return f"{stretch.why} (from {stretch.start / 1e9:.3f} s to {stretch.end / 1e9:.3f} s)"


def _explain_contradiction(life: Life, poll: Poll, text: str) -> Anomaly:
    told = poll.told.value
    suspected = ", ".join(told["suspected"]) or "nobody"
    whole = (
        f"{life.node} told process {poll.told.process} at {poll.told.time / 1e9:.3f} s that it "
        f"suspects {suspected}, but {text}."
    )
    return _anomaly(INCONSISTENT, whole, [], poll, life.node, None)


def _anomaly(
    name: str,
    text: str,
    also: Sequence[int],
    poll: Poll | None,
    node: str,
    peer: str | None,
    *others: Poll,
) -> Anomaly:
    polls = [each for each in (poll, *others) if each is not None]
    indices = {each.asked.index for each in polls}
    details = {"by": node, "of": peer}
    return Anomaly(name, text, sorted({*indices, *also}), details=details)
