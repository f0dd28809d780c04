"""Who held a lock when, as each client could know, and what was written under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from . import call_words, words
from .call_words import About
from .tracks import Drawing, Moment, Row, Stretch
from .witnesses import GRANTS, Pair, calls_near, evidence_calls, told_calls

ACCESSES = ("put", "get")
ROWS_MAX, MOMENTS_MAX, BANDS_MAX = 6, 10, 12
AROUND_SHARE = 0.08
LEASE_MAX_NS = 5 * 10**9

CAPTION = (
    "A line for each client: from the grant of the lock until it gave it back or its lease ended, "
    "as it could know. Where two hold it at once, the ground is marked."
)
GUARDED = (
    " The lowest line is what the lock protects: each access with the number (sequencer) that came "
    "with the lock; these must never fall."
)
LEGEND = [("held", "holds the lock"), ("asking", "waits for it")]


@dataclass
class Hold:
    """A grant of the lock to a process; times in ns. ``why`` it ended."""

    process: Any
    session: str
    asked: int
    start: int
    end: int
    number: Any
    why: str
    index: int

    def ends(self, time: int, why: str) -> None:
        """Not later than that."""
        if time < self.end:
            self.end, self.why = time, why


def drawing(history: History, anomaly: Anomaly) -> Drawing | None:
    """The drawing of an anomaly about a lock; ``None`` if it is about something else."""
    evidence = evidence_calls(history, anomaly)
    if anomaly.key is None or not any(a.f in (*GRANTS, *ACCESSES) for a, _ in evidence):
        return None
    pairs = calls_near(history, evidence)  # any answer may tell how long a session lives
    holds = _holds(pairs, anomaly.key)
    if not holds:
        return None
    wanted = {a.process for a, _ in evidence}
    begin = min(a.time for a, _ in evidence)
    end = max((b or a).time for a, b in evidence)
    mine = [h for h in holds if h.process in wanted and h.start <= end]
    granted = {a.index for a, _ in told_calls(history, anomaly) if a.f in GRANTS}
    begin = min([begin, *(h.start for h in holds if h.index in granted)])
    end = max([end, *(min(h.end, end + LEASE_MAX_NS) for h in mine if h.end >= begin)])
    around = int((end - begin) * AROUND_SHARE)
    begin, end = begin - around, end + around
    near = [h for h in holds if h.end >= begin and h.start <= end]
    shown = sorted({h.process for h in near}, key=lambda p: (p not in wanted, str(p)))[:ROWS_MAX]
    rows = [_row(process, near, begin, end) for process in sorted(shown, key=str)]
    guarded = _guarded(pairs, anomaly, begin, end)
    if guarded.moments:
        rows.append(guarded)
    bands = _overlaps([h for h in near if h.process in shown], begin, end)
    title = f"Who held lock {words.plain(anomaly.key, 40)}"
    return Drawing(title, CAPTION + (GUARDED if guarded.moments else ""), rows, bands, LEGEND)


def _row(process: Any, holds: Sequence[Hold], begin: int, end: int) -> Row:
    row = Row(words.line(f"process {process}", 24))
    for hold in holds:
        if hold.process != process:
            continue
        number = "" if hold.number is None else f" {words.plain(hold.number, 12)}"
        said = f"process {process} held the lock{number and ', number' + number}, until {hold.why}"
        row.stretches += [
            Stretch(max(hold.asked, begin), hold.start, "asking", "", f"process {process} waited"),
            Stretch(max(hold.start, begin), min(hold.end, end), "held", f"holds{number}", said),
        ]
    return row


def _holds(pairs: Sequence[Pair], lock: Any) -> list[Hold]:
    """Each grant of a lock, with what its holder could know of its end, as the checker of mutual
    exclusion reckons: a session lives until the latest end of its lease that was ever told."""
    lives: dict[tuple[Any, Any], int] = {}
    for _, completion in pairs:
        if completion is not None and completion.type == "ok":
            session, until = _session(completion), _lease_end(completion)
            if until is not None:
                lives[session] = max(lives.get(session, 0), until)
    latest: dict[Any, Hold] = {}
    found: list[Hold] = []
    for invocation, completion in pairs:
        process, hold = invocation.process, latest.get(invocation.process)
        is_ok = completion is not None and completion.type == "ok"
        if invocation.f in GRANTS and invocation.key == lock and is_ok:
            assert completion is not None
            session = _session(completion)
            value = completion.value if _is_object(completion.value) else {}
            latest[process] = Hold(
                process,
                session[1],
                invocation.time,
                completion.time,
                lives.get(session, NEVER),
                value.get("sequencer"),
                "its lease ended",
                invocation.index,
            )
            found.append(latest[process])
        elif hold is not None and _gives_back(invocation, completion, lock):
            hold.ends(invocation.time, "it began to give it back")
        elif hold is not None and completion is not None and _is_expiry(completion, hold):
            hold.ends(completion.time, "it was told that it had expired")
    return found


def _gives_back(invocation: Operation, completion: Operation | None, lock: Any) -> bool:
    is_release = invocation.f == "release" and invocation.key == lock
    failed = completion is not None and completion.type == "fail"
    return (is_release or invocation.f == "leave") and not failed


def _session(completion: Operation) -> tuple[Any, Any]:
    name = completion.value.get("session") if _is_object(completion.value) else None
    return completion.process, str(name)


NEVER = 1 << 62


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _lease_end(completion: Operation) -> int | None:
    lease_ms = completion.value.get("lease_ms") if _is_object(completion.value) else None
    if isinstance(lease_ms, int | float) and not isinstance(lease_ms, bool):
        return completion.time + int(min(float(lease_ms), 1e12) * 1e6)
    return None


def _is_expiry(completion: Operation, hold: Hold) -> bool:
    error = completion.error
    return (
        isinstance(error, list | tuple)
        and len(error) > 1
        and error[0] == "session-expired"
        and str(error[1]) == hold.session
    )


def _overlaps(holds: Sequence[Hold], begin: int, end: int) -> list[tuple[int, int, str]]:
    """When it was held twice at once."""
    bands = []
    for at, first in enumerate(holds):
        for second in holds[at + 1 :]:
            low = max(first.start, second.start, begin)
            high = min(first.end, second.end, end)
            if low < high:
                both = first.process != second.process
                who = f"{first.process} and {second.process}" if both else f"{first.process} twice"
                bands.append((low, high, f"{who} at once"))
    return bands[:BANDS_MAX]


def _guarded(pairs: Sequence[Pair], anomaly: Anomaly, begin: int, end: int) -> Row:
    """Accesses to what the lock protects."""
    row = Row("protected", "what it guards")
    own = set(anomaly.operations)
    found = []
    for invocation, completion in pairs:
        if invocation.f not in ACCESSES or invocation.key != anomaly.key or completion is None:
            continue
        if not begin <= completion.time <= end or completion.type == "info":
            continue
        value = completion.value if completion.type == "ok" else invocation.value
        number = value.get("sequencer") if _is_object(value) else None
        if number is None:
            continue
        taken = completion.type == "ok"
        kind = ("put" if invocation.f == "put" else "got") if taken else "refused"
        if invocation.index in own or completion.index in own:
            kind += " evidence"
        said = words.line(call_words.sentence(invocation, completion, About.of(anomaly)), 300)
        label = f"{invocation.f} {words.plain(number, 10)}{'' if taken else ' refused'}"
        if "evidence" in kind:
            label += f" by {invocation.process}"
        found.append(Moment(completion.time, kind, label, said, invocation.index))
    middle = [moment for moment in found if "evidence" in moment.kind]
    if len(found) > MOMENTS_MAX and middle:
        found.sort(key=lambda moment: min(abs(moment.time - each.time) for each in middle))
    row.moments = sorted(found[:MOMENTS_MAX], key=lambda moment: moment.time)
    return row
