"""Whole trials in virtual time: the correct Raft is never accused, its mutants are found."""

import asyncio
import json
import time

import pytest
from test_repeat import folder, spec

from duress.harness import registry
from duress.harness.cli.report import judge_again
from duress.harness.planned_fault import PlannedFault
from duress.harness.simulation import repeat
from duress.harness.simulation.guard import Nondeterminism
from duress.harness.spec import parse_concurrency

FIVE = ["n1", "n2", "n3", "n4", "n5"]


def conditions_of(name):
    """What a trial of a mutant takes where nothing else is said, as fields of a spec."""
    mutant = next(m for m in registry.mutants() if (m.system, m.name) == ("raft", name))
    conditions = dict(mutant.conditions)
    options = conditions.pop("options", {})
    if "nemesis" in conditions:
        conditions["nemeses"] = conditions.pop("nemesis").split(",")
    if "concurrency" in conditions:
        conditions["concurrency"] = parse_concurrency(conditions["concurrency"], 5)
    return conditions, options, mutant.options


def run(tmp_path, **changes):
    run_folder = folder(tmp_path / f"run-{changes.get('seed', 0)}-{changes.get('mutant')}")
    name = changes.get("mutant")
    if name:
        conditions, options, plant = conditions_of(name)
        changes = {**conditions, **changes}
        changes["options"] = {**options, **plant, **changes.get("options", {})}
    return repeat.run(spec(**{"options": {}, **changes}), run_folder), run_folder


def not_accused(seed, outcome):
    """All is well, but that in so short a trial not every kind of fault needs to have come."""
    parts = dict(outcome.verdict.parts)
    parts.pop("vacuity")
    assert parts.pop("availability").valid is True
    assert outcome.error is None
    assert set(parts) == {"linearizable"}, f"seed {seed}: {outcome.verdict.reason}"
    assert parts["linearizable"].valid is True, f"seed {seed}: {outcome.verdict.reason}"


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_the_correct_raft_survives(first, tmp_path):
    for seed in range(first, first + 10):
        outcome, _ = run(tmp_path, seed=seed, rate=100.0)
        not_accused(seed, outcome)


def test_the_correct_raft_survives_a_bad_network(tmp_path):
    options = {"loss": "0.05", "duplicate": "0.05", "latency": "uniform:0:30", "unsynced": "torn"}
    for seed in range(8):
        outcome, _ = run(tmp_path, seed=seed, rate=100.0, options=options)
        not_accused(seed, outcome)


def test_a_saved_trial_is_judged_alike(tmp_path):
    for seed, mutant in ((2, None), (2, "stale-read")):
        outcome, run_folder = run(tmp_path, seed=seed, mutant=mutant, rate=100.0)
        assert outcome.verdict.valid is (mutant is None)
        again = judge_again(run_folder)
        assert again.valid is outcome.verdict.valid
        assert again.anomalies == outcome.verdict.anomalies


def test_it_takes_virtual_time_and_tells_what_was_sent(tmp_path):
    loop = asyncio.new_event_loop()
    began = loop.time()
    options = {"trace": "false"}
    outcome, run_folder = run(tmp_path, seed=3, time_limit_s=60.0, rate=10.0, options=options)
    assert loop.time() - began < 30
    loop.close()
    assert outcome.outcome == "valid"
    history = (run_folder.path / "history.jsonl").read_bytes().splitlines()
    assert json.loads(history[-1])["time"] > 55e9
    counts = json.loads((run_folder.path / "messages.json").read_bytes())
    assert counts["sent"] > 1000
    assert not (run_folder.path / "messages.jsonl").exists()


CLOCKED = """
import time
from duress.fixtures.protocols import raft
from duress.fixtures.runtime import node
from duress.fixtures.systems.raft import RaftSystem
from duress.harness import registry


class LooksAtTheClock(raft.Raft):
    def on_message(self, message):
        if message["body"]["type"] in ("write", "append_entries"):
            self.seen = time.time()
        super().on_message(message)


class Clocked(RaftSystem):
    pass


def load_program(arguments):
    return node.parse_command(arguments)._replace(protocol=LooksAtTheClock)
"""


def test_a_protocol_that_looks_at_the_clock_ends_the_trial(tmp_path, monkeypatch):
    suite = tmp_path / "clocked.py"
    suite.write_text(CLOCKED)
    program = registry.load("systems", f"{suite}:load_program")
    load = registry.load
    monkeypatch.setattr(
        registry, "load", lambda kind, name: program if kind == "programs" else load(kind, name)
    )
    with pytest.raises(
        Nondeterminism, match=r"LooksAtTheClock.on_message .*time.time.*clocked.py:12"
    ):
        run(tmp_path, system=f"{suite}:Clocked")
    assert time.time.__module__ == "time", "the guard must be down"
    info = json.loads((tmp_path / "run-0-None" / "trial.json").read_bytes())
    assert info["outcome"] == "interrupted"


AS_USUAL = {
    "nemeses": ["partition", "kill"],
    "time_limit_s": 30.0,
    "settle_s": 2.0,
    "rate": 150.0,
    "concurrency": 10,
    "interval_s": 3.0,
}
"""What `duress run raft` does where it is told nothing else."""

VOTERS = [
    {"type": "vote", "fields": {"granted": True}, "deed": "kill-sender", "lasts_s": 0, "most": 8},
    {"type": "append_entries", "deed": "isolate-sender", "lasts_s": 0.5, "most": 2},
]
"""Who votes dies with it and comes back at once; who then leads is cut off before it is known."""

AFTER_VOTES = {
    "nemeses": ["ambush"],
    "schedule": [
        PlannedFault("ambush", at_s, at_s + 1.7, FIVE, {"traps": VOTERS})
        for at_s in (1.0 + 2 * number for number in range(14))
    ],
}

PAIRS = {"options": {"partition-shapes": "primary-pair"}, "nemeses": ["partition"]}

MUTANTS = [
    ("stale-read", [0], {}),
    ("forgets-vote", [0, 6, 9], {}),
    ("votes-twice", [0, 1, 2], AFTER_VOTES),
    ("credits-wrong-follower", [0, 1, 2], PAIRS),
    ("commits-old-term", [0, 2, 3], {}),
]
"""By name, with seeds that found it when this was written, and how it is looked for."""

MOST_TRIALS = 40
"""Other parts of duress may change what a seed means: then so many others are tried."""


@pytest.mark.parametrize(("name", "seeds", "how"), MUTANTS, ids=lambda value: str(value)[:20])
def test_a_mutant_is_found(name, seeds, how, tmp_path):
    changes = {**AS_USUAL, **conditions_of(name)[0], **how}
    for number, seed in enumerate([*seeds, *range(100, 100 + MOST_TRIALS)], 1):
        outcome, _ = run(tmp_path / str(number), seed=seed, mutant=name, **changes)
        assert outcome.error is None
        if outcome.verdict.valid is False:
            assert {anomaly.name for anomaly in outcome.verdict.anomalies} == {"nonlinearizable"}
            return
    pytest.fail(f"{name} was not found in {len(seeds) + MOST_TRIALS} trials")


def test_every_mutant_is_looked_for():
    assert {name for name, _, _ in MUTANTS} == {
        mutant.name
        for mutant in registry.mutants()
        # Those of other modules have tests of their own, in tests/fixtures and tests/workloads.
        if mutant.protocol.__module__.endswith("mutants.raft")
    }


@pytest.mark.parametrize("name", ["votes-twice", "commits-old-term", "credits-wrong-follower"])
def test_the_correct_raft_survives_what_finds_its_mutants(name, tmp_path):
    conditions, options, _ = conditions_of(name)
    _, seeds, how = next(mutant for mutant in MUTANTS if mutant[0] == name)
    changes = {**AS_USUAL, **conditions, **how}
    changes["options"] = {**options, **how.get("options", {})}
    for seed in seeds:
        not_accused(seed, run(tmp_path, seed=seed, **changes)[0])
