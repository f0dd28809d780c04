"""The checker of recovery: each anomaly by hand, and against all that a right store could do."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.checkers.recovery import Recovery
from duress.harness.history import History
from duress.harness.operation import Operation


class Script:
    """Writes histories: each step at its own moment."""

    def __init__(self):
        self.operations = []

    def add(self, process, kind, f, value, node="n1", key=0):
        time = len(self.operations) * 1_000_000
        where = None if kind == "invoke" else node
        self.operations.append(Operation(-1, time, process, kind, f, value, key=key, node=where))
        return self

    def append(self, values, outcome="ok", process=0, **place):
        self.add(process, "invoke", "append", values, **place)
        return self.add(process, outcome, "append", values, **place)

    def read(self, elements, process=1, f="read", **place):
        self.add(process, "invoke", f, None, **place)
        return self.add(process, "ok", f, shown(elements), **place)

    def names(self):
        verdict = Recovery().check(History(self.operations), {})
        assert (verdict.valid is False) == bool(verdict.anomalies)
        for anomaly in verdict.anomalies:
            assert anomaly.operations == sorted(set(anomaly.operations))
        return sorted({anomaly.name for anomaly in verdict.anomalies})


def shown(elements):
    last = elements[-1] if elements else None
    return {"elements": elements, "sum": sum(elements), "last": last}


def test_a_prefix_of_what_was_in_doubt_may_stay():
    for left in ([], [3], [3, 4], [3, 4, 5]):
        script = Script().append([1, 2]).append([3, 4, 5], "info").read([1, 2, *left])
        assert script.append([6], process=2).read([1, 2, *left, 6]).names() == []


@pytest.mark.parametrize(
    ("script", "name"),
    [
        (Script().append([1]).append([2]).read([1]), "lost-write"),
        (Script().append([1, 2], "info").read([1]).read([]), "rolled-back-read"),
        (Script().append([1, 2, 3], "info").read([1, 3]), "hole"),
        (Script().append([1]).append([2]).read([1, 2, 1, 2]), "duplicate-write"),
        (Script().read([7]), "invented-value"),
        (Script().append([1], key=5).read([1]), "invented-value"),
        (Script().append([1], node="n2").read([1]), "invented-value"),
        (Script().append([1], "fail").read([1]), "invented-value"),
        (Script().read([1]).append([1]), "invented-value"),
        (Script().append([1]).append([2]).read([2, 1]), "reordered-write"),
        (Script().append([1, 2]).read([2, 1]), "reordered-write"),
        (
            Script().append([1, 2], "info").read([1]).read([1, 2]),
            "resurrected-write",
        ),
    ],
)
def test_each_anomaly(script, name):
    assert script.names() == [name]


def test_elements_that_change_places():
    script = Script().append([1], "info").append([2], "info", process=2)
    assert script.read([1, 2], 3).read([2, 1], 3).names() == ["reordered-write"]


def test_a_state_that_does_not_fit_together():
    script = Script().append([1]).append([2])
    script.add(1, "invoke", "read", None).add(
        1, "ok", "read", {"elements": [1, 2], "sum": 1, "last": 2}
    )
    assert script.names() == ["inconsistent-state"]


def test_a_node_that_never_answers_at_the_end():
    script = Script().append([1]).read([1])
    script.add(1, "invoke", "recovered", None, node="n2")
    script.add(1, "fail", "recovered", None, node="n2")
    assert script.names() == ["unrecovered"]
    script.read([], f="recovered", node="n2", process=2)
    assert script.names() == []


def test_nothing_seen_is_unknown():
    verdict = Recovery().check(History(Script().append([1], "info").operations), {})
    assert verdict.valid == "unknown"
    assert verdict.reason == "no read ever showed an element"
    twice = Script().append([1]).append([1])
    assert "appended twice" in Recovery().check(History(twice.operations), {}).reason


# -- the oracle: every run of a right store ------------------------------------------------


def possible(operations):
    """Whether some run of a log that crashes at will explains a history of one list.

    The state is the log, and how much of it is promised; who waits may take effect now.
    """
    pairs = {}
    open_by = {}
    for at, operation in enumerate(operations):
        if operation.type == "invoke":
            open_by[operation.process] = at
        else:
            pairs[open_by.pop(operation.process)] = at
    ends = {end: begin for begin, end in pairs.items()}

    def steps(state):
        """All states that are reached without an observation."""
        log, promised, waiting, answered = state
        found, left = {state}, [state]
        while left:
            log, promised, waiting, answered = left.pop()
            following = []
            # A crash: what is not promised may go, from some element on.
            following += [
                (log[:length], promised, waiting, answered) for length in range(promised, len(log))
            ]
            for begin in waiting:
                operation = operations[begin]
                if operation.f == "append":
                    rest = waiting - {begin}
                    following.append((log + tuple(operation.value), promised, rest, answered))
            for state in following:
                if state not in found:
                    found.add(state)
                    left.append(state)
        return found

    states = {((), 0, frozenset(), frozenset())}
    for at, operation in enumerate(operations):
        states = {each for state in states for each in steps(state)}
        following = set()
        for log, promised, waiting, reads in states:
            if operation.type == "invoke":
                if operation.f == "append":
                    following.add((log, promised, waiting | {at}, reads))
                else:
                    following.add((log, promised, waiting, reads | {(at, None)}))
            elif operation.f == "read":
                elements = tuple(operation.value["elements"])
                if (ends[at], elements) in reads:
                    following.add((log, promised, waiting, reads - {(ends[at], elements)}))
            elif operation.type == "ok":
                ended = log[: _end_of(log, operation.value)]
                if ended:
                    following.add((log, max(promised, len(ended)), waiting, reads))
            else:
                following.add((log, promised, waiting, reads))
        # A read may look now, and promises what it sees.
        looked = set()
        for log, promised, waiting, reads in {e for s in following for e in steps(s)}:
            options = [(promised, reads)]
            for begin, value in reads:
                if value is None:
                    wanted = tuple(operations[pairs[begin]].value["elements"])
                    if wanted == log:
                        options.append((len(log), (reads - {(begin, None)}) | {(begin, wanted)}))
            looked.update((log, p, waiting, r) for p, r in options)
        states = looked
    return bool(states)


def _end_of(log, values):
    for at in range(len(log) - len(values) + 1):
        if log[at : at + len(values)] == tuple(values):
            return at + len(values)
    return 0


@st.composite
def histories(draw):
    """Appends and reads of one list by a store that sometimes goes wrong."""
    random = Random(draw(st.integers(0, 1 << 30)))
    script, log, promised, number = Script(), [], 0, 0
    for process in range(draw(st.integers(2, 7))):
        action = random.random()
        if action < 0.5:
            values = list(range(number + 1, number + 1 + random.randint(1, 3)))
            number += len(values)
            log += values
            acknowledged = random.random() < 0.5
            script.append(values, "ok" if acknowledged else "info", process)
            if acknowledged:
                promised = len(log)
        else:
            script.read(list(log), process)
            promised = len(log)
        if random.random() < 0.3:
            floor = min(promised, len(log)) if random.random() < 0.7 else 0
            del log[random.randint(floor, len(log)) :]
        if log and random.random() < 0.1:
            del log[random.randrange(len(log))]
        if log and random.random() < 0.05:
            log.append(random.choice(log))
    script.read(list(log), 99)
    return script


@given(histories())
@settings(max_examples=150, deadline=None)
def test_it_agrees_with_the_oracle(script):
    names = script.names()
    if possible(script.operations):
        assert names == []
    else:
        assert names
