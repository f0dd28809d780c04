"""The loops of the simulated run. See ``witness`` for what they do and why."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel


def _deadlines_plain(
    order: Any, bounds: Any, version: Any, of_writer: Any, completed: Any, count: int
) -> Any:
    deadline = completed.copy()
    for at in range(len(order) - 1, -1, -1):
        txn = order[at]
        if txn >= count:
            continue
        for read in range(bounds[txn], bounds[txn + 1]):
            writer = of_writer[version[read]]
            if writer >= 0 and deadline[txn] < deadline[writer]:
                deadline[writer] = deadline[txn]
    return deadline


DEADLINES = Kernel(_deadlines_plain)


def _writes(write_start: Any, write_key: Any, txn: int, key: int) -> bool:
    found = False
    for at in range(write_start[txn], write_start[txn + 1]):
        found = found or write_key[at] == key
    return found


def _wake(at: Any, waits: Any, next_waiting: Any, wait_at: Any, deadline: Any, heap: Any) -> None:
    txn = waits[at]
    waits[at] = -1
    while txn >= 0:
        wait_at[txn] = -1
        heapq.heappush(heap, (np.int64(deadline[txn]), np.int64(txn)))
        txn = next_waiting[txn]


def _blocked_by(
    txn: Any, phase: Any, version: Any, bounds: Any, of_key: Any, of_writer: Any, current: Any,
    holder: Any, remaining: Any, write_start: Any, write_key: Any, version_start: Any, readers: Any,
    deadline: Any, last_begin: Any, opened: Any, open_count: int, snapshot: bool, asked: Any,
    first_learned: Any, next_learned: Any, learned: Any,
) -> Any:  # fmt: skip
    """Where a transaction waits (a version, behind those a key, behind those a transaction; -1:
    nowhere), and how many of ``asked`` must run first.
    """
    versions, keys = len(of_key), len(holder)
    asks = 0
    if phase[txn] == 0:
        at = first_learned[txn]
        while at >= 0:
            if phase[learned[at]] != 2:
                asked[0] = learned[at]
                return versions + keys + learned[at], 1
            at = next_learned[at]
        for read in range(bounds[txn], bounds[txn + 1]):
            if current[of_key[version[read]]] != version[read]:
                asked[0] = of_writer[version[read]]
                return version[read], 1 if asked[0] >= 0 else 0
        if snapshot:
            for write in range(write_start[txn], write_start[txn + 1]):
                key = write_key[write]
                if holder[key] >= 0:
                    asked[0] = holder[key]
                    return versions + key, 1
                now = current[key]
                if remaining[now] > 0:
                    for at in range(version_start[now], version_start[now + 1]):
                        other = readers[at]
                        first = other != txn and phase[other] == 0
                        if first and _writes(write_start, write_key, other, key):
                            asked[0] = other
                            return versions + key, 1
            return -1, 0
    for write in range(write_start[txn], write_start[txn + 1]):
        key = write_key[write]
        now = current[key]
        own = 0
        if not snapshot:
            for read in range(bounds[txn], bounds[txn + 1]):
                if version[read] == now:
                    own = 1
        if remaining[now] > own:
            for at in range(version_start[now], version_start[now + 1]):
                other = readers[at]
                if other != txn and phase[other] == 0 and asks < len(asked):
                    asked[asks] = other
                    asks += 1
            return versions + key, asks
        if not snapshot and last_begin[write] >= 0:
            for at in range(open_count):
                other = opened[at]
                if (
                    other != txn
                    and phase[other] != 2
                    and deadline[other] < last_begin[write]
                    and _writes(write_start, write_key, other, key)
                ):
                    asked[0] = other
                    return versions + keys + other, 1
    return -1, 0


def _flip(
    start: int, previous: Any, kept: int, invoked: Any, completed: Any, phase: Any, version: Any,
    bounds: Any, of_key: Any, of_writer: Any, current: Any, holder: Any, remaining: Any,
    write_start: Any, write_key: Any, version_start: Any, readers: Any, deadline: Any,
    last_begin: Any, opened: Any, open_count: int, asked: Any, first_learned: Any,
    next_learned: Any, learned: Any, ran_at: Any, banned: Any, bans: int,
) -> Any:  # fmt: skip
    """Two writers of a key whose order a circle of waiting shows to be wrong: who must be first.

    Along the circle, one who waits to overwrite a version could have come before its writer. The
    latest writer is chosen, for that takes back least.
    """
    versions, keys = len(of_key), len(holder)
    seen = np.zeros(len(phase), np.int32)
    first, second = -1, -1
    txn, step, turns = start, 0, 0
    while txn >= 0 and turns < 2:
        if seen[txn] > 0:
            # Once round to find the circle; then along it, to choose.
            turns += 1
            if turns == 2:
                break
            seen[:] = 0
            first, second = -1, -1
        step += 1
        seen[txn] = step
        before = previous[txn]
        if kept == 1 and before >= 0 and phase[before] != 2:
            txn = before
            continue
        wait, asks = _blocked_by(
            txn, phase, version, bounds, of_key, of_writer, current, holder, remaining,
            write_start, write_key, version_start, readers, deadline, last_begin, opened,
            open_count, False, asked, first_learned, next_learned, learned,
        )  # fmt: skip
        if wait >= versions and wait < versions + keys:
            writer = of_writer[current[wait - versions]]
            possible = writer >= 0 and writer != txn
            if possible and kept == 2 and completed[writer] < invoked[txn]:
                possible = False
            if possible:
                at = first_learned[txn]
                while at >= 0:
                    if learned[at] == writer:
                        possible = False
                    at = next_learned[at]
            for at in range(max(0, bans - 50), bans):
                if banned[at, 0] == txn and banned[at, 1] == writer:
                    possible = False
            if possible and (second < 0 or ran_at[writer] > ran_at[second]):
                first, second = txn, writer
        txn = asked[0] if asks > 0 else -1
    return first, second


def _run_plain(
    alive: Any, deadline: Any, bounds: Any, version: Any, of_key: Any, of_writer: Any,
    version_start: Any, readers: Any, write_start: Any, write_key: Any, last_begin: Any,
    previous: Any, ending: Any, invoked: Any, completed: Any, kept: int, snapshot: bool,
) -> int:  # fmt: skip
    count, versions, written = len(alive), len(of_key), len(write_key)
    keys = versions - written
    remaining = np.zeros(versions, np.int32)
    for read in range(len(version)):
        remaining[version[read]] += 1
    current = np.arange(written, versions).astype(np.int32)
    replaced = np.full(written, -1, np.int32)
    holder = np.full(keys, -1, np.int32)
    waits = np.full(versions + keys + count, -1, np.int32)
    next_waiting = np.full(count, -1, np.int32)
    wait_at = np.full(count, -1, np.int32)
    demanded = np.zeros(count, np.bool_)
    phase = np.zeros(count, np.int8)  # 0: to run, 1: has read (snapshot only), 2: done
    opened = np.empty(count, np.int32)  # those invoked, the done ones taken out now and then
    asked = np.empty(4096, np.int32)
    done = np.empty(count, np.int32)
    ran_at = np.full(count, -1, np.int32)
    turn = np.full(count, -1, np.int32)
    for at in range(len(ending)):
        turn[ending[at]] = at
    repairs = 100 + (count // 20 if kept == 2 else 0)
    first_learned = np.full(count, -1, np.int32)
    next_learned = np.full(repairs, -1, np.int32)
    learned = np.full(repairs, -1, np.int32)
    learned_by = np.full(repairs, -1, np.int32)
    banned = np.full((repairs, 2), -1, np.int32)
    used = bans = 0
    stack = [np.int64(0)]
    stack.pop()
    heap = [(np.int64(0), np.int64(-1))]
    heap.pop()
    eligible = next_end = ran = open_count = 0
    limit = 64
    for txn in range(count):
        if not alive[txn]:
            phase[txn] = 2
    while True:
        while next_end < len(ending) and phase[ending[next_end]] == 2:
            next_end += 1
        # Whoever is invoked before the next completion may run; who only reads, at once.
        horizon = np.int64(2**31)
        if next_end < len(ending):
            horizon = np.int64(deadline[ending[next_end]])
        while eligible < count and invoked[eligible] < horizon:
            if phase[eligible] != 2:
                if open_count >= limit:
                    kept_open = 0
                    for at in range(open_count):
                        if phase[opened[at]] != 2:
                            opened[kept_open] = opened[at]
                            kept_open += 1
                    open_count = kept_open
                    limit = max(64, 2 * open_count)
                opened[open_count] = eligible
                open_count += 1
                reads_only = write_start[eligible] == write_start[eligible + 1]
                if demanded[eligible] or (reads_only and kept != 1 and not snapshot):
                    heapq.heappush(heap, (np.int64(deadline[eligible]), np.int64(eligible)))
            eligible += 1
        if len(heap) == 0 and len(stack) == 0:
            if next_end == len(ending):
                break
            if not demanded[ending[next_end]]:
                stack.append(np.int64(ending[next_end]))
            elif snapshot or used == repairs:
                break
            else:
                first, second = _flip(
                    ending[next_end], previous, kept, invoked, completed, phase, version, bounds,
                    of_key, of_writer, current, holder, remaining, write_start, write_key,
                    version_start, readers, deadline, last_begin, opened, open_count, asked,
                    first_learned, next_learned, learned, ran_at, banned, bans,
                )  # fmt: skip
                if first >= 0:
                    learned[used], learned_by[used] = first, second
                    next_learned[used] = first_learned[second]
                    first_learned[second] = used
                    used += 1
                else:
                    # The last such choice was wrong: never again, and on without it.
                    if used == 0 or bans == repairs:
                        break
                    used -= 1
                    banned[bans, 0], banned[bans, 1] = learned[used], learned_by[used]
                    bans += 1
                    first_learned[learned_by[used]] = next_learned[used]
                for at in range(open_count):
                    txn = opened[at]
                    demanded[txn] = False
                    if wait_at[txn] >= 0:
                        waits[wait_at[txn]] = -1
                        wait_at[txn] = -1
                if kept != 2:
                    for txn in range(count):
                        demanded[txn] = False
                        wait_at[txn] = -1
                    waits[:] = -1
                lowest = eligible
                while ran > 0 and second >= 0:
                    ran -= 1
                    txn = done[ran]
                    lowest = min(lowest, txn)
                    phase[txn] = 0
                    ran_at[txn] = -1
                    demanded[txn] = False
                    for write in range(write_start[txn], write_start[txn + 1]):
                        current[write_key[write]] = replaced[write]
                    for read in range(bounds[txn], bounds[txn + 1]):
                        remaining[version[read]] += 1
                    next_end = min(next_end, turn[txn])
                    if txn == second:
                        break
                # From here time passes again; those still open were invoked before.
                for at in range(open_count):
                    lowest = min(lowest, opened[at])
                eligible = lowest
                open_count = 0
                continue
        while len(stack) > 0:
            txn = stack.pop()
            if demanded[txn] or phase[txn] == 2:
                continue
            demanded[txn] = True
            before = previous[txn]
            if kept == 1 and before >= 0 and phase[before] != 2:
                if wait_at[txn] < 0:
                    wait_at[txn] = versions + keys + before
                    next_waiting[txn] = waits[wait_at[txn]]
                    waits[wait_at[txn]] = txn
                stack.append(np.int64(before))
            elif kept != 2 or txn < eligible:
                heapq.heappush(heap, (np.int64(deadline[txn]), np.int64(txn)))
        if len(heap) == 0:
            continue
        txn = heapq.heappop(heap)[1]
        if phase[txn] == 2:
            continue
        before = previous[txn]
        if kept == 1 and before >= 0 and phase[before] != 2:
            continue
        wait, asks = _blocked_by(
            txn, phase, version, bounds, of_key, of_writer, current, holder, remaining,
            write_start, write_key, version_start, readers, deadline, last_begin, opened,
            open_count, snapshot, asked, first_learned, next_learned, learned,
        )  # fmt: skip
        if wait >= 0:
            if demanded[txn]:
                for at in range(asks):
                    stack.append(np.int64(asked[at]))  # noqa: PERF401
            if wait_at[txn] < 0:
                wait_at[txn] = wait
                next_waiting[txn] = waits[wait]
                waits[wait] = txn
            continue
        if phase[txn] == 0:
            for read in range(bounds[txn], bounds[txn + 1]):
                remaining[version[read]] -= 1
                if remaining[version[read]] <= 1:
                    at = versions + of_key[version[read]]
                    _wake(at, waits, next_waiting, wait_at, deadline, heap)
            if snapshot:
                for write in range(write_start[txn], write_start[txn + 1]):
                    holder[write_key[write]] = txn
                phase[txn] = 1
                heapq.heappush(heap, (np.int64(deadline[txn]), np.int64(txn)))
                continue
        for write in range(write_start[txn], write_start[txn + 1]):
            key = write_key[write]
            replaced[write] = current[key]
            current[key] = write
            holder[key] = -1
            _wake(write, waits, next_waiting, wait_at, deadline, heap)
            _wake(versions + key, waits, next_waiting, wait_at, deadline, heap)
        phase[txn] = 2
        ran_at[txn] = ran
        done[ran] = txn
        ran += 1
        _wake(versions + keys + txn, waits, next_waiting, wait_at, deadline, heap)
    return ran


RUN = Kernel(_run_plain, _writes, _wake, _blocked_by, _flip)
