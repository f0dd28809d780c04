"""The promises of the majority registers, each as a trial: ``pytest``, or ``pytest -n auto``."""

import pytest
from suite import MajorityStore

pytestmark = pytest.mark.duress(MajorityStore, on="sim", time=8, interval=1)


def test_it_keeps_its_promises_under_partitions_and_kills(duress):
    """With this seed it always does the same."""
    duress.run(seed=7).assert_valid()


@pytest.mark.duress(seeds=3)
@pytest.mark.parametrize("nemesis", ["partition", "kill", "pause", "packets"])
def test_it_survives(duress, nemesis):
    """Each kind of fault by itself, with the seeds 1, 2 and 3: twelve tests."""
    duress.run(nemesis=nemesis).assert_valid()


def test_it_survives_without_a_majority_for_a_while(duress):
    """What the trial did can be looked at."""
    trial = duress.run(nemesis="kill", settings={"kill-targets": "majority"})
    trial.assert_valid()
    assert any(len(fault.targets) > 1 for fault in trial.schedule)


@pytest.mark.duress(settings={"write-back": "false"})
def test_reads_that_do_not_write_back_are_caught(duress):
    """A test of the test: the planted bug is found, by the anomaly that it must show."""
    hunted = duress.hunt(nemesis="partition,kill", budget_trials=60)
    assert hunted.found, f"nothing in {hunted.trials} trials"
    assert hunted.found.anomalies[0].name == "nonlinearizable"
