"""What a report says of the trial itself: the planted bug, how to go on, and its smaller twin."""

import json
import shlex
import shutil

import msgspec
import pytest
from click.testing import CliRunner

from duress.harness.cli import cli
from duress.harness.cli.one_trial import replay_command
from duress.harness.spec import TrialSpec
from duress.reports import about_trial, html, run_folder, shrunk

from . import kinds


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    return kinds.commit(tmp_path_factory.mktemp("store") / "20260101T000000-failing")


def test_the_planted_bug_is_told_by_its_own_documentation(failing):
    about = about_trial.about_mutant(run_folder.load(failing))
    assert about is not None
    assert (about["name"], about["anomaly"]) == ("no-coordinator-log", "AC1-agreement")
    assert len(about["text"]) > 80
    assert "two-phase" in about_trial.about(run_folder.load(failing), "systems").lower()


def test_a_run_from_elsewhere_makes_nothing_load(failing, tmp_path):
    """A system may be named as a file of code; a report must not run what a folder names."""
    code = tmp_path / "code.py"
    code.write_text("raise SystemExit('was run')")
    run = run_folder.load(failing)
    run.spec.update({"system": f"{code}:Name", "workload": f"{code}:Name"})
    assert about_trial.about_mutant(run) is None
    assert about_trial.about(run, "systems") == about_trial.about(run, "workloads") == ""


def test_the_commands_work_when_pasted(failing, tmp_path, monkeypatch):
    monkeypatch.chdir(failing.parent)
    told = dict(about_trial.commands(run_folder.load(failing)))
    assert len(told) == 5
    for purpose, text in told.items():
        if purpose.startswith("Run it from its settings"):
            continue  # this folder was made by a test; see below
        program, command, *arguments = shlex.split(text)
        assert program == "duress"
        if command in ("replay", "shrink", "run"):
            arguments += ["--store", str(tmp_path / command), "--quiet"]
        if command == "shrink":
            arguments += ["--budget-trials", "2", "--jobs", "1"]
        result = CliRunner().invoke(cli, [command, *arguments], standalone_mode=False)
        assert result.return_value == 1, (text, result.output)  # invalid, as it was


def test_what_a_hunt_drew_for_other_nemeses_is_no_flag_of_its_command(failing):
    spec = msgspec.json.decode((failing / "trial.json").read_bytes(), type=TrialSpec)
    drawn = {**spec.options, "partition-shapes": "one", "kill-targets": "one"}
    command = replay_command(msgspec.structs.replace(spec, options=drawn, nemeses=["kill"]))
    assert "partition-shapes" not in command
    assert "--set kill-targets=one" in command


def test_paths_outside_of_here_are_told_in_full(failing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = shlex.quote(str(failing.resolve()))
    told = [text for _, text in about_trial.commands(run_folder.load(failing))]
    assert f"duress replay {folder}" in told


def test_a_shrunk_run_and_the_one_before_tell_of_each_other(failing, tmp_path):
    store = tmp_path / "store"
    large, small = store / "20260101T000000-large", store / "20260101T000001-small"
    for folder in (large, small):
        shutil.copytree(failing, folder)
    (large / "shrunk.json").write_text(json.dumps({"run": small.name}))
    spec = json.loads((small / "trial.json").read_text())
    (small / "trial.json").write_text(json.dumps({**spec, "shrunk_from": large.name}))
    found = shrunk.smaller(run_folder.load(large))
    assert found is not None
    assert found["href"] == f"../{small.name}/report.html"
    assert found["steps"][-1]["kind"] == "instead"
    assert "In short: the smallest trial" in html.page(run_folder.load(large))
    assert f"../{large.name}/report.html" in html.page(run_folder.load(small))
    shutil.rmtree(small)
    assert shrunk.smaller(run_folder.load(large)) is None
    assert "In short" not in html.page(run_folder.load(large))


@pytest.mark.parametrize("name", ["../elsewhere", "", "a/b", ".", 5, None, "x" * 400, "-rf"])
def test_only_a_run_of_the_same_store_is_read(failing, tmp_path, name):
    folder = tmp_path / "store" / "run"
    shutil.copytree(failing, folder)
    shutil.copytree(failing, tmp_path / "elsewhere")
    (folder / "shrunk.json").write_text(json.dumps({"run": name}))
    run = run_folder.load(folder)
    run.spec["shrunk_from"] = name
    assert shrunk.smaller(run) is None
    assert shrunk.larger(run) is None


def test_shrinking_links_both_reports(failing, tmp_path):
    folder = tmp_path / "store" / failing.name
    shutil.copytree(failing, folder)
    arguments = ["shrink", str(folder), "--store", str(folder.parent), "--quiet"]
    arguments += ["--budget-trials", "2", "--jobs", "1"]
    assert CliRunner().invoke(cli, arguments, standalone_mode=False).return_value == 1
    small = json.loads((folder / "shrunk.json").read_text())["run"]
    assert f"../{small}/report.html" in (folder / "report.html").read_text()
    assert f"../{folder.name}/report.html" in (folder.parent / small / "report.html").read_text()
