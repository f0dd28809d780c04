"""What the story says: faults, calls, notes of nodes, messages, and what should have been."""

from typing import Any

import pytest

from duress.harness.fault_windows import FaultWindow
from duress.harness.history import History
from duress.harness.operation import Operation
from duress.harness.verdict import Anomaly
from duress.reports import (
    call_words,
    expectations,
    fault_sentences,
    message_story,
    node_notes,
    story,
    witnesses,
    words,
)
from duress.reports.call_words import About
from duress.reports.log_times import LogLine
from duress.reports.trace_window import TracedMessage

from .kinds import MS, Calls, lock_calls

NODES = ["n1", "n2", "n3"]


def window(kind, targets, parameters, seen=None):
    return FaultWindow(
        1, kind, targets, parameters, 0, 10 * MS, 90 * MS, 90 * MS, "healed", seen or {}
    )


@pytest.mark.parametrize(
    ("fault", "struck", "healed"),
    [
        (window("kill", ["n1"], {}), "n1 was killed", "n1 was started again"),
        (
            window("pause", ["n1", "n2"], {}),
            "n1 and n2 were paused (stopped, but not dead)",
            "n1 and n2 were resumed",
        ),
        (
            window("partition", NODES, {"shape": "halves", "cut": [["n1", "n2"], ["n2", "n1"]]}),
            "the network was cut: n1–n2 (both ways; shape halves)",
            "the network was whole again: that cut was mended",
        ),
        (
            window("partition", NODES, {"shape": "one-way", "cut": [["n1", "n2"]]}),
            "the network was cut: n1→n2 (that way alone; shape one-way)",
            "the network was whole again: that cut was mended",
        ),
        (
            window("membership", ["n3"], {"change": "shrink", "members": ["n1", "n2"]}),
            "n3: the members were to change (shrink) to n1 and n2",
            "the members were to be those of before",
        ),
        (
            window("disk", ["n1"], {"shape": "power-cut", "survives": "lost"}),
            "the power of n1 went: nothing survives that was not synced",
            "n1 had power again",
        ),
        (
            window("disk", ["n1"], {"shape": "full", "free_bytes": 9}),
            "disks went bad (disk full): n1 (9 bytes free)",
            "the disks were good again",
        ),
        (window("strange", ["n1"], {}), "strange n1 took effect", "strange n1 was healed"),
    ],
)
def test_a_fault_is_told_in_plain_words(fault, struck, healed):
    assert fault_sentences.struck(fault, NODES) == struck
    assert fault_sentences.healed(fault, NODES) == healed


def test_what_a_fault_did_while_it_lasted_is_told():
    strikes = [
        {"after_s": 0.5, "deed": "kill-sender", "on": {"type": "vote"}, "nodes": ["n2"]},
        {"after_s": "x", "deed": 3},
        {"after_s": 0.7, "deed": "isolate-receiver", "on": {"type": "vote"}, "nodes": ["n3"]},
    ]
    ambush = window("ambush", ["n2", "n3"], {"traps": []}, {"strikes": strikes})
    assert fault_sentences.strikes(ambush) == [
        (510 * MS, "n2 was killed (and started again) just as it sent vote"),
        (710 * MS, "n3 was cut off from the others just as it received vote"),
    ]
    assert fault_sentences.kills(ambush) == [(510 * MS, "n2")]
    cut = [[a, b] for a in NODES for b in NODES if (a == "n1") != (b == "n1")]
    moving = window("partition", NODES, {}, {"moves": [{"after_s": 1, "cut": cut}, {"cut": 1}]})
    assert fault_sentences.moves(moving, NODES) == [(1010 * MS, "the cut moved: n1 | n2 n3")]


def told(f, asked, answer, outcome: Any = "ok", about=call_words.NOTHING, **rest):
    invocation = Operation(0, 0, 3, "invoke", f, asked, rest.pop("key", None))
    ended = Operation(1, MS, 3, outcome, f, answer, invocation.key, rest.pop("node", "n1"), **rest)
    return call_words.sentence(invocation, ended, about)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (
            told("begin", {"txn": 5, "refusals": 1}, {"outcome": "aborted", "refusing": ["n2"]}),
            "process 3 asked n1 to commit transaction 5 (n2 to vote no); n1 answered: aborted",
        ),
        (
            told("begin", {"txn": 5}, {"txn": 5}, "info", error=["connection-lost", "n1"]),
            "process 3 asked n1 to commit transaction 5 (all to vote yes); "
            "outcome unknown (connection-lost: n1)",
        ),
        (
            told("states", {}, {"from": 1, "aborted": [4, 5]}, about=About(5)),
            "process 3 asked n1 for the state of all transactions; n1 answered: 5 is aborted",
        ),
        (
            told("acquire", None, {"sequencer": 7, "lease_ms": 500}, key="l"),
            "process 3 on n1 asked for lock l: granted (sequencer 7, lease for 500 ms)",
        ),
        (
            told("read", None, list(range(40)), about=About(None, (99,))),
            "process 3 on n1 read and got 40 elements, without 99",
        ),
        (
            told("drain", None, [9, 9], about=About(None, (9,))),
            "process 3 on n1 took all that was left in the queue: it got 2 elements, 2 times 9",
        ),
        (told("read", None, None, key=1), "process 3 on n1 read key 1 and got nothing"),
        (
            told("insert", [4, [None, 8]], [4, [None, 8]]),
            "process 3 on n1 asked to insert row 8 of key 4 into table b if the key has no row in "
            "either: inserted, for there was none",
        ),
        # Another system's functions of the same names.
        (
            told("begin", 5, 6),
            "process 3 on n1 called begin 5: acknowledged after 1.00 ms, answer 6",
        ),
        (
            told("state", {"shard": 1}, {"shard": 1, "load": 2, "of": []}),
            "process 3 on n1 called state (shard 1): acknowledged after 1.00 ms, answer (load 2)",
        ),
    ],
)
def test_a_call_is_told_in_plain_words(said, wanted):
    assert said == wanted


def test_transactions_are_told_in_words():
    mops = [["append", "x", 5], ["r", "y", [1, 2]], ["w", "z", 3]]
    assert told("txn", mops, mops) == (
        "T0, process 3 on n1: append 5 to x, read y → [1,2], write 3 to z: committed after 1.00 ms"
    )


def test_both_ends_of_a_call_are_told():
    assert story.Step(161 * MS, "call", "", 1125 * MS).when == "0.161 – 1.125 s"
    assert story.Step(161 * MS, "call", "", 161 * MS + 9).when == "0.161 s"
    assert story.Step(161 * MS, "fault", "").when == "0.161 s"
    assert words.span(12, 45) == "12 – 45 ns"


def logged(*lines):
    return [LogLine(time * MS, node, at, text) for at, (time, node, text) in enumerate(lines)]


def test_of_two_leaders_in_one_term_the_second_is_named_as_such():
    lines = logged(
        (1, "n1", "leader in term 1 by the votes of n1, n2"),
        (5, "n3", "follower of n1 in term 1: n1 leads"),
        (6, "n2", "recovered"),
        (7, "n2", "votes for n3 in term 1"),
        (8, "n3", "leader in term 1 by the votes of n3, n2"),
        (9, "n3", "ELECTION SAFETY IS BROKEN: n1 leads too"),
        (10, "n1", "ELECTION SAFETY IS BROKEN: n3 leads too"),
        (11, "n1", "ELECTION SAFETY IS BROKEN: n3 leads too"),
    )
    notes = node_notes.notes(lines, 5 * MS, 100 * MS, kills=[(4 * MS, "n2")])
    assert [(note.node, note.kind) for note in notes] == [
        ("n1", "charge"),
        ("n2", "other"),
        ("n3", "charge"),
        ("n3, n1", "alarm"),
    ]
    assert notes[2].rival == "n1 had taken charge of term 1 before"
    returned = node_notes.notes(lines, 5 * MS, 100 * MS)
    assert ("n2", "return") in [(note.node, note.kind) for note in returned]
    assert len(node_notes.notes(lines * 9, 5 * MS, 100 * MS, limit=3)) <= 4


def message(kind, source, dest, sent, end=None, why="", number=0, **body):
    return TracedMessage(
        number or sent, source, dest, sent * MS, {"type": kind, **body}, end and end * MS, why
    )


def test_messages_of_a_kind_are_told_together():
    steps = message_story.steps(
        [
            message("prepare", "n1", "n2", 1, 3),
            message("prepare", "n1", "n3", 2, 4, "cut"),
            message("vote", "n2", "n1", 3, 5, yes=True),
            message("vote", "n3", "n1", 4, 6, yes=False),
            message("prepare", "n1", "n3", 5, 8),
            message("prepare", "n1", "n3", 5, 9, number=5),
            message("begin", "c1", "n1", 0, 1),
            message("prepare", "n1", "n2", 900, 901),
        ],
        set(NODES),
        0,
    )
    assert [(step.when, step.text) for step in steps] == [
        (
            "0.001 – 0.009 s",
            "n1 sent prepare to n2 and n3, 3 times in all; 1 doubled copy; lost to n3 (cut)",
        ),
        ("0.003 – 0.005 s", "n2 sent vote (yes) to n1"),
        ("0.004 – 0.006 s", "n3 sent vote (no) to n1"),
        ("0.900 – 0.901 s", "n1 sent prepare to n2"),
    ]


def test_a_long_talk_is_told_by_its_ends():
    talk = [message(f"kind{at}", "n1", "n2", at + 1, at + 2) for at in range(40)]
    steps = message_story.steps(talk, set(NODES), 0)
    assert len(steps) == message_story.STEPS_MAX + 1
    assert steps[0].text == "n1 sent kind0 to n2"
    assert steps[message_story.FIRST_STEPS].text.startswith("… 27 more exchanges")
    assert steps[-1].text == "n1 sent kind39 to n2"


def test_a_node_that_asked_nobody_is_told_of():
    read = Operation(0, 10 * MS, 3, "invoke", "read", None, 1)
    got = Operation(1, 14 * MS, 3, "ok", "read", None, 1, "n1")
    asked = message("read", "c1", "n1", 10, 12)
    answer = message("read_ok", "n1", "c1", 12, 14)
    answer.cause = asked
    roles = {"n1": "follower of n2"}
    alone = message_story.answered_alone([asked, answer], (read, got), {"c1": 3}, 0, roles)
    assert alone is not None
    assert alone.text == (
        "n1 (which had last said “follower of n2”) answered from what it had itself: "
        "no other node was asked in between"
    )
    answer.cause = message("appended", "n2", "n1", 11, 12)
    assert message_story.answered_alone([asked, answer], (read, got), {"c1": 3}, 0, {}) is None


def test_what_should_have_been_is_said():
    calls = Calls()
    calls.add(0, "write", 1, 2, 1, asked=1)
    calls.add(0, "read", 3, 4, None)
    calls.add(0, "cas", 5, 6, [7, 8], asked=[7, 8])
    history = History(calls.operations())

    def said(name, index, **details):
        states = {"states": [{"state": "1", "stuck": []}], "failed_at": index}
        return expectations.instead(history, Anomaly(name, "", [index], details=states | details))

    assert said("nonlinearizable", 2) == "The read should have returned 1, not nothing."
    assert said("nonlinearizable", 4) == (
        "It should have been refused: it expected 7, and the value was 1."
    )
    lost = Anomaly("lost-element", "", [0], details={"elements": [3]})
    assert expectations.instead(history, lost) == (
        "3 was acknowledged, so it should have been there at the end."
    )
    assert expectations.instead(history, Anomaly("new-anomaly", "", [0])) == ""


def test_a_small_trial_is_told_whole_and_grants_go_with_what_was_written():
    history = History(lock_calls())
    stale = Anomaly("stale-sequencer-accepted", "", [3, 5], key="lock-0")
    fs = [invocation.f for invocation, _ in witnesses.told_calls(history, stale)]
    assert fs.count("acquire") == 2
    calls = Calls()
    for at in range(3):
        calls.add(0, "write", 10 * at + 1, 10 * at + 2, asked=at, key=at % 2)
    small = History(calls.operations())
    anomaly = Anomaly("nonlinearizable", "", [4], key=0)
    assert [a.value for a, _ in witnesses.told_calls(small, anomaly)] == [0, 2]


def test_who_appended_what_was_read_twice_is_told():
    calls = Calls()
    for at, value in enumerate((7, 8, 9)):
        mops = [["append", "x", value]]
        calls.add(0, "txn", 10 * at + 1, 10 * at + 2, mops, asked=mops)
    calls.add(1, "txn", 50, 51, [["r", "x", [7, 8, 7]]], asked=[["r", "x", None]])
    history = History(calls.operations())
    told_of = witnesses.told_calls(history, Anomaly("duplicate-elements", "", [6], key="x"))
    assert [invocation.value for invocation, _ in told_of] == [
        [["append", "x", 7]],
        [["r", "x", None]],
    ]


@pytest.mark.parametrize("details", [{"elements": 3}, {"states": "x"}, {"edges": [1]}])
def test_strange_details_do_no_harm(details):
    history = History(lock_calls())
    anomaly = Anomaly("lost-element", "why", [0, 1, 999, -5], key={"odd": [1]}, details=details)
    assert expectations.instead(history, anomaly) is not None
    assert witnesses.told_calls(history, anomaly)
    assert About.of(anomaly).elements == ()


def test_a_sentence_begins_with_a_capital_unless_it_begins_with_a_name():
    assert words.sentence("the read saw nothing") == "The read saw nothing"
    assert words.sentence("n1 delivered 214") == "n1 delivered 214"
    assert words.sentence("") == ""
