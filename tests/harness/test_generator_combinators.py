"""Each combinator does what its docstring says, by example."""

import itertools
import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from duress.harness.errors import UserError
from duress.harness.generator import (
    PENDING,
    Context,
    Generator,
    GeneratorError,
    any_,
    clients,
    concat,
    concurrency_limit,
    cycle,
    cycle_times,
    delay,
    each_process,
    each_thread,
    f_map,
    filter_,
    flip_flop,
    friendly_exceptions,
    ignore_updates,
    independent,
    lift,
    limit,
    log,
    map_,
    mix,
    nemesis,
    on_threads,
    on_update,
    once,
    phases,
    process_limit,
    repeat,
    reserve,
    shortest_any,
    sleep,
    stagger,
    synchronize,
    then,
    time_limit,
    trace,
    until_ok,
    validate,
)
from duress.harness.generator.simulate import (
    imperfect,
    invocations,
    perfect,
    perfect_info,
    quick,
    simulate,
)
from duress.harness.operation import Operation

SECOND = 10**9
READ = {"f": "read"}


def write(value):
    return {"f": "write", "value": value}


def fs(history):
    return [op.f for op in invocations(history)]


def values(history):
    return [op.value for op in invocations(history)]


def number(op):
    assert isinstance(op.process, int)
    return op.process


def times(history):
    return [op.time for op in invocations(history)]


def count_up():
    return (write(i) for i in itertools.count())


# -- lift ----------------------------------------------------------------------


def test_a_dict_is_one_operation_with_process_and_time_filled_in():
    (operation,) = invocations(quick({"f": "write", "value": 2, "key": "k"}))
    assert (operation.f, operation.value, operation.key) == ("write", 2, "k")
    assert operation.process in (0, 1, "nemesis")
    assert operation.time == 0


def test_none_and_an_empty_list_have_no_operations():
    assert quick(None) == []
    assert quick([]) == []


def test_a_list_is_one_after_another():
    assert values(quick([write(1), [write(2), write(3)], None, write(4)])) == [1, 2, 3, 4]


def test_a_function_is_called_until_it_returns_none():
    remaining = iter([READ, write(1), None, READ])
    assert fs(quick(lambda: next(remaining))) == ["read", "write"]


def test_a_function_may_take_the_context():
    seen = invocations(quick(limit(50, lambda context: write(context.random.randrange(3)))))
    assert {op.value for op in seen} == {0, 1, 2}


def test_a_function_with_optional_parameters_is_called_without_arguments():
    assert values(quick(limit(1, lambda x=7: write(x)))) == [7]


def test_a_function_that_returns_a_list_yields_all_of_it_before_the_next_call():
    assert fs(quick(limit(5, lambda: [write(1), READ]))) == [
        "write",
        "read",
        "write",
        "read",
        "write",
    ]


def test_an_infinite_iterator_is_read_lazily():
    assert values(quick(limit(4, count_up()))) == [0, 1, 2, 3]


def test_an_iterator_can_be_run_twice_from_one_generator():
    generator = limit(4, count_up())
    assert quick(generator) == quick(generator) != []


def test_a_long_iterator_does_not_overflow_the_stack_when_forgotten():
    generator = lift(write(i) for i in range(100_000))
    assert len(invocations(quick(generator))) == 100_000
    del generator


@pytest.mark.parametrize("source", [3, "read", {1, 2}, {"value": 1}, {"f": 3}, {"f": "r", "v": 1}])
def test_what_cannot_be_lifted_is_a_user_error(source):
    with pytest.raises(UserError):
        lift(source)


def test_a_function_with_two_parameters_is_refused_when_lifted():
    with pytest.raises(UserError, match="2 arguments"):
        lift(lambda a, b: READ)


def test_a_misspelt_field_from_a_function_is_a_user_error():
    with pytest.raises(UserError, match="vlaue"):
        quick(lambda: {"f": "write", "vlaue": 3})


def test_an_operation_can_be_a_template():
    assert values(quick(Operation(5, 99, 7, "ok", "write", 3))) == [3]


# -- order ---------------------------------------------------------------------


def test_concat_does_not_wait_but_then_does():
    slow = perfect(concat(each_thread(write(1)), READ), latency_ns=100)
    # 3 threads write at 0; the read has to wait for any one of them, not for all.
    assert times(slow) == [0, 0, 0, 100]
    history = perfect(then(limit(2, repeat(write(1))), READ), latency_ns=100)
    assert next((op.f, op.time) for op in history if op.f == "read") == ("read", 100)
    history = perfect(concat(limit(2, repeat(write(1))), READ), latency_ns=100)
    assert times(history) == [0, 0, 0]


def test_phases_wait_for_all():
    history = imperfect(phases(each_thread(write(1)), each_thread(READ), write(2)), concurrency=4)
    order = [(op.f, op.value, op.type == "invoke") for op in history]
    assert order == [
        *[("write", 1, True)] * 5,
        *[("write", 1, False)] * 5,
        *[("read", None, True)] * 5,
        *[("read", None, False)] * 5,
        ("write", 2, True),
        ("write", 2, False),
    ]


def test_flip_flop_alternates_and_ends_with_the_shorter():
    history = quick(flip_flop(count_up(), [READ, READ]))
    assert [(op.f, op.value) for op in invocations(history)] == [
        ("write", 0),
        ("read", None),
        ("write", 1),
        ("read", None),
        ("write", 2),
    ]


def test_cycle_begins_again():
    assert values(quick(cycle([write(1), write(2)], 3))) == [1, 2, 1, 2, 1, 2]
    assert values(quick(limit(5, cycle([write(1), write(2)])))) == [1, 2, 1, 2, 1]
    assert quick(cycle(None)) == []
    assert quick(cycle(READ, 0)) == []


def test_repeat_stays_at_the_first():
    assert values(quick(repeat([write(1), write(2)], 3))) == [1, 1, 1]


# -- threads -------------------------------------------------------------------


def test_clients_and_nemesis_have_their_own_threads():
    history = quick(clients(limit(20, repeat(READ)), limit(5, repeat({"f": "kill"}))))
    by_f = {op.f: set() for op in history}
    for op in history:
        by_f[op.f].add(op.process)
    assert by_f == {"read": {0, 1}, "kill": {"nemesis"}}
    assert Counter(fs(history)) == {"read": 20, "kill": 5}
    assert {op.process for op in quick(nemesis(repeat(READ, 3)))} == {"nemesis"}
    assert Counter(fs(quick(nemesis(repeat({"f": "kill"}, 3), READ)))) == {"kill": 3, "read": 1}


def test_on_threads_takes_mask_collection_and_predicate():
    for which in (0b101, {0, 2}, lambda thread: thread in (0, 2)):
        history = quick(on_threads(which, limit(30, repeat(READ))), concurrency=4)
        assert {op.process for op in history} == {0, 2}


def test_on_threads_that_do_not_exist_is_exhausted():
    assert quick(on_threads({17}, repeat(READ))) == []


def test_each_thread_goes_through_its_own_copy():
    history = quick(each_thread([write(1), write(2)]), concurrency=3)
    for process in (0, 1, 2, "nemesis"):
        assert [op.value for op in invocations(history) if op.process == process] == [1, 2]


def test_each_process_starts_afresh_after_a_crash():
    generator = clients(each_process([{"f": "login"}, repeat(READ)]))
    history = imperfect(limit(40, generator), concurrency=3)
    first = {}
    for op in invocations(history):
        first.setdefault(op.process, op.f)
    assert len(first) > 6
    assert set(first.values()) == {"login"}


def test_each_process_may_be_replaced_even_after_its_last_operation():
    history = perfect_info(limit(5, clients(each_process(READ))), concurrency=1)
    assert [op.process for op in invocations(history)] == [0, 1, 2, 3, 4]


def test_each_thread_does_not_start_afresh_after_a_crash():
    history = perfect_info(clients(each_thread([{"f": "login"}, READ, READ])), concurrency=2)
    assert Counter(fs(history)) == {"login": 2, "read": 4}


def test_reserve_gives_threads_to_generators():
    generator = clients(reserve(2, repeat(write(1)), 3, repeat(write(2)), repeat(READ)))
    history = perfect(limit(500, generator), concurrency=7)
    threads = {}
    for op in invocations(history):
        threads.setdefault((op.f, op.value), set()).add(op.process)
    assert threads == {("write", 1): {0, 1}, ("write", 2): {2, 3, 4}, ("read", None): {5, 6}}


def test_reserve_goes_on_when_one_is_exhausted():
    history = quick(clients(reserve(1, repeat(write(1), 3), repeat(READ, 5))))
    assert Counter(fs(history)) == {"write": 3, "read": 5}


def test_reserve_without_a_generator_for_the_rest_leaves_it_idle():
    history = quick(clients(reserve(1, repeat(READ, 9))), concurrency=3)
    assert {op.process for op in history} == {0}


def test_reserve_says_when_there_are_too_few_threads():
    with pytest.raises(UserError, match="5 threads are wanted"):
        quick(clients(reserve(3, READ, 2, READ, READ)))
    with pytest.raises(UserError, match="not a number of threads"):
        reserve(READ, 3, READ)


# -- choice --------------------------------------------------------------------


def test_any_takes_the_soonest():
    generator = any_(delay(3, repeat(write("slow"))), delay(1, repeat(write("fast"))))
    history = quick(time_limit(9.5, generator))
    assert Counter(values(history)) == {"fast": 10, "slow": 4}


def test_any_ends_with_the_last_and_shortest_any_with_the_first():
    assert len(fs(quick(any_(repeat(READ, 3), repeat(READ, 30))))) == 33
    assert Counter(values(quick(shortest_any(repeat(write(1), 3), repeat(write(2))))))[1] == 3


def test_mix_takes_each_about_as_often_as_its_weight():
    even = Counter(values(quick(limit(3000, mix([repeat(write(i)) for i in range(3)])))))
    assert all(900 < even[i] < 1100 for i in range(3))
    uneven = Counter(
        values(quick(limit(3000, mix([repeat(write(0)), repeat(write(1))], weights=[9, 1]))))
    )
    assert 2600 < uneven[0] < 2800


def test_mix_goes_on_without_those_that_are_exhausted():
    history = quick(mix([repeat(write(i), 10 * i) for i in range(4)]))
    assert Counter(values(history)) == {1: 10, 2: 20, 3: 30}


def test_mix_tells_its_generators():
    history = perfect(limit(200, mix([until_ok(repeat(write(1))), repeat(READ)])))
    assert 1 <= Counter(fs(history))["write"] <= 3


def test_mix_refuses_weights_that_make_no_sense():
    with pytest.raises(UserError):
        mix([READ], weights=[1, 2])
    with pytest.raises(UserError):
        mix([READ, READ], weights=[1, 0])


# -- limits --------------------------------------------------------------------


def test_limit_and_once():
    assert len(fs(quick(limit(7, repeat(READ))))) == 7
    assert len(fs(quick(once(repeat(READ))))) == 1
    assert quick(limit(0, READ)) == []
    with pytest.raises(UserError):
        limit(-1, READ)


def test_process_limit_bounds_the_processes():
    history = perfect_info(clients(process_limit(5, repeat(READ))), concurrency=2)
    assert {op.process for op in history} <= set(range(6))
    assert len({op.process for op in history}) <= 5


def test_concurrency_limit_bounds_what_runs():
    history = perfect(concurrency_limit(2, repeat(READ, 20)), concurrency=5)
    running = most = 0
    for op in history:
        running += 1 if op.type == "invoke" else -1
        most = max(most, running)
    assert most == 2
    assert len(history) == 40


def test_concurrency_limit_counts_sleeps_too():
    history = quick(concurrency_limit(1, cycle([sleep(1), READ], 3)))
    assert times(history) == [SECOND, 2 * SECOND, 3 * SECOND]


def test_until_ok_tries_until_it_works():
    history = imperfect(clients(until_ok(repeat(READ))), concurrency=1)
    assert [op.type for op in history] == ["invoke", "fail", "invoke", "info", "invoke", "ok"]


def test_until_ok_minds_its_own_operations_only():
    generator = clients(
        reserve(1, until_ok(repeat({"f": "never"})), limit(20, repeat({"f": "always"})))
    )
    history = simulate(
        limit(60, generator), lambda c, op: ("ok" if op.f == "always" else "fail", 10)
    )
    assert Counter(fs(history)) == {"always": 20, "never": 40}


# -- time ----------------------------------------------------------------------


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


# -- rewriting -----------------------------------------------------------------


def test_map_f_map_and_filter():
    doubled = map_(lambda op: msgspec.structs.replace(op, value=2 * op.value), count_up())
    assert values(quick(limit(3, doubled))) == [0, 2, 4]
    assert fs(quick(f_map({"read": "peek"}, [READ, write(1)]))) == ["peek", "write"]
    assert values(quick(limit(3, filter_(lambda op: op.value % 2, count_up())))) == [1, 3, 5]


def test_filter_gives_up_when_nothing_ever_passes():
    with pytest.raises(UserError, match="did not pass"):
        quick(filter_(lambda op: False, repeat(READ)))


def test_ignore_updates_is_told_of_nothing():
    assert len(fs(perfect(limit(30, ignore_updates(until_ok(repeat(READ))))))) == 30


def test_on_update_can_become_another_generator():
    def read_after_failure(this, context, event):
        return [{"f": "read"}, this] if event.type == "fail" else this

    history = imperfect(
        clients(concurrency_limit(1, limit(8, on_update(read_after_failure, count_up())))),
        concurrency=1,
    )
    for before, after in itertools.pairwise(history):
        if before.type == "fail":
            assert after.f == "read"


def test_on_update_can_pass_events_on():
    generator = on_update(
        lambda this, context, event: this.inform(context, event), until_ok(repeat(READ))
    )
    assert len(fs(imperfect(clients(generator), concurrency=1))) == 3


# -- checking ------------------------------------------------------------------


class Broken(Generator):
    def __init__(self, answer):
        self.answer = answer

    def op(self, context):
        return self.answer


def operation(**changes):
    fields = {"index": -1, "time": 0, "process": 0, "type": "invoke", "f": "read"}
    return Operation(**(fields | changes))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (3, "a pair"),
        ((PENDING, None), "pending needs a successor"),
        ((operation(), 3), "successor is 3"),
        (({"f": "read"}, None), "expected an Operation"),
        ((operation(index=4), None), "index 4"),
        ((operation(time=-1), None), "time -1"),
        ((operation(time=0.5), None), "time 0.5"),
        ((operation(process=7), None), "process 7 is not one of"),
        ((operation(process=1), None), "process 1 is busy"),
        ((operation(type="ok"), None), "type 'ok'"),
        ((operation(f=None), None), "f None"),
    ],
)
def test_validate_names_what_is_wrong(answer, message):
    context = Context(0, random.Random(0), 0b111, 0b101, (0, 1, "nemesis"), 2)
    with pytest.raises(GeneratorError, match=message):
        validate(Broken(answer)).op(context)


def test_validate_checks_updates():
    class Odd(Generator):
        def op(self, context):
            return PENDING, self

        def update(self, context, event) -> Any:
            return {"f": "read"}

    with pytest.raises(GeneratorError, match="expected a Generator"):
        validate(Odd()).update(Context.start(1, random.Random(0)), operation())


def test_friendly_exceptions_say_where():
    def fail():
        raise ZeroDivisionError("by zero")

    with pytest.raises(GeneratorError, match=r"ZeroDivisionError: by zero.*at 0 ns") as caught:
        quick(friendly_exceptions(fail))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)

    with pytest.raises(GeneratorError, match="told at"):
        quick(friendly_exceptions(on_update(lambda *_: 1 / 0, repeat(READ))))


def test_trace_writes_questions_and_events():
    lines = []
    quick(trace("reads", repeat(READ, 1), write=lines.append))
    assert lines[0].startswith("reads: at 0 ns, free (0, 1, 'nemesis'): Operation(")
    assert "told at 0 ns" in lines[1]


def test_a_generator_that_waits_for_nothing_is_found():
    class Stuck(Generator):
        def op(self, context):
            return PENDING, self

    with pytest.raises(GeneratorError, match="wait for ever"):
        quick(Stuck())


# -- independent ---------------------------------------------------------------


def test_sequential_keys():
    history = quick(independent.sequential("ab", lambda key: [write(1), write(2)]))
    assert [(op.key, op.value) for op in invocations(history)] == [
        ("a", 1),
        ("a", 2),
        ("b", 1),
        ("b", 2),
    ]


def test_concurrent_keys_keep_groups_apart():
    generator = clients(
        independent.concurrent(2, itertools.count(), lambda key: limit(10, repeat(READ)))
    )
    history = imperfect(limit(300, generator), concurrency=6)
    groups = {}
    for op in invocations(history):
        groups.setdefault(op.key, set()).add(number(op) % 6 // 2)
    assert len(groups) >= 30
    assert all(len(group) == 1 for group in groups.values())
    assert set().union(*groups.values()) == {0, 1, 2}


def test_concurrent_keys_end_when_there_are_no_more():
    history = perfect(
        independent.concurrent(2, range(7), lambda key: limit(key, count_up())), concurrency=4
    )
    assert Counter(op.key for op in invocations(history)) == {key: key for key in range(1, 7)}
    assert all(op.process != "nemesis" for op in history)


def test_concurrent_keys_with_reserve_inside():
    def for_key(key):
        return limit(20, reserve(1, repeat(write(key)), repeat(READ)))

    history = perfect(
        limit(200, clients(independent.concurrent(3, itertools.count(), for_key))), concurrency=6
    )
    writers = {op.process for op in history if op.f == "write"}
    assert writers == {0, 3}


def test_a_late_completion_of_the_last_key_does_not_concern_the_next():
    # Thread 1 is still busy with key 0 when thread 0 has its ok there, and moves on to key 1.
    generator = independent.concurrent(2, range(3), lambda key: until_ok(repeat(READ)))
    history = simulate(clients(generator), lambda c, op: ("ok", 10 + 5 * number(op)))
    oks = {}
    for op in history:
        if op.type == "ok":
            oks.setdefault(op.key, []).append(op.time)
    assert sorted(oks) == [0, 1, 2]
    for key in (1, 2):
        invoked = [op.time for op in invocations(history) if op.key == key]
        assert max(invoked) <= min(oks[key])


def test_concurrent_keys_need_whole_groups():
    with pytest.raises(UserError, match="concurrency to 3 or 6"):
        quick(independent.concurrent(3, range(5), lambda key: READ), concurrency=4)


def test_operations_of_independent_keys_have_no_other_key():
    with pytest.raises(UserError, match="key of its own"):
        quick(independent.sequential([1], lambda key: {"f": "read", "key": 2}))


def test_synchronize_inside_a_group_waits_for_the_group_only():
    def for_key(key):
        return phases(each_thread(write(key)), READ)

    history = simulate(
        independent.concurrent(2, range(2), for_key),
        lambda c, op: ("ok", 1000 if op.process == 0 else 10),
        concurrency=4,
    )
    reads = {number(op) // 2: op.time for op in invocations(history) if op.f == "read"}
    assert reads == {0: 1000, 1: 10}


def test_synchronize_waits():
    history = perfect(concat(each_thread(write(1)), synchronize(READ)), concurrency=5)
    kinds = [op.f + ":" + op.type for op in history]
    assert kinds.index("read:invoke") == 12


# -- who hears what ------------------------------------------------------------


def listening(heard, generator):
    def hear(this, context, event):
        heard.append(event)
        return this.inform(context, event)

    return on_update(hear, generator)


def test_on_threads_hears_of_its_own_threads_only():
    heard = []
    mine = on_threads({0}, listening(heard, repeat(READ)))
    perfect(limit(20, any_(mine, on_threads({1}, repeat(write(1))))))
    assert {event.process for event in heard} == {0}


def test_a_key_hears_of_its_own_operations_only():
    heard = {0: [], 1: []}
    generator = independent.concurrent(
        2, range(2), lambda key: listening(heard[key], repeat(READ, 1 if key == 0 else 9))
    )
    # Key 0 has one slow read; meanwhile the other thread is at key 1, and hears it end.
    simulate(clients(generator), lambda c, op: ("ok", 25 if op.key == 0 else 10))
    assert {event.key for event in heard[1]} == {1}


def test_until_ok_does_not_take_the_ok_of_another_on_the_same_threads():
    generator = any_(until_ok(repeat({"f": "never"})), repeat({"f": "always"}, 10))
    history = simulate(
        limit(60, generator), lambda c, op: ("ok" if op.f == "always" else "fail", 10)
    )
    assert Counter(fs(history)) == {"always": 10, "never": 50}


def test_mix_waits_for_the_one_that_is_pending():
    class Stuck(Generator):
        def op(self, context):
            return PENDING, self

    context = Context.start(2, random.Random(0))
    for _ in range(20):
        answer = mix([Stuck(), repeat(READ)]).op(context)
        if answer is not None and answer[0] is PENDING:
            assert answer[1] is not None
            for _ in range(20):
                assert answer[1].op(context) == (PENDING, answer[1])
            return
    raise AssertionError("the pending generator was never chosen")


def test_reserve_notices_when_a_generator_begins_to_listen():
    generator = clients(reserve(1, [READ, until_ok(repeat(write(1)))], repeat(READ, 5)))
    history = perfect(limit(30, generator), concurrency=2)
    assert Counter(fs(history)) == {"read": 6, "write": 1}
