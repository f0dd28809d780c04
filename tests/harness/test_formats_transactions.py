"""The scanner of transactions and the general readers give the same, whatever the bytes."""

import gzip
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.isolation.transactions import StrangeHistory, flatten, from_arrays
from duress.harness import formats
from duress.harness.errors import UserError
from duress.harness.formats import jepsen, jsonl, load, txn_lines
from duress.harness.formats.scanned_history import ScannedHistory
from duress.harness.formats.txn_dialects import JepsenLines, OwnLines
from duress.harness.history import History
from duress.harness.operation import Operation

DIALECTS = {
    "jsonl": (lambda path: OwnLines(), jsonl.read),
    "jepsen-json": (JepsenLines, jepsen.read_json),
}
MODELS = ("list-append", "rw-register")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("txns") / "history.jsonl"


def same_columns(mine: History, theirs: History) -> None:
    one, two = mine.columns(), theirs.columns()
    for name in ("time", "process", "type", "f", "key", "value", "node", "error", "pair"):
        assert (getattr(one, name) == getattr(two, name)).all(), name
    for name in ("fs", "keys", "values", "nodes", "errors"):
        assert getattr(one, name) == getattr(two, name), name


def same_transactions(mine: History, theirs: History, model: str) -> bool:
    """Whether the arrays were used."""
    micro = mine.micro_operations()
    quick = micro and from_arrays(micro, model)
    try:
        expected = flatten(theirs, model)
    except StrangeHistory as strange:
        with pytest.raises(StrangeHistory) as other:
            flatten(mine, model)
        assert str(other.value) == str(strange)
        return False
    found = flatten(mine, model)
    for name in ("kind", "process", "invoked", "completed", "start", "op", "key", "length"):
        one, two = getattr(found, name), getattr(expected, name)
        assert one.dtype == two.dtype and (one == two).all(), name
    assert found.keys == expected.keys
    assert list(map(type, found.keys)) == list(map(type, expected.keys))
    at = range(len(found.op))
    assert [found.list_of(m) for m in at] == [expected.list_of(m) for m in at]
    codes = [
        (m, t.decode(int(t.value[m]))) for t in (found, expected) for m in at if t.value[m] >= 0
    ]
    assert codes[: len(codes) // 2] == codes[len(codes) // 2 :]
    if quick:
        assert (found.value == expected.value).all() and found.value.dtype == expected.value.dtype
    return bool(quick)


def compare(path: Path, data: bytes, format_: str, compiled: bool, chunk: int) -> int:
    """0 if it was left to the general reader, 1 if it was scanned, 2 if into arrays.

    What the scanner gives is what the general reader gives; of what is wrong it says nothing.
    """
    path.write_bytes(data)
    dialect, general = DIALECTS[format_]
    scanned = txn_lines.read(path, dialect(path), compiled=compiled, chunk_bytes=chunk)
    try:
        expected = general(path)
    except UserError:
        assert scanned is None
        return 0
    if scanned is None:
        return 0
    assert (scanned.notes, scanned.torn) == (expected.notes, expected.torn)
    assert (scanned.format, scanned.metadata) == (expected.format, expected.metadata)
    assert scanned.source_index == expected.source_index
    mine, theirs = scanned.history, expected.history
    assert type(mine) is ScannedHistory and len(mine) == len(theirs)
    assert list(mine) == list(theirs) == mine[:]
    assert list(mine.pairs()) == list(theirs.pairs())
    assert list(mine.nemesis()) == list(theirs.nemesis())
    assert [mine.completion(i) for i in range(len(mine))] == [
        theirs.completion(i) for i in range(len(theirs))
    ]
    arrays = [same_transactions(mine, theirs, model) for model in MODELS]
    same_columns(mine, theirs)
    return 1 + any(arrays)


# -- files -----------------------------------------------------------------------------------

PLAIN_KEYS = (0, 1, 7, -3, 10**17, "x", "key 2", "1", "")
STRANGE_KEYS = ("ü", "a\tb", 'q"q', "é" * 3, 10**19, "\u2028", "\x7f")
PLAIN_VALUES = (1, 2, 3, 0, -1, 2**31 - 1, -(2**31))
STRANGE_VALUES = (
    2**31,
    -(2**31) - 1,
    10**18,
    10**19,
    1.0,
    1.5,
    "v",
    True,
    None,
    [],
    [[1]],
    {"a": 1},
)
ERRORS = ("timeout", 7, None, ["conn", {"refused": [1.5, None]}], "nö", "a\\b", -0.0, True, {})


KINDS = ("key", "key", "value", "number", "short", "plan", "verb", "answer", "time", "error",
         "field", "process")  # fmt: skip


class Recorder:
    """A made-up recording, of which a few kinds of parts are unusual."""

    def __init__(self, seed: int, jepsen_json: bool) -> None:
        self.chance = random.Random(seed)
        self.jepsen = jepsen_json
        self.strange = set(self.chance.sample(KINDS, self.chance.choice((0, 1, 1, 1, 2))))
        self.oddity = self.chance.choice((0.02, 0.2))
        self.writer = self.chance.choice(("append", "w", "append", "w", "append", "w", "mixed"))
        self.colon = self.chance.random() < 0.2
        self.style = self.chance.choice(("compact", "spaced", "wide"))
        self.shuffled = self.chance.random() < 0.3
        self.newline = self.chance.choice(("\n", "\n", "\r\n", " \n", "\n\n", "\n \t\n"))
        self.own_index = self.chance.choice((0, 0, 5, None))
        self.next_value = 0

    def odd(self, kind: str) -> bool:
        return kind in self.strange and self.chance.random() < self.oddity

    def value(self) -> object:
        if self.odd("value"):
            return self.chance.choice(STRANGE_VALUES)
        if self.odd("number"):
            return self.chance.choice(PLAIN_VALUES)
        self.next_value += 1
        return self.next_value

    def plan(self) -> object:
        steps: list[list[object]] = []
        for _ in range(self.chance.choice((0, 1, 1, 2, 3, 6))):
            key = self.chance.choice(STRANGE_KEYS if self.odd("key") else PLAIN_KEYS)
            if self.chance.random() < 0.5:
                steps.append([self.verb("r"), key, None] if not self.odd("short") else ["r", key])
            else:
                writer = self.writer if self.writer != "mixed" else self.chance.choice("wa")
                steps.append([self.verb("append" if writer == "a" else writer), key, self.value()])
        return (
            steps if not self.odd("plan") else self.chance.choice(([3], None, [["r"]], "x", steps))
        )

    def verb(self, word: str) -> str:
        if self.odd("verb"):
            return self.chance.choice(("read", "write", "cas", "R", ":" + word, "::r", ""))
        return ":" + word if self.colon else word

    def answer(self, plan: object) -> object:
        if self.odd("answer") or type(plan) is not list:
            return self.chance.choice((None, plan, "timeout", [1, 2]))
        lists = self.writer == "append"
        told = []
        for step in plan:
            if (
                type(step) is list
                and len(step) == 3
                and "r" in step[0]
                and self.chance.random() < 0.8
            ):
                seen = [self.value() for _ in range(self.chance.choice((0, 1, 2, 9)))]
                told.append([step[0], step[1], seen if lists else self.value()])
            else:
                told.append(step)
        return told

    def lines(self, count: int) -> list[dict[str, object]]:
        lines: list[dict[str, object]] = []
        open_: dict[int, object] = {}
        threads = list(range(4))
        fresh = self.chance.choice((4, 100, 5_000_000))
        time = self.chance.choice((0, -5, 10**15))
        for _ in range(count):
            time += self.chance.choice((0, 1, 1000))
            slot = self.chance.randrange(5)
            if slot == 4:
                kind = "info" if self.jepsen else self.chance.choice(("info", "info", "ok"))
                value = self.chance.choice((None, "n1", {"n1": ["n2"]}))
                fault = self.chance.choice(("kill", "heal"))
                lines.append(self.line(time, "nemesis", kind, fault, value))
                continue
            process = threads[slot]
            if process not in open_:
                open_[process] = self.plan()
                lines.append(self.line(time, process, "invoke", "txn", open_[process]))
                continue
            kind = self.chance.choice(("ok",) * 8 + ("fail", "info"))
            plan = open_.pop(process)
            told = self.answer(plan) if kind == "ok" else plan
            lines.append(self.line(time, process, kind, "txn", told))
            if kind == "info" and self.chance.random() < 0.97:
                threads[slot], fresh = fresh, fresh + 1
        for position, line in enumerate(lines):
            if self.own_index is not None or not self.jepsen:
                line["index"] = position + (self.own_index or 0) * self.jepsen
        return lines

    def line(
        self, time: int, process: object, kind: str, f: str, value: object
    ) -> dict[str, object]:
        colon = ":" if self.jepsen and self.colon else ""
        line: dict[str, object] = {
            "index": 0, "time": time, "process": process, "type": colon + kind, "f": colon + f,
            "value": value,
        }  # fmt: skip
        if self.odd("time"):
            line["time"] = self.chance.choice((time - 5, None, time + 0.5, str(time), 10**20))
        if self.chance.random() < 0.3 and (kind != "ok" or self.odd("error")):
            line["error"] = self.chance.choice(ERRORS if self.odd("error") else ERRORS[:3])
        if self.odd("field"):
            line[self.chance.choice(("extra", "node", "key", "f"))] = self.chance.choice(
                ("n1", None, 3)
            )
        if self.odd("process"):
            line["process"] = self.chance.choice((3, 2**31 - 1, 2**31, -1, "p", 10**20, None))
        return line

    def text(self, count: int = 40) -> bytes:
        separators = {"compact": (",", ":"), "spaced": (", ", ": "), "wide": (" , ", "\t: ")}
        ascii_only = self.chance.random() < 0.5
        texts = []
        for line in self.lines(count):
            items = list(line.items())
            if self.shuffled:
                self.chance.shuffle(items)
            texts.append(
                json.dumps(dict(items), separators=separators[self.style], ensure_ascii=ascii_only)
            )
        data = (self.newline.join(texts) + self.newline).encode()
        if self.chance.random() < 0.2:
            data = data[: len(data) - self.chance.randrange(min(len(data), 60))]
        return data


@pytest.mark.parametrize("format_", DIALECTS)
def test_both_readers_give_the_same(path: Path, format_: str) -> None:
    results = []
    for seed in range(150):
        data = Recorder(seed, format_ == "jepsen-json").text()
        chunk = (1 << 14, 700, 64)[seed % 3]
        results.append(compare(path, data, format_, True, chunk))
        if seed % 10 == 0:
            compare(path, data, format_, False, chunk)
    assert results.count(2) > 60 and results.count(0) < 80


SPLICES = (
    b"", b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b" ", b"\n", b"\r", b"\0", b"\t", b"-",
    b"0", b"00", b"-0", b"1e3", b"1.0", b"9" * 19, b"9" * 400, b"null", b"nul", b"true", b"\xff",
    b"\xc3\xa9", b"\xef\xbb\xbf", b"\\u0041", b"\\ud800", b"[" * 1100, b'"key":"k",',
    b'"index":0,', b'"f":"txn",', b'"type":"ok",', b'"time":-1,', b'"process":"nemesis",', b",]",
    b"[]", b"\x0b", b"\x7f", b"2147483648",
)  # fmt: skip


@given(seed=st.integers(0, 40), splices=st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 9), st.sampled_from(SPLICES)), min_size=1, max_size=3
), format_=st.sampled_from(sorted(DIALECTS)), chunk=st.sampled_from((64, 1 << 14)))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_both_readers_give_the_same_of_damaged_files(path, seed, splices, format_, chunk) -> None:
    data = Recorder(seed, format_ == "jepsen-json").text(12)
    for where, length, piece in splices:
        edges = [0, *(m.end() for m in re.finditer(rb'[{}\[\]:,"\n]', data))]
        at = edges[int(where * (len(edges) - 1))]
        data = data[:at] + piece + data[at + length :]
    compare(path, data, format_, True, chunk)


BEFORE = b"""{"index":0,"time":0,"process":0,"type":"invoke","f":"txn","value":[["w","ab",1]]}
{"index":1,"time":1,"process":0,"type":"ok","f":"txn","value":[["w","ab",1]]}
"""
AFTER = b"""{"index":3,"time":9,"process":1,"type":"ok","f":"txn","value":[["w","a",2],["r","A",7]]}
"""
LINE = b'{"index":2,"time":3,"process":1,"type":"invoke","f":"txn","value":[["w","a",2]]}'
ADVERSE = (  # what stands in the line, and what in its place
    (b'"a"', (
        b'"abc"', b'"\\u0061"', b'"\\/"', b'"\xff"', b'"\xc3"', b'"\xc3\xa9"', b'"\xed\xa0\x80"',
        b'"\xf4\x90\x80\x80"', b'"a\x01"', b'"a\x7f"', b'"a\xe9"', b'"\\ud800"', b"97", b"01",
        b"-0", b"0", b"-", b"+1", b"1.", b"1e2", b"true", b"null", b"[1]", b"{}", b"'a'", b"",
        b"9223372036854775807", b"9223372036854775808", b"999999999999999999", b"-1",
    )),
    (b"2]", (
        b"02]", b"2 ]", b"2,]", b"2]]", b"2", b"null]", b"nul]", b"true]", b"[]]", b"[ ]]",
        b"[1, 2]]", b"[1,]]", b"[,1]]", b"[1 2]]", b"[01]]", b"[1.0]]", b"[2147483648]]",
        b"[-2147483648]]", b"2147483648]", b'"2"]', b"[1,null]]", b"[[1]]]", b"2.0]", b"2,3]",
    )),
    (b'"w"', (
        b'"W"', b'""', b'"write"', b'":w"', b'"::w"', b'"r"', b'"append"', b"1", b"null",
    )),
    (b'[["w","a",2]]', (
        b"null", b"[]", b"[[]]", b"[null]", b"[,]", b'{"w":1}', b"7", b'"txn"', b'[["w","a",2],]',
        b'[["w","a",2]],"value":null', b"nulll", b"[ ] ",
    )),
    (b"}", (
        b"}x", b"} ", b"}\r", b"}}", b"},", b"", b",}", b'}{"a":1}', b'}"', b"}\x0b", b"}\x00",
        b',"error":[1,{"a":"b"}]}', b',"error":-0}', b',"error":01}', b',"error":1.5}',
        b',"error":"\xff"}', b',"error":nul}', b',"error":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b',"key":null}', b',"key":"k"}', b',"key":3}', b',"node":"n"}', b',"node":3}',
        b',"node":null}', b',"more":1}', b',"mor\\u0065":1}', b',"index":2}', b',"index":9}',
        b',"time":2}', b',"type":"ok"}', b',"type":"invoke"}', b',"process":7}', b',"f":"txn"}',
        b',"f":"read"}', b',"value":[]}',
    )),
    (b'"index":2,', (
        b"", b'"index":02,', b'"index":-2,', b'"index":2.0,', b'"index":null,', b'"index":3,',
    )),
    (b'"time":3,', (
        b"", b'"time":-3,', b'"time":9223372036854775808,', b'"time":3e0,', b'"time":"3",',
    )),
    (b'"process":1', (
        b'"process":2147483647', b'"process":2147483648', b'"process":-1', b'"process":1.0',
        b'"process":"nemesis"', b'"process":"1"', b'"process":null', b'"process":0',
    )),
    (b'"type":"invoke"', (
        b'"type":"ok"', b'"type":":invoke"', b'"type":"Invoke"', b'"type":null',
    )),
    (b'"f":"txn"', (
        b'"f":":txn"', b'"f":"read"', b'"f":null', b'"f":"t\\u0078n"', b'"f":"txn "',
    )),
    (b"{", (
        b"", b" {", b"\t\r{", b"{ ", b"[", b"{,", b"\xef\xbb\xbf{", b"\n\n{", b"x{", b"{}\n{",
    )),
)  # fmt: skip


@pytest.mark.parametrize("format_", DIALECTS)
def test_a_strange_line_among_plain_ones(path: Path, format_: str) -> None:
    results = []
    for part, replacements in ADVERSE:
        assert part in LINE
        for piece in replacements:
            line = piece.join(LINE.rsplit(part, 1) if part == b"}" else LINE.split(part, 1))
            for data in (BEFORE + line + b"\n" + AFTER, BEFORE + line):
                results.append(compare(path, data, format_, True, 1 << 14))
                compare(path, data, format_, False, 1 << 14)
    assert min(map(results.count, range(3))) > 20


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "SCANNED_BYTES", 0)


WHOLE = [
    Operation(0, 5, 0, "invoke", "txn", [["append", "x", 1], ["r", 7, None]]),
    Operation(1, 6, "nemesis", "info", "kill", {"targets": ["n1"]}),
    Operation(2, 7, 0, "ok", "txn", [["append", "x", 1], ["r", 7, [4, 5]]], node="n1"),
    Operation(3, 8, 1, "invoke", "txn", [["append", "é", 2]]),
    Operation(4, 9, 1, "info", "txn", error=["timeout", {"ms": 10}]),
]
DATA = b"".join(map(jsonl.write_line, WHOLE))


def test_a_large_file_stays_where_it_is(path: Path, eager: None) -> None:
    path.write_bytes(DATA)
    history = load(path, transactions=True).history
    assert type(history) is ScannedHistory
    assert type(load(path).history) is History
    assert list(history) == WHOLE and history[-1] == WHOLE[-1] and history[1:3] == WHOLE[1:3]
    for at in (5, -6):
        with pytest.raises(IndexError):
            history[at]
    micro = history.micro_operations()
    assert micro is not None
    assert micro.invoked.tolist() == [0, 3] and micro.completed.tolist() == [2, 4]
    assert micro.elements.tolist() == [4, 5] and micro.keys == ["x", 7, "é"]
    added = Operation(5, 10, 2, "invoke", "txn", [["w", "x", 1.5]])
    history.append(added)
    assert list(history) == [*WHOLE, added] and len(history) == 6 and history[5] == added
    assert history.micro_operations() is None
    assert len(list(history.pairs())) == 3 and len(list(history.nemesis())) == 1
    assert history.completion(0) == WHOLE[2]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"index":5,"time":9,"process":3', "not an operation"),
        (b'{"index":5,"time":9,"process":1,"type":"invoke","f":"txn","value":[]}', "crashed"),
        (b'{"index":5,"time":8,"process":2,"type":"invoke","f":"txn","value":[]}', "time 8"),
        (b'{"index":6,"time":9,"process":2,"type":"invoke","f":"txn","value":[]}', "operation 6"),
        (b'{"index":5,"time":9,"process":2,"type":"ok","f":"txn","value":[]}', "never invoked"),
        (b'{"index":5,"time":9,"process":2,"type":"invoke","f":"txn","value":[01]}', "not an op"),
    ],
)  # fmt: skip
def test_a_broken_line_is_named(path: Path, eager: None, line: bytes, expected: str) -> None:
    path.write_bytes(DATA + line + b"\n" + DATA)
    with pytest.raises(UserError, match=rf":6: .*{expected}") as quick:
        load(path, "jsonl", transactions=True)
    with pytest.raises(UserError) as slow:
        load(path, "jsonl")
    assert str(quick.value) == str(slow.value)


def test_a_torn_line_is_dropped(path: Path, eager: None) -> None:
    for cut in range(0, len(DATA), 3):
        path.write_bytes(DATA[:cut])
        quick, slow = load(path, "jsonl", transactions=True), load(path, "jsonl")
        assert list(quick.history) == list(slow.history)
        assert (quick.notes, quick.torn) == (slow.notes, slow.torn)


def test_gzip_is_seen_through(path: Path, eager: None) -> None:
    path.write_bytes(gzip.compress(DATA))
    loaded = load(path, transactions=True)
    assert type(loaded.history) is ScannedHistory and list(loaded.history) == WHOLE
    path.write_bytes(gzip.compress(DATA)[:-30])
    assert load(path, "jsonl", transactions=True).torn == 1


def test_a_file_that_changes_is_noticed(path: Path, eager: None) -> None:
    path.write_bytes(DATA)
    history = load(path, transactions=True).history
    with path.open("r+b") as file:
        file.write(b"x" * 40)
    with pytest.raises(UserError, match="changed while it was read"):
        list(history)


def test_many_keys_and_long_lines_make_room(path: Path) -> None:
    steps = [["w", key if key % 2 else f"key {key}", key] for key in range(9000)]
    lines = [
        Operation(0, 0, 0, "invoke", "txn", steps),
        Operation(1, 1, 0, "ok", "txn", steps),
        Operation(2, 2, 1, "invoke", "txn", [["r", "k" * 40_000, None]]),
    ]
    data = b"".join(map(jsonl.write_line, lines))
    assert compare(path, data, "jsonl", True, 1000) == 2


def test_files_of_something_else_are_left_to_the_general_reader(path: Path) -> None:
    lines = []
    for at in range(0, 6000, 2):
        lines += [Operation(at, at, 0, "invoke", "read"), Operation(at + 1, at, 0, "ok", "read", 1)]
    path.write_bytes(b"".join(map(jsonl.write_line, lines)))
    assert txn_lines.read(path, OwnLines()) is None


def test_a_short_check_imports_no_numba(path: Path) -> None:
    data = b""
    for at in range(200):
        value = [["append", at % 7, at], ["r", "x", None]]
        data += jsonl.write_line(Operation(2 * at, at, at % 5, "invoke", "txn", value))
        data += jsonl.write_line(Operation(2 * at + 1, at, at % 5, "ok", "txn", value))
    path.write_bytes(data)
    code = (
        "import sys; from duress.harness.cli import cli\n"
        f"sys.argv[1:] = ['check', {str(path)!r}, '--model', 'list-append']\n"
        "try: cli()\nexcept SystemExit as end: print(end.code)\n"
        "print('numba' in sys.modules, 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-2:] == ["0", "False False"], done.stdout
