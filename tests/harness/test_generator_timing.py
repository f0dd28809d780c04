"""When operations happen."""

import itertools

import pytest

from duress.harness.errors import UserError
from duress.harness.generator import (
    clients,
    concat,
    concurrency_limit,
    cycle_times,
    delay,
    limit,
    log,
    nemesis,
    phases,
    repeat,
    sleep,
    stagger,
    time_limit,
)
from duress.harness.generator.simulate import (
    invocations,
    perfect,
    quick,
    simulate,
)

from .generated import READ, SECOND, fs, times, write


def test_time_limit_counts_from_the_first_operation():
    history = quick(concat(sleep(0), time_limit(10, delay(3, repeat(READ)))))
    assert times(history) == [0, 3 * SECOND, 6 * SECOND, 9 * SECOND]
    with pytest.raises(UserError):
        time_limit(-1, READ)


def test_time_limit_ends_what_is_pending():
    # The first thread's read is never followed by anything: only the limit ends it.
    generator = time_limit(1, concurrency_limit(1, repeat(READ)))
    history = simulate(generator, lambda c, op: ("ok", 3 * SECOND))
    assert len(fs(history)) == 1


def test_delay_keeps_operations_apart():
    assert times(quick(delay(0.5, repeat(READ, 4)))) == [0, SECOND // 2, SECOND, 3 * SECOND // 2]


def test_delay_is_later_when_nobody_is_free():
    history = perfect(clients(delay(1, repeat(READ, 3))), latency_ns=4 * SECOND, concurrency=1)
    assert times(history) == [0, 4 * SECOND, 8 * SECOND]


def test_stagger_has_its_mean_over_all_threads():
    history = perfect(stagger(0.01, repeat(READ, 2000)), concurrency=10)
    gaps = [b - a for a, b in itertools.pairwise(times(history))]
    assert all(0 <= gap < 0.02 * SECOND for gap in gaps)
    assert 0.0095 < sum(gaps) / len(gaps) / SECOND < 0.0105


def test_sleep_keeps_its_process_busy():
    generator = phases(nemesis([{"f": "cut"}, sleep(10), {"f": "heal"}]), clients(READ))
    history = perfect(generator)
    assert [(op.f, op.time // SECOND) for op in invocations(history)] == [
        ("cut", 0),
        ("heal", 10),
        ("read", 10),
    ]


def test_log_goes_to_the_log_and_not_into_the_history():
    messages = []
    history = quick(phases(READ, log("half-way"), READ), log=messages.append)
    assert messages == ["half-way"]
    assert fs(history) == ["read", "read"]


def test_cycle_times_gives_each_its_time():
    generator = cycle_times(5, delay(1, repeat(write(1))), 10, delay(2, repeat(READ)))
    history = quick(time_limit(30, generator))
    assert len(history) > 20
    for op in invocations(history):
        assert op.f == ("write" if op.time // SECOND % 15 < 5 else "read")


def test_cycle_times_waits_for_what_is_cycles_away():
    hourly = delay(3600, repeat(READ, 4))
    generator = cycle_times(1, hourly, 1, delay(7199.5, repeat(write(1))))
    history = perfect(limit(5, generator))
    assert [(op.f, op.time // SECOND) for op in invocations(history)] == [
        ("read", 0),
        ("write", 1),
        ("read", 3600),
        ("read", 7200),
        ("write", 7201),
    ]


def test_cycle_times_refuses_nonsense():
    for arguments in [(), (5,), (0, READ), (-1, READ)]:
        with pytest.raises(UserError):
            cycle_times(*arguments)
