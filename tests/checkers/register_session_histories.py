"""Histories of sessions on one register, written down in one line each or drawn at random."""

from hypothesis import strategies as st

from duress.harness.history import History
from duress.harness.operation import Operation


def history(*steps, key=0):
    """Steps ``(process, f, value, result)`` one after the other; see :func:`overlapping`.

    A result of ``"fail"`` or ``"info"`` ends the operation in that way; process ``"final"`` is a
    node's last answer, ``("final", node, values)``.
    """
    events = []
    for step in steps:
        if step[0] == "final":
            _, node, values = step
            process = 100 + int(node[1:])
            events.append((process, "invoke", "final", {"newest": 9}, None, None))
            events.append((process, "ok", "final", {str(key): values}, node, None))
            continue
        process, f, value, result = step
        events.append((process, "invoke", f, value, None, key))
        type_ = result if result in ("fail", "info") else "ok"
        done = value if type_ != "ok" else result
        events.append((process, type_, f, done, f"n{process + 1}", key))
    return recorded(events)


def recorded(events):
    """A history of ``(process, type, f, value, node, key)``, a millisecond apart."""
    return History(
        Operation(at, at * 1_000_000, process, type_, f, value, key=key, node=node)
        for at, (process, type_, f, value, node, key) in enumerate(events)
    )


@st.composite
def overlapping(draw, listed, deletes=True, sessions=3, most=9):
    """A history of one key whose operations overlap; reads show anything, fates are drawn.

    ``listed``: reads show lists of values; else one value or nothing. Writes see what they wrote,
    and with ``listed`` whatever else is drawn.
    """
    kinds = ["write", "write", "read", "read", *(["delete"] if deletes else [])]
    events, open_, dead, values = [], {}, set(), []
    for _ in range(draw(st.integers(1, most))):
        process = draw(st.integers(0, sessions - 1))
        if process in dead:
            continue
        if process not in open_:
            f = draw(st.sampled_from(kinds))
            value = None
            if f == "write":
                value = len(values) + 1
                values.append(value)
            open_[process] = f, value
            events.append((process, "invoke", f, value, None, 0))
            continue
        f, value = open_.pop(process)
        fate = draw(st.sampled_from(["ok", "ok", "ok", "ok", "info", "fail"]))
        done = value
        if fate == "ok":
            pool = st.sampled_from(values) if values else st.nothing()
            shown = draw(st.lists(pool, max_size=3 if listed else 1, unique=True)) if values else []
            if f == "write":
                shown = [value, *(shown if listed else [])]
            elif f == "delete":
                shown = []
            done = sorted(set(shown))
        if fate == "info":
            dead.add(process)
        events.append((process, fate, f, done, "n1", 0))
    return recorded(events)
