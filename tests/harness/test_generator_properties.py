"""What holds for every generator, however it is composed."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    independent,
    lift,
    limit,
    log,
    map_,
    mix,
    nemesis,
    on_threads,
    on_update,
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
)
from duress.harness.generator.simulate import (
    imperfect,
    invocations,
    perfect,
    perfect_info,
    quick,
    simulate,
)
from duress.harness.history import History
from duress.harness.operation import NEMESIS

SIMULATORS = (quick, perfect, perfect_info, imperfect)

small = st.integers(0, 6)
seconds = st.sampled_from([0, 1e-9, 1e-8, 1e-7, 0.5])

leaves = st.one_of(
    st.sampled_from(["read", "write"]).map(lambda f: {"f": f}),
    small.map(lambda n: {"f": "write", "value": n}),
    small.map(lambda n: repeat({"f": "read"}, n)),
    small.map(lambda n: [{"f": "write", "value": i} for i in range(n)]),
    small.map(lambda n: limit(n, lambda c: {"f": "write", "value": c.random.randrange(9)})),
    small.map(lambda n: limit(n, lambda: [{"f": "a"}, {"f": "b"}])),
    st.just(None),
    seconds.map(sleep),
    st.just(log("hello")),
)


def compositions(inner):
    pair = st.tuples(inner, inner)
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several,
        several.map(lambda gens: any_(*gens)),
        several.map(lambda gens: shortest_any(*gens)),
        several.map(mix),
        several.map(lambda gens: mix(gens, weights=range(1, len(gens) + 1))),
        several.map(lambda gens: phases(*gens)),
        several.map(lambda gens: concat(*gens)),
        pair.map(lambda gens: then(*gens)),
        pair.map(lambda gens: flip_flop(*gens)),
        pair.map(lambda gens: reserve(1, *gens)),
        pair.map(lambda gens: clients(*gens)),
        pair.map(lambda gens: limit(20, cycle_times(1e-8, gens[0], 2e-8, gens[1]))),
        inner.map(synchronize),
        inner.map(clients),
        inner.map(nemesis),
        inner.map(each_thread),
        inner.map(lambda gen: limit(30, each_process(gen))),
        inner.map(lambda gen: on_threads({0, NEMESIS}, gen)),
        inner.map(lambda gen: limit(20, until_ok(cycle(gen)))),
        inner.map(lambda gen: cycle(gen, 2)),
        inner.map(lambda gen: concurrency_limit(1, gen)),
        inner.map(lambda gen: process_limit(6, gen)),
        inner.map(lambda gen: f_map({"read": "peek"}, gen)),
        inner.map(lambda gen: map_(lambda op: op, gen)),
        inner.map(lambda gen: filter_(lambda op: op.value != 3, gen)),
        inner.map(friendly_exceptions),
        inner.map(lambda gen: trace("t", gen, write=len)),
        inner.map(lambda gen: on_update(lambda this, c, e: this.inform(c, e), gen)),
        st.tuples(seconds, inner).map(lambda args: stagger(*args)),
        st.tuples(seconds, inner).map(lambda args: delay(*args)),
        st.tuples(seconds, inner).map(lambda args: time_limit(*args)),
        st.tuples(small, inner).map(lambda args: limit(*args)),
        inner.map(lambda gen: independent.sequential([None, None], lambda key: gen)),
    )


generators = st.recursive(leaves, compositions, max_leaves=8)
"""Of every kind; each comes to an end (but may be waiting for nobody, if badly composed)."""

bounded = settings(max_examples=80, deadline=None)


def run(simulator, generator, **options):
    """A history; what is composed so that it waits for ever gives the empty one."""
    try:
        return simulator(generator, **options)
    except GeneratorError as error:
        assert "wait for ever" in str(error), error
        return []


@bounded
@given(generators, st.sampled_from(SIMULATORS), st.integers(1, 15), st.integers(0, 3))
def test_histories_keep_the_rules(generator, simulator, concurrency, seed):
    # validate() is around it: no broken answer. History checks time, processes, crashes.
    operations = run(simulator, generator, concurrency=concurrency, seed=seed, stop_after=300)
    history = History(operations)
    assert all(completion is not None for _, completion in history.pairs())
    assert [op.time for op in operations] == sorted(op.time for op in operations)


@bounded
@given(generators, st.sampled_from(SIMULATORS), st.integers(0, 3))
def test_the_same_seed_gives_the_same_history(generator, simulator, seed):
    generator = lift(generator)
    first = run(simulator, generator, seed=seed, stop_after=200)
    assert run(simulator, generator, seed=seed, stop_after=200) == first


class Twice(Generator):
    """Asks everything twice, in between does something else with it, and compares."""

    def __init__(self, inner):
        self.inner = inner

    def op(self, context):
        state = context.random.getstate()
        first = self.inner.op(context)
        after = context.random.getstate()
        if first is not None and first[1] is not None:
            first[1].op(context)
        context.random.setstate(state)
        second = self.inner.op(context)
        assert context.random.getstate() == after
        if first is None or second is None:
            assert first is second
            return None
        assert first[0] == second[0]
        assert (first[1] is None) == (second[1] is None)
        return first[0], second[1] and Twice(second[1])

    def update(self, context, event):
        first = self.inner.update(context, event)
        second = self.inner.update(context, event)
        assert (first is None) == (second is None)
        return second and Twice(second)


@bounded
@given(generators, st.sampled_from(SIMULATORS), st.integers(0, 3))
def test_asking_twice_gives_the_same(generator, simulator, seed):
    plain = run(simulator, generator, seed=seed, stop_after=100)
    assert run(simulator, Twice(lift(generator)), seed=seed, stop_after=100) == plain


class ListensAlways(Generator):
    """Forwards everything, so that no parent may skip an update."""

    def __init__(self, inner):
        self.inner = inner

    def op(self, context):
        answer = self.inner.op(context)
        return answer and (answer[0], answer[1] and ListensAlways(answer[1]))

    def update(self, context, event):
        inner = self.inner.update(context, event)
        return inner and ListensAlways(inner)


@bounded
@given(generators, st.sampled_from(SIMULATORS))
def test_who_ignores_updates_really_does(generator, simulator):
    class Check(ListensAlways):
        def update(self, context, event):
            if self.inner.ignores_updates:
                assert self.inner.update(context, event) is self.inner
            inner = self.inner.update(context, event)
            return inner and Check(inner)

    run(simulator, Check(lift(generator)), stop_after=100)


@bounded
@given(generators, st.sampled_from(SIMULATORS))
def test_what_is_skipped_for_speed_would_change_nothing(generator, simulator):
    """A stack tells the same story whether its parents may skip updates or not."""
    quiet = lift(generator)
    wrapped = ListensAlways(quiet)
    layers = lambda inner: clients(time_limit(1, stagger(1e-8, limit(50, inner))))  # noqa: E731
    assert run(simulator, layers(quiet)) == run(simulator, layers(wrapped))


@bounded
@given(generators, st.integers(0, 12), st.sampled_from(SIMULATORS))
def test_limit_is_kept(generator, n, simulator):
    assert len(invocations(run(simulator, limit(n, cycle(generator, 20))))) <= n


@bounded
@given(generators, st.sampled_from(SIMULATORS), st.integers(1, 1000))
def test_time_limit_is_kept(generator, simulator, limit_ns):
    history = invocations(
        run(simulator, time_limit(limit_ns / 1e9, stagger(2e-8, cycle(generator, 50))))
    )
    if history:
        # From the first step, which may have been a sleep before the first operation.
        assert history[-1].time < history[0].time + limit_ns or history[0].time > 0


@bounded
@given(st.integers(1, 20), st.integers(0, 4), st.sampled_from(SIMULATORS))
def test_each_thread_gives_one_each(concurrency, n, simulator):
    history = simulator(each_thread(repeat({"f": "read"}, n)), concurrency=concurrency)
    threads = Counter(
        op.process if op.process == NEMESIS else op.process % concurrency
        for op in invocations(history)
    )
    wanted = dict.fromkeys([*range(concurrency), NEMESIS], n)
    assert threads == (wanted if n else {})


@bounded
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(0, 4),
    st.sampled_from(SIMULATORS),
    st.integers(0, 3),
)
def test_reserve_partitions_the_threads(counts, rest, simulator, seed):
    arguments = []
    owner = []
    for at, count in enumerate(counts):
        arguments += [count, repeat({"f": str(at)}, 10)]
        owner += [str(at)] * count
    owner += ["rest"] * rest
    history = simulator(
        clients(reserve(*arguments, repeat({"f": "rest"}, 10))),
        concurrency=len(owner),
        seed=seed,
    )
    for op in history:
        assert owner[op.process % len(owner)] == op.f
    assert Counter(op.f for op in invocations(history)) == dict.fromkeys(owner, 10)


@bounded
@given(generators, st.sampled_from(SIMULATORS), st.integers(1, 6))
def test_synchronize_waits_for_all(generator, simulator, concurrency):
    history = run(
        simulator, phases(generator, {"f": "barrier"}, generator), concurrency=concurrency
    )
    running = 0
    for op in history:
        if op.f == "barrier" or running < 0:
            assert running == (0 if op.type == "invoke" else 1)
        running += 1 if op.type == "invoke" else -1


@bounded
@given(st.lists(st.sampled_from(["ok", "fail", "info"]), max_size=12), st.integers(1, 5))
def test_until_ok_stops_at_the_first_ok(ends, concurrency):
    remaining = iter([*ends, *["ok"] * concurrency])
    history = simulate(
        clients(until_ok(repeat({"f": "try"}))),
        lambda context, op: (next(remaining), 10),
        concurrency=concurrency,
    )
    oks = [op.index for op in history if op.type == "ok"]
    assert oks
    assert all(op.index < oks[0] for op in invocations(history))


@bounded
@given(st.integers(0, 9), st.integers(0, 9), st.sampled_from(SIMULATORS), st.integers(1, 4))
def test_flip_flop_alternates(first, second, simulator, concurrency):
    history = simulator(
        flip_flop(repeat({"f": "a"}, first), repeat({"f": "b"}, second)), concurrency=concurrency
    )
    order = "".join(op.f for op in invocations(history))
    assert order == ("ab" * 10)[: min(2 * first, 2 * second + 1)]


@bounded
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 12),
    st.sampled_from(SIMULATORS),
    st.integers(0, 3),
)
def test_concurrent_keys_keep_groups_apart(size, groups, keys, simulator, seed):
    def for_key(key):
        return limit(key, mix([repeat({"f": "read"}), repeat({"f": "write"})]))

    concurrency = size * groups
    history = simulator(
        independent.concurrent(size, iter(range(keys)), for_key),
        concurrency=concurrency,
        seed=seed,
    )
    where = {}
    for op in invocations(history):
        where.setdefault(op.key, set()).add(op.process % concurrency // size)
    assert all(len(group) == 1 for group in where.values())
    assert Counter(op.key for op in invocations(history)) == {k: k for k in range(1, keys)}


@bounded
@given(generators, st.sampled_from([perfect_info, imperfect]), st.integers(1, 5))
def test_info_replaces_the_process(generator, simulator, concurrency):
    history = run(simulator, clients(limit(60, cycle(generator, 20))), concurrency=concurrency)
    current = list(range(concurrency))
    for op in history:
        thread = op.process % concurrency
        assert op.process == current[thread]
        if op.type == "info":
            current[thread] += concurrency


@bounded
@given(st.integers(1, 2**40), st.integers(0, 2**32))
def test_some_free_process_is_free(free, seed):
    concurrency = 40
    processes = (*range(1000, 1000 + concurrency), NEMESIS)
    context = Context(0, random.Random(seed), (1 << 41) - 1, free, processes, concurrency)
    assert context.some_free_process() in context.free_processes()
    assert len(context.free_processes()) == free.bit_count()


@pytest.mark.parametrize("threads", [(3, 5, 11), (2, 13, 14, 29, 63)])
def test_some_free_process_is_any_of_them_equally(threads):
    concurrency = 64
    free = sum(1 << thread for thread in threads)
    processes = (*range(concurrency), NEMESIS)
    context = Context(0, random.Random(1), (1 << 65) - 1, free, processes, concurrency)
    drawn = Counter(context.some_free_process() for _ in range(6000))
    expected = 6000 / len(threads)
    assert set(drawn) == set(threads)
    assert all(abs(n - expected) < 0.1 * expected for n in drawn.values())


def test_a_context_without_anyone_free_has_no_process():
    context = Context.start(3, random.Random(0))
    assert context.restrict(0).some_free_process() is None
    assert context.restrict(context.nemesis_mask).some_free_process() == NEMESIS
    assert context.restrict(context.client_mask).all_processes() == (0, 1, 2)
    assert [context.thread_of(p) for p in (0, 4, 8, NEMESIS)] == [0, 1, 2, 3]
    one = lift({"f": "read"})
    assert one.op(context.restrict(0)) == (PENDING, one)
