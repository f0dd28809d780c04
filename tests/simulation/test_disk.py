"""The disk against a model that copies everything at every sync."""

import copy
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from duress.harness.simulation.disk import CRASHES, Disk

LOGS, NAMES = ("a", "b"), ("x", "y")

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(LOGS), st.integers(0, 9)),
        st.tuples(st.just("truncate"), st.sampled_from(LOGS), st.integers(0, 4)),
        st.tuples(st.just("put"), st.sampled_from(NAMES), st.integers(0, 9)),
        st.tuples(st.just("sync")),
        st.tuples(st.just("crash"), st.sampled_from(CRASHES), st.integers(0, 9)),
    ),
    max_size=40,
)


class Model:
    def __init__(self):
        self.logs, self.values = {log: [] for log in LOGS}, dict.fromkeys(NAMES)

    def write(self, kind, name, what):
        if kind == "append":
            self.logs[name].append(what)
        elif kind == "truncate":
            del self.logs[name][what:]
        else:
            self.values[name] = what


def state(disk):
    return {log: list(disk.read(log)) for log in LOGS}, {name: disk.get(name) for name in NAMES}


@given(STEPS)
def test_synced_writes_survive_and_of_the_others_a_prefix(steps):
    disk, now = Disk(), Model()
    possible = [copy.deepcopy(now)]
    for kind, *arguments in steps:
        if kind == "sync":
            disk.sync()
            possible = [copy.deepcopy(now)]
        elif kind == "crash":
            how, seed = arguments
            unsynced = len(possible) - 1
            kept, lost = disk.crash(how, Random(seed))
            assert kept + lost == unsynced
            assert how != "lost" or kept == 0
            now = possible[kept]
            possible = [copy.deepcopy(now)]
        else:
            now.write(kind, *arguments)
            possible.append(copy.deepcopy(now))
            getattr(disk, kind)(*arguments)
        assert state(disk) == (now.logs, now.values)


def test_every_prefix_can_be_what_a_crash_leaves():
    left = set()
    for seed in range(60):
        disk = Disk()
        for number in range(4):
            disk.append("a", number)
        disk.crash("prefix", Random(seed))
        left.add(len(disk.read("a")))
    assert left == {0, 1, 2, 3, 4}


def test_a_disk_knows_whether_anything_reached_it():
    disk = Disk()
    disk.put("x", 1)
    disk.crash("lost", Random(0))
    assert disk.is_empty
    disk.put("x", 1)
    disk.sync()
    disk.crash("lost", Random(0))
    assert not disk.is_empty
    assert disk.get("x") == 1
