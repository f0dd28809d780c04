import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.history import INFO, INVOKE, UNPAIRED, History, HistoryError, Intern
from duress.harness.operation import NEMESIS, Operation

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def op(index, process, type_, f="read", value=None, time=None, **more):
    time = index if time is None else time
    return Operation(index, time, process, type_, f, value, **more)


@st.composite
def histories(draw):
    """Rule-abiding operations of three threads and a nemesis."""
    operations, processes, opened = [], {0: 0, 1: 1, 2: 2, 3: NEMESIS}, {}
    time = 0
    for index in range(draw(st.integers(0, 40))):
        thread = draw(st.integers(0, 3))
        process = processes[thread]
        time += draw(st.integers(0, 5))
        if thread not in opened:
            opened[thread] = draw(st.sampled_from(["read", "write"]))
            operations.append(
                op(index, process, "invoke", opened[thread], draw(PLAIN), time, key=draw(PLAIN))
            )
            continue
        kind = "info" if thread == 3 else draw(st.sampled_from(["ok", "fail", "info"]))
        operations.append(
            op(index, process, kind, opened.pop(thread), draw(PLAIN), time, node="n1")
        )
        if kind == "info" and thread != 3:
            processes[thread] += 3
    return operations


@given(histories())
@settings(max_examples=150, deadline=None)
def test_gives_back_what_it_was_given(operations):
    history = History(operations)
    assert list(history) == operations
    assert history[-1:] == operations[-1:]


@given(histories())
@settings(max_examples=150, deadline=None)
def test_columns_and_pairs_agree_with_operations(operations):
    history = History(operations)
    columns = history.columns()
    assert len(columns) == len(operations)
    for at, operation in enumerate(operations):
        assert columns.keys[columns.key[at]] == operation.key
        assert columns.values[columns.value[at]] == operation.value
        pair = columns.pair[at]
        if pair != UNPAIRED:
            assert columns.pair[pair] == at
            assert operations[pair].process == operation.process
            assert (operations[min(at, pair)].type == "invoke") and (at != pair)
    unpaired = [o for o in operations if o.type == "invoke" and history.completion(o.index) is None]
    assert len({o.process for o in unpaired}) == len(unpaired)
    assert [i for i, _ in history.pairs()] == [
        o for o in operations if o.type == "invoke" and o.process != NEMESIS
    ]


def test_values_are_equal_only_if_equal_as_json():
    table = Intern()
    codes = [table.code(v) for v in (1, True, 1.0, "1", [1], [True], None, {"a": 1})]
    assert len(set(codes)) == len(codes)
    assert table.code(None) == 0
    assert table.code({"a": 1}) == codes[-1]


def test_columns_follow_later_appends():
    history = History([op(0, 0, "invoke")])
    before = history.columns()
    history.append(op(1, 0, "info"))
    after = history.columns()
    assert len(before) == 1
    assert list(after.type) == [INVOKE, INFO]
    assert after.time.dtype == np.int64


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ([op(0, 0, "ok")], "never invoked"),
        ([op(0, 0, "invoke"), op(1, 0, "invoke")], "is open"),
        ([op(0, 0, "invoke"), op(1, 0, "ok", "write")], "had invoked 'read'"),
        ([op(0, 0, "invoke"), op(1, 0, "info"), op(2, 0, "invoke")], "must not be reused"),
        ([op(0, 0, "invoke", time=5), op(1, 1, "invoke", time=4)], "before 5"),
        ([op(1, 0, "invoke")], "stands at position 0"),
        ([op(0, "n1", "invoke")], "neither a number"),
        ([op(0, -1, "invoke")], "neither a number"),
    ],
)
def test_names_the_operation_that_breaks_a_rule(operations, said):
    with pytest.raises(HistoryError, match=said):
        History(operations)


def test_a_nemesis_may_log_a_lone_info():
    assert len(History([op(0, NEMESIS, "info", "note"), op(1, NEMESIS, "info", "note")])) == 2
