"""How anomalies are grouped, laid out and tabled."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.history import History
from duress.harness.operation import Operation
from duress.harness.verdict import Anomaly, Verdict
from duress.reports import anomalies, cycle_graph, html, run_folder, statistics, transactions

from . import traced


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = traced.Transactions()
    for at in range(5):
        made.read_skew(f"x{at}", f"y{at}")
    made.write_skew("p", "q", "s")
    made.run(3, [["append", "z", 9]], "fail")
    made.run(2, [["r", "z", [9]], ["r", "p", [1]]])
    folder = tmp_path_factory.mktemp("transactions") / "run"
    return run_folder.load(traced.write_transactions(folder, made.operations))


def groups_of(run):
    groups = anomalies.groups(run, statistics.collect(run.history.columns(), run.faults))
    return {group["name"]: group for group in groups}


def test_a_few_of_each_kind_are_shown_and_all_are_counted(run):
    groups = groups_of(run)
    assert set(groups) == {"G1a", "G-single", "G2-item"}
    assert groups["G-single"]["found"] == 5
    assert len(groups["G-single"]["anomalies"]) == anomalies.DRAWN_MAX == 3
    assert groups["G2-item"]["found"] == 1
    numbers = [a["number"] for group in groups.values() for a in group["anomalies"]]
    assert sorted(numbers) == list(range(5))
    assert "3 of 5 shown" in html.page(run)


def test_a_cycle_tells_why_each_edge_is_there(run):
    cycle = groups_of(run)["G-single"]["anomalies"][0]["cycle"]
    assert {edge["kind"] for edge in cycle["edges"]} == {"rw", "wr"}
    for edge in cycle["edges"]:
        assert edge["why"].endswith(f"so {edge['from']} happened before {edge['to']}")
    ends = [(edge["from"], edge["to"]) for edge in cycle["edges"]]
    assert [to for _, to in ends] == [ends[(i + 1) % len(ends)][0] for i in range(len(ends))]
    reader, writer = cycle["boxes"]
    assert [line["hit"] for line in reader["lines"]] == [True, True]
    marked = {line["text"]: line["hit"] for line in writer["lines"]}
    assert marked == {"append x0 1": True, "append y0 1": True, 'append other "x0"': False}


def overlap(a, b):
    return (
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    )


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 12])
def test_boxes_do_not_touch_and_lie_in_the_picture(size):
    made = traced.Transactions()
    made.write_skew(*(f"key-{at}" * (1 + at % 3) for at in range(size)))
    starts = [o.index for o in made.operations if o.type == "invoke"][:size]
    edges = [
        {"from": a, "to": starts[(i + 1) % size], "kind": "rw", "key": "k", "because": "so it is"}
        for i, a in enumerate(starts)
    ]
    anomaly = Anomaly("G2-item", "", starts, details={"cycle": edges})
    drawn = cycle_graph.graph(History(made.operations), anomaly)
    assert drawn and len(drawn["boxes"]) == size
    left, top, width, height = map(float, drawn["view"].split())
    for at, box in enumerate(drawn["boxes"]):
        assert not any(overlap(box, other) for other in drawn["boxes"][:at])
        assert left <= box["x"] and box["x"] + box["width"] <= left + width
        assert top <= box["y"] and box["y"] + box["height"] <= top + height
    for edge in drawn["edges"]:
        assert left <= edge["x"] <= left + width and top <= edge["y"] <= top + height
        label = {"x": edge["x"] - 2, "y": edge["y"] - 2, "width": 4, "height": 4}
        assert not any(overlap(label, box) for box in drawn["boxes"])


def test_a_huge_cycle_is_listed_but_not_drawn():
    size = 50
    operations = [Operation(i, i, i, "invoke", "txn", [["append", "x", i]]) for i in range(size)]
    edges = [{"from": i, "to": (i + 1) % size, "kind": "ww", "because": "w"} for i in range(size)]
    anomaly = Anomaly("G0", "", list(range(size)), details={"cycle": edges})
    drawn = cycle_graph.graph(History(operations), anomaly)
    assert drawn and drawn["boxes"] == []
    assert len(drawn["edges"]) == cycle_graph.EDGES_LISTED_MAX
    assert drawn["edges_left_out"] == size - cycle_graph.EDGES_LISTED_MAX


def test_what_is_no_cycle_is_a_table_with_the_key_marked(run):
    aborted = groups_of(run)["G1a"]["anomalies"][0]
    assert aborted["cycle"] is None
    rows = aborted["table"]["rows"]
    assert [row["outcome"] for row in rows] == ["fail", "ok"]
    parts = [(part["text"], part["hit"]) for row in rows for part in row["parts"]]
    assert parts == [("append z 9", True), ("r z → [9]", True), ("r p → [1]", False)]


def test_a_long_list_is_shown_by_its_ends():
    elements = list(range(1000, 1100))
    operations = [
        Operation(0, 1, 0, "invoke", "txn", [["r", "x", None]]),
        Operation(1, 2, 0, "ok", "txn", [["r", "x", elements]]),
    ]
    table = transactions.table(History(operations), Anomaly("internal", "", [0], "x"))
    assert table
    text = table["rows"][0]["parts"][0]["text"]
    assert text == "r x → [1000,1001,1002, … 92 more …, 1095,1096,1097,1098,1099]"


def test_hostile_keys_and_values_stay_text(tmp_path):
    made = traced.Transactions()
    made.read_skew(traced.HOSTILE, f'"{traced.HOSTILE}', traced.HOSTILE)
    run = run_folder.load(traced.write_transactions(tmp_path / "run", made.operations))
    text = html.page(run)
    assert "G-single" in text and '<figure class="cycle">' in text
    assert "<img" not in text and "onerror=alert(3)&gt;" in text
    assert text.count("</script") == len(html.SCRIPTS) + 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    value=JSON,
    edges=st.lists(
        st.dictionaries(
            st.sampled_from(["from", "to", "kind", "key", "value", "because"]),
            JSON | st.integers(0, 3),
        ),
        max_size=4,
    ),
    details=st.dictionaries(st.sampled_from(["count", "pattern", "longest", "states"]), JSON),
)
def test_strange_details_still_make_a_page(value, edges, details, tmp_path_factory):
    """Whatever a checker writes, in whatever shape operations are."""
    operations = [
        Operation(0, 1, 0, "invoke", "txn", value),
        Operation(1, 2, 1, "invoke", "txn", [["r", value, None]]),
        Operation(2, 3, 0, "ok", "txn", [["append", 1], ["r", "x", value]]),
        Operation(3, 4, 1, "info", "txn", value),
    ]
    run = run_folder.Run(
        tmp_path_factory.getbasetemp(),
        history=History(operations),
        verdict=Verdict(False, [Anomaly("G1c", "x", [0, 1], value, {**details, "cycle": edges})]),
    )
    assert "What happened" in html.page(run)


def test_levels_are_told(run):
    found = anomalies.levels(run.verdict)
    assert found and "serializable" in found["ruled_out"]
    broken = msgspec.structs.replace(
        run.verdict, parts={"a": Verdict(True, statistics={"result": 3})}
    )
    assert anomalies.levels(broken) is None
