"""Which lines of logs and which faults a story tells, and in which words."""

import msgspec
import pytest

from duress.checkers.atomic_commit import AtomicCommit
from duress.checkers.mutual_exclusion import MutualExclusion
from duress.harness import signature
from duress.harness.fault_windows import fault_windows
from duress.harness.history import History
from duress.reports import answer_words, call_words, fault_steps, node_notes, statistics, words
from duress.reports.log_times import LogLine
from duress.reports.steps import Step

from . import kinds

S = 1_000_000_000


def told(*lines, begin=0, end=100 * S, kills=()):
    logged = [LogLine(int(time * S), node, 0, text) for time, node, text in lines]
    return [(n.node, n.text) for n in node_notes.notes(logged, begin, end, kills)]


def test_what_several_nodes_say_at_once_is_one_note():
    assert told(
        (1.00, "n1", "votes for n3 in term 4"),
        (1.01, "n2", "votes for n3 in term 4"),
        (5.00, "n4", "votes for n3 in term 4"),
    ) == [("n1, n2", "votes for n3 in term 4"), ("n4", "votes for n3 in term 4")]


def test_objects_and_lists_in_logs_are_said_in_words():
    view = "issues {'members': ['n4', 'n2'], 'joining': None, 'joined_in': 2}"
    assert told((1, "n1", view)) == [("n1", "issues members n4 and n2, joined in 2")]
    broken = "issues {'members': [, __import__('os')}"
    assert told((1, "n1", broken)) == [("n1", broken)]


def test_a_snapshot_is_told_only_if_it_was_restored():
    lines = [
        (1.0, "n1", "snapshot of 20 entries, executed 20"),
        (2.0, "n1", "snapshot of 40 entries, executed 40"),
        (3.0, "n1", "restored the snapshot of 40 entries; log to 44, members n1, n2"),
        (4.0, "n2", "snapshot of 60 entries, executed 60"),
    ]
    assert [text[:14] for _, text in told(*lines)] == ["snapshot of 40", "restored the s"]
    assert [text[:14] for _, text in told(*lines, begin=int(2.5 * S))] == [
        "snapshot of 40",
        "restored the s",
    ]


def test_the_return_of_nodes_that_were_killed_is_no_news():
    lines = [(2.0, "n1", "recovered"), (2.0, "n2", "recovered")]
    assert told(*lines, kills=[(S, "n1"), (S, "n2")]) == []
    assert told(*lines) == [("n1, n2", "recovered")]


def windows(*spans):
    ledger = []
    for number, (start, end) in enumerate(spans):
        fault = {"id": number, "kind": "kill", "targets": [f"n{number}"], "parameters": {}}
        for state, time in (("injecting", start), ("injected", start), ("healed", end)):
            ledger.append({"time": int(time * S), "state": state, "fault": fault})
    ledger.sort(key=lambda line: line["time"])
    found = fault_windows(msgspec.convert(ledger, list[dict]))
    columns = History(kinds.lock_calls()).columns()
    figures = statistics.collect(columns, ledger)
    assert len(figures.faults) == len(found) == len(spans)
    return figures


def test_few_faults_are_all_told():
    figures = windows((1, 2), (3, 4))
    steps = fault_steps.of_story(figures, [0, 5 * S], ["n1"])
    assert [step.kind for step in sorted(steps, key=lambda s: s.time)] == [
        *("fault", "heal", "fault", "heal"),
    ]


def test_of_many_faults_those_near_the_calls_are_told_and_the_others_counted():
    figures = windows(*((at, at + 0.5) for at in range(1, 21)))
    steps = fault_steps.of_story(figures, [int(19.2 * S), int(1.2 * S), 20 * S], ["n1"])
    struck = [step.text for step in steps if step.kind == "fault"]
    assert "n0 was killed" in struck and "n18 was killed" in struck
    assert len(steps) <= fault_steps.STEPS_MAX + 1
    more = [step.text for step in steps if step.kind == "more"]
    assert more == [f"… and {20 - len(struck)} more faults"]


def test_a_call_without_an_answer_is_open_at_its_end():
    assert Step(S, "call", "asked").when == "1.000 s – …"
    assert Step(S, "fault", "struck").when == "1.000 s"
    assert Step(S, "call", "asked", 2 * S).when == "1.000 – 2.000 s"


@pytest.mark.parametrize(
    ("number", "said"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (112, "112th")]
)
def test_ordinals(number, said):
    assert words.ordinal(number) == said


def test_of_long_answers_what_is_in_question_is_told():
    log = {"from": 4, "messages": [["n1", 9], ["n2", 7]], "length": 6}
    assert answer_words.log(log, [7], False) == "2 messages more in its log; 7 is its 6th"
    whole = {**log, "from": 0}
    assert answer_words.log(whole, [7, 5], True) == (
        "its whole log of 2 messages; 7 is its 2nd, 5 is not in it"
    )
    assert answer_words.held({"3": [118, 119]}, 3, ()) == "it holds 118 and 119 in key 3"
    assert answer_words.held([1, 2], None, [2]) == "it holds 2 elements, with 2"
    assert answer_words.held([], None, ()) == "it holds nothing"
    assert answer_words.ring({"epoch": 4, "members": ["n1", "n2"]}) == "ring 4 of n1 and n2"


def said(f, asked, answer, outcome="ok", key=None):
    calls = kinds.Calls()
    calls.add(3, f, 1, 2, answer, asked=asked, key=key, outcome=outcome, node="n2")
    return call_words.sentence(*calls.operations())


def test_calls_of_a_ring_are_sentences():
    assert said("put", 42, 42, key=50) == "process 3 on n2 put 42 under key 50: acknowledged"
    assert said("last-get", None, None, key=5) == "process 3 on n2 asked for key 5: it got nothing"
    assert said("change", ["join", "n3"], None) == (
        "process 3 asked n2 to let n3 join the ring: acknowledged"
    )
    assert "process 3" in said("change", "something else", None)


def commit(coordinator_says, participant_says, refusals=0):
    calls = kinds.Calls()
    begun = {"txn": 1, "refusals": refusals}
    calls.add(0, "begin", 1, 2, {"txn": 1, "outcome": coordinator_says}, asked=begun)
    for process, node, state in ((0, "n1", coordinator_says), (1, "n2", participant_says)):
        answer = {"txn": 1, "state": state}
        calls.add(process, "state", 10, 20 + process, answer, asked={"txn": 1}, node=node)
    history = History(calls.operations())
    verdict = AtomicCommit().check(history, {})
    return signature.of("2pc", "commit", verdict, history)


def test_the_shape_of_a_split_commit_says_what_the_coordinator_held():
    went_along = commit("committed", "aborted")
    alone = commit("aborted", "committed")
    against = commit("committed", "aborted", refusals=1)
    assert went_along.name == "AC1-agreement: the coordinator committed"
    assert alone.name == "AC1-agreement: the coordinator did not commit"
    assert against.name == "AC1-agreement: the coordinator committed against a no"
    assert len({went_along.id, alone.id, against.id}) == 3


def test_the_shape_of_two_holders_says_how_their_sequencers_stand():
    found = MutualExclusion().check(History(kinds.lock_calls()), {}).anomalies
    assert found[0].details["shape"] == "a later sequencer"
