"""``duress gate`` as CI runs it: its files, exit codes, signals, and what users get wrong."""

import json
import os
import re
import signal
from pathlib import Path

import jsonschema
import pytest

from duress.harness.campaign import session
from duress.harness.campaign.results import INFRASTRUCTURE, INVALID, KILLED, VALID, Result

from ..command_line import said_by
from .gates import baseline, broken, commands, known
from .made import signature

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
FLAGS = ("--on", "sim", "--seeds", "3")
UPDATE = ("raft", "--baseline", "known.json", "--update-baseline")


@pytest.fixture
def gate(tmp_path, monkeypatch, capsys):
    with commands(tmp_path, monkeypatch, capsys) as command:
        yield command


def links_of(page):
    return re.findall(r'href="([^"#:]+)"', page.read_text())


def test_a_pass(gate, tmp_path):
    code, told, error = gate("raft", "paxos", *FLAGS, "--nemesis", "partition,kill")
    assert (code, told["result"], told["exit_code"]) == (0, "pass", 0)
    assert told["outcomes"]["valid"] == told["planned"] == 6
    assert [each["name"] for each in told["confidence"]] == [
        "all",
        "raft partition,kill sim",
        "paxos partition,kill sim",
    ]
    assert "✓ PASS  gate passed: no new failure in 6 valid trials." in error
    assert "below 39.4 % (1 - 0.05^(1/6); 6 valid trials)" in error
    (folder,) = (tmp_path / "campaigns" / "gate").iterdir()
    assert json.loads((folder / "gate.json").read_text()) == told
    schema = json.loads((SCHEMAS / "gate.schema.json").read_text())
    jsonschema.validate(told, schema)


def test_flags_and_files_mean_what_they_mean_elsewhere(gate, tmp_path):
    words = ("--time", "3", "--set", "unsynced=torn", "--mutant", "stale-read", "--seeds", "4,2")
    code, told, _ = gate("raft", "--on", "sim", "--nodes", "3", *words)
    (cell,) = {each["name"] for each in told["confidence"]} | {"all"}
    assert (code, told["planned"], cell) == (0, 2, "all")
    page = next((tmp_path / "campaigns" / "gate").glob("*/campaign.json"))
    (cell,) = json.loads(page.read_text())["cells"]
    assert cell["cell"] == "raft:stale-read sim nodes=3 time=3.0 unsynced=torn"
    (tmp_path / "pr.toml").write_text("[[matrix]]\nsystems=['raft']\nclusters=['sim']\nseeds=2\n")
    code, told, _ = gate("pr.toml")
    assert (code, told["name"], told["planned"]) == (0, "pr-gate", 2)


def test_what_a_job_keeps_can_be_unpacked_elsewhere(gate, tmp_path):
    def answer(spec):
        kind = {"raft": INVALID, "paxos": KILLED}.get(spec.system, VALID)
        sign = signature(0) if kind == INVALID else None
        return Result(kind, ["lost"] if sign else [], sign, error="it hung")

    words = ("raft", "paxos", "multi-paxos", *FLAGS, "--artifacts", "kept")
    for _ in range(2):  # the second takes the place of the first
        code, _, error = gate(*words, answer=answer)
        assert (code, "artifacts     kept" in error) == (1, True)
    kept = (tmp_path / "kept").rename(tmp_path / "elsewhere")
    (tmp_path / "campaigns").rename(tmp_path / "gone")
    files = {"campaign.html", "campaign.json", "gate.json", "junit.xml", "summary.md", "runs"}
    assert {path.name for path in kept.iterdir()} == files
    links = [link for link in links_of(kept / "campaign.html") if link != "data:,"]
    runs = {link.split("/")[1] for link in links}
    assert {name.split("-")[1] for name in runs} == {"raft", "paxos"}
    assert {path.name for path in (kept / "runs").iterdir()} == runs, "those and no others"
    assert (kept / "runs" / min(runs) / "verdict.json").is_file()
    assert f"./runs/{min(runs)}/report.html" in (kept / "junit.xml").read_text()
    for name in ("gate", "campaign"):
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        jsonschema.validate(json.loads((kept / f"{name}.json").read_text()), schema)


@pytest.mark.parametrize("there", ["notes.txt", "junit.xml", "runs"])
def test_artifacts_never_take_the_place_of_anything_else(gate, tmp_path, there):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / there).write_text("mine")
    code, told, error = gate("raft", *FLAGS, "--artifacts", "kept")
    assert (code, told, error.count("\n")) == (2, "", 1)
    assert f"{there} is in it" in error
    assert (tmp_path / "kept" / there).read_text() == "mine"
    assert not (tmp_path / "campaigns").exists(), "it is said before anything is run"


def test_a_baseline_is_written_and_then_known_and_then_fixed(gate, tmp_path):
    path = tmp_path / "ci" / "known.json"
    words = ("raft", "paxos", *FLAGS, "--baseline", path)
    code, told, error = gate(*words, answer=broken("raft"))
    assert (code, told) == (2, "")
    assert "known.json: cannot read the baseline: No such file" in error
    update = ("--update-baseline", "--why", "issue 12", "--expires", "2999-12-31")
    code, told, error = gate(*words, *update, answer=broken("raft"))
    assert (code, [each["state"] for each in told["failures"]]) == (0, ["known"])
    assert "known.json: 1 added, 0 removed, 1 in all" in error
    jsonschema.validate(
        json.loads(path.read_text()), json.loads((SCHEMAS / "baseline.schema.json").read_text())
    )
    code, told, error = gate(*words, answer=broken("raft", "paxos"))
    assert (code, [each["state"] for each in told["failures"]]) == (1, ["known", "new"])
    assert "issue 12 (accepted until 2999-12-31)" in error
    code, told, error = gate(*words)
    assert (code, [each["state"] for each in told["missed"]]) == (0, ["fixed"])
    assert "remove it from the baseline" in error
    code, told, error = gate(*words, "--update-baseline")
    assert (code, json.loads(path.read_text())) == (0, {"known": []})
    assert "0 added, 1 removed, 0 in all" in error


def test_the_first_new_failure_may_end_it_but_a_known_one_does_not(gate, tmp_path):
    path = baseline(tmp_path, known())
    words = ("raft", "paxos", "--on", "sim", "--seeds", "9", "--baseline", path, "--fail-fast")
    code, told, _ = gate(*words, answer=broken("raft"))
    assert (code, told["done"]) == (0, 18)
    code, told, _ = gate(*words, answer=broken("raft", "paxos"))
    assert (code, told["done"]) == (1, 2)


def test_what_was_accepted_for_a_time_fails_after_it(gate, tmp_path):
    path = baseline(tmp_path, known(expires="2020-01-01"))
    words = ("raft", *FLAGS, "--baseline", path)
    code, told, error = gate(*words, answer=broken("raft"))
    assert (code, [each["state"] for each in told["failures"]]) == (1, ["expired"])
    assert "expired failure" in error
    assert "issue 12 (accepted until 2020-01-01)" in error
    code, told, _ = gate(*words, "--update-baseline", answer=broken("raft"))
    (entry,) = json.loads(path.read_text())["known"]
    assert (code, entry["why"], "expires" in entry) == (0, "issue 12", False)


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_tells_what_it_knows(gate, tmp_path, number, times):
    def answer(spec):
        if spec.seed == 3:
            for _ in range(times):
                os.kill(os.getpid(), number)
        return Result(VALID)

    path = baseline(tmp_path, known())
    words = ("--baseline", path, "--update-baseline", "--artifacts", "kept")
    code, told, error = gate("raft", "--on", "sim", "--seeds", "9", *words, answer=answer)
    assert (code, told["result"], told["stopped"]) == (3, "infrastructure", "interrupted")
    assert 2 <= told["done"] < 9
    assert (tmp_path / "kept" / "gate.json").is_file()
    assert json.loads(path.read_text()) == {"known": [known()]}, "half a gate updates nothing"
    assert error.count("ending the trials under way") == 1
    code, told, _ = gate("raft", *FLAGS)
    assert (code, told["done"]) == (0, 3), "the next one begins anew"


def test_a_violation_outweighs_that_it_was_interrupted(gate):
    def answer(spec):
        if spec.seed == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return broken("raft")(spec)

    code, told, _ = gate("raft", *FLAGS, answer=answer)
    assert (code, told["result"], told["stopped"]) == (1, "violation", "interrupted")


def test_a_machine_that_fails_is_another_code_and_what_was_tried_is_said(gate):
    def answer(spec):
        return Result(INFRASTRUCTURE, error="no engine")

    code, told, error = gate("raft", *FLAGS, answer=answer)
    assert (code, told["result"]) == (3, "infrastructure")
    assert error.count("run again     raft sim seed") == 3
    assert "run again     3 trials that could not be run; 3 of them not then either" in error


def test_a_mistake_of_ours_is_no_violation(gate, monkeypatch):
    def opened(*_, **__):
        raise RuntimeError("ours")

    monkeypatch.setattr(session, "opened", opened)
    code, told, error = gate("raft", *FLAGS)
    assert (code, told) == (3, "")
    assert "RuntimeError: ours" in error


def test_github_gets_a_summary_and_annotations(gate, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    path = baseline(tmp_path, known(), known("0000000b", "paxos sim"))
    words = ("raft", "paxos", "multi-paxos", *FLAGS, "--baseline", path)
    code, out, _ = gate(*words, answer=broken("raft", "multi-paxos"), json_wanted=False)
    assert code == 1
    lines = [line for line in out.splitlines() if line.startswith("::")]
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::notice"]
    assert "0000000b in paxos sim" in lines[1]
    text = (tmp_path / "step.md").read_text()
    assert text.startswith("### ❌ gate failed: 1 new failure, besides 1 known one.\n")
    assert "| known | broken 0 (00000000) | 3 of 3 trials | raft sim | issue 12 |" in text
    assert text == next((tmp_path / "campaigns").rglob("summary.md")).read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rft"], "rft"),
        (["raft", "pr.toml"], "expected one FILE.toml or SYSTEMs"),
        (["none.toml"], "none.toml: cannot read"),
        (["pr.toml", "--nemesis", "kill"], "--nemesis: pr.toml says which trials there are"),
        (["pr.toml", "--on", "sim"], "--on: pr.toml says"),
        (["pr.toml", "--seeds", "3"], "--seeds: pr.toml says"),
        (["raft", "--seeds", "x"], "seeds: expected"),
        (["raft", "--seeds", "1,x"], "--seeds: expected"),
        (["raft", "--set", "colour"], "--set colour: expected NAME=VALUE"),
        (["raft", "raft"], "'raft' is in it twice"),
        (["raft", "--update-baseline"], "--update-baseline: needs the file"),
        (["raft", "--why", "x"], "--why: is for --update-baseline"),
        ([*UPDATE, "--expires", "soon"], "--expires: expected a day"),
        ([*UPDATE, "--expires", "2020-01-01"], "--expires 2020-01-01: is over already"),
        (["raft", "--baseline", "bad.json"], "bad.json: not JSON"),
        (["raft", "--artifacts", "bad.json"], "expected a folder, got a file"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(gate, tmp_path, words, said):
    (tmp_path / "pr.toml").write_text("[[matrix]]\nsystems = ['raft']\nclusters = ['sim']\n")
    (tmp_path / "bad.json").write_text("known: []")
    code, told, error = gate(*words)
    assert (code, told) == (2, "")
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "campaigns").exists()


@pytest.mark.parametrize("words", [["--minutes", "0"], ["--seed", "1"], ["--phases", "5:none"], []])
def test_flags_that_are_none_here(gate, words):
    code, told, error = gate(*words)
    assert (code, told) == (2, "")
    assert "Error: " in error


SUITE = """
from duress.fixtures.systems.primary_backup import PrimaryBackupSystem

class Store(PrimaryBackupSystem):
    def __init__(self, cluster, options):
        super().__init__(cluster, {{**options, {bug}}})
"""


def test_a_real_bug_is_found_accepted_and_fixed(tmp_path):
    suite, baseline = tmp_path / "suite.py", tmp_path / "known.json"
    words = ["gate", "two-phase-commit", "suite.py:Store", "--on", "sim", "--seeds", "1-1"]
    words += ["--time", "2", "--interval", "0.7", "--no-shrink", "--json", "--artifacts", "kept"]
    suite.write_text(SUITE.format(bug="'mutant': 'backup-reads'"))
    code, told, error = said_by(*words, folder=tmp_path)
    assert (code, told["result"], told["outcomes"]["valid"]) == (1, "violation", 1), error
    (failure,) = told["failures"]
    run = tmp_path / "kept" / "runs" / failure["run"]
    assert (run / "report.html").is_file()
    update = ["--baseline", baseline, "--update-baseline"]
    code, told, error = said_by(*words, *update, folder=tmp_path)
    assert (code, told["result"]) == (0, "pass"), error
    (entry,) = json.loads(baseline.read_text())["known"]
    assert (entry["signature"], entry["cell"]) == (failure["signature"], failure["cell"])
    suite.write_text(SUITE.format(bug=""))
    code, told, error = said_by(*words, *update[:2], folder=tmp_path)
    assert (code, [each["state"] for each in told["missed"]]) == (0, ["fixed"]), error
