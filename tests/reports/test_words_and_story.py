"""What is said to a person."""

import pytest

from duress.harness import registry
from duress.harness.history import History
from duress.harness.operation import Operation
from duress.harness.verdict import Anomaly, Verdict, compose
from duress.reports import evidence, statistics, story, words
from duress.reports.promises import PROMISES, part_of, promise_of

from . import synthetic

NODES = ["n1", "n2", "n3", "n4", "n5"]


def cut_between(a, b):
    return [[x, y] for x in a for y in b] + [[y, x] for x in a for y in b]


@pytest.mark.parametrize(
    ("kind", "targets", "parameters", "said"),
    [
        ("kill", ["n2"], {"choice": "one"}, "kill n2"),
        (
            "partition",
            NODES,
            {"shape": "halves", "cut": cut_between(["n1", "n2"], ["n3", "n4", "n5"])},
            "partition halves: n1 n2 | n3 n4 n5",
        ),
        (
            "partition",
            NODES,
            {"shape": "one-way", "cut": [["n1", "n2"]]},
            "partition one-way: cut n1→n2",
        ),
        (
            "partition",
            NODES,
            {"shape": "bridge", "cut": cut_between(["n1", "n2"], ["n4", "n5"])},
            "partition bridge: cut n1–n4, n1–n5, n2–n4, n2–n5",
        ),
        ("slow", ["n1"], {"delay_ms": 40}, "slow n1 (delay_ms 40)"),
        ("partition", ["n1"], {"cut": "nonsense"}, "partition n1"),
        ("partition", ["n1"], {"cut": [1, [2], ["a", "b", "c"]]}, "partition n1"),
    ],
)
def test_a_fault_is_named_with_what_it_separates(kind, targets, parameters, said):
    assert words.fault(kind, targets, parameters, NODES) == said


@pytest.mark.parametrize(
    ("ns", "said"),
    [
        (None, "–"),
        (0, "0 ns"),
        (1_500, "1.50 µs"),
        (12_300_000, "12.3 ms"),
        (2_500_000_000, "2.50 s"),
        (3_725_000_000_000, "62 min 05 s"),
    ],
)
def test_durations_have_units(ns, said):
    assert words.duration(ns) == said


def test_a_share_never_rounds_up_to_all():
    assert words.share(1.0) == "100 %"
    assert words.share(0.999999) == "99.99 %"
    assert words.share(0.985) == "98.5 %"
    assert words.share(0.0) == "0 %"
    assert words.share(0.0000001) == "0.00 %"


def test_nothing_that_acts_on_a_terminal_or_reorders_text_is_let_through():
    text = "\x1b[31mred\x00\x07\x9b\u202eevil\u2028\ufeff\r"
    shown = words.printable(text)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert not set(shown) & set("\u202e\u2028\ufeff")
    assert "red" in shown and "evil" in shown


def test_long_values_are_cut_and_say_so():
    assert words.value("x" * 100, 10) == '"xxxxxxxxx… (92 more characters)'


def test_values_that_are_not_json_are_still_shown():
    assert words.value({1, 2}.__class__) != ""
    assert words.value(float("nan")) in ("null", "nan")


def test_each_call_is_a_sentence():
    def said(f, asked, answered, outcome, **rest):
        return words.call(3, f, asked, answered, outcome, **rest)

    assert said("read", None, 4, "ok", key="x") == 'process 3 read key "x" and got 4'
    assert (
        said("write", 5, 5, "ok", key=2, node="n4", took_ns=3_000_000)
        == "process 3 on n4 asked to write 5 to key 2: acknowledged after 3.00 ms"
    )
    assert (
        said("cas", [1, 2], [1, 2], "fail", error="mismatch")
        == "process 3 asked to change the value from 1 to 2: refused (mismatch)"
    )
    assert "outcome unknown" in said("enqueue", 9, 9, "info")
    # A name that is no verb is not something to be asked for.
    assert (
        said("suspects", None, [], "ok")
        == "process 3 called suspects: acknowledged, answer nothing"
    )


def test_headline_names_the_broken_promise():
    bad = Verdict(False, [Anomaly("nonlinearizable", "It is so.", [0])])
    said = story.headline({"system": "raft", "mutant": "stale-read"}, bad)
    assert said.state == "invalid"
    assert said.sentence == "raft (mutant stale-read) broke linearizability."


def test_an_unknown_verdict_is_never_worded_as_valid():
    said = story.headline({"system": "raft"}, Verdict("unknown", reason="budget spent"))
    assert said.state == "unknown"
    assert "kept" not in said.sentence or "Nobody can say" in said.sentence
    assert said.detail == "budget spent"


def test_no_verdict_says_why():
    said = story.headline({"system": "raft", "outcome": "error", "error": "no bridge"}, None)
    assert said.state == "none"
    assert said.detail == "no bridge"


def test_strict_and_session_variants_break_the_stronger_promise():
    assert promise_of("G1c") == PROMISES["g1c"]
    strict = promise_of("G-single-realtime")
    assert strict is not None and strict[0] == "strict snapshot isolation"
    assert promise_of("something-new") is None
    assert promise_of("something-new-realtime") is None


def test_the_story_names_fault_calls_and_contradiction_in_order_of_time():
    run = synthetic.generate(seed=3, stale=True)
    history = History(run.operations)
    figures = statistics.collect(history.columns(), run.faults)
    (anomaly,) = synthetic.verdict(run).anomalies
    steps = story.tell(history, anomaly, figures, NODES)
    assert [s.kind for s in steps] == ["fault", "call", "stuck", "end", "instead"]
    assert [s.told_at for s in steps] == sorted(s.told_at for s in steps)
    assert steps[0].text.startswith("the network was cut: n1 n2 | n3 n4 n5 (no message passes")
    assert "asked to write" in steps[1].text
    assert "read key" in steps[2].text


def test_a_story_of_many_calls_is_kept_short():
    history = History(
        Operation(i, i * 10, 0, ("invoke", "ok")[i % 2], "write", i // 2) for i in range(200)
    )
    anomaly = Anomaly("nonlinearizable", "Why.", list(range(200)))
    figures = statistics.collect(history.columns())
    steps = story.tell(history, anomaly, figures, [])
    assert len(steps) <= story.CALLS_TOLD_MAX + 1
    assert "more calls" in steps[1].text


@pytest.mark.parametrize("operations", [[], [99], [-5], [0], [1], [3]])
def test_strange_evidence_does_not_break_story_or_drawing(operations):
    history = History(
        [
            Operation(0, 0, "nemesis", "info", "inject", {"id": 1, "kind": "kill"}),
            Operation(1, 1, 0, "invoke", "read"),
            Operation(2, 2, 1, "invoke", "write", 3),
            Operation(3, 3, 1, "ok", "write", 3),
        ]
    )
    details = {
        "failed_at": 77,
        "longest": [None, "x", {"index": 1e9}, 2, 2],
        "states": [3, {"state": None, "stuck": [4, {"why": 1}]}],
        "edges": [{"from": "a"}, {"from": 2, "to": 2}],
    }
    anomaly = Anomaly("nonlinearizable", "Why.", operations, details=details)
    figures = statistics.collect(history.columns())
    assert story.tell(history, anomaly, figures, [])[-1].text == "Why."
    drawn = evidence.drawing(history, anomaly)
    if operations in ([1], [3]):
        assert drawn is not None
        assert len([c for c in drawn["calls"] if c["role"] != "context"]) == 1
    else:
        assert drawn is None
    assert evidence.dead_ends(details, history) == [("None", ["1"])]


def test_the_drawing_holds_evidence_context_and_the_order_tried():
    run = synthetic.generate(seed=3, stale=True)
    history = History(run.operations)
    (anomaly,) = synthetic.verdict(run).anomalies
    drawn = evidence.drawing(history, anomaly)
    assert drawn is not None
    roles = {call["index"]: call["role"] for call in drawn["calls"]}
    assert run.stale_read is not None
    write, read = run.stale_read
    assert roles.pop(write) == "evidence"
    assert roles.pop(read) == "stuck"
    assert set(roles.values()) == {"context"}
    assert {history[at].key for at in roles} == {anomaly.key}
    # Where the stale value came from is part of the picture.
    stale = history[anomaly.operations[2]].value
    assert any(history[at].f == "write" and history[at].value == stale for at in roles)
    assert [c["order"] for c in drawn["calls"] if c["order"] is not None] == [1]


def test_a_call_that_was_open_all_the_while_is_drawn():
    entries = [
        (0, "invoke", "write", 7),
        (1, "invoke", "write", 1),
        (1, "ok", "write", 1),
        (2, "invoke", "read", None),
        (2, "ok", "read", 7),
    ]
    history = History(Operation(i, i, p, t, f, v) for i, (p, t, f, v) in enumerate(entries))
    drawn = evidence.drawing(history, Anomaly("nonlinearizable", "", [3]))
    assert drawn is not None
    assert [c["index"] for c in drawn["calls"]] == [0, 1, 3]
    assert compose({}).valid is True


def test_every_anomaly_that_a_planted_bug_must_show_has_a_promise():
    for mutant in registry.mutants():
        assert promise_of(mutant.anomaly) is not None, f"{mutant.name}: {mutant.anomaly}"


def test_a_checker_may_mean_something_else_by_a_name():
    found = Anomaly("stale-read", "", [1])
    verdict = compose({"session-safety": Verdict(False, [found])})
    assert promise_of("stale-read", part_of(verdict, found)) != promise_of("stale-read")
    assert part_of(None, found) == part_of(compose({}), found) == ""
