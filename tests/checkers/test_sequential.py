"""What a process wrote becomes visible in its order."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from duress.checkers.sequential import Sequential

from .register_transaction_histories import committed, history, interleaved, names, one_by_one


def check(found):
    return Sequential().check(found, {})


WRITES = [(0, [["w", 1, 1]]), (0, [["w", 2, 1]])]


def test_a_later_write_without_an_earlier_one():
    verdict = check(one_by_one(*WRITES, (1, [["r", 2, 1]]), (1, [["r", 1, None]])))
    (anomaly,) = verdict.anomalies
    assert (anomaly.name, anomaly.key, anomaly.operations) == ("nonsequential", 1, [0, 2, 4, 6])
    assert "process 0 (through n1) wrote before key 2" in anomaly.explanation
    assert "it had read before" in anomaly.explanation


def test_the_same_in_one_transaction_and_a_write_that_vanishes():
    together = one_by_one(*WRITES, (1, [["r", 1, None], ["r", 2, 1]]))
    assert names(check(together)) == {"nonsequential"}
    vanishes = one_by_one(*WRITES, (1, [["r", 1, 1]]), (1, [["r", 1, None]]))
    assert names(check(vanishes)) == {"nonsequential"}
    own = one_by_one(*WRITES, (0, [["r", 1, None]]), (1, [["r", 1, 1]]))
    assert names(check(own)) == {"nonsequential"}


def test_readers_may_lag_and_differ():
    verdict = check(
        one_by_one(
            *WRITES,
            (1, [["r", 2, None]]),
            (2, [["r", 2, 1]]),
            (1, [["r", 1, None]]),
            (2, [["r", 1, 1]]),
        )
    )
    assert verdict.valid is True
    assert verdict.statistics["reads"] == {"all": 2, "some": 0, "none": 2}


def test_a_write_that_failed_is_not_missed_and_none_seen_is_unknown():
    first = [["w", 1, 1]]
    rows = [(0, "invoke", first), (0, "fail", first)]
    for process, steps in (WRITES[1], (1, [["r", 2, 1]]), (1, [["r", 1, None]])):
        rows += [(process, "invoke", steps), (process, "ok", steps)]
    assert check(history(*rows)).valid is True
    assert check(one_by_one(*WRITES, (1, [["r", 1, None]]))).valid == "unknown"
    assert names(check(one_by_one((1, [["r", 1, 5]])))) == {"garbage-read"}


def pram(found):
    """Whether each process can be given one order of its transactions and all others' writes."""
    sessions = {}
    for invoked, done in found.pairs():
        if done is not None and done.type != "fail":
            steps = done.value if done.type == "ok" else invoked.value
            sessions.setdefault(invoked.process, []).append((steps, done.type))
    return all(explains(sessions, process) for process in sessions)


def explains(sessions, process):
    mine = [steps for steps, outcome in sessions[process] if outcome == "ok"]
    others = [
        [[s for s in steps if s[0] == "w"] for steps, _ in session]
        for owner, session in sessions.items()
        if owner != process
    ]
    start = (0, *(0 for _ in others))
    seen, stack = {start}, [start]
    while stack:
        at = stack.pop()
        if at[0] == len(mine):
            return True
        visible = {s[1] for steps in mine[: at[0]] for s in steps if s[0] == "w"}
        for place, session in zip(at[1:], others, strict=True):
            visible |= {s[1] for steps in session[:place] for s in steps}
        steps = mine[at[0]]
        moves = []
        if all(f == "w" or (value is not None) == (key in visible) for f, key, value in steps):
            moves.append((at[0] + 1, *at[1:]))
        for i, session in enumerate(others, 1):
            if at[i] < len(session):
                moves.append((*at[:i], at[i] + 1, *at[i + 1 :]))
        for move in moves:
            if move not in seen:
                seen.add(move)
                stack.append(move)
    return False


@st.composite
def small(draw):
    """Up to three processes that write keys once and read any, one at a time."""
    keys = iter(range(6))
    plan = [
        [draw(st.sampled_from("rrw")) for _ in range(draw(st.integers(1, 4)))] for _ in range(3)
    ]
    written = min(6, sum(kinds.count("w") for kinds in plan))
    sessions = [[] for _ in plan]
    for session, kinds in zip(sessions, plan, strict=True):
        for kind in kinds:
            key = next(keys, None) if kind == "w" else None
            if key is not None:
                outcome = draw(st.sampled_from(["ok", "ok", "ok", "fail", "info"]))
                session.append(([["w", key, 1]], outcome))
            else:
                key = draw(st.integers(0, 3))
                read = ["r", key, draw(st.sampled_from([1, None])) if key < written else None]
                session.append(([read], "ok"))
    return draw(interleaved(sessions))


@settings(max_examples=200, deadline=None)
@given(small())
def test_it_is_exactly_pram(found):
    verdict = check(found)
    assume("garbage-read" not in names(verdict))
    saw = any(s[0] == "r" and s[2] for _, _, _, steps in committed(found) for s in steps)
    if pram(found):
        assert verdict.valid is (True if saw else "unknown")
    else:
        assert verdict.valid is False
