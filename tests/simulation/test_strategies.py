"""What hunts find under the strategies that know the protocol, and that they accuse nobody."""

import msgspec
import pytest
from test_repeat import spec

from duress.harness.attempts import AttemptPool
from duress.harness.hunt import by_moment_too, fresh, hunt, with_strategy

AS_USUAL = {
    "options": {},
    "nemeses": ["partition", "kill"],
    "time_limit_s": 30.0,
    "settle_s": 2.0,
    "rate": 150.0,
    "concurrency": 10,
    "interval_s": 3.0,
}


@pytest.fixture(scope="module")
def pool():
    with AttemptPool() as made:
        yield made


def planned(strategy, **changes):
    options = {"mutant": changes["mutant"]} if "mutant" in changes else {}
    drawn = spec(**{**AS_USUAL, "options": options, **changes})
    return with_strategy(by_moment_too(drawn, strategy), strategy, {})


@pytest.mark.parametrize(
    ("mutant", "strategy", "seed"),
    [
        ("stale-read", "uniform", 200_000),
        ("forgets-vote", "aimed", 200_000),
        ("votes-twice", "aimed", 200_002),
        ("credits-wrong-follower", "guided", 200_000),
    ],
)
def test_a_mutant_is_found_from_a_fixed_seed(mutant, strategy, seed, pool):
    result = hunt(planned(strategy, mutant=mutant, seed=seed), pool, trials=40, strategy=strategy)
    assert result.errors == []
    assert result.found is not None
    assert result.found.anomalies == ["nonlinearizable"]


@pytest.mark.parametrize("strategy", ["aimed", "guided", "mixed"])
def test_the_correct_raft_is_not_accused(strategy, pool):
    short = {"seed": 50, "time_limit_s": 4.0, "rate": 60.0, "interval_s": 1.5}
    usual = spec(**{**AS_USUAL, **short}) if strategy == "mixed" else None
    result = hunt(planned(strategy, **short), pool, trials=24, strategy=strategy, usual=usual)
    assert result.errors == []
    assert result.found is None
    assert result.trials == 24
    assert (result.features > 0) == (strategy != "aimed")


def test_the_seed_decides_which_sort_of_faults_a_trial_has():
    base = planned("aimed", seed=0)
    assert base.nemeses == ["partition", "kill", "ambush"]
    drawn = [fresh(base, "aimed", number).nemeses for number in range(60)]
    assert drawn == [fresh(base, "aimed", number).nemeses for number in range(60)]
    assert {tuple(names) for names in drawn} == {
        ("ambush",),
        ("partition", "kill"),
        ("partition", "kill", "ambush"),
    }
    uniform = planned("uniform", seed=0)
    assert fresh(uniform, "uniform", 3) == msgspec.structs.replace(uniform, seed=3)
    assert planned("uniform").nemeses == ["partition", "kill"]


def test_strategies_leave_nothing_of_what_a_mutant_says_about_faults():
    conditions = {"kill-targets": "followers", "partition-lasts": "3", "max_batch": "2"}
    options = with_strategy(spec(**{**AS_USUAL, "options": conditions}), "uniform", {}).options
    assert options["max_batch"] == "2"
    assert "partition-lasts" not in options
    assert options["kill-targets"] != "followers"
    kept = {"partition-lasts": "9"}
    assert with_strategy(spec(**AS_USUAL), "aimed", kept).options["partition-lasts"] == "9"
