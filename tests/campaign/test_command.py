"""``duress campaign`` as a user runs it, and as machines kill it."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

from duress.harness.attempts import AttemptPool
from duress.harness.campaign import plan as plans
from duress.harness.campaign.ledger import FILE, Ledger
from duress.harness.campaign.results import OUTCOMES
from duress.harness.campaign.session import spec_of_cell

from ..command_line import DURESS, duress, said_by
from .ear import listening

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
COUNT = "SELECT count(*) FROM trials WHERE state = 'done'"
SHORT = """
shrink = {shrink}
[limits]
parallel = 2
{more}
[[matrix]]
systems = ["raft", "two-phase-commit"]
clusters = ["sim"]
seeds = {seeds}
flags = {{ time = 2, rate = 40, interval = 0.6, settle = 0.5 }}
[[matrix]]
systems = ["primary-backup"]
mutants = ["primary-reads"]
clusters = ["sim"]
seeds = {seeds}
"""


def write(tmp_path, seeds=2, shrink="false", more=""):
    path = tmp_path / "night.toml"
    path.write_text(SHORT.format(seeds=seeds, shrink=shrink, more=more))
    return path


def only_folder(tmp_path):
    (folder,) = (tmp_path / "c" / "night").iterdir()
    return folder


def expected(path):
    """What each trial gives, run by itself."""
    trials = list(plans.trials(plans.read(path), spec_of_cell))
    with AttemptPool() as pool:
        outcomes = [each.outcome for each in pool.run(trial.spec for trial in trials)]
    return {trial.number: outcome for trial, outcome in zip(trials, outcomes, strict=True)}


def found(folder):
    ledger = Ledger(folder / FILE)
    rows = {row["number"]: row["outcome"] for row in ledger.details(OUTCOMES)}
    counts = (ledger.planned, ledger.count("done"), sum(ledger.outcomes().values()))
    ledger.close()
    return rows, counts


def rows_as_expected(path, folder, seeds):
    """Every trial is counted once, and as when it is run by itself; how each ended."""
    rows, counts = found(folder)
    assert counts == (3 * seeds, 3 * seeds, 3 * seeds)
    assert rows == expected(path)
    return rows


def killed_in_the_middle(path, tmp_path, after):
    """Run it, and kill -9 it when ``after`` more trials are done."""
    words = [*DURESS, "campaign", str(path), "--folder", str(tmp_path / "c"), "--quiet"]
    harness = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        first, deadline = None, time.monotonic() + 200 + 10 * after
        while time.monotonic() < deadline:
            files = list((tmp_path / "c" / "night").glob(f"*/{FILE}"))
            if files:
                with sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True) as file:
                    (done,) = file.execute(COUNT).fetchone()
                file.close()
                first = done if first is None else first
                if done >= first + after:
                    return
            time.sleep(0.05)
        raise AssertionError("nothing was done")
    finally:
        os.kill(harness.pid, signal.SIGKILL)
        harness.wait()


def killed_three_times(tmp_path, seeds, after):
    path = write(tmp_path, seeds=seeds)
    for _ in range(3):
        killed_in_the_middle(path, tmp_path, after)
    code, said, error = said_by(
        *("campaign", path, "--folder", tmp_path / "c", "--json"), limit_s=8000
    )
    assert code == 1, error
    folder = only_folder(tmp_path)
    rows = rows_as_expected(path, folder, seeds)
    assert said["sessions"] == 4
    assert said["outcomes"]["invalid"] == list(rows.values()).count("invalid") > 0
    # Nothing is left that nobody counts: every run folder belongs to a trial that is done.
    kept = {path.name for path in (folder / "runs").iterdir() if path.is_dir()}
    with sqlite3.connect(folder / FILE) as file:
        known = {name for (name,) in file.execute("SELECT run FROM trials WHERE run NOT NULL")}
    file.close()
    assert kept == known


def test_killed_three_times_it_ends_with_the_right_table(tmp_path):
    killed_three_times(tmp_path, seeds=4, after=2)


@pytest.mark.soak
@pytest.mark.timeout(9000)
def test_a_thousand_trials_killed_three_times(tmp_path):
    killed_three_times(tmp_path, seeds=334, after=200)


def test_a_failure_is_shrunk_told_and_shown_and_known_the_next_night(tmp_path):
    note = tmp_path / "note.json"
    with listening() as (address, heard):
        hooks = f"[hooks]\ncommand = ['tee', '{note}']\nwebhook = '{address}'"
        path = write(tmp_path, seeds=1, shrink="true\nshrink_minutes = 0.3", more=hooks)
        words = ("campaign", path, "--folder", tmp_path / "c", "--json")
        code, said, error = said_by(*words)
    assert code == 1, error
    (failure,) = said["failures"]
    assert failure["state"] == "new"
    assert failure["shrunk"]
    folder = only_folder(tmp_path)
    assert (folder / "runs" / failure["shrunk"] / "report.html").is_file()
    (told,) = heard
    assert told == json.loads(note.read_text())
    jsonschema.validate(told, json.loads((SCHEMAS / "notice.schema.json").read_text()))
    assert (told["signature"], told["seed"], told["system"]) == (
        *(failure["signature"], 1),
        "primary-backup",
    )
    assert told["report"].endswith(f"{failure['shrunk']}/report.html")
    page = (folder / "campaign.html").read_text()
    assert f'href="runs/{failure["shrunk"]}/report.html"' in page
    suite = ElementTree.parse(folder / "junit.xml").getroot().find("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    time.sleep(1.1)  # folders are named by the second
    write(tmp_path, seeds=1)  # the same trials, with nobody to be told
    code, said, error = said_by(*words)
    assert code == 1, error
    assert [each["state"] for each in said["failures"]] == ["known"]
    assert said["before"] == str(folder)
    assert len(list((tmp_path / "c" / "night").iterdir())) == 2


def test_a_trial_that_takes_too_long_is_killed_and_the_others_go_on(tmp_path):
    path = tmp_path / "night.toml"
    path.write_text(
        "[limits]\nminutes = 0.25\nparallel = 2\n"
        "[[matrix]]\nsystems = ['raft']\nclusters = ['sim']\n"
        "flags = { time = 100000, rate = 100 }\n"
        "[[matrix]]\nsystems = ['two-phase-commit']\nclusters = ['sim']\n"
        "flags = { time = 2, interval = 0.5 }\n"
    )
    code, said, error = said_by("campaign", path, "--folder", tmp_path / "c", "--json")
    assert code == 3, error
    assert (said["outcomes"]["killed"], said["outcomes"]["valid"]) == (1, 1)
    ledger = Ledger(only_folder(tmp_path) / FILE)
    (row,) = ledger.details(["killed"])
    ledger.close()
    assert row["error"] == "killed after 0.25 minutes"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[matrix]]\nsystems = ['rft']\n", "rft"),
        ("[[matrix]]\nsystems = ['raft']\nworkloads = ['x']\n", "raft x"),
        ("[[matrix]]\nsystems = ['raft']\nsettings = { colour = 'red' }\n", "colour"),
        ("matrix = 3\n", "matrix"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(tmp_path, text, said):
    path = tmp_path / "night.toml"
    path.write_text(text)
    done = duress("campaign", path, "--folder", tmp_path / "c")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "c").exists()
