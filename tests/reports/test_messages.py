"""Messages per operation: counted by the network, set against the history, told to people."""

import io
import json
from collections import Counter

import pytest

from duress.harness import message_counts
from duress.harness.history import History
from duress.harness.simulation import causes
from duress.harness.verdict import Verdict
from duress.reports import closing_summary, html, messages, run_folder

from . import traced


@pytest.fixture(scope="module", params=[True, False], ids=["traced", "untraced"])
def runs(request, tmp_path_factory):
    options = {"loss": "0.05", "duplicate": "0.1", "trace": str(request.param).lower()}
    options["mutant"] = "stale-read"
    folder = tmp_path_factory.mktemp("counted") / "run"
    return run_folder.load(traced.simulate(folder, options=options))


def test_every_message_of_the_trace_is_counted(runs):
    path = runs.folder / "messages.jsonl"
    found = runs.verdict.statistics["messages"]
    assert found["operations"] == sum(
        o.type == "invoke" and o.process != "nemesis" for o in runs.history
    )
    assert found["servers"]["copies"] > 0
    assert found["probes"]["sent"] > 0
    if not path.exists():  # no trace: the same figures, by the same seed
        return
    sends, tallies = {}, {name: Counter() for name in ("sent", "received", "dropped")}
    for event in causes.read(path):
        if event["e"] == "send":
            ends = {event["from"], event["to"]}
            if "probe" in ends:
                continue
            group = "servers" if ends <= set(runs.nodes) else "clients"
            sends[event["id"]] = (event["body"]["type"], group)
            tallies["sent"][sends[event["id"]]] += 1
        elif event["e"] in ("deliver", "drop") and event["of"] in sends:
            which = "received" if event["e"] == "deliver" else "dropped"
            tallies[which][sends[event["of"]]] += 1
    rows = {(row["type"], row["between"]): row for row in found["by_type"]}
    for which, tally in tallies.items():
        assert {kind: row[which] for kind, row in rows.items() if row[which]} == dict(tally)
        for group in ("servers", "clients"):
            wanted = sum(count for (_, side), count in tally.items() if side == group)
            assert found[group][which] == wanted
        assert found["all"][which] == sum(tally.values())


def test_counts_do_not_depend_on_tracing(tmp_path):
    found = []
    for trace in ("true", "false"):
        folder = traced.simulate(
            tmp_path / trace, options={"mutant": "stale-read", "trace": trace}, time_limit_s=2.0
        )
        found.append((folder / "messages.json").read_bytes())
    assert found[0] == found[1]


def test_messages_per_operation():
    counts = {
        "requests": {"read": 3},
        "answers": 3,
        "sent": 8,
        "copies": 1,
        "delivered": 7,
        "lost": {"cut": 2},
        "types": {
            "servers": {"ask": {"sent": 8, "received": 7, "dropped": 2}},
            "clients": {
                "read": {"sent": 3, "received": 3, "dropped": 0},
                "read_ok": {"sent": 3, "received": 2, "dropped": 1},
            },
        },
    }
    found = message_counts.summarise(counts, 4)
    assert found["servers"] == {
        "sent": 8, "received": 7, "dropped": 2, "per_operation": 2.0, "copies": 1,
    }  # fmt: skip
    assert found["clients"] == {"sent": 6, "received": 5, "dropped": 1, "per_operation": 1.5}
    assert found["all"] == {"sent": 14, "received": 12, "dropped": 3, "per_operation": 3.5}
    assert [row["type"] for row in found["by_type"]] == ["ask", "read", "read_ok"]
    assert message_counts.summarise(counts, 0)["all"]["per_operation"] is None


def test_counts_of_an_older_run_are_still_told():
    counts = {
        "requests": {"read": 3},
        "answers": 2,
        "sent": 8,
        "copies": 0,
        "delivered": 8,
        "lost": {},
    }
    verdict = Verdict(True, statistics={"messages": message_counts.summarise(counts, 2)})
    assert messages.sentence(verdict) == "8 between nodes, 4.00 an operation; 5 with clients, 2.50"
    table = messages.table(verdict)
    assert table and dict(table["groups"])["with clients"] == ["5", "–", "–", "2.50"]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"sent": "x"}', b'{"lost": 3}', b"\xff"])
def test_a_damaged_count_is_no_count(tmp_path, content):
    (tmp_path / "messages.json").write_bytes(content)
    assert message_counts.of_trial(tmp_path, History()) == {}
    assert message_counts.of_trial(tmp_path / "nowhere", History()) == {}


@pytest.mark.parametrize(
    "strange", [None, 3, {"all": 1}, {"all": {}, "servers": {}, "clients": {}}]
)
def test_strange_statistics_do_no_harm(strange):
    verdict = Verdict(True, statistics={"messages": strange})
    messages.sentence(verdict)
    messages.table(verdict)


def test_page_and_summary_tell_them(runs):
    text = html.page(runs)
    assert '<section id="messages"' in text and "append_entries" in text
    stream = io.StringIO()
    closing_summary.summarise(runs.folder, stream)
    line = next(
        line for line in stream.getvalue().splitlines() if line.strip().startswith("messages")
    )
    sent = runs.verdict.statistics["messages"]["servers"]["sent"]
    assert f"{sent:,} between nodes" in line and "lost (" in line


def test_only_a_run_without_a_trace_says_how_to_get_one(runs):
    has_trace = (runs.folder / "messages.jsonl").exists()
    assert ("--set trace=true" in html.page(runs)) == (
        not has_trace and bool(runs.verdict.anomalies)
    )
    assert json.loads((runs.folder / "trial.json").read_text())["history_origin_ns"] > 0
