"""The workflows for CI in ``examples/ci``: they are what they should be, and their commands run."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from duress.harness.campaign import session
from duress.harness.campaign.results import INVALID, Result
from duress.harness.campaign.summary import KNOWN, summary_of

from .campaign.made import Executor, run, signature
from .command_line import duress

CI = Path(__file__).parents[1] / "examples" / "ci"
GITHUB = sorted((CI / "github").glob("*.yml"))
GITLAB = CI / "gitlab" / "gitlab-ci.yml"
RULES = "{extends: default, rules: {document-start: disable, truthy: {check-keys: false}, "
RULES += "line-length: {max: 100}}}"


def linted(*words):
    """Exit code and what a program of the environment of Python said."""
    program = Path(sys.executable).with_name(words[0])
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_workflows_for_github_are_such():
    code, said = linted("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *GITHUB)
    assert code == 0, said


def test_the_pipeline_for_gitlab_is_one():
    words = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", GITLAB)
    code, said = linted("check-jsonschema", *words)
    assert code == 0, said


def test_they_are_tidy_yaml():
    code, said = linted("yamllint", "--strict", "--config-data", RULES, CI)
    assert code == 0, said


def test_a_mistake_would_be_seen(tmp_path):
    path = tmp_path / "gate.yml"
    path.write_text(GITHUB[0].read_text().replace("runs-on:", "run-on:"))
    code, said = linted("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)
    assert (code, "runs-on" in said) == (1, True)


def commands():
    for path in GITHUB:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            for step in job["steps"]:
                if "run" in step:
                    yield path.name, step["run"]
    for name, job in yaml.safe_load(GITLAB.read_text()).items():
        for part in ("before_script", "script"):
            for line in job.get(part, []):
                yield f"{GITLAB.name} {name}", line


def test_each_tries_or_runs_something():
    found = {(where, line.split()[1]) for where, line in commands() if line.startswith("duress ")}
    assert found == {
        ("gate.yml", "gate"),
        ("nightly.yml", "campaign"),
        ("gitlab-ci.yml duress gate", "gate"),
        ("gitlab-ci.yml duress nightly", "campaign"),
    }


@pytest.mark.parametrize("command", sorted({line for _, line in commands()}))
def test_every_command_does_what_it_should(tmp_path, command):
    parsed = subprocess.run(["bash", "-n", "-c", command], capture_output=True, text=True)
    assert parsed.returncode == 0, parsed.stderr
    if not command.startswith("duress "):
        known = ("pip install duress", "sudo sysctl ", "sudo apt-get update", "apt-get update")
        assert command.startswith((*known, "(mkdir -p campaigns/nightly"))
        return
    shutil.copytree(CI, tmp_path / "ci")
    for path in (tmp_path / "ci").glob("*.toml"):  # one short trial of each cell
        text = re.sub(r"seeds = \d+", "seeds = 1", path.read_text())
        path.write_text(re.sub(r"time = \d+", "time = 2, interval = 0.7", text))
    done = duress(*shlex.split(command)[1:], "--json", "--minutes", "5", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["done"] == told["planned"] == told["outcomes"]["valid"] > 1
    if " gate " in command:
        assert (tmp_path / "duress-gate" / "junit.xml").is_file()


def test_old_ledgers_are_forgotten(tmp_path):
    (command,) = {line for _, line in commands() if line.startswith("(mkdir")}
    for times in (0, 25):
        for number in range(times):
            (tmp_path / "campaigns" / "nightly" / f"20260301T0000{number:02d}").mkdir()
        subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], cwd=tmp_path, check=True)
    left = sorted(path.name for path in (tmp_path / "campaigns" / "nightly").iterdir())
    assert left == [f"20260301T0000{number:02d}" for number in range(5, 25)]


def test_the_last_night_is_known_by_its_ledger_alone(tmp_path):
    """What the workflows keep from night to night."""

    def broken(spec):
        return Result(INVALID, ["lost"], signature(1))

    for night in ("1", "2"):
        _, ledger, _ = run(tmp_path / night, Executor(broken, slots=1))
        if night == "1":
            ledger.close()
            shutil.rmtree(tmp_path / night / "runs")
    (before,) = session.earlier_ones(tmp_path / "2")
    assert [each.state for each in summary_of(ledger, before).failures] == [KNOWN]
    before.close()
    ledger.close()
