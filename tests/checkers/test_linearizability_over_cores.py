"""Large objects are judged side by side, with the answers they would get one by one."""

import random
import threading
import time

import pytest

from duress.checkers.linearizability import Linearizable, algorithms, over_cores
from duress.checkers.linearizability.search import Budget
from duress.harness.history import History
from duress.harness.operation import Operation


def queues(keys, calls, wrong=()):
    """Each key a queue of repeated values, for which there is only the search."""
    chance, history, at = random.Random(1), [], 0
    for key in range(keys):
        content = []
        for number in range(calls):
            process = key
            if content and chance.random() < 0.5:
                f, value = "dequeue", content.pop(0)
                if key in wrong and number > calls - 3:
                    value = "never put in"
            else:
                f, value = "enqueue", chance.randrange(3)
                content.append(value)
            asked = None if f == "dequeue" else value
            history.append(Operation(at, at, process, "invoke", f, asked, key))
            history.append(Operation(at + 1, at + 1, process, "ok", f, value, key))
            at += 2
    return History(history)


@pytest.mark.parametrize("wrong", [(), (2,), (0, 3)])
def test_the_verdicts_are_those_of_one_thread(wrong, monkeypatch):
    history = queues(4, 1600, wrong)
    monkeypatch.setattr(over_cores, "cores", lambda: 3)
    together = Linearizable("queue").check(history, {})
    monkeypatch.setattr(over_cores, "cores", lambda: 1)
    alone = Linearizable("queue").check(history, {})
    assert together.valid == alone.valid == (not wrong)
    assert [a.operations for a in together.anomalies] == [a.operations for a in alone.anomalies]


def test_tasks_run_at_the_same_time_and_come_in_order():
    meeting = threading.Barrier(3, timeout=10)

    def work(number, budget):
        if number < 3:
            meeting.wait()
        budget.explored = number
        return number

    budget = Budget(memory_limit_bytes=900)
    assert list(over_cores.in_order(work, range(9), budget, 3)) == list(range(9))
    assert budget.explored == sum(range(9))


def test_those_that_run_give_up_when_nobody_wants_more():
    def work(number, budget):
        while number and not budget.exhausted(0):
            time.sleep(0.001)
        return number

    found = over_cores.in_order(work, range(9), Budget(), 2)
    assert next(found) == 0
    found.close()


def test_memory_is_shared_out_and_time_is_not():
    budget = Budget(time_limit_s=5, memory_limit_bytes=900, clock=lambda: 0.0)
    parts = list(over_cores.in_order(lambda _, part: part, range(3), budget, 3))
    assert {part.memory_limit_bytes for part in parts} == {300}
    assert {part._deadline for part in parts} == {5.0}


def test_an_error_comes_out_and_nothing_goes_on():
    def work(number, budget):
        if number == 1:
            raise ValueError("wrong")
        return number

    found = over_cores.in_order(work, range(5), Budget(), 2)
    assert next(found) == 0
    with pytest.raises(ValueError, match="wrong"):
        list(found)


def test_few_or_small_objects_need_no_threads(monkeypatch):
    def never(*_):
        raise AssertionError("threads for nothing")

    monkeypatch.setattr(over_cores, "in_order", never)
    assert Linearizable("queue").check(queues(3, 40), {}).valid
    assert algorithms._large([]) == 0
