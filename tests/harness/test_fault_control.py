import asyncio

import pytest

from duress.harness.errors import Indeterminate, InfrastructureError
from duress.harness.fault import Fault
from duress.harness.fault_control import FaultControl
from duress.harness.operation import NEMESIS, Operation


class Recorded:
    """A nemesis that notes what it is told, and fails as often as it is told."""

    def __init__(self, log, heal_failures=0, inject_error=None, possible=True):
        self.log = log
        self.heal_failures = heal_failures
        self.inject_error = inject_error
        self.possible = possible

    async def plan(self, wish, fault_id):
        return Fault(fault_id, wish["kind"], ["n1"]) if self.possible else None

    async def inject(self, fault):
        self.log.append(("inject", fault.id))
        if self.inject_error:
            raise self.inject_error
        return {"seen": 1}

    async def heal(self, fault):
        self.log.append(("heal", fault.id))
        if self.heal_failures:
            self.heal_failures -= 1
            raise InfrastructureError("not yet")
        return {}


def control(**kwargs):
    log = []
    ledger = []

    def record(change):
        ledger.append((change.state, change.fault.id))
        log.append((change.state, change.fault.id))

    return FaultControl({"kill": Recorded(log, **kwargs)}, record, lambda: 7), log, ledger


def invoke(f, value):
    return Operation(0, 0, NEMESIS, "invoke", f, value)


def test_the_ledger_is_written_before_the_effect():
    faults, log, _ = control()

    async def story():
        result = await faults.invoke(invoke("inject", {"kind": "kill"}))
        assert result == {"id": 1, "kind": "kill", "targets": ["n1"]}
        assert list(faults.active) == [1]
        await faults.invoke(invoke("heal", {"kind": "kill"}))

    asyncio.run(story())
    assert [entry for entry, _ in log] == [
        "injecting",
        "inject",
        "injected",
        "healing",
        "heal",
        "healed",
    ]
    assert not faults.active


def test_a_fault_that_failed_half_way_is_healed_all_the_same():
    faults, log, ledger = control(inject_error=InfrastructureError("a packet got through"))

    async def story():
        with pytest.raises(InfrastructureError):
            await faults.invoke(invoke("inject", {"kind": "kill"}))
        assert await faults.heal_all() == []

    asyncio.run(story())
    assert ("heal", 1) in log
    assert ledger[-1] == ("healed", 1)
    assert "a packet got through" in faults.problems[0]
    assert faults.injected == 0


def test_healing_is_tried_again_and_what_cannot_be_healed_is_said():
    faults, _, _ = control(heal_failures=2)
    stubborn, _, _ = control(heal_failures=99)

    async def story(one):
        await one.invoke(invoke("inject", {"kind": "kill"}))
        return await one.heal_all()

    assert asyncio.run(story(faults)) == []
    assert asyncio.run(story(stubborn)) == ["kill 1: not yet"]


def test_a_fault_that_is_not_possible_now_is_skipped():
    faults, _, ledger = control(possible=False)
    result = asyncio.run(faults.invoke(invoke("inject", {"kind": "kill"})))
    assert "skipped" in result
    assert ledger == []


def test_an_unknown_nemesis_operation_is_said():
    faults, _, _ = control()
    with pytest.raises(Indeterminate):
        asyncio.run(faults.invoke(invoke("explode", None)))
