"""The page is safe, tolerant and packed so that nothing is lost."""

import base64
import hashlib
import json
import re
import shutil
import zlib
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from duress.harness.history import History
from duress.harness.operation import Operation
from duress.harness.verdict import Anomaly, Verdict, compose
from duress.reports import html, packing, run_folder

from . import synthetic

BREAKOUT = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`${1}<!--"
HOSTILE = [BREAKOUT, "a\x00b\x1b[2J", "x" * 300_000, "\u202eevil\u2028\u2029", "]]>", "&lt;b&gt;"]


@pytest.fixture(scope="module")
def invalid(tmp_path_factory):
    run = synthetic.generate(seed=3, stale=True)
    return synthetic.write_folder(tmp_path_factory.mktemp("runs") / "invalid", run)


class Elements(HTMLParser):
    """The tags and attributes of a page, as a browser's tokenizer sees them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.ids = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.ids += [value for name, value in attrs if name == "id"]


def page_of(folder):
    return html.render(folder).read_text("utf-8")


def embedded(text, name):
    found = re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', text, re.S)
    assert found
    return found.group(1)


def unpack(layout, packed):
    """The columns and tables, as the page's script reads them."""
    data = zlib.decompress(base64.b64decode(packed))
    assert len(data) == layout["bytes"]
    rows, columns, tables = layout["rows"], {}, {}
    for name, part in layout["columns"].items():
        planes = np.frombuffer(data, np.uint8, part["bytes"], part["at"])
        planes = planes.reshape(part["width"], rows).astype(np.int64)
        columns[name] = sum(plane << (8 * i) for i, plane in enumerate(planes))
    for name, part in layout["tables"].items():
        tables[name] = data[part["at"] : part["at"] + part["bytes"]].decode().split("\n")
        assert len(tables[name]) == part["lines"]
    return columns, tables


def test_packing_keeps_every_operation():
    run = synthetic.generate(seed=5, calls=400, seconds=4.0)
    history = History(run.operations)
    packed = packing.pack(history.columns())
    columns, tables = unpack(packed.layout, packed.base64)
    times = np.cumsum(columns["time"])
    for at, operation in enumerate(run.operations):
        assert times[at] == operation.time // 1000
        process = columns["process"][at]
        assert ("nemesis" if process == 0 else process - 1) == operation.process
        assert ("invoke", "ok", "fail", "info")[columns["type"][at]] == operation.type
        assert tables["f"][columns["f"][at]] == operation.f
        value = tables["value"][columns["value"][at]]
        if operation.process != "nemesis" and operation.value is not None:
            assert json.loads(value) == operation.value
        assert tables["node"][columns["node"][at]] == (operation.node or "")


def test_packing_survives_wide_numbers_and_no_rows():
    far = History([Operation(0, 10**17, 2**31 - 2, "invoke", "read")])
    packed = packing.pack(far.columns())
    columns, _ = unpack(packed.layout, packed.base64)
    assert columns["time"].tolist() == [10**14]
    assert columns["process"].tolist() == [2**31 - 1]
    assert packing.pack(History().columns()).layout["rows"] == 0


def test_tables_of_long_values_are_cut_to_fit(monkeypatch):
    monkeypatch.setattr(packing, "TABLE_BYTES_MAX", 10_000)
    history = History(Operation(i, i, i, "invoke", "write", f"{i}" * 500) for i in range(100))
    packed = packing.pack(history.columns())
    table = packed.layout["tables"]["value"]
    assert table["cut"] == 80
    assert table["bytes"] < 100 * (80 + 40)


def test_the_report_tells_the_story(invalid):
    text = page_of(invalid)
    assert "raft (mutant stale-read) broke linearizability." in text
    assert "the network was cut: n1 n2 | n3 n4 n5 (no message passes" in text
    assert "duress run raft --seed 42" in text
    found = Elements(text)
    assert {"story", "time", "faults", "history", "logs", "trial"} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    headings = [int(tag[1]) for tag in found.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))


def test_nothing_is_loaded_from_elsewhere(invalid):
    text = page_of(invalid)
    found = Elements(text)
    assert not {"src", "srcset", "style", "onerror", "onclick", "onload"} & set(found.attributes)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_the_policy_allows_exactly_what_was_embedded(invalid):
    text = page_of(invalid)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    allowed = policy.group(1).replace("&#39;", "'")
    assert allowed.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in allowed
    blocks = re.findall(r"<script>(.*?)</script>", text, re.S) + re.findall(
        r"<style>(.*?)</style>", text, re.S
    )
    hashes = {
        f"sha256-{base64.b64encode(hashlib.sha256(b.encode()).digest()).decode()}" for b in blocks
    }
    assert hashes == set(re.findall(r"sha256-[\w+/=]+", allowed))


def hostile_folder(folder):
    """A run in which every text that a node, a client or a user can choose is hostile."""
    operations = []
    for at, text in enumerate(HOSTILE):
        operations += [
            Operation(2 * at, at * 10, at, "invoke", text[:500], text, text, text),
            Operation(2 * at + 1, at * 10 + 5, at, "fail", text[:500], text, text, text, text),
        ]
    fault = {"id": 1, "kind": BREAKOUT, "targets": [BREAKOUT], "parameters": {BREAKOUT: BREAKOUT}}
    run = synthetic.Synthetic(operations, [{"time": 3, "state": "injected", "fault": fault}])
    details = {BREAKOUT: BREAKOUT, "states": [{"state": BREAKOUT, "stuck": [{"why": BREAKOUT}]}]}
    anomaly = Anomaly(BREAKOUT, BREAKOUT, [0, 1, 3], BREAKOUT, details)
    part = Verdict(False, [anomaly], BREAKOUT, {BREAKOUT: BREAKOUT})
    synthetic.write_folder(folder, run, compose({BREAKOUT: part}))
    spec = json.loads((folder / "trial.json").read_text())
    for name in ("id", "system", "mutant", "workload", "cluster", "started", "command", "error"):
        spec[name] = BREAKOUT
    spec |= {"nodes": HOSTILE, "options": {BREAKOUT: BREAKOUT}, "host": {BREAKOUT: {"a": BREAKOUT}}}
    spec["phases"] = [{"name": BREAKOUT, "time": 1}, 3, {"name": 4}]
    (folder / "trial.json").write_text(json.dumps(spec))
    log = folder / "nodes" / "n1" / "raft.log"
    log.write_bytes(BREAKOUT.encode() + b"\xff\xfe\x00\x1b[31m\n" + b"y" * 1_000_000 + b"\n</pre>")
    return folder


def test_hostile_text_cannot_break_out(invalid, tmp_path):
    folder = hostile_folder(tmp_path / "hostile")
    text = page_of(folder)
    plain = Elements(page_of(invalid))
    found = Elements(text)
    assert "img" not in found.tags
    assert found.tags.count("script") == plain.tags.count("script")
    assert set(found.attributes) == set(plain.attributes)
    assert "alert(1)</script>" not in text
    assert "<!--" not in text
    assert not set("\x00\x1b\u202e\u2028") & set(text)
    data = json.loads(embedded(text, "data"))
    (phase,) = data["phases"]
    assert phase["name"].startswith("</script><script>alert(1)</script>")
    _, tables = unpack(data["history"], embedded(text, "packed"))
    assert tables["key"][1] == BREAKOUT
    assert len(text) < 2_000_000


def truncations(size):
    return sorted({0, 1, size // 3, size // 2, max(size - 2, 0), max(size - 1, 0)})


@pytest.mark.parametrize("name", ["trial.json", "history.jsonl", "faults.jsonl", "verdict.json"])
def test_a_half_written_folder_still_renders(invalid, tmp_path, name):
    folder = tmp_path / "run"
    shutil.copytree(invalid, folder)
    whole = (folder / name).read_bytes()
    for size in truncations(len(whole)):
        (folder / name).write_bytes(whole[:size])
        text = page_of(folder)
        # The last cut only takes the newline.
        assert size >= len(whole) - 2 or size == 0 or name in text
    (folder / name).unlink()
    text = page_of(folder)
    assert f"{name}: missing" in text
    if name in ("trial.json", "history.jsonl", "faults.jsonl"):
        assert "broke linearizability" in text
    else:
        assert "There is no verdict" in text


def test_what_stands_before_the_damage_is_kept(invalid, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(invalid, folder)
    lines = (folder / "history.jsonl").read_bytes().splitlines(keepends=True)
    lines[100] = b'{"index":100,"time":1,\xff\n'
    (folder / "history.jsonl").write_bytes(b"".join(lines))
    run = run_folder.load(folder)
    assert len(run.history) == 100
    assert any("line 101" in problem for problem in run.problems)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("trial.json", "[]"),
        ("trial.json", '{"nodes": 5, "options": [], "seed": {}, "phases": {}, "system": 7}'),
        ("trial.json", '{"nodes": [null, {}, 3], "time_limit_s": true, "phases": [{"name": 1}]}'),
        ("trial.json", "[" * 5000),
        ("faults.jsonl", '{"time": 1}\n[]\n{"time":"x","state":"injected","fault":{"id":1}}\n'),
        ("faults.jsonl", '{"time":1,"state":"failed","fault":{"id":1,"kind":"k","targets":3}}\n'),
        ("verdict.json", '{"valid": 3}'),
        ("verdict.json", '{"valid": false}'),
        (
            "verdict.json",
            '{"valid":false,"anomalies":[{"name":"","explanation":"","operations":[-1,99999999]}]}',
        ),
        ("history.jsonl", '{"index":0,"time":5,"process":-4,"type":"ok","f":"x"}\n'),
        (
            "history.jsonl",
            '{"index":0,"time":99999999999999999999,"process":1,"type":"invoke","f":"x"}\n',
        ),
    ],
)
def test_strange_content_still_renders(invalid, tmp_path, name, content):
    folder = tmp_path / "run"
    shutil.copytree(invalid, folder)
    (folder / name).write_text(content)
    assert page_of(folder).endswith("</html>\n") or page_of(folder).endswith("</html>")


def test_an_empty_folder_renders(tmp_path):
    text = page_of(tmp_path)
    assert "There is no verdict on The system." in text
    assert "No client call was made." in text


def test_only_the_end_of_a_long_log_is_kept(tmp_path):
    log = tmp_path / "nodes" / "n1" / "a.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"".join(b"line %d\n" % i for i in range(100_000)))
    (kept,) = run_folder.load(tmp_path).logs
    assert kept.text.endswith("line 99999\n")
    assert len(kept.text) <= run_folder.LOG_TAIL_BYTES
    assert kept.text.startswith("line ")
    assert kept.skipped_bytes + len(kept.text) == log.stat().st_size


def test_colours_are_dropped_from_logs_and_other_controls_shown(tmp_path):
    log = tmp_path / "nodes" / "n1" / "a.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"\x1b[1;31mred\x1b[0m \x1b[2J\xff\n")
    (kept,) = run_folder.load(tmp_path).logs
    assert kept.text == "red ␛[2J\ufffd\n"


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    node = tmp_path / "run" / "nodes" / "n1"
    node.mkdir(parents=True)
    (node / "evil.log").symlink_to(secret)
    assert run_folder.load(tmp_path / "run").logs == []
