"""The examples of docs/maelstrom.md: each keeps its promise, and its wrong variant is found."""

import shutil
import subprocess

import pytest

from ..ability import needs
from .node_trials import EXAMPLES, run_together

NODE_JS = needs(None if shutil.which("node") else "there is no node")
COMPILER = needs(None if shutil.which("cc") else "there is no cc")

TWICE = {"options": {"duplicate": "0.3", "latency": "uniform:0:5"}}
LOSSY = {"options": {"loss": "0.2"}}
LATE = {"options": {"latency": "constant:10"}, "rate": 100.0}
CUT = {"nemeses": ["partition"], "time_limit_s": 2.5}
CUT_OFF = {**CUT, "options": {"partition-shapes": "services,one"}}
COMMITTED = {"rate": 200.0, "options": {"level": "read-committed", "latency": "uniform:0:20"}}
READS = {**COMMITTED, "time_limit_s": 3.0}

CASES = [
    ("echo", "python/echo.py", "--wrong", "wrong-echo", {}, {}),
    (
        "broadcast",
        "python/broadcast.py",
        "--once",
        ("lost-element", "diverged-element"),
        CUT,
        LOSSY,
    ),
    ("unique-ids", "python/ids.py", "--clock", "duplicated-id", {"rate": 300.0}, {"rate": 300.0}),
    ("g-counter", "python/counter.py", "--shared", "wrong-count", CUT_OFF, {"rate": 40.0}),
    ("txn-list-append", "python/lists.py", "--overwrite", "G", LATE, LATE),
    pytest.param("echo", "javascript/echo.js", "--wrong", "wrong-echo", {}, {}, marks=NODE_JS),
    pytest.param(
        *("g-counter", "javascript/counter.js", "--deltas", "wrong-count", CUT, LOSSY),
        marks=NODE_JS,
    ),
    pytest.param(
        *("pn-counter", "javascript/counter.js", "--deltas", "wrong-count", LOSSY, LOSSY),
        marks=NODE_JS,
    ),
    pytest.param(
        *("kafka", "javascript/logs.js", "--local", "inconsistent-offset", TWICE, {}), marks=NODE_JS
    ),
    pytest.param(
        *("txn-rw-register", "javascript/registers.js", "--piecewise", "G1", COMMITTED, READS),
        marks=NODE_JS,
    ),
    pytest.param("echo", "c/echo", "--wrong", "wrong-echo", {}, {}, marks=COMPILER),
    ("echo", "shell/echo.sh", "--wrong", "unasked-reply", {"rate": 10.0}, {"rate": 10.0}),
]
"""Workload, program, the argument for its mistake and what that must lead to, and the trials."""


def program_of(name, tmp_path):
    if name != "c/echo":
        return EXAMPLES / name
    built = tmp_path / "echo"
    subprocess.run(["cc", "-O2", "-o", str(built), str(EXAMPLES / "c/echo.c")], check=True)
    return built


@pytest.mark.parametrize(("workload", "name", "mistake", "anomaly", "usual", "hard"), CASES)
def test_an_example_keeps_its_promise_and_its_wrong_variant_is_found(
    tmp_path, workload, name, mistake, anomaly, usual, hard
):
    program = program_of(name, tmp_path)
    right, wrong = run_together(
        tmp_path,
        (workload, [program], {"timeout_s": 5.0, **usual}),
        (workload, [program, mistake], hard),
    )
    assert (right.error, right.verdict.valid) == (None, True), right.verdict
    names = {each.name for each in wrong.verdict.anomalies}
    assert wrong.verdict.valid is False
    assert any(each.startswith(anomaly) for each in names), names  # one of them, if several
