"""The stretch of a trace that a report shows, and what it says of it."""

import json
from dataclasses import replace
from random import Random

import pytest

from duress.harness.simulation import causes
from duress.reports import run_folder, space_time, statistics, trace_window
from duress.reports.log_times import lines

from . import traced


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_folder.load(traced.simulate(tmp_path_factory.mktemp("traced") / "run"))


def diagram_of(run, **given):
    figures = statistics.collect(run.history.columns(), run.faults)
    drawn = space_time.diagram(run, run.verdict.anomalies[0], figures, lines(run), **given)
    return drawn and drawn.data


def test_a_stretch_holds_what_a_scan_of_the_whole_file_finds(run):
    path = run.folder / "messages.jsonl"
    events = list(causes.read(path))
    last = events[-1]["t"]
    sends = {e["id"]: e for e in events if e["e"] == "send"}
    random = Random(3)
    for _ in range(12):
        begin = random.randrange(last)
        end = begin + random.randrange(1, 300_000_000)
        wanted = []
        ended = set()
        for event in events:
            if event["e"] in ("deliver", "drop"):
                send = sends[event["of"]]
                ended.add(event["of"])
                if send["t"] <= end and event["t"] >= begin:
                    why = event.get("why", "")
                    wanted.append((send["t"], send["from"], send["to"], event["t"], why))
        for number, send in sends.items():
            if number not in ended and begin <= send["t"] <= end:
                wanted.append((send["t"], send["from"], send["to"], None, ""))
        stretch = trace_window.read(path, begin, end)
        found = [(m.sent, m.source, m.dest, m.end, m.why) for m in stretch.messages]
        assert sorted(found, key=str) == sorted(wanted, key=str)
        assert stretch.is_whole


def test_a_place_in_the_file_is_found_without_reading_up_to_it(run):
    path = run.folder / "messages.jsonl"
    times = [event["t"] for event in causes.read(path)]
    with path.open("rb") as file:
        for wanted in (0, times[len(times) // 2], times[-1], times[-1] + 1):
            trace_window.seek_time(file, wanted)
            at = file.tell()
            before = json.loads(path.read_bytes()[:at].splitlines()[-1])["t"] if at else -1
            assert before < wanted
            skipped = sum(1 for line in iter(file.readline, b"") if json.loads(line)["t"] < wanted)
            assert skipped < trace_window.BLOCK_BYTES // 30


def test_lines_that_cannot_be_read_are_left_out(run, tmp_path):
    lines = (run.folder / "messages.jsonl").read_bytes().splitlines(keepends=True)
    whole = trace_window.read(run.folder / "messages.jsonl", 0, 10**9)
    torn = tmp_path / "messages.jsonl"
    torn.write_bytes(b"{broken\n\xff\xfe\n[1]\n" + b"".join(lines) + b'{"id": 99')
    found = trace_window.read(torn, 0, 10**9)
    assert [vars(m) for m in found.messages[:50]] == [vars(m) for m in whole.messages[:50]]
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    assert trace_window.read(empty, 0, 10**9).messages == []


def test_times_of_trace_and_history_agree(run):
    """A client sends at the moment of its call: the diagram puts both at the same place."""
    drawn = diagram_of(run)
    lanes, messages = drawn["lanes"], drawn["messages"]
    names = [lane["name"] for lane in lanes]
    assert names[-3:] == ["n1", "n2", "n3"]
    assert len(drawn["calls"]) >= 2
    for call in drawn["calls"]:
        assert lanes[call["lane"]]["kind"] == "client"
        own = [
            (messages["sent"][i], messages["end"][i])
            for i in range(len(messages["sent"]))
            if call["lane"] in (messages["from"][i], messages["to"][i])
        ]
        assert any(call["start"] - 1 <= sent <= call["start"] + 1_000_000 for sent, _ in own)
        assert any(abs(end - call["end"]) <= 1 for _, end in own)
    stuck = next(call for call in drawn["calls"] if call["role"] == "stuck")
    told = {
        drawn["types"][messages["type"][i]]
        for i in range(len(messages["sent"]))
        if messages["story"][i] and messages["from"][i] == stuck["lane"]
    }
    assert "read" in told


def test_causes_lead_back_in_time_and_from_place_to_place(run):
    messages = diagram_of(run)["messages"]
    chained = [i for i, cause in enumerate(messages["cause"]) if cause >= 0]
    assert chained
    for i in chained:
        cause = messages["cause"][i]
        assert messages["to"][cause] == messages["from"][i]
        assert 0 <= messages["end"][cause] <= messages["sent"][i]


def test_losses_and_roles_are_told(run):
    figures = statistics.collect(run.history.columns(), run.faults)
    cut = figures.faults[0]
    calls = [
        at
        for at, operation in enumerate(run.history)
        if operation.type == "invoke" and cut.start < operation.time < cut.end(10**12)
    ]
    anomaly = run.verdict.anomalies[0]
    beside = type(anomaly)("nonlinearizable", "", [calls[0], calls[-1]])
    drawn = space_time.diagram(run, beside, figures, lines(run)).data
    whys = {drawn["whys"][why] for why in drawn["messages"]["why"]}
    assert "cut" in whys
    assert any("partition" in fault["said"] for fault in drawn["faults"])
    notes = " ".join(lane["note"] for lane in drawn["lanes"] if lane["kind"] == "node")
    assert "leader" in notes or "leads" in notes


def test_too_many_messages_are_left_out_far_from_the_calls(run):
    whole, few = diagram_of(run), diagram_of(run, limit=20)
    assert len(few["messages"]["sent"]) <= 20
    assert 0 < len(few["messages"]["sent"]) < len(whole["messages"]["sent"])
    assert whole["gaps"] == [] and few["gaps"] != []
    kept = set(zip(few["messages"]["sent"], few["messages"]["body"], strict=True))
    assert kept <= set(zip(whole["messages"]["sent"], whole["messages"]["body"], strict=True))
    for call in few["calls"]:
        assert not any(a < call["start"] < b or a < call["end"] < b for a, b in few["gaps"])


def test_of_a_long_window_only_what_is_near_to_the_calls_is_read(run, monkeypatch):
    whole = diagram_of(run)
    monkeypatch.setattr(space_time, "SPAN_MAX_NS", 2_000_000)
    monkeypatch.setattr(space_time, "MOMENTS_MAX", 4)
    near = diagram_of(run)
    rows = list(zip(near["messages"]["sent"], near["messages"]["body"], strict=True))
    assert len(rows) == len(set(rows)) < len(whole["messages"]["sent"])
    assert near["gaps"]
    for call in near["calls"][-2:]:
        assert not any(a < call["start"] < b or a < call["end"] < b for a, b in near["gaps"])


def test_without_a_trace_or_an_origin_there_is_no_diagram(run, tmp_path):
    assert diagram_of(replace(run, folder=tmp_path)) is None
    old = {name: value for name, value in run.spec.items() if name != "history_origin_ns"}
    assert diagram_of(replace(run, spec=old)) is None
