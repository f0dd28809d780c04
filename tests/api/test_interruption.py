"""Programs that are asked to end while a trial of theirs runs, or that have no guard."""

import contextlib
import json
import signal
import subprocess
import sys
import time

import pytest

PLAIN = """
import sys, duress
try:
    duress.run("raft", on="sim", time=100_000, seed=1, store=sys.argv[1])
except KeyboardInterrupt as interrupted:
    print(type(interrupted).__name__, interrupted.folder)
"""

IN_LOOP = """
import asyncio, sys, duress
async def notebook():
    try:
        duress.run("raft", on="sim", time=100_000, seed=1, store=sys.argv[1])
    except KeyboardInterrupt as interrupted:
        print(type(interrupted).__name__, interrupted.folder)
asyncio.run(notebook())
"""

WITHOUT_GUARD = """
import sys, duress
print("begins")
hunted = duress.hunt("raft", mutant="stale-read", seed=7, time=3, jobs=2, budget_trials=20,
                     strategy="default", store=sys.argv[1])
print(hunted.found.outcome)
"""


GATE = """
import sys, duress
plan = duress.Plan(
    name="short",
    matrix=[duress.Matrix(systems=["raft"], clusters=["sim"], seeds=10_000, flags={"time": 2})],
)
try:
    duress.gate(plan, folder=sys.argv[1], artifacts=sys.argv[1] + "/kept",
                progress=lambda planned, result: print("one is over", flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""


@contextlib.contextmanager
def started(program, store):
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(store)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_history(store, limit_s=120):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if any(path.stat().st_size > 10_000 for path in store.glob("2*/history.jsonl")):
            return
        time.sleep(0.05)
    raise AssertionError("the trial did not begin")


@pytest.mark.parametrize("program", [PLAIN, IN_LOOP], ids=["plain", "in-loop"])
def test_ctrl_c_keeps_what_was_recorded(program, tmp_path):
    with started(program, tmp_path) as process:
        wait_for_history(tmp_path)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    name, folder = said.split()
    assert name == "Interrupted"
    run = next(tmp_path.glob("2*"))
    assert folder == str(run)
    assert json.loads((run / "trial.json").read_bytes())["outcome"] == "interrupted"
    assert (run / "report.html").is_file()


def test_a_program_that_is_ended_heals_first(tmp_path):
    with started(PLAIN, tmp_path) as process:
        wait_for_history(tmp_path)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGTERM
    run = next(tmp_path.glob("2*"))
    assert json.loads((run / "trial.json").read_bytes())["outcome"] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"])
def test_an_interrupted_gate_keeps_its_report(number, tmp_path):
    with started(GATE, tmp_path) as process:
        assert process.stdout.readline() == "one is over\n"
        process.send_signal(number)
        said, _ = process.communicate(timeout=120)
    if number == signal.SIGINT:
        assert said.splitlines()[-1] == "interrupted"
    else:
        assert process.returncode == -signal.SIGTERM
    told = json.loads((tmp_path / "kept" / "gate.json").read_bytes())
    assert (told["result"], told["stopped"]) == ("infrastructure", "interrupted")
    assert told["done"] >= 1
    assert next(tmp_path.glob("short-gate/*/campaign.html")).is_file()


def test_a_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WITHOUT_GUARD)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "runs")],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.stdout.split() == ["begins", "invalid"], done.stderr


SUITE = """
import duress
from duress.fixtures.systems.raft import RaftSystem
class Mine(RaftSystem):
    pass
duress.run(Mine, on="sim", time=1)
"""


def test_but_a_file_with_a_system_does(tmp_path, monkeypatch):
    import duress

    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite.py").write_text(SUITE)
    with pytest.raises(duress.UserError, match=r'put that below if __name__ == "__main__":'):
        duress.run(f"{tmp_path}/suite.py:Mine", on="sim", store=tmp_path)
    assert not list(tmp_path.glob("runs"))


@pytest.mark.local
def test_trials_in_namespaces_have_a_process_of_their_own(tmp_path):
    import duress

    trial = duress.run(
        "raft", on="local", nemesis="partition", time=4, interval=1, seed=3, store=tmp_path
    )
    assert trial.valid, trial.story()
    assert trial.report.is_file()
