"""What each node held of one transaction, and since when: in doubt, committed, aborted.

From what nodes told clients, which is what the checker judged; where the messages between them are
known, from their votes and decisions, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from . import call_words, tracks, words
from .call_words import About
from .statistics import Statistics
from .trace_window import TracedMessage
from .tracks import Drawing, Moment, Row, Stretch
from .witnesses import calls_near, evidence_calls

QUESTIONS = ("begin", "state", "states")
DECIDED = ("committed", "aborted")
DOUBTS = ("prepared", "precommitted")
MOMENTS_MAX = 12
AFTER_SHARE = 0.06

CAPTION = (
    "A line for each node: what it held of the transaction. Hatched: it had promised to go along "
    "with either and did not know the decision (in doubt, so that it must wait). Marks are votes, "
    "decisions that reached it and answers that it gave. Time is stretched where much happens."
)
LEGEND = [
    ("doubt", "in doubt"),
    ("committed", "committed"),
    ("aborted", "aborted"),
    ("down", "not running"),
]

Known = tuple[int, str, str, bool]
"""From when on a node held a state, the state, how that is known, and whether the node itself said
so. One that was told of a decision may have decided otherwise before."""


def drawing(
    history: History,
    anomaly: Anomaly,
    figures: Statistics,
    nodes: Sequence[str],
    messages: Sequence[TracedMessage],
    origin: int,
) -> Drawing | None:
    """The drawing of an anomaly about a transaction; ``None`` if it is about something else."""
    number = anomaly.key
    if not isinstance(number, int) or not _is_about_commit(history, anomaly):
        return None
    evidence = evidence_calls(history, anomaly)
    asked = calls_near(history, evidence, QUESTIONS)
    calls = [pair for pair in asked if _concerns(*pair, number)]
    rows = {node: Row(node) for node in nodes}
    known: dict[str, list[Known]] = {node: [] for node in nodes}
    for invocation, completion in calls:
        _take_call(rows, known, invocation, completion, number)
    for message in messages:
        _take_message(rows, known, message, number, origin)
    times = [m.time for row in rows.values() for m in row.moments]
    times += [o.time for pair in evidence for o in pair if o is not None]
    if not times:
        return None
    begin, last = min(times), max(times)
    end = last + max(int((last - begin) * AFTER_SHARE), 1_000_000)
    for node, row in rows.items():
        row.stretches = _stretches(node, sorted(known[node]), end)
        row.stretches += tracks.down(node, figures.faults, begin, end, figures.duration_ns)
        row.moments = _thinned(sorted(row.moments, key=lambda moment: moment.time))
    title = f"What each node held of transaction {number}"
    return Drawing(title, CAPTION, list(rows.values()), [], LEGEND)


def _is_about_commit(history: History, anomaly: Anomaly) -> bool:
    return any(a.f in QUESTIONS for a, _ in evidence_calls(history, anomaly))


def _concerns(invocation: Operation, completion: Operation | None, number: int) -> bool:
    if invocation.f == "states":
        return completion is not None and completion.type == "ok"
    value = invocation.value
    is_its = isinstance(value, Mapping) and value.get("txn") == number
    return is_its and invocation.f in ("begin", "state")


def _take_call(
    rows: dict[str, Row],
    known: dict[str, list[Known]],
    invocation: Operation,
    completion: Operation | None,
    number: int,
) -> None:
    about = About(number)
    node = (completion or invocation).node
    if node not in rows:
        return
    said = words.line(call_words.sentence(invocation, completion, about), 300)
    if invocation.f == "begin":
        text = f"asked to commit {number}"
        rows[node].moments.append(Moment(invocation.time, "asked", text, said, invocation.index))
    if completion is None or completion.type != "ok":
        return
    state = _state_told(invocation, completion.value, number)
    if state is None:
        return
    rows[node].moments.append(
        Moment(completion.time, "told", f"says {state}", said, invocation.index)
    )
    if state in DECIDED or state in DOUBTS:
        known[node].append((completion.time, state, said, True))


def _state_told(invocation: Operation, answer: Any, number: int) -> str | None:
    if not isinstance(answer, Mapping):
        return None
    if invocation.f == "begin":
        state = answer.get("outcome")
    elif invocation.f == "state":
        state = answer.get("state")
    else:
        held = (s for s, all_of in answer.items() if isinstance(all_of, list) and number in all_of)
        since = answer.get("from", 0)
        state = next(held, "unknown" if isinstance(since, int) and number >= since else None)
    return words.line(state, 20) if isinstance(state, str) else None


def _take_message(
    rows: dict[str, Row],
    known: dict[str, list[Known]],
    message: TracedMessage,
    number: int,
    origin: int,
) -> None:
    """A vote, where it was sent; a decision, where it arrived."""
    body = message.body
    if not isinstance(body, Mapping) or body.get("txn") != number:
        return
    vote, outcome = body.get("yes"), body.get("outcome")
    if isinstance(vote, bool) and message.source in rows:
        time, text = message.sent - origin, f"votes {'yes' if vote else 'no'}"
        said = f"{message.source} {text}, to {message.dest}"
        rows[message.source].moments.append(Moment(time, "vote", text, said))
        if vote:
            known[message.source].append((time, "prepared", said, True))
    elif outcome in DECIDED and message.dest in rows and message.source in rows:
        said = f"{message.source} told {message.dest} that {number} is {outcome}"
        known[message.source].append((message.sent - origin, str(outcome), said, True))
        if message.why or message.end is None:
            return
        time = message.end - origin
        rows[message.dest].moments.append(Moment(time, "decision", f"hears {outcome}", said))
        known[message.dest].append((time, str(outcome), said, False))


def _stretches(node: str, known: Sequence[Known], end: int) -> list[Stretch]:
    """Each state from when it is known first until another one is."""
    found: list[Stretch] = []
    own = [(time, state) for time, state, _, is_own in known if is_own and state in DECIDED]
    for time, state, said, is_own in known:
        before = [each for at, each in own if at <= time][-1:]
        after = [each for at, each in own if at > time][:1]
        if not is_own and any(each != state for each in (*before, *after)):
            continue
        if not is_own and found and found[-1].kind in DECIDED:
            continue  # what has decided hears of decisions no more
        kind = "doubt" if state in DOUBTS else state
        if found and found[-1].kind == kind:
            continue
        if kind == "doubt" and found:
            continue  # a late answer to a question that was open as it was decided
        if found:
            last = found.pop()
            found.append(Stretch(last.start, time, last.kind, last.label, last.said))
        label = "in doubt" if kind == "doubt" else f"{'✓' if kind == 'committed' else '✕'} {kind}"
        found.append(Stretch(time, None, kind, label, f"{node}: {state} since {said}"))
    return [Stretch(s.start, s.end or end, s.kind, s.label, s.said) for s in found]


def _thinned(moments: list[Moment]) -> list[Moment]:
    """The first of several that say the same, and the last of all."""
    kept = [
        moment
        for at, moment in enumerate(moments)
        if at == len(moments) - 1 or at == 0 or moment.label != moments[at - 1].label
    ]
    return [*kept[: MOMENTS_MAX - 1], *kept[MOMENTS_MAX - 1 :][-1:]]
