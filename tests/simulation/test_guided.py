"""Search by coverage: repeatable, keeps what is new, and gets where drawing at random does not."""

from random import Random

import msgspec
import pytest
from test_repeat import spec

from duress.harness import schedule
from duress.harness.attempts import Attempt, AttemptPool, attempt
from duress.harness.coverage import SIZE, feature, kind_of, pairs_of
from duress.harness.guided import ROUND, Guided
from duress.harness.hunt import by_moment_too, hunt, with_strategy
from duress.harness.mutation import OPERATORS, Ground, mutate, splice, tidy
from duress.harness.planned_fault import PlannedFault

FIVE = ["n1", "n2", "n3", "n4", "n5"]
GROUND = Ground(FIVE, 30.0, [("vote", {"granted": True}), ("ask", {})], ["kill", "ambush"])
BASE = {"options": {}, "nemeses": ["kill"], "time_limit_s": 30.0}


def drawn(random, count=6):
    at = sorted(random.uniform(0.5, 29) for _ in range(count))
    faults = [
        PlannedFault("kill", round(t, 3), round(t + 0.5, 3), [random.choice(FIVE)]) for t in at
    ]
    return tidy(faults, 30.0)


# -- coverage ------------------------------------------------------------------------


def test_which_node_is_which_and_how_high_a_term_is_makes_no_difference():
    low = [{"role": "leader", "term": 3}, {"role": "follower", "term": 2}, None]
    high = [None, {"role": "follower", "term": 71}, {"role": "leader", "term": 80}]
    split = [{"role": "leader", "term": 3}, {"role": "leader", "term": 3}, None]
    apart = [{"role": "leader", "term": 3}, {"role": "leader", "term": 4}, None]
    assert pairs_of(low) == pairs_of(high)
    assert len({frozenset(pairs_of(nodes)) for nodes in (low, split, apart)}) == 3
    assert pairs_of([{}, {}, {}]) == {()}


def test_features_are_the_same_everywhere():
    assert feature(("pair", "leader", 0)) == 4200
    assert 0 <= feature(("sequence", ("vote", ("granted", True)))) < SIZE
    assert kind_of({"type": "vote", "term": 4, "granted": False}) == ("vote", ("granted", False))


def test_being_watched_changes_nothing():
    plain = spec(options={"duplicate": "0.05"}, seed=3, time_limit_s=4.0)
    bare, watched = attempt(plain), attempt(plain, watched=True)
    assert bare.features == []
    assert len(watched.features) > 20
    assert {kind for kind, _, _ in watched.messages} >= {"append_entries", "vote", "request_vote"}
    same = {"features": [], "messages": [], "wall_s": 0.0, "cpu_s": 0.0}
    assert msgspec.structs.replace(bare, **same) == msgspec.structs.replace(watched, **same)


# -- changes to schedules ------------------------------------------------------------


def test_every_change_gives_a_schedule_that_makes_sense():
    random = Random(9)
    changed_by = set()
    planted = {"traps": [{"type": "vote", "deed": "kill-sender", "lasts_s": 0.1}]}
    for number in range(200):
        faults = [*drawn(random), PlannedFault("ambush", 3.0, 5.0, FIVE, planted)]
        for operator in OPERATORS:
            after = tidy(operator(faults, random, GROUND), 30.0)
            schedule.check(after, FIVE)
            if after != faults:
                changed_by.add(operator)
        for _ in range(6):
            faults = mutate(faults, random, GROUND)
            schedule.check(faults, FIVE)
        faults = splice(faults, drawn(random), random, GROUND)
        schedule.check(faults, FIVE)
        assert all(0 < fault.at_s < 30 for fault in faults), number
    assert changed_by == set(OPERATORS)


def test_faults_before_a_change_stay_and_roles_after_it_are_followed_anew():
    random = Random(2)
    faults = [
        PlannedFault("kill", float(at), at + 0.5, ["n1"], aim={"targets": "primaries"})
        for at in range(1, 20)
    ]
    seen_same = seen_anew = False
    for _ in range(50):
        after = mutate(faults, random, GROUND)
        first = next((i for i, f in enumerate(after) if i >= 19 or f != faults[i]), len(after))
        assert all(fault.targets == ["n1"] for fault in after[:first])
        rest = [f for f in after[first + 1 :] if f.kind == "kill" and f.aim]
        assert all(not fault.targets for fault in rest)
        seen_same |= first > 0
        seen_anew |= bool(rest)
    assert seen_same
    assert seen_anew


# -- the search ----------------------------------------------------------------------


class Staircase(AttemptPool):
    """A toy in place of a pool: five kills, each of which must fall into a window of its own.

    A trial reaches as many stairs as the windows are hit in order, and sees that. The bug is at
    the top: by luck alone one trial in hundreds of thousands gets there.
    """

    windows = ((3.0, 3.5), (8.0, 8.5), (13.0, 13.5), (18.0, 18.5), (23.0, 23.5))

    def __init__(self):
        super().__init__(1)
        self.specs = []

    def run(self, specs, watched=False):
        for each in specs:
            self.specs.append(each)
            faults = each.schedule
            if faults is None:
                faults = drawn(Random(f"{each.seed}/faults"))
            height = 0
            for low, high in self.windows:
                if not any(low <= fault.at_s < high for fault in faults):
                    break
                height += 1
            outcome = "invalid" if height == len(self.windows) else "valid"
            yield Attempt(each, outcome, [], 1, 0.0, list(faults), 0.0, features=[*range(height)])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_guided_gets_up_the_stairs_and_uniform_does_not(seed):
    budget = 3000
    found = {
        strategy: hunt(
            spec(**BASE, seed=seed * 10_000), Staircase(), trials=budget, strategy=strategy
        ).found
        for strategy in ("uniform", "guided")
    }
    assert found["uniform"] is None
    assert found["guided"] is not None


def test_the_corpus_grows_only_by_what_is_new():
    search, pool = Guided(lambda number: spec(**BASE, seed=number)), Staircase()
    sizes, reached = [], []
    for _ in range(20):
        search.learn(list(pool.run(search.next_round())))
        sizes.append(len(search.corpus))
        reached.append(len(search.reached))
    assert sizes == sorted(sizes)
    assert reached == sorted(reached)
    assert 1 <= sizes[-1] <= reached[-1]
    assert len(pool.specs) == 20 * ROUND
    assert len({msgspec.json.encode(each) for each in pool.specs}) > 0.9 * len(pool.specs)


def test_a_search_is_the_same_again():
    orders = []
    for _ in range(2):
        pool = Staircase()
        hunt(spec(**BASE, seed=77), pool, trials=5 * ROUND, strategy="guided")
        orders.append(msgspec.json.encode(pool.specs))
    assert orders[0] == orders[1]


def test_trials_do_not_depend_on_the_number_of_processes():
    short = spec(options={}, seed=4, nemeses=["partition", "kill"], time_limit_s=2.0, rate=30.0)
    short = with_strategy(by_moment_too(short, "guided"), "guided", {})
    assert short.nemeses == ["partition", "kill", "ambush"]
    seen = []
    for jobs in (1, 2):
        counts = []
        with AttemptPool(jobs) as pool:
            result = hunt(
                short,
                pool,
                trials=ROUND + 6,
                strategy="guided",
                progress=lambda at, counts=counts: counts.append(at.operations),
            )
        assert result.errors == []
        assert result.found is None
        assert result.schedules > 0
        seen.append((counts, result.schedules, result.features))
    assert seen[0] == seen[1]
