"""Several large objects at a time: one thread a core, for compiled searches let others run."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from .search import Budget

Task = TypeVar("Task")
Result = TypeVar("Result")


def cores() -> int:
    """How many threads may run at a time."""
    return len(os.sched_getaffinity(0))


def in_order(
    work: Callable[[Task, Budget], Result], tasks: Iterable[Task], budget: Budget, workers: int
) -> Iterator[Result]:
    """``work(task, its share of the budget)`` for every task, some at a time, in their order.

    They share the memory and the deadline. Closing the iterator makes those that run give up.
    """
    given_up = False
    clock, deadline = budget.clock, budget._deadline

    def share() -> Budget:
        memory = budget.memory_limit_bytes
        part = replace(budget, memory_limit_bytes=memory and memory // workers, explored=0)
        part.time_limit_s = budget.time_limit_s or 0.0
        part._deadline = sys.float_info.max if deadline is None else deadline
        part.clock = lambda: float("inf") if given_up else clock() if clock is not None else 0.0
        return part

    def run(task: Task) -> tuple[Result, int]:
        part = share()
        return work(task, part), part.explored

    rest = iter(tasks)
    with ThreadPoolExecutor(workers) as pool:
        coming: deque[Future[tuple[Result, int]]] = deque(
            pool.submit(run, task) for task in islice(rest, 2 * workers)
        )
        try:
            while coming:
                result, explored = coming.popleft().result()
                budget.explored += explored
                coming.extend(pool.submit(run, task) for task in islice(rest, 1))
                yield result
        finally:
            given_up = True
            for each in coming:
                each.cancel()
