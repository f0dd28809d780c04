"""What is shown of a trial while another process writes its folder."""

import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.history import History
from duress.reports import statistics
from duress.reports.serve import line_tail, live_run
from duress.reports.serve.line_tail import LineTail
from duress.reports.serve.live_figures import BINS_MAX, LiveFigures

from ..reports import synthetic
from . import run_folders

NODES = synthetic.NODES


def tail_of(folder, file="history.jsonl"):
    return LineTail(folder.parent, folder.name, file)


# -- lines that grow -----------------------------------------------------------


lines = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"") + b"x"), max_size=20)


@settings(max_examples=80, deadline=None)
@given(lines=lines, cuts=st.lists(st.integers(0, 260), max_size=8))
def test_each_line_comes_once_however_it_is_written(tmp_path_factory, lines, cuts):
    folder = tmp_path_factory.mktemp("run")
    content = b"".join(line + b"\n" for line in lines)
    tail, found, begin = tail_of(folder), [], 0
    for end in (*sorted(cut for cut in cuts if cut < len(content)), len(content)):
        with (folder / "history.jsonl").open("ab") as file:
            file.write(content[begin:end])
        begin = end
        found += tail.read()
        assert (
            b"".join(line + b"\n" for line in found) == content[: content.rfind(b"\n", 0, end) + 1]
        )
    assert found == lines
    assert tail.read() == []
    assert tail.restarts == 0


def test_half_a_line_waits_for_the_rest(tmp_path):
    tail = tail_of(tmp_path)
    assert tail.read() == []  # no file yet
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"one\ntw")
    assert tail.read() == [b"one"]
    assert tail.read() == []
    with path.open("ab") as file:
        file.write(b"o\n\nthree")
    assert tail.read() == [b"two"]


@pytest.mark.parametrize("how", ["replaced", "shorter"])
def test_another_file_is_read_from_its_beginning(tmp_path, how):
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"one\ntwo\n")
    tail = tail_of(tmp_path)
    assert tail.read() == [b"one", b"two"]
    if how == "replaced":
        other = tmp_path / "other"
        other.write_bytes(b"three\nfour\nfive\n")
        other.replace(path)
        assert tail.read() == [b"three", b"four", b"five"]
    else:
        path.write_bytes(b"six\n")
        assert tail.read() == [b"six"]
    assert tail.restarts == 1


def test_what_is_too_long_for_a_line_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(line_tail, "CHUNK_BYTES", 8)
    monkeypatch.setattr(line_tail, "LONGEST_LINE_BYTES", 32)
    (tmp_path / "history.jsonl").write_bytes(b"a\n" + b"x" * 100 + b"\n" + b"y" * 20 + b"\nb\n")
    tail, found = tail_of(tmp_path), []
    for _ in range(20):
        found += tail.read()
    assert found == [b"a", b"y" * 20, b"b"]
    assert tail.skipped == 1


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "secret").write_bytes(b"secret\n")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "history.jsonl").symlink_to(tmp_path / "secret")
    assert tail_of(folder).read() == []


# -- figures -------------------------------------------------------------------


def encoded(entries):
    return [msgspec.json.encode(entry) for entry in entries]


@pytest.mark.parametrize("seconds", [20.0, 700.0])
def test_figures_agree_with_those_of_the_report(seconds):
    run = synthetic.generate(seed=3, calls=2000, seconds=seconds)
    figures = LiveFigures()
    figures.take_operations(encoded(run.operations))
    figures.take_faults(encoded(run.faults))
    shown = figures.snapshot(NODES)
    whole = statistics.collect(History(run.operations).columns(), run.faults)
    told = {
        row["f"]: (row["ok"], row["fail"], row["info"] + _open(run, row["f"]))
        for row in shown["by_f"]
    }
    assert told == {tally.f: (tally.ok, tally.fail, tally.info) for tally in whole.by_f}
    assert shown["calls"]["ok"] == sum(shown["bins"]["ok"]) == whole.total.ok
    assert shown["open"] == sum(_open(run, f) for f in told)
    assert len(shown["bins"]["ok"]) <= BINS_MAX
    assert shown["bin_s"] * BINS_MAX > seconds
    assert [fault["said"] for fault in shown["faults"]] == [
        "partition halves: n1 n2 | n3 n4 n5",
        *("kill n2", "pause n3", "partition halves: n1 n2 | n3 n4 n5", "kill n5"),
    ]
    assert shown["faults_active"] == 0
    assert shown["unreadable"] == 0


def _open(run, f):
    client = [o for o in run.operations if o.process != "nemesis" and o.f == f]
    return sum(1 if o.type == "invoke" else -1 for o in client)


def test_faults_are_active_until_they_are_healed():
    run = synthetic.generate(seed=3, calls=200)
    figures = LiveFigures()
    active = []
    for entry in encoded(run.faults):
        figures.take_faults([entry])
        active.append(figures.snapshot(NODES)["faults_active"])
    assert active == [1, 1, 1, 0] * 5


def test_strange_lines_are_counted_and_left_out():
    figures = LiveFigures()
    strange = [
        b"{",
        b"[]",
        b"null",
        b'{"time":1}',
        b"\xff",
        b'{"time":-1,"process":0,"type":"ok","f":"r"}',
    ]
    figures.take_operations([*strange, b'{"time":1,"process":0,"type":"odd","f":"r"}'])
    figures.take_faults(
        [*strange[:5], b'{"time":1,"state":"injected","fault":{"id":"x","kind":"y"}}']
    )
    shown = figures.snapshot([])
    assert shown["unreadable"] == 13
    assert shown["calls"] == {"ok": 0, "fail": 0, "info": 0}
    assert shown["faults"] == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=5))
def test_no_line_stops_it(lines):
    figures = LiveFigures()
    figures.take_operations(lines)
    figures.take_faults(lines)
    json.dumps(figures.snapshot(["n1"]))


# -- a folder from its first file to its report --------------------------------


@pytest.fixture
def watched(tmp_path, monkeypatch):
    monkeypatch.setattr(live_run, "EVERY_S", 0.0)
    folder = run_folders.write(tmp_path, "20260301T063000-raft-0001")
    with run_folders.being_written(folder):
        yield folder, live_run.LiveRuns(tmp_path)[folder.name]


def test_a_trial_from_its_beginning_to_its_report(watched):
    folder, live = watched
    assert live.snapshot()["phase"] == "bringing up the cluster and the system"
    run_folders.write(folder.parent, folder.name, run_folders.spec(nodes=NODES, time_limit_s=30.0))
    run = synthetic.generate(seed=3, calls=300)
    written = encoded(run.operations)
    history = folder / "history.jsonl"
    for part in range(4):
        text = b"\n".join(written[: len(written) * (part + 1) // 4])
        history.write_bytes(text[:-5])  # the last line is only half there
        state = live.snapshot()
        assert (state["state"], state["ended"]) == ("running", False)
        assert state["phase"] == "clients and faults are at work"
    history.write_bytes(b"\n".join(written) + b"\n")
    assert live.snapshot()["calls"]["ok"] > 0
    run_folders.write(folder.parent, folder.name, verdict=run_folders.verdict(False, ["G1c"]))
    state = live.snapshot()
    assert (state["state"], state["ended"], state["phase"]) == ("invalid", False, "judged")
    assert "broke" in state["sentence"]
    (folder / "report.html").write_text("<!doctype html>")
    assert live.snapshot()["ended"]


def test_without_a_report_the_page_does_not_wait_for_ever(watched, monkeypatch):
    folder, live = watched
    run_folders.write(folder.parent, folder.name, run_folders.spec(), run_folders.verdict())
    assert not live.snapshot()["ended"]
    later_s = time.monotonic() + live_run.REPORT_WAIT_S + 1
    monkeypatch.setattr(live_run.time, "monotonic", lambda: later_s)
    assert live.snapshot()["ended"]


def test_a_history_that_begins_again(watched):
    folder, live = watched
    run_folders.write(folder.parent, folder.name, run_folders.spec())
    line = b'{"time":1,"process":0,"type":"ok","f":"read"}\n'
    (folder / "history.jsonl").write_bytes(line * 3)
    (folder / "faults.jsonl").write_bytes(encoded(synthetic.generate(calls=100).faults)[0] + b"\n")
    assert live.snapshot()["calls"]["ok"] == 3
    (folder / "history.jsonl").write_bytes(line)
    state = live.snapshot()
    assert (state["calls"]["ok"], state["faults_total"]) == (1, 1)


def test_a_folder_that_is_removed(watched):
    folder, live = watched
    (folder / "nodes").rmdir()
    folder.rmdir()
    assert live.snapshot() == {"state": "gone", "ended": True}


def test_those_who_watch_share_the_work(tmp_path):
    runs = live_run.LiveRuns(tmp_path)
    assert runs["a"] is runs["a"]
    assert runs["a"] is not runs["b"]
