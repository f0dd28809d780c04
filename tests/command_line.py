"""The command, as a user runs it, in a process of its own."""

import json
import subprocess
import sys

DURESS = [sys.executable, "-c", "from duress.harness.cli import main; main()"]


def duress(*arguments, limit_s=200, folder=None):
    """What came of it: ``returncode``, ``stdout`` and ``stderr``, as text."""
    return subprocess.run(
        [*DURESS, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )


def said_by(*arguments, limit_s=200, folder=None):
    """Exit code, what it printed as JSON (``None``: nothing), and standard error."""
    done = duress(*arguments, limit_s=limit_s, folder=folder)
    return done.returncode, json.loads(done.stdout or "null"), done.stderr


def told_by(*arguments, store, limit_s=300):
    """Exit code and what it printed as JSON, with its run folders in ``store``."""
    code, told, error = said_by(*arguments, "--json", "--store", store, limit_s=limit_s)
    assert told is not None, error
    return code, told
