"""Histories of locks at random, and an oracle that tries every order in which they may have been.

The oracle is nothing but a search: events with a window of time each, some of which need not
happen, and a function that says what each does to a state (or that it cannot happen there).
"""

from hypothesis import strategies as st

from duress.harness.history import History
from duress.harness.operation import Operation

NEVER = float("inf")
MS = 1_000_000


def can_happen(events, state):
    """Whether some order explains everything.

    An event is ``(earliest, latest, is_optional, apply)``; ``apply(state)`` is the next state, or
    ``None`` if it cannot happen in that state. Events happen within their windows, in order.
    """
    tried = set()

    def search(left, state):
        if all(events[at][2] for at in left):
            return True
        if (left, state) in tried:
            return False
        tried.add((left, state))
        deadline = min(events[at][1] for at in left if not events[at][2])
        for at in left:
            earliest, _, _, apply = events[at]
            if earliest <= deadline:
                after = apply(state)
                if after is not None and search(left - {at}, after[0]):
                    return True
        return False

    return search(frozenset(range(len(events))), state)


def window(invoked, completion):
    """When an operation may have taken effect, in milliseconds."""
    if completion is None or completion.type == "info":
        return invoked.time / MS, NEVER
    return invoked.time / MS, completion.time / MS


def history(*rows):
    """Rows are (process, type, f, key, value) or, with an error, six; one a millisecond."""
    operations = []
    for at, (process, kind, f, key, value, *error) in enumerate(rows):
        told = error[0] if error else None
        operations.append(Operation(at, at * MS, process, kind, f, value, key=key, error=told))
    return History(operations)


def names(verdict):
    return {anomaly.name for anomaly in verdict.anomalies}


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # which thread goes on
        st.sampled_from(["ok", "ok", "ok", "fail", "info"]),
        st.integers(0, 6),  # what it chooses to do, and what it is told
    ),
    max_size=12,
)


def played(steps, invoke, complete):
    """A history: each step invokes the next operation of a thread, or completes it.

    ``invoke(thread, choice)`` → (f, value); ``complete(thread, f, value, choice, at)`` → value.
    A thread that met an ``info`` goes on as another process.
    """
    rows, opened, lives = [], {}, {}
    for thread, outcome, choice in steps:
        process = thread + 3 * lives.get(thread, 0)
        if thread not in opened:
            f, value = invoke(thread, choice)
            opened[thread] = f, value
            rows.append((process, "invoke", f, "k", value))
            continue
        f, value = opened.pop(thread)
        if outcome == "ok":
            value = complete(thread, f, value, choice, len(rows))
        elif outcome == "info":
            lives[thread] = lives.get(thread, 0) + 1
        rows.append((process, outcome, f, "k", value))
    return history(*rows)
