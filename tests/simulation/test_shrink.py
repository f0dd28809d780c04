"""Shrinking takes away what a failure does not need, and keeps the failure."""

import msgspec
import pytest
from test_repeat import spec

from duress.harness import shrink_steps
from duress.harness.attempts import Attempt, AttemptPool, attempt
from duress.harness.errors import UserError
from duress.harness.planned_fault import PlannedFault
from duress.harness.shrink import Shrinker
from duress.harness.spec import with_schedule

STALE = {
    "options": {"mutant": "stale-read"},
    "mutant": "stale-read",
    "nemeses": ["partition", "kill"],
    "time_limit_s": 8.0,
}
CUT = [["n1", "n2"], ["n2", "n1"], ["n3", "n1"]]
FAULTS = [
    PlannedFault(
        "partition",
        2.0,
        4.0,
        ["n1", "n2", "n3"],
        {"cut": CUT, "moves": [{"after_s": 0.5, "cut": []}, {"after_s": 1.0, "cut": CUT}]},
    ),
    PlannedFault("kill", 6.0, 7.0, ["n4", "n5"]),
]


def failed(**changes):
    wanted = with_schedule(spec(time_limit_s=8.0, **changes), FAULTS)
    return Attempt(wanted, "invalid", ["nonlinearizable"], 100, 5.0, FAULTS, 1.0)


def test_a_stale_read_needs_next_to_nothing():
    seen = []
    with AttemptPool(1) as pool:
        shrinker = Shrinker(
            pool,
            trials=400,
            minutes=5,
            seeds=1,
            progress=lambda state, _: seen.append(state.smallest.operations),
        )
        result = shrinker.shrink(spec(**STALE, seed=1))
    smallest = result.smallest
    assert smallest.failed
    assert smallest.operations <= 3
    assert len(smallest.spec.schedule or []) <= 1
    assert smallest.spec.concurrency == 1
    assert seen[0] > 100 > seen[-1]
    assert attempt(smallest.spec).anomalies == ["nonlinearizable"]


def test_the_budget_is_kept():
    with AttemptPool(1) as pool:
        result = Shrinker(pool, trials=4, minutes=1).shrink(spec(**STALE, seed=1))
    assert result.trials <= 4
    assert not result.complete
    assert result.smallest.failed


def test_a_run_that_is_right_cannot_be_shrunk():
    with AttemptPool(1) as pool, pytest.raises(UserError, match="expected a run that is invalid"):
        Shrinker(pool, trials=9, minutes=1).shrink(spec(options={}, time_limit_s=2.0))


def test_time_ends_after_the_anomaly_and_later_faults_go():
    (shorter,) = shrink_steps.less_time(failed())
    assert shorter.time_limit_s == 5.2
    assert [fault.kind for fault in shorter.schedule or []] == ["partition"]
    assert shorter.nemeses == ["partition"]


def test_every_fault_is_left_out_once():
    kinds = [[f.kind for f in s.schedule or []] for s in shrink_steps.fewer_faults(failed())]
    assert kinds == [[], ["kill"], ["partition"]]


def test_removed_nodes_are_struck_by_nothing():
    three = next(iter(shrink_steps.fewer_nodes(failed())))
    assert three.nodes == ["n1", "n2", "n3"]
    assert [fault.kind for fault in three.schedule or []] == ["partition"]


def test_moves_and_targets_go_one_after_the_other():
    counts = [
        len((each.schedule or [])[0].parameters.get("moves", []))
        for each in shrink_steps.fewer_moves(failed())
    ]
    assert counts == [0, 1, 1]
    spared = [(s.schedule or [])[1].targets for s in shrink_steps.fewer_targets(failed())]
    assert ["n4"] in spared
    assert ["n5"] in spared


def test_aims_are_tried_alone_in_a_short_trial():
    aimed = [
        PlannedFault("kill", 1.0, 2.0, ["n1"], {}, {"targets": "one"}),
        PlannedFault("partition", 3.0, 4.5, ["n1"], {"cut": CUT}, {"shape": "leapfrog"}),
    ]
    at = failed()
    at = Attempt(with_schedule(at.spec, aimed), "invalid", [], 100, 5.0, aimed, 1.0)
    tried = list(shrink_steps.aimed_anew(at))
    assert [[f.kind for f in each.schedule or []] for each in tried] == [
        ["partition"],
        ["partition", "partition"],
        ["kill"],
        ["kill", "kill"],
    ]
    first = (tried[0].schedule or [])[0]
    assert (first.at_s, first.until_s, first.is_concrete) == (0.1, 1.6, False)
    assert tried[0].time_limit_s == 2.1


def test_what_roles_can_tell_is_reduced_before_nodes_are_named():
    figure_8 = spec(
        options={"mutant": "commits-old-term", "partition-shapes": "leapfrog", "max_batch": 2},
        mutant="commits-old-term",
        concurrency=20,
        time_limit_s=6.0,
    )
    leap = PlannedFault("partition", 2.5, 5.5, aim={"shape": "leapfrog"})
    with AttemptPool(1) as pool:
        tried = (with_seed(with_schedule(figure_8, [leap]), seed) for seed in range(40))
        failing = next(each.spec for each in pool.run(tried) if each.failed)
        steps = []
        shrinker = Shrinker(pool, trials=80, minutes=5, progress=lambda _, step: steps.append(step))
        result = shrinker.shrink(failing)
    assert result.smallest.operations < result.before.operations / 5
    assert steps[:2] == ["as a schedule", "aimed anew"]
    assert result.smallest.spec.schedule is not None


def with_seed(trial, seed):
    return msgspec.structs.replace(trial, seed=seed)


def test_operations_are_left_out_by_number():
    at = failed()
    assert [len(each.operations or []) for each in shrink_steps.fewer_operations(at)][:3] == [
        0,
        50,
        50,
    ]
    many = Attempt(at.spec, "invalid", [], 10_000, 5.0, FAULTS, 1.0)
    assert not list(shrink_steps.fewer_operations(many))


def test_the_workload_says_what_makes_it_smaller():
    (smaller,) = shrink_steps.smaller_workload(failed())
    assert smaller.options["threads-per-key"] == "100"
    again = Attempt(smaller, "invalid", [], 100, 5.0, FAULTS, 1.0)
    assert not list(shrink_steps.smaller_workload(again))


def test_faults_move_to_the_front_together_with_the_end():
    moved = next(iter(shrink_steps.earlier_faults(failed())))
    assert [fault.at_s for fault in moved.schedule or []] == [0.29, 4.29]
    assert moved.time_limit_s == 6.29
    last = next(iter(shrink_steps.last_faults(failed())))
    assert [(f.kind, f.at_s, f.until_s) for f in last.schedule or []] == [("kill", 0.1, 1.1)]
    assert last.time_limit_s == 2.1
