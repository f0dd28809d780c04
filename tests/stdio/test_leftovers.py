"""What is left when a harness is killed: nothing, once ``duress clean`` was called."""

import os
import signal
import subprocess
import time
from pathlib import Path

from duress.harness.cluster import pids
from duress.harness.stdio import leftovers

from ..command_line import DURESS
from .node_trials import EXAMPLES

TREE = """#!/bin/sh
sleep 1000 &
exec python3 {echo}
"""


def marked(folder):
    """The processes of programs whose folder is below this one, by command."""
    found = {}
    for seen in pids.members(pids.namespace(os.getpid())):
        try:
            place = str(Path(f"/proc/{seen.pid}/cwd").readlink())
        except OSError:
            continue
        if place.startswith(str(folder)) and leftovers._mark(seen.pid):
            found.setdefault(seen.command, []).append(seen)
    return found


def until(condition, limit_s=60):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_killed_harness_takes_its_programs_along_and_clean_the_rest(tmp_path):
    program = tmp_path / "tree.sh"
    program.write_text(TREE.format(echo=EXAMPLES / "python/echo.py"))
    program.chmod(0o755)
    words = ["run", "echo", "--node", program, "--node-count", "2", "--store", tmp_path / "runs"]
    with (tmp_path / "out").open("wb") as out:
        trial = subprocess.Popen([*DURESS, *map(str, words)], stdout=out, stderr=out)
    try:
        until(lambda: set(marked(tmp_path)) >= {"python3", "sleep"})
        # They belong to a harness that lives, and are left alone.
        ours = {seen.pid for group in marked(tmp_path).values() for seen in group}
        assert not any(f"process {pid} " in line for pid in ours for line in leftovers.clean())
        trial.send_signal(signal.SIGKILL)
        trial.wait()
        until(lambda: "python3" not in marked(tmp_path))
        until(lambda: not [leftovers.clean(), marked(tmp_path)][1])
    finally:
        trial.kill()
        trial.wait()
