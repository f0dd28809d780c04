"""Jepsen's op maps in EDN and JSON, in and out."""

from pathlib import Path
from typing import Any

import pytest

from duress.harness.errors import UserError
from duress.harness.formats import jepsen, load
from duress.harness.history import UNPAIRED
from duress.harness.operation import Operation


def read(tmp_path: Path, text: str, name: str = "h.edn", **options: Any) -> Any:
    path = tmp_path / name
    path.write_text(text)
    reader = jepsen.read_json if name.endswith("json") else jepsen.read
    assert load(path).format == ("jepsen-json" if name.endswith("json") else "jepsen-edn")
    return reader(path, **options)


OPS = """{:process 0, :type :invoke, :f :write, :value 3, :time 5, :index 0}
{:process 0, :type :ok, :f :write, :value 3, :time 9, :index 1}"""

EXPECTED = [
    Operation(0, 5, 0, "invoke", "write", 3),
    Operation(1, 9, 0, "ok", "write", 3),
]


@pytest.mark.parametrize(
    "text",
    [
        OPS,
        f"[{OPS}]",
        f"; comment\n({OPS})\n",
        OPS.replace("{", "#jepsen.history.Op{"),
        "#jepsen.history.DenseHistory [" + OPS.replace("{", "#jepsen.history.Op {") + "]",
        OPS.replace(", ", "\n, "),
    ],
)
def test_one_op_a_line_or_one_vector_of_maps_or_records(tmp_path: Path, text: str) -> None:
    loaded = read(tmp_path, text)
    assert list(loaded.history) == EXPECTED
    assert loaded.notes == []
    assert loaded.source_index is None


@pytest.mark.parametrize("colon", ["", ":"])
def test_json_lines_and_arrays(tmp_path: Path, colon: str) -> None:
    lines = [
        f'{{"process":0,"type":"{colon}invoke","f":"{colon}write","value":3,"time":5}}',
        f'{{"process":0,"type":"{colon}ok","f":"{colon}write","value":3,"time":9}}',
    ]
    assert list(read(tmp_path, "\n".join(lines), "h.json").history) == EXPECTED
    assert list(read(tmp_path, "[" + ",\n".join(lines) + "]", "h.json").history) == EXPECTED


def test_transactions_become_lists_with_strings(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        "{:index 3 :process 1 :type :invoke :value [[:append 1 2] [:r :x nil]]}\n"
        "{:index 4 :process 1 :type :ok :value [[:append 1 2] [:r :x [2]]]}",
    )
    assert [o.f for o in loaded.history] == ["txn", "txn"]
    assert loaded.history[1].value == [["append", 1, 2], ["r", "x", [2]]]
    assert list(loaded.source_index) == [3, 4]
    assert len(loaded.notes) == 2  # no times, no f
    assert [o.time for o in loaded.history] == [0, 1]


def test_independent_tuples_are_found_out(tmp_path: Path) -> None:
    text = """{:process 0, :type :invoke, :f :read, :value [7 nil]}
              {:process 1, :type :invoke, :f :cas, :value [8 [1 2]]}
              {:process :nemesis, :type :info, :f :start, :value [1 2 3]}
              {:process 0, :type :ok, :f :read, :value [7 4]}
              {:process :nemesis, :type :info, :f :start, :value :done}
              {:process 1, :type :info, :f :cas, :error :timeout}"""
    loaded = read(tmp_path, text)
    assert [(o.key, o.value) for o in loaded.history] == [
        (7, None), (8, [1, 2]), (None, [1, 2, 3]), (7, 4), (None, "done"), (8, None),
    ]  # fmt: skip
    assert loaded.metadata["independent"] is True
    assert any("independent" in note for note in loaded.notes)
    kept = read(tmp_path, text, independent=False)
    assert [o.key for o in kept.history] == [None] * 6
    assert kept.history[0].value == [7, None]


@pytest.mark.parametrize(
    "pairs",
    [
        # A cas of plain values, whatever its numbers.
        [("invoke", "cas", "[1 2]"), ("ok", "cas", "[1 2]")],
        # Writes of pairs: nothing shows that the first is a key.
        [("invoke", "write", "[1 2]"), ("ok", "write", "[1 2]")],
        # The completion is of another key.
        [("invoke", "read", "[1 nil]"), ("ok", "read", "[2 3]")],
        [("invoke", "read", "[1 nil]"), ("ok", "read", "[1 2 3]")],
        # Two steps of a transaction.
        [("invoke", "txn", "[[:r 1 nil] [:r 2 nil]]"), ("ok", "txn", "[[:r 1 2] [:r 2 2]]")],
        # One operation that does not fit spoils it.
        [("invoke", "read", "[1 nil]"), ("ok", "read", "[1 2]"), ("invoke", "read", "nil")],
    ],
)
def test_other_pairs_are_not_taken_for_tuples(
    tmp_path: Path, pairs: list[tuple[str, str, str]]
) -> None:
    text = "\n".join(f"{{:process 0, :type :{t}, :f :{f}, :value {v}}}" for t, f, v in pairs)
    loaded = read(tmp_path, text)
    assert {o.key for o in loaded.history} == {None}
    assert "independent" not in loaded.metadata


def test_independence_can_be_forced_and_tagged(tmp_path: Path) -> None:
    text = """{:process 0, :type :invoke, :f :write, :value [7 1]}
              {:process 0, :type :ok, :f :write, :value [7 1]}"""
    assert [o.key for o in read(tmp_path, text, independent=True).history] == [7, 7]
    tagged = text.replace("[7", "#jepsen.independent.Tuple [7")
    assert [(o.key, o.value) for o in read(tmp_path, tagged).history] == [(7, 1), (7, 1)]
    with pytest.raises(UserError, match=r"h\.edn:2: value 3 is not a pair"):
        read(tmp_path, text[: text.rindex("[")] + "3}", independent=True)
    with pytest.raises(UserError, match=r"h\.edn:2: value \[8, 1\] is not a pair of the key 7"):
        read(tmp_path, text[::-1].replace("7[", "8[", 1)[::-1], independent=True)


def test_nemesis_operations_are_paired(tmp_path: Path) -> None:
    fs = ["kill", "kill", "log", "start", "start", "stop"]
    text = "\n".join(f"{{:process :nemesis, :type :info, :f :{f}}}" for f in fs)
    history = read(tmp_path, text).history
    assert [o.type for o in history] == ["invoke", "info", "info", "invoke", "info", "info"]
    unpaired = UNPAIRED
    assert list(history.columns().pair) == [1, 0, unpaired, 4, 3, unpaired]


def test_odd_histories_are_mended_and_say_so(tmp_path: Path) -> None:
    text = """{:process 0, :type :invoke, :f :read, :time 50, :clock {:a 1}}
              {:process 0, :type :info, :f :read, :time 40}
              {:process 0, :type :invoke, :f :read}
              {:process 0, :type :ok, :f :read, :value 1, :time 60.0}
              {:process 1000000, :type :invoke, :f :read, :time 70}
              {:process 99999999999, :type :invoke, :f :read, :time 70}"""
    loaded = read(tmp_path, text)
    assert [o.time for o in loaded.history] == [50, 50, 51, 60, 70, 70]
    assert [o.process for o in loaded.history] == [0, 0, 1000000, 1000000, 1000001, 1000002]
    assert list(loaded.history.columns().pair[:4]) == [1, 0, 3, 2]
    notes = " ".join(loaded.notes)
    for said in ("1 of 6 operations have no time", "1 of 6 times run backwards",
                 "3 times a process went on after an info", "fields left out: clock"):  # fmt: skip
        assert said in notes


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{:process 1, :type :ok, :f :read}", "process 1 completes 'read', which it never invoked"),
        ("{:process 0, :type :ok, :f :read}", "completes 'read' but had invoked 'write'"),
        ("{:process 0, :type :invoke, :f :read}", "while its 'write' is open"),
        ("{:process 0, :type :maybe, :f :write}", "type maybe is not"),
        ("{:process 0, :f :write}", "without a type"),
        ("{:type :ok, :f :write}", "without a process"),
        ("{:process :client, :type :ok, :f :write}", "neither a number nor nemesis"),
        ("{:process true, :type :ok, :f :write}", "neither a number nor nemesis"),
        ("{:process 3, :type :invoke, :value 4}", "without f"),
        ("{:process 3, :type :invoke, :f 4}", "f 4 is not a name"),
        ("{:process 0, :type :ok, :f :write, :time :now}", "time now is"),
        ("{:process 0, :type :ok, :f :write, :time 99999999999999999999}", "64 bits"),
        ("{:process :nemesis, :type :info}", "without f"),
        ("{:process 0, :type [:ok], :f :write}", "type "),
        ("[1 2]", "a map) is expected"),
        ("5", "a map) is expected here, not 5"),
        ("nil #foo {}", "a map) is expected here, not None"),
    ],
)
def test_what_contradicts_itself_is_named(tmp_path: Path, line: str, what: str) -> None:
    for ops in (OPS.splitlines()[0], "\n".join([OPS] * 3000) + "\n" + OPS.splitlines()[0]):
        last = ops.count("\n") + 2
        with pytest.raises(UserError, match=rf"h\.edn:{last}(:\d+)?: .*") as caught:
            read(tmp_path, f"{ops}\n{line}\n")
        assert what in str(caught.value)
        assert "\n" not in str(caught.value)


def test_json_errors_name_the_line(tmp_path: Path) -> None:
    good = '{"process":0,"type":"invoke","f":"write","value":3}'
    orphan = '{"process":1,"type":"ok","f":"write","value":3}'
    for text in (f"{good}\n{orphan}\n", f"[{good},\n{orphan}]", f"[{good}\n,{orphan}\n]"):
        with pytest.raises(UserError, match=r"h\.json:2: process 1 completes"):
            read(tmp_path, text, "h.json")
    for text in (f"{good}\n{{'a'\n", f"[{good},\n{{]"):
        with pytest.raises(UserError, match=r"h\.json:2: not JSON: "):
            read(tmp_path, text, "h.json")


def test_completions_alone_can_be_given_invocations() -> None:
    ops = [
        {"process": 0, "type": "ok", "value": [["append", "x", 1], ["r", "x", [1]]], "index": 0},
        {"process": 0, "type": "ok", "value": [["r", "x", [1]]], "index": 1},
    ]
    loaded = jepsen.from_operations(ops, lambda: "case", orphans="invoke")
    assert [o.type for o in loaded.history] == ["invoke", "ok"] * 2
    assert loaded.history[0].value == [["append", "x", 1], ["r", "x", None]]
    assert loaded.metadata["realtime"] is False
    assert list(loaded.source_index or ()) == [-1, 0, -1, 1]


def test_what_is_written_is_what_knossos_and_elle_read() -> None:
    operations = [
        Operation(0, 5, 3, "invoke", "cas", [1, 2], key=7, node="n1"),
        Operation(1, 6, 3, "info", "cas", [1, 2], key=7, error=["timeout", "No route!"]),
        Operation(2, 7, "nemesis", "invoke", "start-partition", "majority"),
        Operation(3, 8, 4, "invoke", "txn", [["append", "x", 1], ["r", 9, None]]),
        Operation(4, 9, 5, "ok", "read", {"0": 10, "from": None, "a b": True}),
    ]
    assert list(jepsen.lines(operations)) == [
        '{:process 3, :type :invoke, :f :cas, :value [7 [1 2]], :time 5, :index 0, :node "n1"}',
        "{:process 3, :type :info, :f :cas, :value [7 [1 2]], :time 6, :index 1, "
        ':error [:timeout "No route!"]}',
        '{:process :nemesis, :type :info, :f :start-partition, :value "majority", :time 7, '
        ":index 2}",
        '{:process 4, :type :invoke, :f :txn, :value [[:append "x" 1] [:r 9 nil]], :time 7, '
        ":index 3}".replace(":time 7", ":time 8"),
        '{:process 5, :type :ok, :f :read, :value {0 10, :from nil, "a b" true}, :time 9, '
        ":index 4}",
    ]
