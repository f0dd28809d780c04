"""Whatever history is written is the history that is read."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.formats import jepsen, jsonl, load
from duress.harness.history import History
from duress.harness.operation import Operation, Type

NEMESIS_TYPES: list[Type] = ["invoke", "info"]
COMPLETIONS: list[Type] = ["ok", "fail", "info"]

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip


@st.composite
def histories(draw: st.DrawFn, values: st.SearchStrategy = plain) -> History:
    """Any history that keeps the rules, drawn step by step."""
    history = History()
    opened: dict[int, str] = {}
    fresh, time = 0, 0
    for _ in range(draw(st.integers(0, 25))):
        time += draw(st.integers(0, 5))
        value, error = draw(values), draw(st.none() | st.sampled_from(["timeout", ["refused", 3]]))
        if draw(st.integers(0, 9)) == 0:
            kind = draw(st.sampled_from(NEMESIS_TYPES))
            if kind == "invoke" and -1 in opened:
                kind = "info"
            f = opened.pop(-1, "kill") if kind == "info" else "kill"
            if kind == "invoke":
                opened[-1] = f
            history.append(Operation(-1, time, "nemesis", kind, f, value))
            continue
        process = draw(st.sampled_from([*(p for p in opened if p >= 0), fresh]))
        if process not in opened:
            fresh += 1
            opened[process] = draw(st.sampled_from(["read", "write", "cas"]))
            history.append(Operation(-1, time, process, "invoke", opened[process], value))
            continue
        kind = draw(st.sampled_from(COMPLETIONS))
        f = opened.pop(process)
        history.append(Operation(-1, time, process, kind, f, value, error=error))
    return history


@given(history=histories())
@settings(max_examples=60, deadline=None)
def test_jsonl(history: History, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round.jsonl"
    jsonl.write(history, path)
    loaded = load(path)
    assert loaded.format == "jsonl"
    assert loaded.torn == 0
    assert list(loaded.history) == list(history)


def _forward(history: History) -> list[Operation]:
    """Without the nemesis, whose lone ``info`` of the same name Jepsen cannot tell from pairs."""
    return [o for o in history if o.process != "nemesis"]


@given(history=histories())
@settings(max_examples=60, deadline=None)
def test_jepsen_edn(history: History, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round.edn"
    kept = History(Operation(-1, *_fields(o)[1:]) for o in _forward(history))
    jepsen.write(kept, path)
    assert list(jepsen.read(path, independent=False).history) == list(kept)


@given(history=histories(st.none() | st.integers()), key=st.integers() | st.text(max_size=3))
@settings(max_examples=40, deadline=None)
def test_jepsen_edn_with_keys(
    history: History, key: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "keys.edn"
    keyed = History(
        Operation(-1, o.time, o.process, o.type, o.f, o.value, key, None, o.error)
        for o in _forward(history)
    )
    jepsen.write(keyed, path)
    assert list(jepsen.read(path, independent=True).history) == list(keyed)


def _fields(o: Operation) -> tuple[Any, ...]:
    return (o.index, o.time, o.process, o.type, o.f, o.value, o.key, o.node, o.error)
