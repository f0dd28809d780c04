"""The search over any model: locks, counters, logs, bags, transactions, and a user's own model.

    python benchmarks/user_models.py [--quick] [--kinds mutex,log] [--limit SECONDS]

Histories are made by simulated clients that are always busy (``c`` of them, closed loop; latency
0.1 + Exp(0.9)); acquires wait until they are granted. A crashed operation takes effect within
its latency with probability one half (locks: always), and its process is replaced. ``late``: one
of the last 1 % answers something that no order explains. Every verdict is compared with the one
that the history was made for. ``naive`` is a depth-first search in plain Python (Wing and Gong
1993 with Lowe's memo), on the same history, up to 2,000 operations and 10 s. Rows ``own …`` use a
model that is defined here and tells nothing but ``initial`` and ``step``.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.histories import generate

from duress.checkers.linearizability.algorithms import Judged, decide
from duress.checkers.linearizability.calls import CRASHED
from duress.checkers.linearizability.models import model_named, successors
from duress.checkers.linearizability.preparation import Problem, prepare
from duress.checkers.linearizability.search import Budget
from duress.harness.formats import load
from duress.harness.history import History
from duress.harness.operation import Operation

ETCD = Path(__file__).parents[2] / "shared" / "histories" / "linearizability" / "etcd"
NAIVE_LIMIT_S, NAIVE_CALLS = 10.0, 2_000
PERMITS, VALUES = 3, 12


class OwnRegister:
    """A cas-register as a user would write it."""

    initial = -1

    def step(self, state: int, operation: Operation) -> int | None:
        """Read, write, cas; a failed cas where it is an observation."""
        f, value = operation.f, operation.value
        if f == "read":
            return state if state == (-1 if value is None else value) else None
        if f == "write":
            return value
        if f == "cas":
            return value[1] if state == value[0] else None
        return state if state != value[0] else None


class OwnBank:
    """Two accounts: move an amount, read both. Nothing says which functions only look."""

    initial = (100, 100)

    def step(self, state: tuple[int, int], operation: Operation) -> tuple[int, int] | None:
        """A transfer never fails; balances may become negative."""
        if operation.f == "move":
            return state[0] - operation.value, state[1] + operation.value
        return state if operation.value is not None and tuple(operation.value) == state else None


class Call:
    """One operation on its way."""

    __slots__ = ("argument", "crashed", "f", "process", "result")

    def __init__(self, process: int, f: str, argument: Any) -> None:
        self.process, self.f, self.argument = process, f, argument
        self.result: Any = None
        self.crashed = False


class Thing:
    """The object that the simulated clients talk to: chooses operations and performs them."""

    def __init__(self, kind: str, rng: random.Random, reads: float) -> None:
        self.kind, self.rng, self.reads = kind, rng, reads
        self.number = 0
        self.pair = [100, 100]
        self.items: list[int] = []
        self.registers = dict.fromkeys("xyz", 0)
        self.free = 1 if kind == "mutex" else PERMITS
        self.fresh = 0

    def choose(self, process: int, holds: bool) -> Call:
        """What a client does next."""
        rng, kind = self.rng, self.kind
        if kind in ("mutex", "semaphore"):
            return Call(process, "release" if holds else "acquire", None)
        if kind == "multi":
            parts = [
                ["read" if rng.random() < 0.5 else "write", rng.choice("xyz"), rng.randrange(3)]
                for _ in range(2)
            ]
            return Call(process, "txn", parts)
        look = rng.random() < self.reads
        if kind == "bag":
            look = rng.random() < 0.5
            return Call(
                process, *(("dequeue", None) if look else ("enqueue", rng.randrange(VALUES)))
            )
        if look:
            return Call(process, "read", None)
        if kind == "log":
            self.fresh += 1
            return Call(process, "append", self.fresh)
        return Call(process, "move" if kind == "bank" else "add", rng.randrange(1, 6))

    def act(self, call: Call) -> None:
        """Perform it now."""
        argument = call.result = call.argument
        if call.f == "read":
            content = {"counter": self.number, "bank": self.pair, "log": self.items}[self.kind]
            call.result = list(content) if isinstance(content, list) else content
        elif call.f == "add":
            self.number += argument
        elif call.f == "move":
            self.pair[0] -= argument
            self.pair[1] += argument
        elif call.f in ("append", "enqueue"):
            self.items.append(argument)
        elif call.f == "dequeue":
            self.rng.random()
            call.result = (
                self.items.pop(self.rng.randrange(len(self.items))) if self.items else None
            )
        elif call.f == "txn":
            call.result = []
            for f, name, value in argument:
                if f == "write":
                    self.registers[name] = value
                call.result.append([f, name, self.registers[name]])

    def spoil(self, call: Call) -> bool:
        """Alter a result so that nothing explains it; false if this call will not do."""
        result = call.result
        if self.kind == "counter" and call.f == "read" and result > 1_000:
            call.result = result - 500
        elif self.kind == "bank" and call.f == "read":
            call.result = [result[0] + 1, result[1]]
        elif self.kind == "log" and call.f == "read" and len(result) > 3:
            call.result = [result[1], result[0], *result[2:]]
        elif self.kind == "bag" and call.f == "dequeue" and result is not None:
            call.result = VALUES  # nobody enqueued that
        elif self.kind == "multi" and {part[0] for part in call.argument} == {"read"}:
            call.result = [["read", "x", 7]]
        else:
            return False
        return True


def make(
    kind: str, calls: int, clients: int, seed: int, crash: float, late: bool, reads: float = 0.3
) -> History:
    """A history; see the module's docstring."""
    rng = random.Random(seed)
    thing = Thing(kind, rng, reads)
    agenda: list[tuple[float, int, str, Any]] = [
        (rng.random() * 0.1, at, "start", at) for at in range(clients)
    ]
    rows: list[tuple[Call, str]] = []
    holds: set[int] = set()
    waiting: list[Call] = []
    releasing = 0
    ticket, started, names, spoiled = clients, 0, clients, not late
    after = int(calls * 0.99)

    def push(when: float, what: str, subject: Any) -> None:
        nonlocal ticket
        ticket += 1
        heapq.heappush(agenda, (when, ticket, what, subject))

    def grant(now: float, call: Call) -> None:
        thing.free -= 1
        holds.add(call.process)
        push(now + 0.05, "end", call)

    while agenda:
        now, _, what, subject = heapq.heappop(agenda)
        if what == "start":
            if started >= calls:
                continue
            started += 1
            call = thing.choose(subject, subject in holds)
            call.crashed = rng.random() < crash
            rows.append((call, "invoke"))
            delay = 0.1 - 0.9 * math.log(1.0 - rng.random())
            locks = call.f in ("acquire", "release")
            releasing += call.f == "release"
            if locks or not call.crashed or rng.random() < 0.5:
                push(now + delay * rng.random(), "act", call)
            if not locks:
                push(now + delay, "end", call)
        elif what == "act":
            if subject.f == "acquire":
                waiting.append(subject)
                if thing.free > 0:
                    grant(now, waiting.pop(0))
                elif (
                    not spoiled
                    and started > after
                    and releasing < sum(not each.crashed for each in waiting)
                ):
                    # More hold it now than all releases under way could have made room for.
                    spoiled = True
                    for each in waiting:
                        grant(now, each)
                    waiting.clear()
            elif subject.f == "release":
                thing.free += 1
                releasing -= 1
                holds.discard(subject.process)
                push(now + 0.05, "end", subject)
                if waiting and thing.free > 0:
                    grant(now, waiting.pop(0))
            else:
                thing.act(subject)
        else:
            process = subject.process
            if subject.crashed:
                rows.append((subject, "info"))
                if process in holds:
                    holds.discard(process)
                    holds.add(names)
                process, names = names, names + 1
            else:
                if not spoiled and started > after:
                    spoiled = thing.spoil(subject)
                rows.append((subject, "ok"))
            push(now, "start", process)
    if not spoiled:
        raise ValueError("nothing could be spoiled")
    return History(
        Operation(
            at, at, call.process, type_, call.f,  # type: ignore[arg-type]
            call.result if type_ == "ok" else call.argument,
        )
        for at, (call, type_) in enumerate(rows)
    )  # fmt: skip


def naive(problem: Problem) -> bool | None:
    """Depth-first over all orders, with a memo; ``None`` after 10 s."""
    calls, after = problem.calls, successors(problem.model)
    kinds, operations = problem.kinds
    invoked, returned = calls.invoked.tolist(), calls.returned.tolist()
    size, stop = len(invoked), time.perf_counter() + NAIVE_LIMIT_S

    def choices(placed: int, state: Any) -> Iterator[tuple[int, Any]]:
        low, soonest = ((placed + 1) & ~placed).bit_length() - 1, CRASHED
        for at in range(low, size):
            if invoked[at] > soonest:
                break
            if not placed >> at & 1:
                for each in after(state, operations[kinds[at]]):
                    yield at, each
                soonest = min(soonest, returned[at])

    firm = sum(1 << at for at in range(size) if returned[at] < CRASHED)
    initial = problem.model.initial
    seen, stack = {(0, initial)}, [(0, choices(0, initial))]
    while stack:
        placed, left = stack[-1]
        if placed & firm == firm:
            return True
        if time.perf_counter() > stop:
            return None
        found = next(left, None)
        if found is None:
            stack.pop()
        elif (key := (placed | 1 << found[0], found[1])) not in seen:
            seen.add(key)
            stack.append((key[0], choices(*key)))
    return False


class Row(NamedTuple):
    """What to measure; ``model`` makes the model."""

    kind: str
    calls: int
    clients: int
    crash: float = 0.0
    late: bool = False
    reads: float = 0.3

    @property
    def name(self) -> str:
        """As the table has it."""
        crashed = f" {self.crash:.0%} crashed" if self.crash else ""
        return f"{self.kind} {self.calls:,} c={self.clients}{crashed}{' late' * self.late}"


MODELS: dict[str, Callable[[], Any]] = {
    "mutex": lambda: model_named("mutex"),
    "semaphore": lambda: model_named("semaphore", PERMITS),
    "counter": lambda: model_named("counter"),
    "log": lambda: model_named("log"),
    "bag": lambda: model_named("unordered-queue"),
    "multi": lambda: model_named("multi-register", dict.fromkeys("xyz", 0)),
    "bank": OwnBank,
    "own cas5": OwnRegister,
    "own rw5": OwnRegister,
}


def rows_of(kind: str, quick: bool) -> Iterator[Row]:
    """The rows of a kind: sizes, concurrency, with and without crashed and a violation."""
    for calls in (1_000, 10_000) if quick else (1_000, 10_000, 100_000):
        for clients in (5, 10, 20):
            for crash in (0.0, 0.01):
                for late in (False, True):
                    if late and crash and kind in ("mutex", "semaphore"):
                        continue  # crashed ones explain one acquire too many
                    yield Row(kind, calls, clients, crash, late, _reads(kind, calls))


def _reads(kind: str, calls: int) -> float:
    # A log's reads carry all of it: so many that they hold some millions of elements in all.
    return min(0.3, 200 / calls) if kind == "log" else 0.3


def history_of(row: Row, seed: int) -> History:
    """The row's history."""
    if row.kind.startswith("own "):
        spoil = "stale" if row.late else ""
        return generate(row.kind[4:], row.calls, row.clients, seed, row.crash, spoil)
    return make(row.kind, row.calls, row.clients, seed, row.crash, row.late, row.reads)


def judge(history: History, model: Any, limit_s: float, failed_cas: str = "drop") -> Any:
    """Seconds to prepare and to decide, the answer, the problem."""
    history.columns()
    began = time.perf_counter()
    problems = prepare(history, model, failed_cas)
    prepared = time.perf_counter()
    budget = Budget(time_limit_s=limit_s, clock=time.monotonic, memory_limit_bytes=2 << 30)
    judged: list[Judged] = list(decide(problems, "auto", budget))
    ended = time.perf_counter()
    return prepared - began, ended - prepared, judged[0], problems[0]


def report(row: Row, limit_s: float, seeds: int) -> str:
    """One line of the table."""
    try:
        histories = [history_of(row, seed) for seed in range(1, seeds + 1)]
    except ValueError as error:
        return f"| {row.name} | {error} | | | | |"
    runs = [judge(history, MODELS[row.kind](), limit_s) for history in histories]
    answers = [run[2] for run in runs]
    verdicts = {each.valid for each in answers}
    wrong = {True, False} - {not row.late} & verdicts
    assert not wrong & verdicts, f"{row.name}: wrong verdict {verdicts}"
    seconds = statistics.median(run[1] for run in runs)
    peer = ""
    if row.calls <= NAIVE_CALLS:
        began = time.perf_counter()
        found = naive(runs[0][3])
        assert found in (None, not row.late)
        taken = time.perf_counter() - began
        peer = f"> {NAIVE_LIMIT_S:g} s" if found is None else f"{taken * 1000:.1f} ms"
    decided = sum(each.valid is not None for each in answers)
    by = answers[0].algorithm + (f"; {answers[0].note}" if answers[0].valid is None else "")
    return (
        f"| {row.name} | {seconds * 1000:.1f} ms | {decided}/{seeds} | {by} "
        f"| {answers[0].explored:,} | {peer} |"
    )


def etcd() -> None:
    """The logs of Jepsen's etcd test, each alone."""
    taken: list[float] = []
    peer = 0.0
    for path in sorted(ETCD.glob("*.log")):
        _, seconds, answer, problem = judge(load(path).history, OwnRegister(), 60, "observe")
        assert answer.valid is not None
        taken.append(seconds)
        began = time.perf_counter()
        naive(problem)
        peer += time.perf_counter() - began
    print(
        f"\netcd logs, own model: {len(taken)} histories, {sum(taken) * 1000:.0f} ms in all, "
        f"median {statistics.median(taken) * 1000:.2f} ms, worst {max(taken) * 1000:.1f} ms; "
        f"naive {peer * 1000:.0f} ms in all (10 s limit each)"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="at most 10,000 calls, one seed")
    parser.add_argument("--kinds", default=",".join(MODELS), help=f"some of {', '.join(MODELS)}")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one history")
    options = parser.parse_args()
    if ETCD.exists():
        etcd()
    print("\n| history | decide, median | decided | by | explored | naive |")
    print("|---|---|---|---|---|---|")
    for kind in options.kinds.split(","):
        judge(history_of(Row(kind, 2_000, 5), 9), MODELS[kind](), options.limit)
        for row in rows_of(kind, options.quick):
            print(report(row, options.limit, 1 if options.quick else 3), flush=True)


if __name__ == "__main__":
    main()
