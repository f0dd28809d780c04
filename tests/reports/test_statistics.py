"""Figures, checked on histories small enough to count by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.history import FAIL, INFO, OK, History
from duress.harness.operation import Operation
from duress.reports import statistics

from . import synthetic

MS = 1_000_000
PARTITION = {"id": 0, "kind": "partition", "targets": ["n1"]}


def history_of(*calls, f="write"):
    """Calls as (process, start ms, end ms or None, outcome, error)."""
    entries = []
    for process, start, end, outcome, *error in calls:
        entries.append((start * MS, process, "invoke", None))
        if end is not None:
            entries.append((end * MS, process, outcome, error[0] if error else None))
    entries.sort(key=lambda e: e[0])
    return History(
        Operation(i, time, process, kind, f, error=error)
        for i, (time, process, kind, error) in enumerate(entries)
    )


def ledger(*times, fault=PARTITION):
    states = ("injecting", "injected", "healing", "healed")
    return [
        {"time": time * MS, "state": state, "fault": fault}
        for time, state in zip(times, states, strict=False)
    ]


def test_outcomes_are_counted_and_what_never_completed_is_unknown():
    history = history_of((0, 0, 1, "ok"), (1, 2, 3, "fail"), (2, 4, 5, "info"), (3, 6, None, ""))
    figures = statistics.collect(history.columns())
    assert (figures.total.ok, figures.total.fail, figures.total.info) == (1, 1, 2)
    assert figures.total.calls == 4
    assert [t.f for t in figures.by_f] == ["write"]


def test_an_empty_history_has_no_figures_and_no_error():
    figures = statistics.collect(History().columns())
    assert figures.total.calls == 0
    assert figures.served is None
    assert figures.latency_ns == {}


def test_a_fault_is_paired_with_its_heal_by_id():
    other = {"id": 1, "kind": "kill", "targets": ["n2"]}
    entries = [*ledger(10, 11, 30, 31), *ledger(20, 21, 25, 26, fault=other)]
    windows = statistics.fault_windows(sorted(entries, key=lambda e: e["time"]))
    assert [(w.id, w.start // MS, w.end(99 * MS) // MS, w.state) for w in windows] == [
        (0, 11, 31, "healed"),
        (1, 21, 26, "healed"),
    ]


def test_a_fault_that_was_never_healed_lasts_to_the_end():
    (window,) = statistics.fault_windows(ledger(10, 11))
    assert window.end(500 * MS) == 500 * MS
    assert window.state == "injected"


def test_without_a_ledger_the_history_tells_of_the_faults():
    nemesis = [
        Operation(0, 5 * MS, "nemesis", "invoke", "inject", {"kind": "partition"}),
        Operation(1, 6 * MS, "nemesis", "info", "inject", PARTITION),
        Operation(2, 8 * MS, "nemesis", "invoke", "heal", PARTITION),
        Operation(3, 9 * MS, "nemesis", "info", "heal", PARTITION),
    ]
    (window,) = statistics.collect(History(nemesis).columns()).faults
    assert (window.start, window.healed) == (6 * MS, 9 * MS)


def test_throughput_counts_completions_a_second():
    calls = statistics.calls(history_of(*[(0, t, t + 1, "ok") for t in range(0, 99, 2)]).columns())
    rates = statistics.throughput(calls, OK, np.array([0, 50, 100]) * MS)
    assert rates.tolist() == [500.0, 500.0]


def test_latency_quantiles_are_those_of_the_calls_that_ended_in_the_bin():
    history = history_of((0, 0, 1, "ok"), (1, 0, 3, "ok"), (2, 0, 5, "ok"), (3, 0, 70, "fail"))
    calls = statistics.calls(history.columns())
    edges = np.array([0, 10, 100]) * MS
    found = statistics.latency_quantiles(calls, edges, [0.0, 0.5, 1.0])
    assert found[:, 0].tolist() == [1 * MS, 3 * MS, 5 * MS]
    assert all(math.isnan(x) for x in found[:, 1])
    assert np.isnan(statistics.latency_quantiles(calls, edges, [0.5], f="read")).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_figures_of_a_run_agree_with_counting_its_calls(seed, with_ledger):
    run = synthetic.generate(seed=seed, calls=120, seconds=2.0)
    history = History(run.operations)
    figures = statistics.collect(history.columns(), run.faults if with_ledger else [])
    outcomes = [b.type if b else "info" for _, b in history.pairs()]
    total = figures.total
    assert (total.ok, total.fail, total.info) == tuple(
        outcomes.count(kind) for kind in ("ok", "fail", "info")
    )
    assert len(figures.faults) == 5
    ok_latencies = [b.time - a.time for a, b in history.pairs() if b and b.type == "ok"]
    assert figures.latency_ns["max"] == max(ok_latencies)
    calls = statistics.calls(history.columns())
    edges = np.array([0, figures.duration_ns + 1])
    for code, count in ((OK, total.ok), (FAIL, total.fail)):
        per_second = statistics.throughput(calls, code, edges)[0]
        assert per_second * (figures.duration_ns + 1) / 1e9 == pytest.approx(count)
    assert int((calls.outcome == INFO).sum()) == total.info
