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


class Blocked(Recorded):
    """Its heal waits until something else was healed."""

    def __init__(self, log, until):
        super().__init__(log)
        self.until = until

    async def heal(self, fault):
        await self.until.wait()
        return await super().heal(fault)


class Freeing(Recorded):
    def __init__(self, log, event):
        super().__init__(log)
        self.event = event

    async def heal(self, fault):
        self.event.set()
        return await super().heal(fault)


def test_a_heal_that_waits_for_another_fault_s_heal_lets_it_have_its_turn(monkeypatch):
    monkeypatch.setattr("duress.harness.fault_control.HEAL_LIMIT_S", 0.05)
    log = []

    async def story():
        free = asyncio.Event()
        nemeses = {"disk": Blocked(log, free), "pause": Freeing(log, free)}
        faults = FaultControl(nemeses, lambda change: log.append(change.state), lambda: 7)
        for kind in ("disk", "pause"):
            await faults.invoke(invoke("inject", {"kind": kind}))
        assert await faults.invoke(invoke("heal", {"kind": "disk"})) == []
        # No second one of its kind on top of it.
        again = await faults.invoke(invoke("inject", {"kind": "disk"}))
        assert again == {"kind": "disk", "skipped": "the one before cannot be healed yet"}
        assert sorted(faults.active) == [1, 2]
        await faults.invoke(invoke("heal", {"kind": "pause"}))
        await faults.invoke(invoke("inject", {"kind": "disk"}))  # heals the first one before
        assert [fault.id for fault in faults.active.values()] == [3]
        assert faults.problems == []
        await faults.invoke(invoke("heal", {}))
        assert not faults.active

    asyncio.run(story())


def test_all_are_healed_at_once_although_one_waits_for_another(monkeypatch):
    monkeypatch.setattr("duress.harness.fault_control.HEAL_LIMIT_S", 0.05)
    log = []

    async def story():
        free = asyncio.Event()
        nemeses = {"disk": Blocked(log, free), "pause": Freeing(log, free)}
        faults = FaultControl(nemeses, lambda change: log.append(change.state), lambda: 7)
        for kind in ("pause", "disk"):  # the newest is healed first, and has to wait
            await faults.invoke(invoke("inject", {"kind": kind}))
        healed = await faults.invoke(invoke("heal", {"phase": 1}))
        assert [fault["kind"] for fault in healed] == ["pause", "disk"]
        assert not faults.active

    asyncio.run(story())


def test_a_fault_that_is_not_allowed_is_drawn_again_and_then_left_out():
    log, asked = [], []

    def allows(faults):
        asked.append(len(faults))
        return len(asked) > 3

    async def story():
        nemeses = {"kill": Recorded(log)}
        faults = FaultControl(nemeses, lambda change: None, lambda: 7, allows)
        assert (await faults.invoke(invoke("inject", {"kind": "kill"})))["id"] == 1
        assert asked == [1, 1, 1, 1]
        never = FaultControl(nemeses, lambda change: None, lambda: 7, lambda _: False)
        left_out = await never.invoke(invoke("inject", {"kind": "kill"}))
        assert "at once" in left_out["skipped"]
        assert not never.active

    asyncio.run(story())


@pytest.mark.parametrize(
    ("full_at", "done"),
    [
        ("injecting", []),
        ("injected", ["inject", "heal"]),
        ("healing", ["inject", "heal"]),
        ("healed", ["inject", "heal"]),
    ],
)
def test_without_room_in_the_ledger_nothing_is_injected_but_everything_is_healed(full_at, done):
    log = []

    def record(change):
        if change.state == full_at:
            raise InfrastructureError("faults.jsonl: cannot write: No space left on device")

    faults = FaultControl({"kill": Recorded(log)}, record, lambda: 7)

    async def story():
        try:
            await faults.invoke(invoke("inject", {"kind": "kill"}))
        except InfrastructureError as error:
            assert "No space left" in str(error)
        assert await faults.heal_all() == []

    asyncio.run(story())
    assert [what for what, _ in log] == done
    assert done == [] or "No space left" in faults.problems[0]
