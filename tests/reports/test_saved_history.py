"""The quick reader: what the general one reads, or nothing where that one would complain."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.errors import UserError
from duress.harness.formats import jsonl
from duress.harness.history import HistoryError
from duress.harness.operation import Operation
from duress.reports import packing, saved_history
from duress.reports.saved_history import Texts

from . import synthetic

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
OPERATIONS = st.builds(
    Operation,
    index=st.just(-1),
    time=st.integers(0, 3),
    process=st.sampled_from([0, 1, 2, "nemesis"]),
    type=st.sampled_from(["invoke", "invoke", "ok", "ok", "fail", "info"]),
    f=st.sampled_from(["read", "read", "read", "write"]),
    value=VALUES,
    key=st.sampled_from([None, 1, True, 1.0, "1"]),
    node=st.sampled_from([None, "n1"]),
    error=VALUES,
)


def written(path, operations):
    encode = msgspec.json.Encoder().encode
    path.write_bytes(b"".join(encode(each) + b"\n" for each in operations))
    return path


def assert_same(quick, general):
    assert list(quick) == list(general)
    for at in range(len(general)):
        assert quick.completion(at) == general.completion(at)
    assert list(quick.pairs()) == list(general.pairs())
    assert list(quick.nemesis()) == list(general.nemesis())
    ours, theirs = quick.columns(), general.columns()
    for name in ("time", "process", "type", "pair", "f", "node"):
        assert getattr(ours, name).tolist() == getattr(theirs, name).tolist()
        assert getattr(ours, name).dtype == getattr(theirs, name).dtype


def test_a_trial_is_read_as_by_the_general_reader(tmp_path):
    path = written(tmp_path / "h", synthetic.generate(seed=2).operations)
    assert_same(saved_history.read(path), jsonl.read(path).history)


def test_an_empty_history(tmp_path):
    quick = saved_history.read(written(tmp_path / "h", []))
    assert quick is not None
    assert len(quick) == 0


@settings(max_examples=300, deadline=None)
@given(st.lists(OPERATIONS, max_size=8))
def test_any_operations(tmp_path_factory, operations):
    """Orders that break a rule are left to the general reader; all others give the same."""
    path = written(tmp_path_factory.mktemp("h") / "h", operations)
    quick = saved_history.read(path)
    try:
        general = jsonl.read(path).history
    except (UserError, HistoryError):
        assert quick is None
    else:
        assert quick is not None
        assert_same(quick, general)


@pytest.mark.parametrize(
    "text",
    [
        '{"index":0,"time":1,"process":-1,"type":"invoke","f":"read"}\n',
        '{"index":0,"time":1,"process":"n","type":"invoke","f":"read"}\n',
        '{"index":3,"time":1,"process":0,"type":"invoke","f":"read"}\n',
        '{"index":0,"time":1,"process":0,"type":"begin","f":"read"}\n',
        '{"index":0,"time":9223372036854775808,"process":0,"type":"invoke","f":"read"}\n',
        '{"index":0,"time":1,"process":4294967296,"type":"invoke","f":"read"}\n',
        '{"index":0,"time":1,"process":0,"type":"invoke","f":"read"}\n{"index":1,"ti',
        '{"index":0,"time":1,"process":0,"type":"invoke","f":"r","value":' + "[" * 9000 + "]" * 9000
        + "}\n",
        '{"index":0,"time":1,"process":0,"type":"invoke","f":"r","value":"\xff"}\n',
        '{"index":0,"time":1,"process":0,"type":"invoke","f":"r","value":[1e999]}\n',
        '{"index":0,"time":1,"process":0,"type":"invoke","f":"r","value":1' + "0" * 5000 + "}\n",
        "\x1f\x8b",
    ],
)  # fmt: skip
def test_what_is_strange_is_left_to_the_general_reader(tmp_path, text):
    path = tmp_path / "h"
    path.write_text(text, "latin-1")
    assert saved_history.read(path) is None


def test_it_cannot_be_appended_to(tmp_path):
    quick = saved_history.read(written(tmp_path / "h", synthetic.generate(calls=5).operations))
    assert quick is not None
    with pytest.raises(TypeError):
        quick.append(Operation(-1, 10**12, 0, "invoke", "read"))


def shown(values):
    lines, cut = packing._table(values)
    return lines.decode().split("\n"), cut


def test_values_are_packed_as_a_person_reads_them():
    values = [
        None,
        "a\nb",
        "\x1b[2J",
        [1, "x"],
        {"a": None},
        "\u202e",
        1.5,
        "é",
        ["\x7f", "\u2028"],
    ]
    texts = Texts([msgspec.json.encode(value) for value in values])
    expected = ["", "a b", "␛[2J", '[1,"x"]', '{"a":null}', "�", "1.5", "é", '["␡","�"]']
    assert shown(values)[0] == expected
    assert shown(texts)[0] == expected
    assert shown(Texts([b"[1,\t2]", b"[ 1]"]))[0] == ["[1, 2]", "[ 1]"]


def test_values_that_do_not_compress_are_cut_until_the_page_is_small_enough(monkeypatch):
    import random
    import zlib

    monkeypatch.setattr(packing, "PACKED_BYTES_MAX", 300_000)
    numbers = random.Random(1)
    noise = [numbers.choices(range(10**6), k=100) for _ in range(4000)]
    lines, cut = packing._table(noise)
    assert cut < 700
    assert len(zlib.compress(lines)) < 1.2 * 300_000
    first = lines.split(b"\n")[0].decode()
    assert json.dumps(noise[0]).replace(" ", "").startswith(first.split("…")[0])
    assert "more characters" in first
    alike = [list(range(number, number + 100)) for number in range(4000)]
    assert packing._table(alike)[1] == packing.VALUE_LENGTHS[0]
