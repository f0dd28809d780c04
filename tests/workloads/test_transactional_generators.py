"""What the transactional workloads generate: keys, values, lengths, orders, options."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.isolation import Isolation
from duress.harness import registry
from duress.harness.errors import UserError
from duress.harness.generator import clients, simulate
from duress.harness.judgement import workload_of
from duress.harness.spec import TrialSpec
from duress.workloads.causal import CausalWorkload
from duress.workloads.transactions import Shape, level_of, order_of

NAMES = (
    "append", "rw-register", "bank", "long-fork", "write-skew", "causal", "monotonic", "sequential",
)  # fmt: skip


def workload(name, **options):
    given = {option.replace("_", "-"): value for option, value in options.items()}
    return registry.load("workloads", name)(given, 6, Random(1))


def events(name, count=400, concurrency=6, run=simulate.perfect, seed=1, **options):
    generator = clients(workload(name, **options).generator())
    return run(generator, concurrency=concurrency, seed=seed, stop_after=count)


def invoked(name, *args, **options):
    return simulate.invocations(events(name, *args, **options))


shapes = st.fixed_dictionaries(
    {
        "key_count": st.integers(1, 12),
        "key_distribution": st.sampled_from(["uniform", "exponential"]),
        "min_length": st.integers(1, 3),
        "max_length": st.integers(3, 7),
        "max_writes_per_key": st.integers(1, 9),
    }
)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["append", "rw-register"]), shapes, st.integers(0, 99))
def test_keys_rotate_and_every_value_is_written_once(name, options, seed):
    write = "append" if name == "append" else "w"
    written, seen = {}, set()
    for operation in invoked(name, 120, seed=seed, **options):
        assert operation.f == "txn"
        steps = operation.value
        assert options["min_length"] <= len(steps) <= options["max_length"]
        for f, key, value in steps:
            seen.add(key)
            if f == "r":
                assert value is None
                continue
            assert f == write
            assert value == written.get(key, 0) + 1, "1, 2, 3, … in each key"
            assert value <= options["max_writes_per_key"]
            written[key] = value
            open_keys = [k for k in seen if written.get(k, 0) < options["max_writes_per_key"]]
            assert len(open_keys) <= options["key_count"]
    # A key only makes room for the next one when it is full.
    full = sum(count == options["max_writes_per_key"] for count in written.values())
    assert max(seen) < options["key_count"] + full


def test_the_share_of_transactions_that_only_read():
    for share in (0.0, 0.25, 1.0):
        operations = invoked("append", 2000, read_only_share=share)
        reading = sum(all(step[0] == "r" for step in o.value) for o in operations)
        assert abs(reading / len(operations) - share) < 0.04


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"key-distribution": "uniform", "key-count": 4}, [1, 1, 1, 1]),
        ({"key-count": 4}, [1, 2, 4, 8]),
        ({"key-count": 3, "key-base": 3}, [1, 3, 9]),
        ({"key-count": 3, "key-base": 1}, [1, 1, 1]),
    ],
)
def test_keys_are_as_likely_as_asked_for(options, expected):
    shape, random = Shape.of(options, "w"), Random(1)
    counts = Counter(shape.some_key(random) for _ in range(30_000))
    assert sorted(counts) == list(range(len(expected)))
    for place, weight in enumerate(expected):
        assert counts[place] / 30_000 == pytest.approx(weight / sum(expected), abs=0.012)


def test_very_many_keys_are_no_trouble():
    shape, random = Shape.of({"key-count": 50_000}, "w"), Random(1)
    assert all(0 <= shape.some_key(random) < 50_000 for _ in range(1000))


def test_transfers_are_between_two_accounts():
    operations = invoked("bank", 2000, accounts=3, max_transfer=4)
    transfers = [o.value for o in operations if o.f == "transfer"]
    assert abs(len(transfers) / len(operations) - 0.5) < 0.05
    assert {t["amount"] for t in transfers} == {1, 2, 3, 4}
    pairs = {(t["from"], t["to"]) for t in transfers}
    assert pairs == {(a, b) for a in range(3) for b in range(3) if a != b}
    final = simulate.invocations(simulate.perfect(workload("bank").final_generator()))
    assert {o.f for o in final} == {"read"}


def test_insertions_come_in_pairs_that_exclude_each_other():
    operations = invoked("write-skew", 200)
    ids = set()
    for one, two in zip(operations[::2], operations[1::2], strict=True):
        (key, left), (other, right) = one.value, two.value
        assert key == other
        assert [a is None for a in left] != [b is None for b in right]
        ids |= {i for i in (*left, *right) if i is not None}
        assert one.process != two.process
    assert len(ids) == 200
    assert {o.value[1].index(None) for o in operations[::2]} == {0, 1}


def test_a_long_fork_writer_reads_its_group_next():
    operations = invoked("long-fork", 600, group_size=3)
    written, owing = [], {}
    for operation in operations:
        process, steps = operation.process, operation.value
        if steps[0][0] == "w":
            assert process not in owing
            assert len(steps) == 1
            written.append(steps[0][1])
            owing[process] = steps[0][1] // 3
            continue
        keys = sorted(key for _, key, _ in steps)
        group = keys[0] // 3
        assert keys == [group * 3, group * 3 + 1, group * 3 + 2]
        assert group == owing.pop(process, group)
    assert written == list(range(len(written)))
    assert len({tuple(k for _, k, _ in o.value) for o in operations if len(o.value) > 1}) > 50


def test_every_process_has_a_register_that_grows():
    last = {}
    for operation in invoked("monotonic", 600, run=simulate.imperfect, keys_per_read=2):
        for f, key, value in operation.value:
            if f == "w":
                assert key == operation.process
                assert value == last.get(key, 0) + 1
                last[key] = value
        if operation.value[0][0] == "r":
            assert len({key for _, key, _ in operation.value}) == 2
    assert len(last) > 6, "a process that crashed leaves its register to nobody"


@pytest.mark.parametrize("run", [simulate.perfect, simulate.imperfect])
def test_walks_write_up_and_read_down(run):
    size = 4
    walks, wrote = {}, {}
    for event in events("sequential", 900, run=run, group_size=size):
        ((f, key, _),) = event.value
        if event.type == "invoke":
            before = walks.get(event.process)
            if before is None or before[1] != f:
                assert key % size == (0 if f == "w" else size - 1)
            elif key // size == before[0] // size and f == "w":
                assert key == before[0] + 1
                assert wrote[before[0]] == "ok", "a key follows one that is acknowledged"
            walks[event.process] = key, f
            if f == "w":
                assert key not in wrote, "written once"
                wrote[key] = "open"
        elif f == "w":
            wrote[key] = event.type
    done = Counter(key // size for key, outcome in wrote.items() if outcome == "ok")
    assert done.most_common(1)[0][1] == (size if run is simulate.perfect else 1)


def test_fresh_keys_of_the_causal_reverse_are_written_once_and_read_together():
    operations = invoked("causal", 900, window=5)
    fresh = [o.value for o in operations if o.value[0][1] < 0]
    assert abs(len(fresh) / len(operations) - 0.3) < 0.06
    written = [steps[0][1] for steps in fresh if steps[0][0] == "w"]
    assert written == [-1 - n for n in range(len(written))]
    assert max(len(steps) for steps in fresh if steps[0][0] == "r") == 5


@pytest.mark.parametrize("name", NAMES)
def test_a_generator_is_immutable_and_follows_the_seed(name):
    generator = workload(name).generator()
    runs = [
        simulate.imperfect(generator, concurrency=4, seed=seed, stop_after=200)
        for seed in (1, 1, 2)
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("append", {"key-count": "0"}),
        ("append", {"key-count": "some"}),
        ("append", {"key-distribution": "normal"}),
        ("append", {"key-base": "nan"}),
        ("append", {"min-length": "2.5"}),
        ("append", {"max-length": "1", "min-length": "2"}),
        ("append", {"max-writes-per-key": "-1"}),
        ("append", {"read-only-share": "1.5"}),
        ("append", {"level": "quite-good"}),
        ("rw-register", {"wfr-keys": "maybe"}),
        ("rw-register", {"level": "best"}),
        ("bank", {"accounts": "1"}),
        ("bank", {"balance": "-3"}),
        ("bank", {"max-transfer": "0"}),
        ("bank", {"negative-balances": "few"}),
        ("bank", {"read-share": "0"}),
        ("bank", {"total": "inf"}),
        ("long-fork", {"group-size": "1"}),
        ("causal", {"window": "1"}),
        ("causal", {"order": "none"}),
        ("causal", {"reverse-share": "2"}),
        ("monotonic", {"keys-per-read": "0"}),
        ("monotonic", {"order": "causal"}),
        ("sequential", {"group-size": "x"}),
    ],
)
def test_an_option_that_makes_no_sense_is_named(name, options):
    with pytest.raises(UserError, match=next(iter(options))):
        registry.load("workloads", name)(options, 4, Random(1))


def test_the_level_is_what_is_asked_for_then_what_is_promised():
    assert level_of({}) == "strict-serializable"
    assert level_of({"promised-level": "snapshot-isolation"}) == "snapshot-isolation"
    assert level_of({"promised-level": "snapshot-isolation", "level": "causal"}) == "causal"
    assert level_of({"promised-level": "snapshot-isolation"}, "causal") == "causal"
    assert order_of({}) == "realtime"
    assert order_of({"promised-level": "strong-snapshot-isolation"}) == "realtime"
    assert order_of({"promised-level": "strong-session-serializable"}) == "session"
    assert order_of({"promised-level": "serializable"}) == "session"
    assert order_of({"promised-level": "serializable", "order": "realtime"}) == "realtime"
    assert set(CausalWorkload({}, 2, Random(1)).checkers()) == {"isolation", "causal-reverse"}


@pytest.mark.parametrize("name", NAMES)
def test_every_option_has_a_line_and_nothing_is_required(name):
    kind = registry.load("workloads", name)
    assert kind.name == name
    assert all(line and len(line) < 100 for line in kind.options.values())
    assert kind({}, 2, Random(1)).checkers()


STORE = """
class Store:
    options = {"isolation": "of its transactions"}

    @classmethod
    def promised_level(cls, options):
        return {"si": "snapshot-isolation"}.get(options.get("isolation"), "serializable")
"""


def test_what_a_system_promises_reaches_the_workload(tmp_path):
    suite = tmp_path / "store.py"
    suite.write_text(STORE)

    def level(**options):
        spec = TrialSpec(
            system=f"{suite}:Store", workload="append", nemeses=[], cluster="sim", nodes=["n1"],
            seed=1, concurrency=2, options=options,
        )  # fmt: skip
        checker = workload_of(spec).checkers()["isolation"]
        assert isinstance(checker, Isolation)
        return checker.level

    assert level() == "serializable"
    assert level(isolation="si") == "snapshot-isolation"
    assert level(isolation="si", level="read-committed") == "read-committed"
