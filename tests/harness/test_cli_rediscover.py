"""What is known is tried until it shows, controls every time; and nothing of it is lost."""

import json
from dataclasses import dataclass, field

import click
import pytest

from duress.harness import rediscovery, registry
from duress.harness.cli import rediscover
from duress.harness.finding import Finding
from duress.harness.verdict import Anomaly, Verdict

from ..command_line import said_by

KNOWN = [
    Finding("stale", "raft", "Reads are old.", "Nobody (1999)", shows=("nonlinearizable",)),
    Finding("safe", "raft", "Nothing is lost.", "Nobody (1999)", trials=2, controls=("stale",)),
]


@dataclass
class Trials:
    """Stands in for those that would be run: each call takes the next of what came out."""

    folder: str
    come_out: list[str]
    seeds: list[int] = field(default_factory=list)

    def __call__(self, spec, store, show, quiet):
        self.seeds.append(spec.seed)
        came = self.come_out.pop(0)
        anomalies = [] if came in ("valid", "interrupted") else [Anomaly(came, "it is so")]
        outcome = "invalid" if anomalies else came
        return Outcome(self.folder, outcome, Verdict(not anomalies, anomalies))


@dataclass
class Outcome:
    folder: str
    outcome: str
    verdict: Verdict
    error: str | None = None


@pytest.fixture
def rediscovered(tmp_path, monkeypatch):
    """Run the command where trials come out as said: its exit code, and the seeds tried."""
    (tmp_path / "trial.json").write_text('{"system_info": {"version": "1.2"}}')
    monkeypatch.setattr(registry, "findings", lambda: KNOWN)
    monkeypatch.setattr(rediscover, "_prepare", lambda specs: None)
    monkeypatch.setattr(rediscover.interruption, "listen", lambda: None)

    def command(*arguments, come_out):
        trials = Trials(str(tmp_path), come_out)
        monkeypatch.setattr(rediscover, "run_and_report", trials)
        words = [*arguments, "--store", str(tmp_path)]
        return rediscover.command.main(words, standalone_mode=False), trials.seeds

    return command


def remembered(folder):
    lines = (folder / rediscovery.LEDGER).read_text().splitlines()
    return [(told["finding"]["name"], told["is_as_expected"]) for told in map(json.loads, lines)]


@pytest.mark.parametrize(
    ("name", "come_out", "is_as_expected"),
    [
        ("stale", ["nonlinearizable"], True),
        ("stale", ["valid", "lost-element", "nonlinearizable"], True),
        ("stale", ["valid", "valid", "valid"], False),
        ("safe", ["valid", "valid"], True),
        ("safe", ["valid", "nonlinearizable"], False),
        ("safe", ["unknown"], False),
    ],
)
def test_a_finding_is_tried_until_it_shows_and_a_control_every_time(
    rediscovered, tmp_path, name, come_out, is_as_expected
):
    code, seeds = rediscovered(name, "--seed", "7", come_out=list(come_out))
    assert code == (0 if is_as_expected else 1)
    assert seeds == list(range(7, 7 + len(come_out)))
    assert remembered(tmp_path) == [(name, is_as_expected)]


def test_what_was_found_before_an_interruption_is_kept(rediscovered, tmp_path):
    with pytest.raises(click.Abort):
        rediscovered(come_out=["nonlinearizable", "interrupted"])
    assert remembered(tmp_path) == [("stale", True)]


def test_the_table_has_a_row_each(rediscovered, capsys):
    rediscovered("--markdown", come_out=["nonlinearizable", "valid", "lost-element"])
    *_, first, second = capsys.readouterr().out.strip().splitlines()
    assert first.startswith("| stale | raft 1.2 | nonlinearizable | 1 |")
    assert second.startswith(
        "| control: safe | raft 1.2 | lost-element **(not as expected)** | 2 |"
    )


def test_every_finding_is_a_trial_that_can_be_run():
    for finding in registry.findings():
        spec = rediscovery.first_trial(finding, 3)
        assert (spec.system, spec.seed) == (finding.system, 3)


def test_a_name_that_is_none_is_refused():
    code, _, error = said_by("rediscover", "redis-loses-acknowledged-write")
    assert code == 2
    assert "did you mean 'redis-loses-acknowledged-writes'?" in error
