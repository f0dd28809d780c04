"""What sessions promise beside locks: ephemeral files die with them, caches and events never lie.

Source: M. Burrows, "The Chubby lock service for loosely-coupled distributed systems", OSDI 2006,
§2.3 (ephemeral files), §2.5 (events), §2.7 (caching), §2.8 (sessions).

Values are unique. Files are judged as registers: the operations of one value (its write and all
reads of it) span a *zone*, from the first completion to the last invocation; a register is
linearizable exactly if no zones contradict each other (P. Gibbons and E. Korach, "Testing Shared
Memories", 1997, §4.2). So no claim is made that linearizability does not bear out.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .lock_events import LockEvents
from .lock_history import LockHistory, Pair, Tenure, at, encode, told
from .one_model import OneModel
from .tally import Tally, shown, strange, who


class SessionSafety(OneModel):
    """Judges ephemeral files and cached ones; the key is the file's name (see ``lock_history``).

    ``announce`` ``{"value": 5}`` makes an ephemeral file where there is none; ``look`` →
    ``{"value": 5}``, or null where there is none. ``write`` ``{"value": 5}`` and ``read`` →
    ``{"value": 5, "cached": true}`` are of permanent files, which hold null at first.

    Anomalies: ``lost-ephemeral`` (it was not there though its session had a lease: somebody saw
    nothing or another one there, or made another one),
    ``orphaned-ephemeral`` (it was still there after its owner knew that its session had ended),
    ``stale-read`` (of a file: older than what was written, or read, before), ``garbage-read``
    (never written, or only later); of events (see ``lock_events``) ``lost-event``,
    ``phantom-event``, and ``premature-event``: who was told that a file had changed, or somebody
    after that, read what was there before.
    """

    model = "session-safety"
    about = "sessions: ephemeral files live and die with them, caches and events are never wrong"

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every file."""
        seen = LockHistory(history)
        ephemerals: dict[bytes, list[Pair]] = {}
        files: dict[bytes, list[Pair]] = {}
        for invoked, completion in seen.pairs:
            if invoked.f in ("announce", "look"):
                ephemerals.setdefault(encode(invoked.key), []).append((invoked, completion))
            elif invoked.f in ("write", "read"):
                files.setdefault(encode(invoked.key), []).append((invoked, completion))
        tally = Tally()
        statistics = {
            "operations": sum(map(len, (*ephemerals.values(), *files.values()))),
            "sessions": len(seen.tenures),
            "looks": 0,
            "reads": 0,
            "cached_reads": 0,
        }
        statistics["expired"] = sum(each.expired is not None for each in seen.tenures.values())
        events = LockEvents(seen.pairs)
        statistics |= events.judge(tally)
        modified: dict[bytes, list[tuple[bytes, Operation]]] = {}
        for kind, node, value, call in events.events():
            if kind == "modified":
                modified.setdefault(encode(node), []).append((encode(value), call[1]))
        for pairs in ephemerals.values():
            again = _written_twice(pairs, "announce")
            if again is not None:
                return strange(again, statistics)
            statistics["looks"] += _judge_ephemeral(pairs, seen, tally)
        for file, pairs in files.items():
            again = _written_twice(pairs, "write")
            if again is not None:
                return strange(again, statistics)
            reads = _judge_file(pairs, tally, modified.get(file, ()))
            statistics["reads"] += len(reads)
            statistics["cached_reads"] += sum(bool(told(read[1]).get("cached")) for read in reads)
        vacuous = "" if statistics["looks"] or statistics["reads"] else "no file was ever read"
        return tally.verdict(statistics, vacuous=vacuous)


def _value(operation: Operation) -> Any:
    return told(operation).get("value")


def _written_twice(pairs: Sequence[Pair], f: str) -> str | None:
    """What is strange about the values that were written, if anything is."""
    known: dict[bytes, Operation] = {}
    for invoked, _ in pairs:
        if invoked.f == f:
            value = _value(invoked)
            if value is None:
                return f"operation {invoked.index}: {f} needs a value that is not null"
            before = known.setdefault(encode(value), invoked)
            if before is not invoked:
                return f"operations {before.index} and {invoked.index}: {f} of the same value"
    return None


# -- ephemeral files -------------------------------------------------------------------


def _judge_ephemeral(pairs: Sequence[Pair], seen: LockHistory, tally: Tally) -> int:
    """The files of one name, one after the other; how often somebody looked."""
    made: dict[bytes, tuple[tuple[Operation, Operation], Tenure]] = {}
    sights: list[tuple[Operation, Operation]] = []
    for invoked, completion in pairs:
        if completion is not None and completion.type == "ok":
            # Who can make a file has seen that there was none.
            sights.append((invoked, completion))
            if invoked.f == "announce":
                # One without a known lease may have ended at any time.
                tenure = seen.tenure_of(completion)
                made[encode(_value(invoked))] = (invoked, completion), tenure
    by_time = sorted(made.values(), key=lambda each: each[0][1].index)
    # The latest end of any that was made by then: nothing before can matter beyond it.
    ends: list[float] = []
    for _, tenure in by_time:
        ends.append(max(_lived_until(tenure), ends[-1] if ends else 0))
    starts = [pair[1].index for pair, _ in by_time]
    for invoked, completion in sights:
        value = _value(completion) if invoked.f == "look" else None
        owner = made.get(encode(value)) if value is not None else None
        if owner is not None:
            over = owner[1].over
            if over is not None and over.index < invoked.index:
                tally.add("orphaned-ephemeral", partial(_orphaned, *owner, (invoked, completion)))
        position = bisect_right(starts, invoked.index) - 1
        while position >= 0 and ends[position] > completion.time:
            pair, tenure = by_time[position]
            if completion.time < _lived_until(tenure) and _value(pair[0]) != value:
                tally.add("lost-ephemeral", partial(_lost, pair, tenure, (invoked, completion)))
                break
            position -= 1
    return sum(invoked.f == "look" for invoked, _ in sights)


def _lived_until(tenure: Tenure) -> float:
    """In nanoseconds; 0 for a session of whose lease nothing is known."""
    return 0.0 if tenure.known_until is None else tenure.lives_until


def _made(pair: Pair, tenure: Tenure) -> str:
    invoked, completion = pair
    assert completion is not None
    session = "" if tenure.name is None else f" in session {tenure.name}"
    return (
        f"{who(invoked.process)} made the ephemeral file {shown(invoked.key)} with "
        f"{shown(_value(invoked))}{session} ({at(completion)})"
    )


def _orphaned(pair: Pair, tenure: Tenure, look: Pair) -> Anomaly:
    invoked, completion = look
    over = tenure.over
    assert over is not None and completion is not None
    how = "had closed that session" if over is tenure.left_ok else "was told that it had expired"
    text = (
        f"{_made(pair, tenure)}, and {how} ({at(over)}); but {who(invoked.process)} looked "
        f"afterwards and still found it ({at(completion)})."
    )
    indices = sorted([pair[0].index, invoked.index])
    return Anomaly("orphaned-ephemeral", _sentence(text), indices, key=invoked.key)


def _lost(pair: Pair, tenure: Tenure, look: Pair) -> Anomaly:
    invoked, completion = look
    assert completion is not None
    verb = "found" if invoked.f == "look" else "could make"
    text = (
        f"{_made(pair, tenure)}, which lived until {_lived_until(tenure) / 1e9:.3f} s at least; "
        f"but {who(invoked.process)} {verb} {shown(_value(completion))} there ({at(completion)})."
    )
    indices = sorted([pair[0].index, invoked.index])
    return Anomaly("lost-ephemeral", _sentence(text), indices, key=invoked.key)


# -- files -----------------------------------------------------------------------------


class Zone:
    """All that is known of one value: who wrote it, who read it.

    ``first``  the earliest completion that proves that it was there.
    ``last``   the latest invocation of an operation with it.
    """

    __slots__ = ("first", "last", "write")

    def __init__(self, write: Operation | None) -> None:
        self.write = write
        self.first: Operation | None = None
        self.last = write

    def prove(self, completion: Operation) -> None:
        """By then it was there, or had been."""
        if self.first is None or completion.index < self.first.index:
            self.first = completion

    def add(self, invoked: Operation, completion: Operation) -> None:
        """An operation with this value that has certainly happened."""
        self.prove(completion)
        if self.last is None or invoked.index > self.last.index:
            self.last = invoked


def _judge_file(
    pairs: Sequence[Pair], tally: Tally, modified: Sequence[tuple[bytes, Operation]]
) -> list[tuple[Operation, Operation]]:
    """One file, of which some were told that it got a value; its reads."""
    initial = Zone(None)
    zones: dict[bytes, Zone] = {b"null": initial}
    for invoked, completion in pairs:
        if invoked.f == "write" and (completion is None or completion.type != "fail"):
            zones[encode(_value(invoked))] = Zone(invoked)
    reads = []
    for invoked, completion in pairs:
        if completion is None or completion.type != "ok":
            continue
        zone = zones.get(encode(_value(completion)))
        if invoked.f == "read":
            reads.append((invoked, completion))
            wrote = zone.write if zone is not None else None
            if zone is None or (wrote is not None and wrote.index > completion.index):
                tally.add("garbage-read", partial(_garbage, invoked, completion, wrote))
                continue
        if zone is not None:
            zone.add(invoked, completion)
    for value, completion in modified:
        if value in zones:
            zones[value].prove(completion)
    _judge_zones(list(zones.values()), initial, tally)
    return reads


def _judge_zones(zones: Sequence[Zone], initial: Zone, tally: Tally) -> None:
    def span(zone: Zone) -> tuple[int, int]:
        # The initial value was there before all else.
        first = -1 if zone is initial or zone.first is None else zone.first.index
        return first, -1 if zone.last is None else zone.last.index

    present = [zone for zone in zones if zone is initial or zone.first is not None]
    forward = sorted((z for z in present if span(z)[0] < span(z)[1]), key=span)
    for before, after in pairwise(forward):
        if span(after)[0] < span(before)[1]:
            tally.add(_name_of(after), partial(_stale, before, after))
    starts = [span(zone)[0] for zone in forward]
    for zone in present:
        first, last = span(zone)
        if first > last:
            # All at one time; it must not lie within another value's time.
            around = bisect_right(starts, last) - 1
            if around >= 0 and span(forward[around])[1] > first:
                tally.add(_name_of(zone), partial(_stale, forward[around], zone))


def _name_of(after: Zone) -> str:
    """What it is called if a value is read although another one is known to be there."""
    return "premature-event" if after.first and after.first.f == "hear" else "stale-read"


def _stale(before: Zone, after: Zone) -> Anomaly:
    read = before.last
    assert read is not None and after.first is not None
    value = None if before.write is None else _value(before.write)
    other = None if after.write is None else _value(after.write)
    began = "was there from the beginning"
    if before.write is not None and before.first is not None:
        began = f"was known to be there ({at(before.first)})"
    was = "was"
    if _name_of(after) == "premature-event":
        was = f"was, as {who(after.first.process)} was told"
    text = (
        f"File {shown(read.key)}: {shown(value)} {began}; then {shown(other)} {was} "
        f"({at(after.first)}); but {who(read.process)} asked for the file later ({at(read)}) and "
        f"read {shown(value)} again."
    )
    involved = [op.index for op in (before.write, after.write, read) if op is not None]
    indices = sorted({*involved})
    if _name_of(after) == "premature-event":
        indices = sorted({*indices, after.first.index})
    return Anomaly(_name_of(after), text, indices, key=read.key)


def _garbage(invoked: Operation, completion: Operation, wrote: Operation | None) -> Anomaly:
    text = (
        f"{who(invoked.process)} read {shown(_value(completion))} from file "
        f"{shown(invoked.key)} ({at(completion)}), which "
    )
    text += "nobody had written." if wrote is None else f"was written only later ({at(wrote)})."
    indices = [invoked.index] if wrote is None else [invoked.index, wrote.index]
    return Anomaly("garbage-read", _sentence(text), indices, key=invoked.key)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
