"""How much of a cluster faults leave alone, against looking at every set of nodes."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duress.harness.errors import UserError
from duress.harness.fault import Fault
from duress.harness.spared import Bounds, has_well

NODES = ["n1", "n2", "n3", "n4", "n5"]


def cut(*groups):
    links = [[a, b] for g in groups for h in groups if g is not h for a in g for b in h]
    return Fault(1, "partition", NODES, {"cut": links})


def kill(*nodes):
    return Fault(2, "kill", list(nodes))


def by_looking(nodes, faults, wanted):
    struck = {n for f in faults if "cut" not in f.parameters for n in f.targets}
    apart = {frozenset(link) for f in faults for link in f.parameters.get("cut", [])}
    return any(
        not struck & set(group) and not any(frozenset(p) in apart for p in combinations(group, 2))
        for group in combinations(nodes, wanted)
    )


link = st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda p: p[0] != p[1])
faults = st.lists(
    st.one_of(
        st.lists(st.sampled_from(NODES), unique=True).map(lambda nodes: kill(*nodes)),
        st.lists(link.map(list), max_size=12).map(
            lambda links: Fault(1, "partition", NODES, {"cut": links})
        ),
    ),
    max_size=3,
)


@given(faults, st.integers(0, 5))
def test_as_by_looking_at_every_set(found, wanted):
    assert has_well(NODES, found, wanted) == by_looking(NODES, found, wanted)


def test_a_majority_is_spared_by_all_faults_together():
    bounds = Bounds.of({"spare": "majority"}, 5)
    assert bounds.allow(NODES, [cut(["n1", "n2"], ["n3", "n4", "n5"])])
    assert not bounds.allow(NODES, [cut(["n1", "n2"], ["n3", "n4", "n5"]), kill("n4")])
    assert bounds.allow(NODES, [cut(["n1", "n2"], ["n3", "n4", "n5"]), kill("n1", "n2")])
    assert not bounds.allow(NODES, [kill("n1", "n2", "n3")])
    assert not bounds.allow(NODES, [cut(["n1", "n2"], ["n3"], ["n4", "n5"])])
    assert Bounds.of({}, 5).allow(NODES, [kill(*NODES)])


def test_many_nodes_are_no_problem():
    many = [f"n{i}" for i in range(99)]
    ring = [[many[i], many[(i + d) % 99]] for i in range(99) for d in range(1, 25)]
    has_well(many, [Fault(1, "partition", many, {"cut": ring})], 50)
    halves = Fault(1, "partition", many, {"cut": [[a, b] for a in many[:49] for b in many[49:]]})
    assert has_well(many, [halves], 50)
    assert not has_well(many, [halves, Fault(2, "kill", [many[60]])], 50)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"spare": "most"}, "spare: expected majority, nobody or a number"),
        ({"spare": "6"}, "spare: expected a number from 0 to 5"),
        ({"faults-at-once": "0"}, "faults-at-once: expected a number at least 1"),
        ({"faults-at-once": "few"}, "faults-at-once: expected a whole number"),
    ],
)
def test_wrong_bounds_are_named(options, wrong):
    with pytest.raises(UserError, match=wrong):
        Bounds.of(options, 5)
