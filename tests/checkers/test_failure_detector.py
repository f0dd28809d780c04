"""The checker failure-detector: each property, and all of them against an oracle of ticks."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.commit_sightings import Fault
from duress.checkers.failure_detector import FailureDetectors, healed_at_last
from duress.checkers.silences import HEARD, SILENT, Truth
from duress.harness.errors import UserError
from duress.harness.history import History
from duress.harness.operation import Operation

SECOND = 1_000_000_000
EPOCH = 500.0
"""What the nodes' clocks show when the trial begins."""


def ns(seconds):
    return round(seconds * SECOND)


class Record:
    """A history of faults and polls, in the order of time."""

    def __init__(self):
        self._operations = []
        self._process = 0

    def fault(self, number, kind, targets, begin, end, **parameters):
        value = {"id": number, "kind": kind, "targets": targets, "parameters": parameters}
        self._nemesis(begin, "inject", {"kind": kind}, value)
        if end is not None:
            self._nemesis(end, "heal", {"kind": kind}, [value])

    def _nemesis(self, at, f, value, told):
        self._operations.append(Operation(-1, ns(at), "nemesis", "invoke", f, value))
        self._operations.append(Operation(-1, ns(at), "nemesis", "info", f, told))

    def poll(self, node, at, changes=(), life=1, born=0.0, suspected=None, f="suspects"):
        """A node is asked and answers at once; ``changes`` are all of its life, in trial time."""
        changes = [c for c in changes if c[0] <= at]
        told = [[n, EPOCH + t, peer, on] for n, (t, peer, on) in enumerate(changes, 1)]
        folded = {peer: on for _, peer, on in changes}
        value = {
            "life": life,
            "born": EPOCH + born,
            "now": EPOCH + at,
            "changes": told,
            "suspected": sorted(p for p, on in folded.items() if on)
            if suspected is None
            else suspected,
        }
        process, self._process = self._process, self._process + 1
        self._operations.append(Operation(-1, ns(at), process, "invoke", f))
        self._operations.append(Operation(-1, ns(at), process, "ok", f, value, node=node))

    def check(self, **options):
        ordered = sorted(enumerate(self._operations), key=lambda each: (each[1].time, each[0]))
        self.history = History(each for _, each in ordered)
        return FailureDetectors(**options).check(self.history, {})


def names(verdict):
    return {anomaly.name for anomaly in verdict.anomalies}


def watched(changes, until=10.0, down=(4.0, 8.0), kind="kill", **options):
    """n1 is asked all the time while n2 is down."""
    record = Record()
    record.fault(1, kind, ["n2"], *down)
    for tenth in range(1, int(until * 10) + 1):
        record.poll("n1", tenth / 10, changes)
    return record.check(**options)


def test_suspected_in_time_and_trusted_again_is_fine():
    verdict = watched([(4.3, "n2", True), (8.1, "n2", False)], until=12.0)
    assert verdict.valid is True
    seen = verdict.statistics
    assert seen["detections"] == 1
    assert seen["detection_time_s"]["median"] == pytest.approx(0.3, abs=0.01)
    assert seen["trusted_again_s"]["median"] == pytest.approx(0.1, abs=0.01)
    assert (seen["mistakes"], seen["query_accuracy"]) == (0, 1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([], "n1 did not suspect n2 at 5.500 s, 1.50 s after n2 was killed"),
        ([(6.0, "n2", True), (8.1, "n2", False)], "1.50 s after n2 was killed"),
        ([(4.3, "n2", True), (7.0, "n2", False)], "it had suspected it, and withdrew that"),
    ],
)
def test_who_is_dead_must_be_suspected(changes, words):
    verdict = watched(changes, until=12.0)
    assert names(verdict) == {"strong-completeness"}
    assert words in verdict.anomalies[0].explanation
    assert verdict.anomalies[0].operations


def test_a_bound_is_a_bound():
    assert watched([(6.0, "n2", True), (8.1, "n2", False)], detect_within_s=2.5).valid is True


def test_stopped_is_as_silent_as_dead():
    verdict = watched([], kind="pause", until=12.0)
    assert "n2 was stopped" in verdict.anomalies[0].explanation


def test_who_lives_must_be_trusted_in_the_end():
    verdict = watched([(4.3, "n2", True)], until=12.0)
    assert names(verdict) == {"eventual-strong-accuracy"}
    assert "n1 suspected n2 from 4.30" in verdict.anomalies[0].explanation


def test_a_mistake_that_ends_is_a_statistic():
    changes = [(2.0, "n2", True), (2.5, "n2", False), (4.3, "n2", True), (8.1, "n2", False)]
    verdict = watched(changes, until=12.0)
    assert verdict.valid is True
    seen = verdict.statistics
    assert seen["mistakes"] == 1
    assert seen["mistake_duration_s"]["mean"] == pytest.approx(0.5, abs=0.01)
    assert seen["mistake_recurrence_s"] == pytest.approx(seen["observed_s"], abs=0.01)
    assert 0.9 < seen["query_accuracy"] < 0.95


def test_a_cut_link_silences_one_direction():
    record = Record()
    record.fault(1, "partition", ["n1", "n2"], 4.0, 9.0, cut=[["n2", "n1"]], shape="one-way")
    for tenth in range(1, 100):
        record.poll("n1", tenth / 10)
        record.poll("n2", tenth / 10)
    verdict = record.check()
    assert [a.details for a in verdict.anomalies] == [{"by": "n1", "of": "n2"}]
    assert "the link from n2 to n1 was cut" in verdict.anomalies[0].explanation


def test_a_cut_link_silences_nobody_if_others_pass_heartbeats_on():
    record = Record()
    record.fault(1, "partition", ["n1", "n2"], 4.0, 9.0, cut=[["n2", "n1"]], shape="one-way")
    for tenth in range(1, 100):
        for node in ("n1", "n2", "n3"):
            record.poll(node, tenth / 10)
    assert record.check(relayed=True).anomalies == []


@pytest.mark.parametrize(
    ("kind", "shape"), [("partition", "flapping"), ("partition", "leapfrog"), ("ambush", "")]
)
def test_what_is_not_certain_is_not_judged(kind, shape):
    record = Record()
    cut = [["n2", "n1"], ["n1", "n2"]]
    record.fault(1, kind, ["n1", "n2"], 1.0, 9.0, cut=cut, shape=shape)
    for tenth in range(1, 100):
        record.poll("n1", tenth / 10)
    verdict = record.check()
    assert verdict.valid == "unknown"
    assert "silent" in verdict.reason


def test_a_pause_that_met_a_kill_is_not_certain():
    faults = [fault("kill", 2, 4), fault("pause", 4, 9), fault("kill", 12, 14)]
    truth = Truth(["n1", "n2"], faults, ns(20))
    certain = [(s.start / SECOND, s.end / SECOND, s.status) for s in truth.stretches("n1", "n2")]
    # That they only touch is enough: the pause may have been before the node was started again.
    expected = [(0, 2, HEARD), (2, 4, SILENT), (9, 12, HEARD), (12, 14, SILENT), (14, 20, HEARD)]
    assert certain == expected


def fault(kind, begin, end, target="n2"):
    return Fault(kind, (target,), ns(begin), ns(begin), ns(end), ns(end))


def test_faults_left_at_the_end_are_healed_before_the_last_question():
    record = Record()
    record.fault(1, "kill", ["n2"], 4.0, None)
    record.poll("n1", 9.0)
    record.poll("n1", 11.0, f="last-suspects")
    record.check()
    (last,) = healed_at_last(record.history)
    assert (last.healing, last.ended) == (ns(9.0), ns(11.0))


def test_a_life_that_began_later_is_judged_from_then():
    record = Record()
    record.fault(1, "kill", ["n2"], 1.0, 9.0)
    for tenth in range(50, 90):
        record.poll("n1", tenth / 10, [(7.8, "n2", True)], life=2, born=6.5)
    verdict = record.check()
    assert not verdict.anomalies
    late = Record()
    late.fault(1, "kill", ["n2"], 1.0, 9.0)
    for tenth in range(70, 90):
        late.poll("n1", tenth / 10, [(8.4, "n2", True)], life=2, born=6.5)
    assert "after it started itself, at 6.50" in late.check().anomalies[0].explanation


@pytest.mark.parametrize(
    ("changes", "suspected"),
    [
        ([(1.0, "n2", True)], []),
        ([], ["n2"]),
        ([(1.0, "n2", True), (1.5, "n2", True)], ["n2"]),
    ],
)
def test_what_is_told_must_fit_together(changes, suspected):
    record = Record()
    record.poll("n1", 2.0, changes, suspected=suspected)
    assert names(record.check()) == {"inconsistent-suspicions"}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_answers_at_one_reading_of_the_clock_may_differ(order):
    # A node that goes on after a pause answers, hears what had come meanwhile, and answers again.
    record = Record()
    answers = [
        ([(1.0, "n2", True)], ["n2"]),
        ([(1.0, "n2", True), (2.0, "n2", False)], []),
    ]
    for number in order:
        changes, suspected = answers[number]
        record.poll("n1", 2.0, changes, suspected=suspected)
    assert record.check().valid is not False


def test_strange_or_empty_histories_are_unknown():
    assert FailureDetectors().check(History(), {}).valid == "unknown"
    odd = History(
        [
            Operation(0, 0, 0, "invoke", "suspects"),
            Operation(1, 1, 0, "ok", "suspects", {"life": 1}, node="n1"),
        ]
    )
    verdict = FailureDetectors().check(odd, {})
    assert verdict.valid == "unknown"
    assert "operation 1" in verdict.reason


def test_options():
    made = FailureDetectors.for_model("failure-detector", {"relayed": "true", "trust_within_s": 3})
    assert (made.relayed, made.trust_within_s) == (True, 3.0)
    for name in ("detect_within_s", "relayed"):
        with pytest.raises(UserError, match=name.split("_")[0]):
            FailureDetectors.for_model("failure-detector", {name: "soon"})


# -- oracle ------------------------------------------------------------------------------

TICKS = 40
"""Of half a second each."""


@st.composite
def stories(draw):
    """Faults on n2 one after the other, and whether n1 suspects it at each tick."""
    down, at = [], 1
    while at < TICKS - 2:
        begin = at + draw(st.integers(0, 8))
        end = begin + draw(st.integers(1, 9))
        if end >= TICKS:
            break
        down.append((draw(st.sampled_from(["kill", "pause", "partition"])), begin, end))
        at = end + 1
    view = []
    while len(view) < TICKS:
        is_down = any(b <= len(view) < e for _, b, e in down)
        right = draw(st.integers(0, 7)) > 0
        view += [is_down == right] * draw(st.integers(1, 3))
    view[0] = False
    return down, view[:TICKS]


def oracle(down, view):
    """Three ticks (1.5 s) to suspect, four (2 s) to trust; a tick is a whole interval."""
    found = set()
    edges = sorted({0, TICKS - 1, *(t for _, b, e in down for t in (b, e))})
    for start, end in itertools.pairwise(edges):
        is_down = any(b <= start < e for _, b, e in down)
        if is_down:
            if any(not view[t] for t in range(start + 3, end)):
                found.add("strong-completeness")
            continue
        run = 0
        for t in range(start, end):
            run = run + 1 if view[t] else 0
            if run > 4:
                found.add("eventual-strong-accuracy")
    return found


@settings(max_examples=80, deadline=None)
@given(stories())
def test_it_agrees_with_an_oracle(story):
    down, view = story
    record = Record()
    for number, (kind, begin, end) in enumerate(down, 1):
        record.fault(number, kind, ["n2"], begin / 2, end / 2, cut=[["n2", "n1"]], shape="one")
    changes = [(t / 2, "n2", view[t]) for t in range(1, TICKS) if view[t] != view[t - 1]]
    for t in range(1, TICKS):
        record.poll("n1", t / 2, changes)
    # A little more, so that no bound falls on a change, whose time is not exactly known.
    verdict = record.check(detect_within_s=1.55, trust_within_s=2.2)
    assert names(verdict) == oracle(down, view)
