"""What ``docs/python.md`` shows is what happens, and the example of ``docs/pytest.md`` passes."""

import contextlib
import io
import re
import shutil
from pathlib import Path

import duress
from duress.harness.cli import COMMANDS

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
PYTHON, PYTEST = ((ROOT / "docs" / f"{name}.md").read_text() for name in ("python", "pytest"))
EXAMPLE = ROOT / "examples" / "pytest"


def shown(text):
    """Blocks of Python, each with what stands below it as what it prints."""
    return re.findall(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", text, re.DOTALL)


def test_every_block_runs_and_prints_what_stands_below_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    blocks = shown(PYTHON)
    assert len(blocks) >= 7
    for code, printed in blocks:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, "docs/python.md", "exec"), names)
        assert said.getvalue() == printed, code


def test_every_command_has_its_row_and_every_function_is_told_of():
    for name in COMMANDS:
        assert f"| `duress {name}` |" in PYTHON, name
    functions = {name for name in dir(duress) if callable(getattr(duress, name))}
    functions -= {name for name in functions if not name.islower() or name.startswith("_")}
    assert [name for name in sorted(functions) if f"{name}(" not in PYTHON] == []


def test_the_example_passes(pytester):
    for path in (*EXAMPLE.glob("*.py"), *EXAMPLE.glob("*.ini")):
        shutil.copy(path, pytester.path)
    chosen = "partitions_and_kills or for_a_while or caught"
    done = pytester.runpytest_subprocess(
        "-q", "-p", "no:cacheprovider", "-W", "error", "-k", chosen
    )
    done.assert_outcomes(passed=3, deselected=12)


def test_the_page_shows_the_example_and_every_flag(pytester):
    test = (EXAMPLE / "test_majority_register.py").read_text()
    for code, _ in shown(PYTEST):
        if "majority" in code:
            assert code.strip() in test
    helped = pytester.runpytest_subprocess("--help").stdout.str()
    flags = set(re.findall(r"--duress-\w+", helped))
    assert len(flags) == 6
    assert [flag for flag in sorted(flags) if f"`{flag}" not in PYTEST] == []
