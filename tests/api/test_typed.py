"""What a type checker knows of the API: everything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

SAMPLE = """\
# pyright: strict
from pathlib import Path

import pytest

import duress
from duress.harness.api.in_tests import PytestTrials


def program() -> None:
    trial = duress.run("raft", on="sim", nemesis="partition,kill", nodes=5, time=10, seed=7,
                       settings={"latency_ms": 3, "trace": True}, mutant=None, trials=2)
    reveal_type(trial)
    reveal_type(trial.valid)
    reveal_type(trial.outcome)
    reveal_type(trial.verdict.anomalies[0].name)
    reveal_type(trial.signature)
    reveal_type(trial.report)
    reveal_type(trial.schedule[0].at_s)
    reveal_type(trial.history[0])
    reveal_type(trial.story())
    reveal_type(trial.assert_valid())
    reveal_type(trial.replay(on="local").shrink(minutes=1).error)
    reveal_type([operation.f for operation in trial.history])
    reveal_type(duress.check(Path("history.edn"), "list-append").valid)
    reveal_type(duress.hunt("raft", minutes=1, strategy="aimed", rate=10).found)
    reveal_type(duress.prove("raft", quick=True).is_proven)
    reveal_type(duress.campaign("nightly.toml").failures[0].signature)
    reveal_type(duress.gate("nightly.toml").result)
    reveal_type(duress.convert("a.jsonl", "a.edn", to="jepsen-edn").notes)
    reveal_type(duress.list("systems")[0]["name"])
    reveal_type(duress.doctor()[0].reason)
    reveal_type(duress.saved("latest").spec.seed)
    reveal_type(duress.init("mine"))


@pytest.mark.duress(on="sim", seeds=3)
def test_raft(duress: PytestTrials) -> None:
    trial = duress.run("raft", nemesis="partition", seed=7).assert_valid()
    reveal_type(trial.anomalies)


def mistakes() -> None:
    duress.run("raft", nemisis="kill")
    duress.run("raft", nodes="five")
"""


@pytest.fixture(scope="module")
def diagnostics(tmp_path_factory):
    sample = tmp_path_factory.mktemp("typed") / "sample.py"
    sample.write_text(SAMPLE)
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, sample],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return json.loads(done.stdout)["generalDiagnostics"]


def test_nothing_is_unknown(diagnostics):
    told = [each["message"] for each in diagnostics if each["severity"] == "information"]
    assert len(told) == SAMPLE.count("reveal_type(")
    assert not [line for line in told if "Unknown" in line]
    assert 'Type of "trial.report" is "Path"' in told
    assert 'Type of "trial" is "Trial"' in told
    assert not [line for line in told if line.endswith('"Any"') and "name" not in line]


def test_wrong_flags_are_seen_and_nothing_else(diagnostics):
    begin = SAMPLE[: SAMPLE.index("def mistakes")].count("\n")
    wrong = [each for each in diagnostics if each["severity"] == "error"]
    assert [
        each["message"].splitlines()[0] for each in wrong if each["range"]["start"]["line"] < begin
    ] == []
    rules = [each["rule"] for each in wrong]
    assert rules == ["reportCallIssue", "reportArgumentType"], wrong
