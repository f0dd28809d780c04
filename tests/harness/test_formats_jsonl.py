"""duress's own format: round trips, torn tails, named lines, gzip."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from duress.harness.errors import UserError
from duress.harness.formats import jsonl, load
from duress.harness.operation import Operation

WRITE = Operation(0, 10, 3, "invoke", "write", 4, key="x", node="n1")
WRITTEN = Operation(1, 20, 3, "ok", "write", 4, key="x", node="n1")


def test_a_line_is_json_in_the_order_of_the_fields_without_defaults() -> None:
    assert jsonl.write_line(WRITE) == (
        b'{"index":0,"time":10,"process":3,"type":"invoke","f":"write","value":4,"key":"x",'
        b'"node":"n1"}\n'
    )
    read = Operation(2, 30, "nemesis", "info", "heal")
    assert list(json.loads(jsonl.write_line(read))) == ["index", "time", "process", "type", "f"]


def test_every_append_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = []
    original = jsonl.os.write
    monkeypatch.setattr(jsonl.os, "write", lambda f, b: writes.append(b) or original(f, b))
    writer = jsonl.HistoryWriter(tmp_path / "h.jsonl")
    writer.append(WRITE)
    writer.append(WRITTEN)
    assert writes == [jsonl.write_line(WRITE), jsonl.write_line(WRITTEN)]
    # What was appended can be read before the writer is closed, as after its death.
    assert list(jsonl.read(writer.path).history) == [WRITE, WRITTEN]
    writer.close()
    writer.close()


def test_a_short_write_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = jsonl.os.write
    monkeypatch.setattr(jsonl.os, "write", lambda f, b: original(f, b[:7]))
    with jsonl.HistoryWriter(tmp_path / "h.jsonl") as writer:
        writer.append(WRITE)
    assert (tmp_path / "h.jsonl").read_bytes() == jsonl.write_line(WRITE)


def test_a_history_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"")
    with jsonl.HistoryWriter(path) as writer:
        writer.append(WRITE)
    with pytest.raises(UserError, match="already holds a history"):
        jsonl.HistoryWriter(path)
    with pytest.raises(UserError, match="cannot be written"):
        jsonl.HistoryWriter(tmp_path / "absent" / "h.jsonl")
    assert list(jsonl.read(path).history) == [WRITE]


def test_a_history_cut_at_any_byte_loses_at_most_the_line_in_flight(tmp_path: Path) -> None:
    first, second = jsonl.write_line(WRITE), jsonl.write_line(WRITTEN)
    path = tmp_path / "h.jsonl"
    for cut in range(len(first) + len(second) + 1):
        path.write_bytes((first + second)[:cut])
        loaded = load(path)
        whole = (cut >= len(first) - 1) + (cut >= len(first) + len(second) - 1)
        assert list(loaded.history) == [WRITE, WRITTEN][:whole], cut
        clean = cut in (0, len(first) - 1, len(first), len(first + second) - 1, len(first + second))
        assert loaded.torn == (not clean), cut
        assert bool(loaded.notes) == bool(loaded.torn)


KEEP_WRITING = """
import itertools, sys
from duress.harness.formats.jsonl import HistoryWriter
from duress.harness.operation import Operation
writer = HistoryWriter(sys.argv[1])
for i in itertools.count():
    kind = "ok" if i % 2 else "invoke"
    writer.append(Operation(i, i, 0, kind, "write", "x" * (i % 3000)))
    if i == 200:
        print("under way", flush=True)
"""


def test_a_killed_writer_leaves_a_history(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    with subprocess.Popen(
        [sys.executable, "-c", KEEP_WRITING, str(path)], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"under way\n"
        writer.kill()
    loaded = load(path)
    assert len(loaded.history) > 200
    assert loaded.torn in (0, 1)
    assert path.read_bytes().count(b"\n") == len(loaded.history)


def test_a_torn_tail_may_be_zeros(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(jsonl.write_line(WRITE) + b"\0" * 100)
    assert jsonl.read(path).torn == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"{", r"h\.jsonl:2: not an operation: .*truncated"),
        (b"[1]", r"h\.jsonl:2: not an operation: Expected `object`"),
        (b'{"index":1,"time":20,"process":3,"type":"maybe","f":"write"}', r":2: .*maybe"),
        (b'{"index":1,"time":20,"process":1.5,"type":"ok","f":"write"}', r":2: .*process"),
        (b'{"index":1,"time":20,"process":3,"type":"ok"}', r":2: .*missing.*`f`"),
        (b'{"index":5,"time":20,"process":3,"type":"ok","f":"write"}', r":2: operation 5 stands"),
        (b'{"index":1,"time":2,"process":3,"type":"ok","f":"write"}', r":2: .*time 2 is before 10"),
        (b'{"index":1,"time":20,"process":4,"type":"ok","f":"write"}', r":2: .*never invoked"),
        (b'{"index":1,"time":20,"process":3,"type":"ok","f":"read"}', r":2: .*had invoked 'write'"),
        (b'{"index":1,"time":99999999999999999999,"process":3,"type":"ok","f":"write"}', ":2: "),
        (b'{"index":1,"time":20,"process":4294967296,"type":"invoke","f":"r"}', ":2: .*too large"),
        (b'{"index":1,"time":20,"process":3,"type":"ok","f":"write","value":"\xff"}', ":2: "),
        (b'{"value":' + b"[" * 5000 + b"]" * 5000 + b"}", ":2: .*nested"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, expected: str) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(jsonl.write_line(WRITE) + line + b"\n\n" + jsonl.write_line(WRITTEN))
    with pytest.raises(UserError, match=expected) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_a_bad_line_is_named_far_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    count = 3 * jsonl.BLOCK_BYTES // len(jsonl.write_line(WRITE))
    good = [
        Operation(i, i, i // 2, "invoke" if i % 2 == 0 else "ok", "write", i)
        for i in range(2 * count)
    ]
    lines = [jsonl.write_line(operation) for operation in good]
    path.write_bytes(b"\n".join(lines))  # with a blank line between every two
    assert len(jsonl.read(path).history) == 2 * count
    lines[count] = b'{"index":0}\n'
    path.write_bytes(b"".join(lines))
    with pytest.raises(UserError, match=rf":{count + 1}: not an operation"):
        jsonl.read(path)
    lines[count] = jsonl.write_line(Operation(count, 0, 0, "invoke", "write"))
    path.write_bytes(b"\n" + b"".join(lines))
    with pytest.raises(UserError, match=rf":{count + 2}: .* is before"):
        jsonl.read(path)


def test_gzip_is_seen_through(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl.gz"
    packed = gzip.compress(jsonl.write_line(WRITE) + jsonl.write_line(WRITTEN))
    path.write_bytes(packed)
    assert list(load(path).history) == [WRITE, WRITTEN]
    path.write_bytes(packed[:-8])  # the trailer is missing: nothing of the text is
    loaded = load(path)
    assert list(loaded.history) == [WRITE, WRITTEN]
    assert loaded.torn == 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for path in (tmp_path, tmp_path / "absent.jsonl", tmp_path / "pipe.jsonl"):
        with pytest.raises(UserError, match="cannot be read"):
            load(path)
        with pytest.raises(UserError, match="cannot be read"):
            jsonl.read(path)
