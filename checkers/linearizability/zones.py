"""Registers whose written values are all different: linearizable or not in linear time.

Applies when no value is written twice (a cas writes its new value) and none is
the initial one. After Gibbons and Korach, *Testing shared memories*, SIAM J.
Comput. 26(4), 1997, section 4; the chains for cas and the treatment of crashed
calls are ours. An interval is [invocation, completion]; a crashed call's never
ends. X precedes Y if X ends before Y begins.

**Which crashed calls took effect.** Call a value *wanted* if a completed read
returned it, a completed cas started from it, or a cas that must have taken
effect did. The writer of a wanted value took effect. Every other crashed call
may be left out: a crashed read always; a crashed writer W of an unwanted value
v because in any linearization nothing that must be kept observes v, so what
follows W (after leaving out, last one first, such crashed cas's from v) is a
blind write or the end, and neither notices W missing. So with the wanted crashed
writers kept, their intervals open to the right, the question is one about calls
that all take effect.

**Blocks.** A value, once replaced, never returns. So the writer of v, the reads
of v, and a cas v→w stand together; and a cas v→w starts w. Chains v0→v1→… are
thus contiguous *blocks* of a fixed order: writer of v0, reads of v0, cas to v1,
reads of v1, … The block of the initial value has a virtual writer before all
events. Necessary: every wanted value has a writer; no two cas's from one value;
no chain is a cycle; and no call of a block precedes one of an earlier level (a
writer, or the reads of a value). Conversely these make a block linearizable.

**Zones.** Let f(A) be the earliest completion in block A, s(A) the latest
invocation. Some call of A precedes one of B iff f(A) < s(B); write A→B. Blocks
can be put in sequence iff → has no cycle. *A cycle implies one of length two*:
let X have the greatest s on it, and X→Y→Z (Z = X possible). Then
f(Y) < s(Z) ≤ s(X), so Y→X. Hence the criterion: no A ≠ B with f(A) < s(B) and
f(B) < s(A). With the zone [min(f, s), max(f, s)] *forward* if f < s, that is: no
two forward zones overlap, no backward zone lies within a forward one (two
backward ones cannot conflict: f(A) < s(B) < f(B) < s(A) < f(A)). If it holds,
blocks sorted by min(f, s) are in sequence: let min(f, s) of A be the lower and
suppose f(B) < s(A). Then A is forward (else s(A) < f(B) if B is forward, or
s(A) < s(B) < f(B)), so f(A) < f(B) < s(A): a forward B overlaps A; a backward B
has f(A) < s(B) < f(B) < s(A), within A. Both excluded.

**Real time within the whole.** Blocks in that sequence, levels in order, reads
of a level by invocation: no later call precedes an earlier one. That is the
witness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .calls import CAS, CRASHED, READ, WRITE
from .decision import Decision
from .kernel import Kernel
from .timeline import Timeline, dense

if TYPE_CHECKING:
    from .calls import Calls

ALGORITHM = "zones"

# What the kernel found.
FINE, UNWRITTEN, REPLACED_TWICE, CYCLE, MISORDERED, OVERLAP = 0, 1, 2, 3, 4, 5

NOTES = {
    UNWRITTEN: "a value was observed that nothing wrote",
    REPLACED_TWICE: "two cas operations succeeded from the same value, which was written once",
    CYCLE: "cas operations succeeded in a circle that no write starts",
    MISORDERED: "a value was observed after it had been replaced, or before it was written",
    OVERLAP: "two values would each have to be written before the other was last observed",
}


def applies(calls: Calls) -> bool:
    """Reads, writes and cas's only, and every value is written at most once. One pass."""
    f = calls.f
    if len(f) and (f.max() > CAS or f.min() < READ):
        return False
    written = np.concatenate((calls.a[f == WRITE], calls.b[f == CAS]))
    if not len(written):
        return True
    if bool((written == calls.initial).any()):
        return False
    if int(written.max()) <= 4 * len(f) + 64:
        return int(np.bincount(written).max()) <= 1
    return len(np.unique(written)) == len(written)


def decide(calls: Calls) -> Decision:
    """Whether the calls on a register are linearizable; :func:`applies` must hold.

    O(n) time and memory. The witness covers every completed call and the crashed ones
    that must have taken effect.
    """
    n = len(calls)
    line = Timeline.of(calls)
    codes = np.concatenate((calls.a, calls.b))
    codes, (initial,), values = dense(codes, calls.initial)
    a, b = codes[:n], codes[n:]
    writer = np.full(values, -1, np.int32)
    observer = np.full(values, -1, np.int32)
    witness = np.empty(n, np.int64)
    status, count, seeds = _solver.for_size(n)(
        line.inv, line.ret, calls.f, a, b, initial, line.end, writer, observer, witness
    )
    if status == FINE:
        return Decision(True, witness[:count].copy(), algorithm=ALGORITHM)
    certificate = _closure(calls, a, b, writer, observer, [int(seed) for seed in seeds])
    return Decision(False, None, certificate, ALGORITHM, NOTES[status])


def _closure(
    calls: Calls, a: Any, b: Any, writer: Any, observer: Any, seeds: list[int]
) -> tuple[int, ...]:
    """The seeds with the writers of what they observe and the observers of crashed writers.

    So that the calls alone force the blocks that the seeds contradict.
    """
    n = len(calls)
    taken: set[int] = set()
    todo = [seed for seed in seeds if 0 <= seed < n]
    while todo:
        at = todo.pop()
        if at in taken:
            continue
        taken.add(at)
        kind = calls.f[at]
        if kind != WRITE and 0 <= writer[a[at]] < n:
            todo.append(int(writer[a[at]]))
        if kind != READ and calls.returned[at] == CRASHED:
            todo.append(int(observer[b[at] if kind == CAS else a[at]]))
    return tuple(sorted(taken))


# -- the kernel: plain Python over arrays -------------------------------------------


def _observe(ret, f, a, b, end, writer, observer, first, last):
    """Per value: its writer, a completed read that returned it, its reads' extremes."""
    for i in range(len(f)):
        if f[i] == READ:
            if ret[i] != end:
                v = a[i]
                observer[v] = i
                if first[v] < 0 or ret[i] < ret[first[v]]:
                    first[v] = i
                last[v] = i
        else:
            writer[b[i] if f[i] == CAS else a[i]] = i


def _link(ret, f, a, end, writer, observer, following, effective):
    """Mark the values that must have been written; chain the cas's. (status, seed, seed)."""
    n = len(f)
    for v in range(len(writer)):
        w = writer[v]
        if observer[v] < 0 and (w < 0 or w == n or ret[w] == end):
            continue
        u = v
        while not effective[u]:
            effective[u] = 1
            w = writer[u]
            if w < 0:
                return UNWRITTEN, observer[u], -1
            if w == n or f[w] == WRITE:
                break
            source = a[w]
            if following[source] >= 0:
                return REPLACED_TWICE, w, writer[following[source]]
            following[source] = u
            if observer[source] < 0:
                observer[source] = w
            u = source
    return FINE, -1, -1


def _measure(inv, ret, head, writer, following, first, last, bounds):
    """Walk a block. bounds := calls with the least ret and the greatest inv (n: virtual).

    Returns the number of values in it and the calls that contradict its order, or -1, -1.
    """
    n = len(inv)
    v = head
    earliest = latest = writer[v]
    length = 0
    while v >= 0:
        w = writer[v]
        length += 1
        if latest < n and ret[w] < inv[latest]:
            return length, w, latest
        if earliest < n and ret[w] < ret[earliest]:
            earliest = w
        if latest == n or inv[w] > inv[latest]:
            latest = w  # for the head itself nothing changes
        if first[v] >= 0:
            if latest < n and ret[first[v]] < inv[latest]:
                return length, first[v], latest
            if earliest < n and ret[first[v]] < ret[earliest]:
                earliest = first[v]
            if latest == n or inv[last[v]] > inv[latest]:
                latest = last[v]
        v = following[v]
    bounds[0] = earliest
    bounds[1] = latest
    return length, -1, -1


def _sweep(inv, ret, at, low_call, high_call):
    """Blocks by the lower end of their zone: the first conflict (two blocks), or -1, -1.

    ``at[p + 1]`` is the head of the block whose zone begins at position p, or -1.
    """
    n = len(inv)
    forward = -1
    reach = -1
    for p in range(len(at)):
        head = at[p]
        if head < 0:
            continue
        least = ret[low_call[head]] if low_call[head] < n else -1
        greatest = inv[high_call[head]] if high_call[head] < n else -1
        if least < greatest:
            if forward >= 0 and least < reach:
                return forward, head
            forward = head
            reach = greatest
        elif forward >= 0 and least < reach:
            return forward, head
    return -1, -1


def _emit(ret, f, a, b, end, at, writer, following, reads, start, witness):
    """Blocks in sequence, levels in order, reads by invocation. Returns the number of calls."""
    n = len(f)
    cursor = 0
    for p in range(len(at)):
        v = at[p]
        while v >= 0:
            if writer[v] < n:
                witness[cursor] = writer[v]
                cursor += 1
            start[v] = cursor
            cursor += reads[v]
            v = following[v]
    for i in range(n):
        if f[i] == READ and ret[i] != end:
            witness[start[a[i]]] = i
            start[a[i]] += 1
    return cursor


def _solve(inv, ret, f, a, b, initial, end, writer, observer, witness):
    """(status, length of the witness, up to four calls that contradict each other)."""
    n = len(f)
    values = len(writer)
    first = np.full(values, -1, np.int32)
    last = np.full(values, -1, np.int32)
    following = np.full(values, -1, np.int32)
    effective = np.zeros(values, np.int8)
    _observe(ret, f, a, b, end, writer, observer, first, last)
    writer[initial] = n
    status, x, y = _link(ret, f, a, end, writer, observer, following, effective)
    if status != FINE:
        return status, 0, (x, y, -1, -1)
    effective[initial] = 1
    low_call = np.empty(values, np.int32)
    high_call = np.empty(values, np.int32)
    at = np.full(end + 2, -1, np.int32)
    bounds = np.empty(2, np.int32)
    walked = 0
    wanted = 0
    for v in range(values):
        if not effective[v]:
            continue
        wanted += 1
        w = writer[v]
        if w != n and f[w] == CAS:
            continue
        length, x, y = _measure(inv, ret, v, writer, following, first, last, bounds)
        if x >= 0:
            return MISORDERED, 0, (x, y, -1, -1)
        walked += length
        low_call[v] = bounds[0]
        high_call[v] = bounds[1]
        least = ret[bounds[0]] if bounds[0] < n else -1
        greatest = inv[bounds[1]] if bounds[1] < n else -1
        at[min(least, greatest) + 1] = v
        effective[v] = 2
    if walked < wanted:
        return CYCLE, 0, (_in_cycle(f, a, writer, effective), -1, -1, -1)
    x, y = _sweep(inv, ret, at, low_call, high_call)
    if x >= 0:
        return OVERLAP, 0, (low_call[x], high_call[x], low_call[y], high_call[y])
    reads = np.zeros(values, np.int32)
    for i in range(n):
        if f[i] == READ and ret[i] != end:
            reads[a[i]] += 1
    start = first
    count = _emit(ret, f, a, b, end, at, writer, following, reads, start, witness)
    return FINE, count, (-1, -1, -1, -1)


def _in_cycle(f, a, writer, effective):
    """A cas on a cycle: walk back from each value to a start, or to one seen on this walk."""
    stamp = np.zeros(len(writer), np.int32)
    for v in range(len(writer)):
        u = v
        while effective[u] == 1 and stamp[u] == 0:
            stamp[u] = v + 1
            u = a[writer[u]]
        if effective[u] == 1 and stamp[u] == v + 1:
            return writer[u]
    return -1


_solver = Kernel(_solve, _observe, _link, _measure, _sweep, _emit, _in_cycle)
