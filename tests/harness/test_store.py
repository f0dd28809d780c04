import subprocess
import sys

import pytest

from duress.harness import store
from duress.harness.errors import UserError


def test_a_new_run_is_the_latest(tmp_path):
    first = store.create(tmp_path, "raft")
    second = store.create(tmp_path, "raft")
    assert first.path != second.path
    assert (tmp_path / "latest").resolve() == second.path


def test_json_is_replaced_atomically_and_read_back(tmp_path):
    run = store.create(tmp_path, "x")
    run.write_json("trial.json", {"a": 1})
    run.write_json("trial.json", {"a": [2]})
    assert run.read_json("trial.json") == {"a": [2]}
    assert [p.name for p in run.path.iterdir() if p.name.startswith(".")] == []


def test_finds_runs_by_path_latest_and_prefix(tmp_path):
    run = store.create(tmp_path, "raft")
    run.write_json("trial.json", {})
    for reference in (str(run.path), "latest", run.id, run.id[:-2]):
        assert store.find(reference, tmp_path).path == run.path
    with pytest.raises(UserError, match="was not found"):
        store.find("nonesuch", tmp_path)
    store.create(tmp_path, "raft").write_json("trial.json", {})
    with pytest.raises(UserError, match="is ambiguous"):
        store.find("2", tmp_path)


def test_unreadable_json_is_the_users_error_with_the_path(tmp_path):
    run = store.create(tmp_path, "x")
    run.file("trial.json").write_text("{")
    with pytest.raises(UserError, match=r"trial\.json"):
        run.read_json("trial.json")
    with pytest.raises(UserError, match=r"is .* a run folder"):
        run.read_json("verdict.json")


def test_lines_survive_a_kill_9(tmp_path):
    """Every line that was written before SIGKILL is whole; none is held back in memory."""
    path = tmp_path / "lines"
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from duress.harness.store import LineFile\n"
        "f = LineFile(Path(sys.argv[1]))\n"
        "for i in range(1000): f.write(b'%d\\n' % i)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_bytes().splitlines() == [b"%d" % i for i in range(1000)]


def test_a_store_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot make the run folder"):
        store.create(tmp_path / "file", "x")


def test_closing_twice_is_fine(tmp_path):
    lines = store.LineFile(tmp_path / "l")
    lines.write(b"x\n")
    lines.close()
    lines.close()
    assert (tmp_path / "l").stat().st_size == 2
