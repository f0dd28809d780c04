"""Availability and recovery, checked on histories small enough to count by hand."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.availability import Availability
from duress.checkers.interruptions import Service
from duress.harness.calls import calls
from duress.harness.errors import UserError
from duress.harness.fault_windows import fault_windows
from duress.harness.history import History
from duress.harness.operation import Operation

from ..reports import synthetic
from ..reports.test_statistics import MS, history_of, ledger


def service(history, entries=()):
    columns = history.columns()
    return Service(calls(columns), fault_windows(entries), int(columns.time[-1]))


def impacts(history, entries):
    found = service(history, entries)
    return [found.impact(window) for window in found.windows]


def steadily(begin, end, step=10):
    return [(0, at, at + 2, "ok") for at in range(begin, end, step)]


def test_a_refusal_counts_as_served_but_an_unavailable_node_does_not():
    history = history_of(
        (0, 0, 1, "ok"),
        (1, 2, 3, "fail", "precondition-failed"),
        (2, 4, 5, "fail", ["not-leader", "n3"]),
        (3, 6, 7, "info", "timeout"),
    )
    assert service(history).share() == 0.5


def test_a_lock_that_somebody_else_holds_is_an_answer():
    history = history_of(
        (0, 0, 1, "ok"),
        (1, 2, 3, "fail", ["held", "lock lock-1 is held"]),
        (2, 4, 5, "fail", ["not-the-holder", "session s1 does not hold it"]),
        (3, 6, 7, "fail", ["session-expired", "s1"]),
        (4, 8, 9, "fail", "jeopardy"),
    )
    assert service(history).share() == 0.6


def test_the_impact_of_a_fault_is_measured_from_its_injection():
    hit = [(0, 1000, 1100, "fail", "no-leader")]
    history = history_of(*steadily(0, 1000), *hit, *steadily(1500, 3000))
    assert service(history, ledger(995, 1000, 1300, 1310)).rate == pytest.approx(100, rel=0.15)
    (impact,) = impacts(history, ledger(995, 1000, 1300, 1310))
    assert impact.first_trouble_ns == 100 * MS
    assert impact.longest_gap_ns == 310 * MS
    assert impact.served == 0.0
    # The first ok after the heal at 1310 ms ends at 1502 ms.
    assert (impact.recovery_ns, impact.recovered) == (192 * MS, True)
    # It never came back while the fault was active.
    assert impact.detection_ns is None


def test_detection_is_the_end_of_the_first_silence_under_the_fault():
    history = history_of(*steadily(0, 1000), *steadily(1300, 1600), *steadily(1900, 3000))
    (impact,) = impacts(history, ledger(995, 1000, 2300, 2310))
    assert impact.detection_ns == 302 * MS
    (impact,) = impacts(history_of(*steadily(0, 3000)), ledger(995, 1000, 2300, 2310))
    assert impact.detection_ns == 0


def test_recovery_is_zero_where_service_never_stopped():
    (impact,) = impacts(history_of(*steadily(0, 3000)), ledger(995, 1000, 1300, 1310))
    assert (impact.recovery_ns, impact.recovered, impact.first_trouble_ns) == (0, True, None)


def test_recovery_is_unknown_where_it_never_came():
    history = history_of(*steadily(0, 1000), *steadily(1400, 4000, 400))
    (impact,) = impacts(history, ledger(995, 1000, 1300, 1310))
    assert (impact.recovery_ns, impact.recovered) == (None, False)
    assert impact.watched_ns > 2000 * MS


def test_a_relapse_after_the_heal_counts_as_not_recovered():
    stuck = [(1, 1600, 2801, "fail", "timeout")]
    history = history_of(*steadily(0, 1600), *stuck, *steadily(2800, 6000))
    (impact,) = impacts(history, ledger(995, 1000, 1300, 1310))
    assert impact.recovery_ns == (2802 - 1310) * MS


def test_a_slump_is_no_recovery():
    slow = steadily(1310, 3000, 40)
    history = history_of(*steadily(0, 1000), *slow, *steadily(3000, 6000))
    (impact,) = impacts(history, ledger(995, 1000, 1300, 1310))
    assert 1000 * MS < impact.recovery_ns < 1800 * MS


def test_nobody_is_blamed_for_a_moment():
    other = {"id": 1, "kind": "kill", "targets": ["n2"]}
    entries = [*ledger(995, 1000, 1300, 1310), *ledger(1550, 1560, 1600, 1610, fault=other)]
    history = history_of(*steadily(0, 1000), *steadily(1700, 3000))
    first, second = impacts(history, entries)
    assert (first.watched_ns, first.recovered) == (240 * MS, None)
    assert second.recovered is True


def test_too_little_time_before_the_next_fault_says_nothing():
    other = {"id": 1, "kind": "kill", "targets": ["n2"]}
    entries = [*ledger(995, 1000, 1300, 1310), *ledger(1350, 1360, 1500, 1510, fault=other)]
    first, second = impacts(history_of(*steadily(0, 3000)), entries)
    assert (first.recovery_ns, first.recovered, first.watched_ns) == (None, None, 40 * MS)
    assert second.recovery_ns == 0


def test_the_end_of_the_load_is_no_outage():
    history = history_of(*steadily(0, 3000), *steadily(9000, 9050))
    (impact,) = impacts(history, ledger(995, 1000, 1300, 1310))
    assert impact.recovery_ns == 0


def with_nemesis(rows, *operations):
    """A history of calls and of the nemesis's (ms, type, f, value)."""
    events = [(o.time, o) for o in history_of(*rows)]
    events += [
        (time * MS, Operation(0, time * MS, "nemesis", type_, f, value))
        for time, type_, f, value in operations
    ]
    events.sort(key=lambda event: event[0])
    return History(msgspec.structs.replace(o, index=i) for i, (_, o) in enumerate(events))


PARTITION = {"id": 3, "kind": "partition", "targets": ["n1", "n2"]}
CUT = [
    (995, "invoke", "inject", {"kind": "partition"}),
    (1000, "info", "inject", PARTITION),
    (1300, "invoke", "heal", {"kind": "partition"}),
    (1310, "info", "heal", [PARTITION]),
]


def test_the_history_tells_of_the_faults():
    history = with_nemesis([*steadily(0, 1000), *steadily(1500, 3000)], *CUT)
    verdict = Availability().check(history, {})
    assert verdict.valid is True
    (fault,) = verdict.statistics["faults"]
    assert (fault["id"], fault["kind"], fault["recovery_ns"]) == (3, "partition", 192 * MS)
    assert verdict.statistics["recovery_s"] == {"median": 0.192, "most": 0.192}
    assert verdict.statistics["recovery_rate"] == 1.0
    msgspec.json.encode(verdict)


def test_thresholds_make_it_fail():
    late = with_nemesis([*steadily(0, 1000), *steadily(1500, 3000)], *CUT)
    assert Availability(max_recovery_s=0.2).check(late, {}).valid is True
    (anomaly,) = Availability(max_recovery_s=0.1).check(late, {}).anomalies
    assert anomaly.name == "slow-recovery"
    assert "only 0.192 s later; 0.1 s were asked for" in anomaly.explanation
    assert late[anomaly.operations[0]].f == "heal"
    never = with_nemesis([*steadily(0, 1000), *steadily(1400, 4000, 400)], *CUT)
    (anomaly,) = Availability(max_recovery_s=2.0).check(never, {}).anomalies
    assert "neither before the next fault" in anomaly.explanation
    # Nobody watched for so long.
    assert Availability(max_recovery_s=60.0).check(never, {}).valid is True


def test_a_share_may_be_too_small():
    history = history_of((0, 0, 1, "ok"), (1, 2, 3, "fail", "no-leader"), (2, 4, None, "info"))
    assert Availability(min_share=0.5).check(history, {}).anomalies[0].name == "low-availability"
    assert Availability(min_share=0.3).check(history, {}).valid is True
    (anomaly,) = Availability(min_share=1.0).check(history, {}).anomalies
    assert "33.3% of 3 calls were served" in anomaly.explanation
    assert anomaly.operations == [2, 4]


def test_nothing_to_measure():
    assert Availability().check(History(), {}).valid is True
    assert Availability(min_share=0.5).check(History(), {}).valid == "unknown"


def test_shares_by_function_node_and_second():
    operations = []
    for number, (second, f, node, outcome) in enumerate(
        [(0, "read", "n1", "ok"), (0, "read", "n2", "fail"), (2, "add", "n1", "ok"),
         (2, "add", "n1", "info")]
    ):  # fmt: skip
        time = second * 1000 * MS + number
        operations.append(Operation(2 * number, time, number, "invoke", f))
        operations.append(Operation(2 * number + 1, time, number, outcome, f, node=node))
    statistics = Availability().check(History(operations), {}).statistics
    assert statistics["by_f"]["read"] == {"calls": 2, "served": 0.5}
    assert statistics["by_node"]["n1"] == {"calls": 3, "served": 0.6667}
    assert statistics["calls_by_bin"] == [2, 0, 2]
    assert statistics["served_by_bin"] == [0.5, None, 0.5]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_shares_agree_with_counting_the_calls(seed):
    run = synthetic.generate(seed=seed, calls=150, seconds=Random(seed).choice([2.0, 900.0]))
    history = History(run.operations)
    statistics = Availability().check(history, {}).statistics
    served = [
        b is not None
        and (b.type == "ok" or (b.type == "fail" and b.error == "precondition-failed"))
        for _, b in history.pairs()
    ]
    assert statistics["served"] == pytest.approx(sum(served) / len(served))
    assert sum(statistics["calls_by_bin"]) == len(served)
    assert len(statistics["calls_by_bin"]) <= 601
    assert [fault["id"] for fault in statistics["faults"]] == [0, 1, 2, 3, 4]
    for fault in statistics["faults"]:
        assert (fault["recovery_ns"] is not None) == (fault["recovered"] is True)


def test_options_as_a_trial_and_as_the_command_line_have_them():
    checker = Availability.from_options({"min-share": "0.9", "max-recovery-s": "3"})
    assert (checker.min_share, checker.max_recovery_s) == (0.9, 3.0)
    assert Availability.for_model("availability", {"min_share": "0.9"}).min_share == 0.9
    for wrong in ({"min-share": "2"}, {"min-share": "x"}, {"max-recovery-s": "-1"}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            Availability.from_options(wrong)
    with pytest.raises(UserError, match="total"):
        Availability.for_model("availability", {"total": 3})


# -- faults that overlap, and what is told of each ------------------------------------


def two_faults(*times):
    """The second is injected and healed while the first is active, or not: times in ms."""
    (b1, h1), (b2, h2) = times
    entries = []
    for number, (begin, heal) in enumerate(((b1, h1), (b2, h2)), 1):
        fault = {"id": number, "kind": "kill" if number == 1 else "pause", "targets": ["n1"]}
        for at, state in (
            (begin, "injecting"),
            (begin + 5, "injected"),
            (heal - 5, "healing"),
            (heal, "healed"),
        ):
            entries.append({"time": at * MS, "state": state, "fault": fault})
    return sorted(entries, key=lambda entry: entry["time"])


def test_what_another_fault_keeps_down_is_not_held_against_one_that_is_healed():
    # Nobody is served from 1000 to 3000 ms; the pause is healed at 1500, the kill at 2700.
    history = history_of(*steadily(0, 1000), *steadily(3000, 5000))
    kill, pause = impacts(history, two_faults((1000, 2700), (1200, 1500)))
    assert (pause.recovery_ns, pause.recovered) == (None, None)
    assert (kill.recovery_ns, kill.recovered) == (302 * MS, True)


def test_recovery_at_once_counts_even_under_another_fault():
    history = history_of(*steadily(0, 5000))
    kill, pause = impacts(history, two_faults((1000, 3000), (1200, 1500)))
    assert (pause.recovery_ns, pause.recovered) == (0, True)
    assert (kill.recovery_ns, kill.recovered) == (0, True)


def test_each_fault_says_whom_it_struck_when_and_when_the_first_call_was_served_again():
    history = history_of(*steadily(0, 1000), *steadily(1500, 3000))
    (impact,) = impacts(history, ledger(995, 1000, 1300, 1310))
    assert (impact.start_ns, impact.end_ns) == (1000 * MS, 1310 * MS)
    assert impact.targets == ["n1"]
    assert impact.served_again_ns == 192 * MS
    never = impacts(history_of(*steadily(0, 1000)), ledger(995, 1000, 1300, 1310))[0]
    assert never.served_again_ns is None


def test_figures_by_kind_of_fault():
    columns_of = history_of(*steadily(0, 1000), *steadily(1500, 4000))
    nemesis = []
    for f, at, value in (
        ("inject", 990, {"id": 1, "kind": "kill", "targets": ["n1"]}),
        ("heal", 1300, [{"id": 1, "kind": "kill", "targets": ["n1"]}]),
    ):
        nemesis.append(Operation(-1, at * MS, "nemesis", "invoke", f, {"kind": "kill"}))
        nemesis.append(Operation(-1, (at + 5) * MS, "nemesis", "info", f, value))
    merged = sorted([*columns_of, *nemesis], key=lambda operation: operation.time)
    for index, operation in enumerate(merged):
        msgspec.structs.force_setattr(operation, "index", index)
    verdict = Availability().check(History(merged), {})
    figures = verdict.statistics["by_kind"]["kill"]
    assert figures["faults"] == 1
    assert figures["not_recovered"] == 0
    assert figures["recovery_s"]["most"] == pytest.approx(0.197, abs=0.01)
    assert figures["served_again_s"]["most"] == pytest.approx(0.197, abs=0.01)
    assert verdict.statistics["faults"][0]["targets"] == ["n1"]
