"""The formats of Porcupine and of the testers of weak isolation; telling formats apart."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from duress.harness.errors import UserError
from duress.harness.formats import FORMATS, detect, load
from duress.harness.formats.yaml_subset import parse
from duress.harness.operation import Operation

ETCD = """2014-01-01 nonsense of the start
INFO  jepsen.util - 0\t:invoke\t:read\tnil
INFO  jepsen.util - 3   :invoke :cas    [1 4]
WARN  jepsen.core - something else
INFO  jepsen.util - :nemesis\t:info\t:start\t"Cut off {:n1 #{:n2}}" and more
INFO  jepsen.util - 0\t:fail\t:read\t:timed-out
INFO  jepsen.util - 3\t:fail\t:cas\t[1 4]
INFO  jepsen.util - 1\t:invoke\t:write\t2
INFO  jepsen.util - 1\t:info\t:write\t:timed-out
"""

KV = """{:process 9, :type :invoke, :f :append, :key "0", :value "x 9 0 y"}
{:process 9, :type :ok, :f :append, :key "0", :value "x 9 0 y"}
{:process 2, :type :invoke, :f :get, :key "0", :value nil}
{:process 2, :type :ok, :f :get, :key "0", :value "x 9 0 y"}
"""

PLUME = """w(1,5,0,0)
r(2,0,0,0)
r(1,5,1,1)
w(3,0,1,-1)
w(4,1,1,-1)
r(3,0,1,2)
w(4,2,1,-1)
"""

AWDIT = """
w 0 0
w 1 0
=====
w 0 1
-----
-----
r 0 1
r 2 0
=====
"""

DBCOP = """- - events:
    - write:    true
      variable: 0
      value:    1
      success:  true
    - write: false
      variable: 0
      value: null
      success: false
    success:    true
  - events: []
    success: false
-
  - events:
      - {EVENT}
    success: true
""".replace("{EVENT}", "write: false\n        variable: 0\n        value: 0")


def put(tmp_path: Path, text: str, name: str = "history.txt") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_the_etcd_log(tmp_path: Path) -> None:
    loaded = load(put(tmp_path, ETCD))
    assert loaded.format == "porcupine-etcd"
    assert loaded.metadata["suggested"] == {"model": "cas-register", "failed_cas": "observe"}
    assert list(loaded.history) == [
        Operation(0, 0, 0, "invoke", "read"),
        Operation(1, 1, 3, "invoke", "cas", [1, 4]),
        Operation(2, 2, "nemesis", "info", "start", '"Cut off {:n1 #{:n2}}" and more'),
        Operation(3, 3, 0, "fail", "read", error="timed-out"),
        Operation(4, 4, 3, "fail", "cas", [1, 4]),
        Operation(5, 5, 1, "invoke", "write", 2),
        Operation(6, 6, 1, "info", "write", error="timed-out"),
    ]


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("0 :invoke :read [1", "never closed"),
        ("0 :invoke", "not a logged operation"),
        ("0 invoke read nil", "not a logged operation"),
        ("0 :perhaps :read nil", "type perhaps"),
        ("7 :ok :read 1", "never invoked"),
    ],
)
def test_a_bad_line_of_the_log_is_named(tmp_path: Path, bad: str, what: str) -> None:
    path = put(tmp_path, f"{ETCD}INFO  jepsen.util - {bad}\n")
    with pytest.raises(UserError, match=rf"history\.txt:10:.*{what}"):
        load(path)
    with pytest.raises(UserError, match="no line of an operation"):
        load(put(tmp_path, "INFO nothing\n"), "porcupine-etcd")


def test_the_key_value_format(tmp_path: Path) -> None:
    loaded = load(put(tmp_path, KV))
    assert loaded.format == "porcupine-kv"
    assert loaded.metadata["suggested"] == {"model": "kv-map", "initial": ""}
    assert [(o.key, o.f, o.value) for o in loaded.history] == [
        ("0", "append", "x 9 0 y"),
        ("0", "append", "x 9 0 y"),
        ("0", "get", None),
        ("0", "get", "x 9 0 y"),
    ]


def _outcomes(path: Path) -> list[tuple[Any, ...]]:
    loaded = load(path)
    assert loaded.metadata["realtime"] is False
    history = loaded.history
    assert [o.type for o in history][::2] == ["invoke"] * (len(history) // 2)
    for invoked, completed in history.pairs():
        assert completed is not None
        assert completed.index == invoked.index + 1
        assert all(step[2] is None for step in invoked.value if step[0] == "r")
        assert [step[:2] for step in invoked.value] == [step[:2] for step in completed.value]
    return [(o.process, o.type, o.value) for o in history][1::2]


def test_plume_text(tmp_path: Path) -> None:
    path = put(tmp_path, PLUME)
    assert detect(path) == "plume"
    assert _outcomes(path) == [
        (0, "ok", [["w", 1, 5], ["r", 2, None]]),  # nobody wrote 0 to key 2: its initial value
        (1, "ok", [["r", 1, 5]]),
        (1, "fail", [["w", 3, 0], ["w", 4, 1]]),
        (1, "ok", [["r", 3, 0]]),
        (1, "fail", [["w", 4, 2]]),
    ]


def test_awdit_text(tmp_path: Path) -> None:
    path = put(tmp_path, AWDIT)
    assert detect(path) == "awdit"
    assert _outcomes(path) == [
        (0, "ok", [["w", 0, 0], ["w", 1, 0]]),
        (1, "ok", [["w", 0, 1]]),
        (1, "ok", [["r", 0, 1], ["r", 2, None]]),
    ]


def test_dbcop_yaml(tmp_path: Path) -> None:
    path = put(tmp_path, DBCOP)
    assert detect(path) == "dbcop"
    assert _outcomes(path) == [
        (0, "ok", [["w", 0, 1]]),
        (0, "fail", []),
        (1, "ok", [["r", 0, None]]),
    ]
    wrapped = put(tmp_path, "data:\n" + DBCOP, "wrapped.yaml")
    assert _outcomes(wrapped) == _outcomes(path)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("plume", PLUME + "r(1,2,3)\n", ":8: r\\(key"),
        ("plume", PLUME + "w(1,2,-3,4)\n", ":8: r\\(key"),
        ("awdit", AWDIT + "r 1\n", ":11: r key"),
        ("awdit", "=====\n", "holds no transaction"),
        ("dbcop", DBCOP + "- 5\n", "session 2 is not a list"),
        ("dbcop", DBCOP + "- - 5\n", "session 2, transaction 0: a map with events"),
        ("dbcop", DBCOP.replace("value:    1", "value: x"), "must be numbers"),
        ("dbcop", DBCOP.replace("write:    true", "write: 1"), "without write"),
        ("dbcop", DBCOP.replace("events: []", "events: [1, 2]"), ":11: not in the subset"),
        ("dbcop", DBCOP + " - x\n", ":19: indented unlike"),
        ("dbcop", "5\n", "a list of sessions"),
    ],
)
def test_bad_sessions_are_named(tmp_path: Path, name: str, text: str, what: str) -> None:
    with pytest.raises(UserError, match=what) as caught:
        load(put(tmp_path, text), name)
    assert "\n" not in str(caught.value)


def test_the_subset_of_yaml() -> None:
    text = """---
# a comment
a: 1   # another
b:
- x
- - -2
  - 1.5
-
  c: 'q: r'
  "d e": ~
c: {}
"""
    assert parse(text, "f") == {
        "a": 1, "b": ["x", [-2, 1.5], {"c": "q: r", "d e": None}], "c": {},
    }  # fmt: skip
    assert parse("", "f") is None
    for bad in ("a: &x 1", "a: [1]", "a: |", "\ta: 1", "a: 1\na: 2", "a: 1\n  b: 2", "- a\nb: 1",
                'a: "x', "- " * 200 + "1"):  # fmt: skip
        with pytest.raises(UserError, match=r"^f:\d+: "):
            parse(bad, "f")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.jsonl", "", "jsonl"),
        ("a.jsonl", '{"index":0,"ti', "jsonl"),
        ("a", '{"index":0,"time":0,"process":0,"type":"invoke","f":"r"}\n', "jsonl"),
        ("a.jsonl", '{"process":0,"type":"invoke","f":"r"}\n', "jepsen-json"),
        ("a", '[\n {"process":0}]', "jepsen-json"),
        ("a.json", "[]", "jepsen-json"),
        ("a.edn", "[]", "jepsen-edn"),
        ("a.EDN", "[]", "jepsen-edn"),
        ("a", "; c\n#a.B[#c.D{:f :get}]", "jepsen-edn"),
        ("a", "{:process 0, :key 1 :f :get}", "porcupine-kv"),
        ("a.yml", "- - events: []", "dbcop"),
        ("a", "\ufeff{:process 1}", "jepsen-edn"),
    ],
)
def test_formats_are_told_apart(tmp_path: Path, name: str, text: str, expected: str) -> None:
    assert detect(put(tmp_path, text, name)) == expected
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(text.encode()))
    assert detect(packed) == expected


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.edn", "", "it is empty"),
        ("a.edn", "\n \n", "it is empty"),
        ("a", "\0\0\0", "not text"),
        ("a", "hello\nworld", "1: not a history in any format"),
        ("a.jsonl", '{"test": 1, "history": [{"type": "ok"}]}', "1: every line holds a test case"),
    ],
)
def test_what_is_no_history_is_refused(tmp_path: Path, name: str, text: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        load(put(tmp_path, text, name))


@pytest.mark.parametrize(
    ("name", "text"),
    [("porcupine-etcd", ETCD), ("porcupine-kv", KV), ("plume", PLUME), ("awdit", AWDIT),
     ("dbcop", DBCOP), ("jepsen-edn", KV)],
)  # fmt: skip
def test_gzip_and_encoding_in_every_format(tmp_path: Path, name: str, text: str) -> None:
    plain = load(put(tmp_path, text), name)
    packed = gzip.compress(text.encode())
    path = tmp_path / "packed"
    path.write_bytes(packed)
    assert list(load(path, name).history) == list(plain.history)
    for damaged in (packed[:-9], packed[:30] + b"\xff" * 20 + packed[50:]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="gzip stream is damaged"):
            load(path, name)
    path.write_bytes(text.encode() + b"\n\xff\xfe")
    with pytest.raises(UserError, match=rf":{text.count(chr(10)) + 2}: not UTF-8 text: byte 0xff"):
        load(path, name)


def test_the_table_of_formats(tmp_path: Path) -> None:
    assert all(known.doc for known in FORMATS.values())
    with pytest.raises(UserError, match="format 'xml' is not known; give one of jsonl, "):
        load(put(tmp_path, KV), "xml")
