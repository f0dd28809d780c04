"""Small histories of register transactions for the tests of checkers that look at sessions."""

from hypothesis import strategies as st

from duress.harness.history import History
from duress.harness.operation import Operation


def history(*rows):
    """From ``(process, type, steps)`` in order of observation."""
    return History(
        Operation(i, i, process, type_, "txn", steps, node=f"n{process + 1}")
        for i, (process, type_, steps) in enumerate(rows)
    )


def one_by_one(*rows):
    """From ``(process, completed steps)``: each transaction is over before the next begins."""
    asked = [(process, [[f, k, None if f == "r" else v] for f, k, v in s]) for process, s in rows]
    return history(
        *(
            row
            for (process, steps), (_, told) in zip(asked, rows, strict=True)
            for row in ((process, "invoke", steps), (process, "ok", told))
        )
    )


@st.composite
def interleaved(draw, sessions):
    """A history of sessions, lists of ``(steps, outcome)``, in any order of their events.

    An outcome ``info`` ends its session.
    """
    queues = []
    for process, session in enumerate(sessions):
        events = []
        for steps, outcome in session:
            asked = [[f, k, None if f == "r" else v] for f, k, v in steps]
            events.append((process, "invoke", asked))
            events.append((process, outcome, steps if outcome == "ok" else asked))
            if outcome == "info":
                break
        queues.append(events)
    rows = []
    while any(queues):
        at = draw(st.sampled_from([i for i, queue in enumerate(queues) if queue]))
        rows.append(queues[at].pop(0))
    return history(*rows)


def committed(history):
    """(invoked, completed, process, steps) of those that are known to have happened."""
    return [
        (invoked.index, done.index, invoked.process, done.value)
        for invoked, done in history.pairs()
        if done is not None and done.type == "ok"
    ]


def names(verdict):
    return {anomaly.name for anomaly in verdict.anomalies}
