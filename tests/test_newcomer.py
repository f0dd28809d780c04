"""What a newcomer does: ``duress init`` and the example of the tutorial, as they would run them."""

import subprocess
import sys
from pathlib import Path

import pytest

from .command_line import duress, said_by

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "pocket-store"


def trial(*arguments, folder, store):
    return said_by("run", *arguments, "--json", "--store", store, folder=folder)


@pytest.fixture
def suite(tmp_path):
    done = duress("init", "my-store", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "duress run suite.py:MyStore" in done.stdout
    return tmp_path / "my-store"


def test_a_new_suite_has_all_its_parts_and_is_tidy(suite):
    files = sorted(str(path.relative_to(suite)) for path in suite.rglob("*") if path.is_file())
    assert files == [
        ".github/workflows/duress.yml",
        "README.md",
        "server.py",
        "suite.py",
        "workload.py",
    ]
    for name in files:
        text = (suite / name).read_text()
        assert "__NAME__" not in text
        assert "__CLASS__" not in text
    check = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,W,I"]
    length = ["--line-length", "100"]
    assert subprocess.run([*check, *length, str(suite)], check=False).returncode == 0


def test_nothing_is_overwritten(suite):
    (suite / "suite.py").write_text("mine")
    done = duress("init", "my-store", folder=suite.parent)
    assert done.returncode == 2
    assert done.stderr.strip() == "duress: init: my-store/suite.py is there already; " + (
        "nothing was written"
    )
    assert (suite / "suite.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["My-Store", "my_store", "../x", "", "3d", "a--b"])
def test_a_name_must_be_one(name, tmp_path):
    done = duress("init", name, folder=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


# Every kind of fault surely comes: of all partitions, some need more nodes or another primary.
POSSIBLE = ("--set", "partition-shapes=halves,one,one-way")
OFTEN = ("--time", 6, "--interval", 0.8, "--seed", 3, *POSSIBLE)


@pytest.mark.local
def test_a_new_suite_runs_at_once(suite, tmp_path):
    code, told, error = trial("suite.py:MyStore", *OFTEN, folder=suite, store=tmp_path / "r")
    assert (code, told["outcome"]) == (0, "valid"), error


@pytest.mark.soak
@pytest.mark.local
def test_so_does_its_workload(suite, tmp_path):
    flags = ("--workload", "workload.py:Registers", *OFTEN)
    code, told, error = trial("suite.py:MyStore", *flags, folder=suite, store=tmp_path / "r")
    assert (code, told["outcome"]) == (0, "valid"), error
    assert "client raised" not in error


@pytest.mark.local
def test_the_store_of_the_tutorial_is_right_in_the_end(tmp_path):
    flags = ("suite.py:PocketStore", "--time", 8, "--interval", 1.5, "--seed", 1, *POSSIBLE)
    code, told, error = trial(*flags, folder=EXAMPLE, store=tmp_path)
    assert (code, told["outcome"]) == (0, "valid"), error


@pytest.mark.local
@pytest.mark.parametrize(
    "flags",
    [
        ("--set", "log=false", "--nemesis", "kill", "--set", "kill-targets=primaries"),
        ("--set", "reads=local", "--nemesis", "partition", "--set", "partition-shapes=one"),
    ],
    ids=["without-a-log", "with-local-reads"],
)
def test_its_mistakes_on_the_way_are_found(flags, tmp_path):
    code, told, error = trial(
        *("suite.py:PocketStore", "--time", 10, "--interval", 1.5, "--trials", 3),
        *flags,
        folder=EXAMPLE,
        store=tmp_path,
    )
    assert (code, told["outcome"]) == (1, "invalid"), error
