"""When the lines of logs were written: formats, clocks, and what is not believed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.reports import log_axis, log_times
from duress.reports.log_times import Origin, times
from duress.reports.run_folder import NodeLog, Run

BEGAN = datetime(2026, 11, 21, 11, 42, 0, tzinfo=UTC)
BEGAN_NS = int(BEGAN.timestamp()) * 10**9
WALL = Origin(monotonic=20_000 * 10**9, wall=BEGAN_NS)
SECOND = 10**9


def log(text, node="n1"):
    return NodeLog(node, "node.log", text, 0)


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ('{"level":"info","ts":"2026-11-21T11:42:01.560Z","msg":"opened"}', 1.56),
        ("23:S 21 Nov 2026 11:42:02.302 * Ready to accept connections", 2.302),
        ("2026-11-21 11:42:03.998 UTC [27] LOG:  starting PostgreSQL", 3.998),
        ("2026-11-21 11:42:04,250 [myid:1] - INFO  [main:QuorumPeer] - LEADING", 4.25),
        ("[23] 2026/11/21 11:42:05.500123 [INF] Server is ready", 5.500123),
        ("2026-11-21 13:42:06 +02:00 up", 6.0),
        ("2026-11-21 11:41:58 0 [Note] mariadbd: ready for connections.", -2.0),
        ("20007.2500 n1 leader in term 1", 7.25),
    ],
)
def test_logs_of_real_systems_tell_their_times(line, seconds):
    assert times(log(line), WALL) == [round(seconds * SECOND)]


def test_a_simulated_node_tells_virtual_time_and_only_its_own():
    text = "0.5000 n1 leader in term 1\n0.6 n2 not mine\nTraceback\n0.7000 n1 done"
    assert times(log(text), Origin(virtual=SECOND // 4)) == [
        SECOND // 4,
        None,
        None,
        450_000_000,
    ]


@pytest.mark.parametrize(
    "line",
    [
        "no time at all",
        "2026-13-41 99:99:99 nonsense",
        "21 Foo 2026 11:42:02.302 no month",
        "1999-01-01 00:00:00 another century",
        f"{'x' * 100} 2026-11-21 11:42:01 too far in the line",
    ],
)
def test_what_is_no_time_of_this_trial_is_not_believed(line):
    assert times(log(line), WALL) == [None]
    assert times(log(line), Origin()) == [None]


@settings(max_examples=60)
@given(st.text(max_size=200))
def test_any_text_has_as_many_times_as_lines(text):
    for clocks in (WALL, Origin(virtual=0), Origin()):
        assert len(times(log(text), clocks)) == text.count("\n") + 1


def test_clocks_come_from_the_specification():
    spec = {"cluster": "docker", "started": "2026-11-21T11:42:00Z", "history_origin_ns": 5}
    guessed = log_times.origin(spec)
    assert guessed.wall == BEGAN_NS + 5 and not guessed.is_exact
    known = log_times.origin({**spec, "history_clocks": {"wall_ns": WALL.wall, "monotonic_ns": 7}})
    assert (known.wall, known.monotonic, known.is_exact) == (WALL.wall, 7, True)
    assert log_times.origin({"cluster": "sim", "history_origin_ns": 9}).virtual == 9
    assert log_times.origin({"started": "yesterday"}) == Origin()
    assert log_times.origin({"history_clocks": {"wall_ns": "x"}}) == Origin()


def test_a_reader_is_told_what_the_times_are_worth():
    spec = {"cluster": "docker", "started": "2026-11-21T11:42:00Z", "history_origin_ns": 5}
    clock = [{"fault": {"id": 1, "kind": "clock"}}]
    run = Run(Path(), spec=spec, faults=clock, logs=[log("2026-11-21T11:42:03Z up")])
    assert "to a second only" in log_axis.note(run)
    assert "faults tampered" in log_axis.note(run)
    assert log_axis.tracks(run)[0]["times"] == [2_999_999]
    assert log_axis.near(run.history, None) == []


def test_lines_of_all_logs_are_in_order_of_time():
    logs = [log("2.0 n1 b\n1.0 n1 a"), log("1.5 n2 c", "n2")]
    run = Run(Path(), spec={"cluster": "sim", "history_origin_ns": 0}, logs=logs)
    assert [(line.node, line.text) for line in log_times.lines(run)] == [
        ("n1", "a"),
        ("n2", "c"),
        ("n1", "b"),
    ]
