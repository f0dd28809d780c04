"""House rules that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("harness", "workloads", "nemeses", "checkers", "fixtures", "reports")
SOURCES = sorted(p for room in ROOMS for p in (ROOT / room).rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 450, 100
LONGER = {
    # One loop over shared mutable arrays: split up, each part would take twenty parameters,
    # and numba would no longer keep its state in registers.
    ("checkers/isolation/witness_kernel.py", "_run_plain"),
}
FORBIDDEN_NAMES = {"utils", "helpers", "manager", "base", "util", "helper", "common", "misc"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_functions_are_short(path):
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if (str(path.relative_to(ROOT)), node.name) in LONGER:
                continue
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{node.name} has {length} lines"


def test_names_are_such_as_a_newcomer_would_guess():
    assert not [p for p in SOURCES if p.stem in FORBIDDEN_NAMES]


def imported_by(code: str) -> set[str]:
    probe = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import duress",
        "from click.testing import CliRunner; from duress.harness.cli import cli; "
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0",
        "import duress.checkers.linearizability",
        "import duress.harness.trial",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    heavy = {
        "docker",
        "paramiko",
        "scipy",
        "numba",
        "networkx",
        "numpy",
        "aiohttp",
        "pyroute2",
        "psycopg",
    }
    assert not imported_by(code) & heavy


def test_package_folders_are_links_to_the_rooms():
    for room in ROOMS:
        link = ROOT / "src" / "duress" / room
        assert link.is_symlink()
        assert link.resolve() == ROOT / room
