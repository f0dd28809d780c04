"""Which nemeses, how often, when: as people write it, as data, and back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duress.harness import composition
from duress.harness.composition import FaultPhase
from duress.harness.errors import UserError

KNOWN = ["partition", "kill", "pause", "path/to.py:Mine"]
PACKAGES = {"process": ["kill", "pause"]}


def members(name):
    if name not in KNOWN and name not in PACKAGES:
        raise UserError(f"no nemesis named {name!r}")
    return PACKAGES.get(name, [name])


@pytest.mark.parametrize(
    ("text", "names", "weights"),
    [
        ("none", [], {}),
        ("", [], {}),
        ("partition, kill", ["partition", "kill"], {}),
        ("kill,kill", ["kill"], {}),
        ("partition:3,kill", ["partition", "kill"], {"partition": 3, "kill": 1}),
        ("process", ["kill", "pause"], {}),
        ("process:3,partition:1", ["kill", "pause", "partition"],
         {"kill": 1.5, "pause": 1.5, "partition": 1}),
        ("process,pause:2", ["kill", "pause"], {"kill": 1, "pause": 2}),
        ("process,partition,-kill", ["pause", "partition"], {}),
        ("path/to.py:Mine", ["path/to.py:Mine"], {}),
        ("path/to.py:Mine:2.5,kill", ["path/to.py:Mine", "kill"],
         {"path/to.py:Mine": 2.5, "kill": 1}),
    ],
)  # fmt: skip
def test_names_packages_and_weights(text, names, weights):
    assert composition.nemeses_of(text, members) == (names, weights)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("kill:0", "kill:0: expected a weight of more than 0"),
        ("kill:-1", "more than 0"),
        ("kill:inf", "more than 0"),
        ("kill:nan", "more than 0"),
        ("kill:often", "expected a number as the weight of kill, got 'often'"),
        ("explode", "no nemesis named 'explode'"),
    ],
)
def test_wrong_weights_are_named(text, wrong):
    with pytest.raises(UserError, match=wrong):
        composition.nemeses_of(text, members)


def test_phases_as_written():
    assert composition.phases_of("5:none, 20.5:partition:3+kill,1:process", members) == [
        FaultPhase(5.0),
        FaultPhase(20.5, ["partition", "kill"], {"partition": 3.0, "kill": 1.0}),
        FaultPhase(1.0, ["kill", "pause"]),
    ]


@pytest.mark.parametrize("text", ["5", "kill", "x:kill", "0:kill", "-1:kill", "inf:kill", ""])
def test_wrong_phases_are_named(text):
    with pytest.raises(UserError, match="expected SECONDS:NEMESES"):
        composition.phases_of(text, members)


def test_phases_are_repeated_until_the_time_is_over():
    phases = [FaultPhase(2.0), FaultPhase(3.0, ["kill"])]
    assert [phase.lasts_s for phase in composition.repeated(phases, 11.0)] == [2, 3, 2, 3, 1]
    assert composition.repeated(phases, 1.5) == [FaultPhase(1.5)]
    assert [phase.label for phase in phases] == ["quiet", "kill"]


names = st.lists(st.sampled_from(KNOWN), unique=True)
weight = st.integers(1, 99).map(float)


@given(st.data())
def test_what_is_said_of_them_reads_as_the_same(data):
    phases = []
    for chosen in data.draw(st.lists(names, min_size=1, max_size=4)):
        heavy = data.draw(st.booleans()) and bool(chosen)
        weights = {name: data.draw(weight) for name in chosen} if heavy else {}
        phases.append(FaultPhase(float(data.draw(st.integers(1, 60))), chosen, weights))
        assert composition.nemeses_of(composition.said(chosen, weights), members) == (
            chosen,
            weights,
        )
    assert composition.phases_of(composition.phases_said(phases), members) == phases
    assert msgspec.json.decode(msgspec.json.encode(phases), type=list[FaultPhase]) == phases
