import subprocess
import sys

import pytest

from duress.harness import store
from duress.harness.errors import InfrastructureError, UserError
from duress.harness.formats import jsonl


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


@pytest.mark.parametrize("kind", ["LineFile", "HistoryWriter"])
def test_a_line_that_finds_no_room_is_left_out_as_a_whole(tmp_path, kind):
    """The file may become 1000 bytes long, which is in the midst of a line."""
    path = tmp_path / "lines"
    code = (
        "import resource, signal, sys\nfrom pathlib import Path\n"
        "from duress.harness.errors import InfrastructureError\n"
        "from duress.harness.formats.jsonl import HistoryWriter, write_line\n"
        "from duress.harness.operation import Operation\n"
        "from duress.harness.store import LineFile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"f = {kind}(Path(sys.argv[1]))\n"
        "write = f.append if hasattr(f, 'append') else lambda o: f.write(write_line(o))\n"
        "for i in range(100):\n"
        "    try: write(Operation(i, i, i, 'invoke', 'read'))\n"
        "    except InfrastructureError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True
    )
    assert "File too large" in done.stdout.splitlines()[0]
    content = path.read_bytes()
    assert 900 < len(content) <= 1000
    assert content.endswith(b"\n")
    assert len(jsonl.read(path).history) == len(content.splitlines())


def test_a_file_that_finds_no_room_is_an_infrastructure_error(tmp_path, monkeypatch):
    run = store.RunFolder(tmp_path)
    run.write_json("trial.json", {"a": 1})

    def no_room(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.Path, "write_bytes", no_room)
    with pytest.raises(InfrastructureError, match=r"trial\.json: cannot write: No space left"):
        run.write_json("trial.json", {"a": 2})
    monkeypatch.undo()
    assert run.read_json("trial.json") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["trial.json"]
