"""The workloads of replicated registers, sets and counters: generators, options, real processes."""

from random import Random

import pytest

from duress.harness.errors import UserError
from duress.harness.generator import limit
from duress.harness.generator.context import Context
from duress.harness.operation import Operation
from duress.workloads.final_questions import ASK_EVERY_S, STEADY_TIMES, UntilSteady
from duress.workloads.or_set import OrSetWorkload
from duress.workloads.pn_counter import PnCounterWorkload
from duress.workloads.sessions import SessionsWorkload

from ..fixtures.protocol_trials import assert_valid_on_processes


def made(kind, **options):
    return kind({name.replace("_", "-"): value for name, value in options.items()}, 10, Random(1))


def drawn(workload, count=600):
    """The first operations, each by a process that is free again at once."""
    random, generator, found = Random(2), limit(count, workload.generator()), []
    while generator is not None and len(found) < count:
        operation, generator = generator.op(Context.start(10, random, len(found)))
        found.append(operation)
    return found


def test_sessions_write_every_value_once_and_retire_keys():
    operations = drawn(made(SessionsWorkload, ops_per_key=20))
    values = [o.value for o in operations if o.f == "write"]
    assert values == list(range(1, len(values) + 1))
    assert {o.f for o in operations} == {"read", "write", "delete"}
    by_key = {}
    for operation in operations:
        by_key[operation.key] = by_key.get(operation.key, 0) + 1
    assert max(by_key.values()) == 20
    assert len(by_key) >= 30


@pytest.mark.parametrize(
    ("options", "is_regular"),
    [
        ({}, True),
        ({"r": "1"}, False),
        ({"r": "1", "w": "3"}, True),
        ({"sloppy": "true"}, False),
    ],
)
def test_reads_are_judged_as_regular_only_where_quorums_overlap(options, is_regular):
    checkers = made(SessionsWorkload, **options).checkers()
    assert ("regular" in checkers) == is_regular
    assert {"sessions", "convergence", "staleness"} <= set(checkers)


def test_in_real_time_the_last_write_must_win_only_where_it_can():
    for options, expected in (({}, True), ({"sloppy": "true"}, False)):
        workload = made(SessionsWorkload, conflicts="last-write-wins", **options)
        assert workload.checkers()["convergence"].real_time is expected


def test_elements_come_back_and_a_set_that_only_grows_has_no_removes():
    operations = drawn(made(OrSetWorkload, window=5))
    adds = [o.value for o in operations if o.f == "add"]
    assert len(set(adds)) < len(adds)
    assert {o.f for o in operations} == {"add", "remove", "read"}
    grown = OrSetWorkload({"grow_only": "true"}, 10, Random(1))
    assert {o.f for o in drawn(grown)} == {"add", "read"}


def test_counters_go_down_unless_they_only_grow():
    assert min(o.value for o in drawn(made(PnCounterWorkload)) if o.f == "add") == -5
    grown = PnCounterWorkload({"grow_only": "true"}, 10, Random(1))
    assert min(o.value for o in drawn(grown) if o.f == "add") == 1


def test_a_node_is_asked_until_its_answer_changes_no_more():
    context = Context.start(1, Random(1)).restrict(1)
    generator, time, answers = UntilSteady("what"), 0, []
    for answer in ["a", "b", None, *["c"] * 9]:
        step = generator.op(context.with_time(time))
        if step is None:
            break
        operation, generator = step
        assert (operation.f, operation.value) == ("final", "what")
        assert operation.time >= time
        time = operation.time
        type_ = "ok" if answer else "fail"
        done = Operation(-1, time, 0, type_, "final", answer)
        generator = generator.update(context, done)
        answers.append(answer)
        time += 1
    assert answers == ["a", "b", None, *["c"] * STEADY_TIMES]
    assert time >= (len(answers) - 1) * ASK_EVERY_S * 1e9


@pytest.mark.parametrize(
    ("kind", "options", "wrong"),
    [
        (SessionsWorkload, {"conflicts": "newest"}, "conflicts: expected one of"),
        (SessionsWorkload, {"most_stale_share": "2"}, "most-stale-share"),
        (OrSetWorkload, {"window": "0"}, "window"),
        (PnCounterWorkload, {"max_delta": "none"}, "max-delta"),
    ],
)
def test_options_are_made_sure_of(kind, options, wrong):
    with pytest.raises(UserError, match=wrong):
        made(kind, **options)


CASES = (("quorum-replication", "sessions"), ("crdt", "or-set"), ("crdt", "pn-counter"))


@pytest.mark.local
@pytest.mark.parametrize(("system", "workload"), CASES)
def test_on_real_processes(system, workload, tmp_path):
    # An aimed shape strikes nobody while nobody coordinates: these always strike.
    shapes = ("--set", "partition-shapes=halves,one,one-way")
    trial = ("--workload", workload, "--time", "6", "--interval", "1")
    assert_valid_on_processes(system, tmp_path, *trial, *shapes)
