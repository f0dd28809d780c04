"""``duress check`` as a user meets it: formats, models, verdicts, exit codes, errors."""

import csv
import gzip
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from duress.checkers.linearizability import Linearizable
from duress.checkers.linearizability.models import ALIASES, MODELS, model_named
from duress.harness import registry
from duress.harness.cli import cli
from duress.harness.errors import UserError
from duress.harness.formats import load

SHARED = Path(__file__).parents[3] / "shared" / "histories"

GOOD = """\
{"process":0,"type":"invoke","f":"write","value":1,"time":1}
{"process":0,"type":"ok","f":"write","value":1,"time":2}
{"process":1,"type":"invoke","f":"read","time":3}
{"process":1,"type":"ok","f":"read","value":1,"time":4}
"""
STALE = GOOD.replace('"f":"read","value":1', '"f":"read","value":2')
TORN = GOOD.replace('"type":"ok","f":"write","value":1', '"type":"ok","f":')

LAMP = '''
class Lamp:
    """A lamp with a switch."""

    initial = False

    def step(self, state, operation):
        if operation.f == "toggle":
            return not state
        return state if operation.value == state else None


class Broken:
    initial = 0

    def step(self, state, operation):
        return state.nothing
'''
SEEN = """\
{"process":0,"type":"invoke","f":"toggle","time":1}
{"process":0,"type":"ok","f":"toggle","time":2}
{"process":1,"type":"invoke","f":"look","time":3}
{"process":1,"type":"ok","f":"look","value":true,"time":4}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"good": GOOD, "stale": STALE, "torn": TORN, "lamp": SEEN}.items():
        Path(f"{name}.jsonl").write_text(text)
    Path("lamp.py").write_text(LAMP)


def check(*arguments):
    """Exit code, standard output and the error's text, as ``main`` would give them."""
    done = CliRunner().invoke(cli, ["check", *map(str, arguments)], standalone_mode=False)
    if isinstance(done.exception, UserError):
        return 2, done.stdout, str(done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.return_value or 0, done.stdout, done.stderr


def as_json(*arguments):
    code, out, _ = check(*arguments, "--json")
    return code, json.loads(out)


def test_a_valid_history():
    code, out, _ = check("good.jsonl")
    assert code == 0
    lines = out.splitlines()
    assert lines[1] == "✓ VALID  Nothing in good.jsonl contradicts the model cas-register."
    assert re.fullmatch(r"  judged +2 operations in [\d.]+ \S+, by unique-value zones", lines[3])


def test_a_violation_is_told_with_its_operations():
    code, out, _ = check("stale.jsonl", "--model", "register")
    assert code == 1
    assert "✗ INVALID  stale.jsonl broke linearizability." in out
    assert "process 1 read and got 2" in out
    assert "∴ The system answered 2 to process 1's read, but nothing ever wrote that" in out
    assert "  evidence      operations 2\n" in out


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("no_color", "expected"), [("", "\x1b[1;31m✗ INVALID"), ("1", "\x1b[1m✗ INVALID")]
)
def test_colours_are_for_terminals_that_want_them(monkeypatch, no_color, expected):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", no_color)
    told = load("stale.jsonl")
    verdict = Linearizable().check(told.history, {})
    terminal = registry.load("reports", "terminal")
    for stream, start in ((Terminal(), expected), (io.StringIO(), "✗ INVALID")):
        terminal.tell_file("stale.jsonl", told.history, verdict, 0.1, "register", [], stream)
        assert stream.getvalue().lstrip("\r\n").startswith(start)
        assert ("\x1b" in stream.getvalue()) == stream.isatty()
        stream.truncate(stream.seek(0))
        terminal.tell_row("stale.jsonl", verdict, 0.1, "", stream)
        assert stream.getvalue().startswith(start)


def test_json_of_one_file_is_an_object():
    code, found = as_json("stale.jsonl")
    assert code == 1
    assert found.pop("seconds") > 0
    assert found == {
        "file": "stale.jsonl",
        "valid": False,
        "algorithm": "unique-value zones",
        "operations": 2,
        "keys": 1,
        "counterexample": [2],
        "anomalies": {"nonlinearizable": 1},
    }


def test_several_files_are_a_table_and_an_array():
    code, out, _ = check("good.jsonl", "stale.jsonl", "good.jsonl")
    assert code == 1
    states = [line[:12].rstrip() for line in out.splitlines()[:3]]
    assert states == ["✓ VALID", "✗ INVALID", "✓ VALID"]
    assert out.splitlines()[-1] == "3 files: 1 invalid, 2 valid"
    code, found = as_json("good.jsonl", "stale.jsonl")
    assert [each["valid"] for each in found] == [True, False]


def test_a_malformed_file_is_one_line_with_its_number():
    code, out, error = check("torn.jsonl")
    assert (code, out) == (2, "")
    assert error.startswith("torn.jsonl:2: ")
    assert "\n" not in error
    code, out, _ = check("torn.jsonl", "good.jsonl")
    assert code == 2
    assert "✗ ERROR     torn.jsonl:2: " in out
    assert "✓ VALID     good.jsonl" in out
    code, found = as_json("good.jsonl", "torn.jsonl")
    assert code == 2
    assert found[1]["valid"] is None
    assert found[1]["error"].startswith("torn.jsonl:2: ")


def test_gzip_is_read_as_it_is():
    Path("stale.jsonl.gz").write_bytes(gzip.compress(STALE.encode()))
    assert as_json("stale.jsonl.gz")[1]["counterexample"] == [2]


def test_the_initial_value_is_json():
    rows = GOOD.splitlines()[2:]
    Path("read.jsonl").write_text("\n".join(rows) + "\n")
    assert check("read.jsonl")[0] == 1
    assert check("read.jsonl", "--initial", "1")[0] == 0
    code, _, error = check("read.jsonl", "--initial", "one")
    assert code == 2
    assert "--initial one: not a JSON value" in error


def test_a_user_s_own_model():
    assert as_json("lamp.jsonl", "--model", "lamp.py:Lamp")[1]["valid"] is True
    assert check("lamp.jsonl", "--model", "lamp.py:Lamp", "--initial", "true")[0] == 1
    code, out, _ = check("lamp.jsonl", "--model", "lamp.py:Broken")
    assert code == 3
    assert "AttributeError" in out
    assert "Traceback" not in out
    code, _, error = check("lamp.jsonl", "--model", "lamp.py:Nope")
    assert (code, error) == (2, "lamp.py: defines no 'Nope'")


def test_unknown_names_are_the_user_s_mistake():
    code, _, error = check("good.jsonl", "--model", "registr")
    assert code == 2
    assert "--model registr: no such model; there are: " in error
    code, _, error = check("good.jsonl", "--set", "nonereads=value")
    assert code == 2
    assert "expected one of initial, failed_cas, none_reads, algorithm, first" in error
    assert check("good.jsonl", "--set", "none-reads=maybe")[0] == 2
    assert check("good.jsonl", "--set", "algorithm")[0] == 2
    assert "none.edn: cannot be read" in check("none.edn")[2]
    assert check("lamp.jsonl", "--model", "register")[0] == 3


def test_further_options_by_name():
    rows = GOOD.splitlines()[2:]
    Path("none.jsonl").write_text("\n".join(rows).replace('"value":1,', "") + "\n")
    assert check("none.jsonl", "--initial", "0")[0] == 0
    assert check("none.jsonl", "--initial", "0", "--set", "none-reads=value")[0] == 1
    assert as_json("good.jsonl", "--set", "algorithm=search")[0] == 0


def test_time_limit_gives_unknown(monkeypatch):
    rows = [{"process": p, "type": "invoke", "f": "push", "value": p} for p in range(30)]
    rows += [{"process": 30 + p, "type": "invoke", "f": "pop"} for p in range(30)]
    rows += [{"process": p, "type": "ok", "f": "push", "value": p} for p in range(30)]
    rows += [{"process": 30 + p, "type": "ok", "f": "pop", "value": p * 7 % 30} for p in range(29)]
    rows.append({"process": 59, "type": "ok", "f": "pop", "value": 999})
    Path("hard.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, found = as_json(
        "hard.jsonl", "--model", "stack", "--time-limit", "0.05", "--set", "algorithm=search"
    )
    assert code == 3
    assert found["valid"] == "unknown"
    assert "time limit of 0.05 s" in found["reason"]
    assert found["seconds"] < 10


def test_first_stops_at_the_first_object_that_fails():
    rows = []
    for key in range(4):
        for line in STALE.splitlines():
            rows.append({**json.loads(line), "key": key, "time": len(rows)})
    Path("keys.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert as_json("keys.jsonl")[1]["anomalies"] == {"nonlinearizable": 4}
    assert as_json("keys.jsonl", "--first")[1]["anomalies"] == {"nonlinearizable": 1}


def test_the_report_is_a_page():
    assert check("good.jsonl", "stale.jsonl", "--report", "x.html")[0] == 1
    page = Path("x.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "stale.jsonl" in page
    assert "nothing ever wrote that" in page


def test_models_are_listed_and_accepted():
    code, out, _ = check("--models")
    listed = {line.split()[0] for line in out.splitlines()}
    assert code == 0
    assert set(Linearizable.models()) == set(MODELS) | set(ALIASES) <= listed
    for name, doc in Linearizable.models().items():
        assert model_named(name) is not None
        assert len(doc) > 5
        assert "\n" not in doc
        assert isinstance(Linearizable.for_model(name, {}), Linearizable)


def test_wishes_are_checked():
    made = Linearizable.for_model(
        "register", {"initial": 3, "first": "true", "none_reads": "value"}
    )
    assert (made.initial, made.first, made.none_reads) == (3, True, "value")
    with pytest.raises(UserError, match="expected 'drop' or 'observe'"):
        Linearizable.for_model("register", {"failed_cas": "keep"})
    with pytest.raises(UserError, match="expected true or false"):
        Linearizable.for_model("register", {"first": "perhaps"})
    with pytest.raises(UserError, match="is not a model"):
        Linearizable.for_model(dict, {})


def test_listing_models_imports_no_numpy():
    code = (
        "import sys; from duress.checkers.linearizability import Linearizable as L;"
        "L.models(); L.for_model('kv-map', {'initial': ''});"
        "assert not {'numba', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def expected():
    if not SHARED.exists():
        return []
    with (SHARED / "expected.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row for row in rows if row["file"].startswith("linearizability/")]


@pytest.mark.skipif(not SHARED.exists(), reason="the shared histories are not here")
def test_every_shared_history():
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in expected():
        groups.setdefault((row["model"], row["initial"]), []).append(row)
    assert len(groups) >= 5
    for (model, initial), rows in groups.items():
        files = [SHARED / row["file"] for row in rows]
        code, found = as_json(*files, "--model", model, "--initial", initial)
        found = found if isinstance(found, list) else [found]
        verdicts = [each["valid"] for each in found]
        assert verdicts == [row["valid"] == "true" for row in rows]
        assert code == (0 if all(verdicts) else 1)
        for each in found:
            assert each["algorithm"]
            assert each["operations"] >= 0
            assert each["keys"] >= 0
            assert bool(each["counterexample"]) is (each["valid"] is False)


@pytest.mark.skipif(not SHARED.exists(), reason="the shared histories are not here")
def test_formats_bring_their_model_and_options():
    for row in expected():
        if "/etcd/" in row["file"] or "/kv/" in row["file"]:
            _, found = as_json(SHARED / row["file"])
            assert found["valid"] is (row["valid"] == "true"), row
