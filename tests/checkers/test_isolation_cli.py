"""``duress check`` on transactions: levels, anomalies, assumptions, and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from duress.harness.cli import cli
from duress.harness.errors import UserError
from duress.harness.formats import jsonl

from .isolation_histories import history_of
from .isolation_planted import LISTS, cycle

ORDERED = """\
{"process":0,"type":"invoke","f":"txn","value":[["r","x",null],["w","y",2]],"time":1}
{"process":0,"type":"ok","f":"txn","value":[["r","x",null],["w","y",2]],"time":2}
{"process":0,"type":"invoke","f":"txn","value":[["w","x",3],["w","y",4]],"time":3}
{"process":0,"type":"ok","f":"txn","value":[["w","x",3],["w","y",4]],"time":4}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, plan in {
        "skew": cycle("list-append", ("rw", "rw")),
        "cycle": cycle("list-append", ("wr", "ww")),
        "aborted": LISTS["G1a"],
    }.items():
        jsonl.write(history_of(plan.txns(), "list-append")[0], Path(f"{name}.jsonl"))
    Path("ordered.jsonl").write_text(ORDERED)


def run(*arguments):
    """The exit code (that of an error: 2) and what was printed."""
    result = CliRunner().invoke(cli, ["check", *arguments], standalone_mode=False)
    if isinstance(result.exception, UserError):
        return 2, str(result.exception)
    assert result.exception is None, result.exception
    return result.return_value, result.output


def judged(*arguments):
    code, text = run(*arguments, "--json")
    return code, json.loads(text)


def test_json_says_what_holds_and_what_does_not():
    code, said = judged("skew.jsonl", "--model", "list-append", "--level", "serializable")
    assert code == 1
    assert said["valid"] is False
    assert said["anomalies"] == {"G2-item": 1, "write-skew": 1}
    assert set(said["ruled_out"]) == {
        "repeatable-read",
        "serializable",
        "strong-session-serializable",
        "strict-serializable",
    }
    assert said["strongest"] == ["strong-snapshot-isolation"]
    assert said["seconds"] > 0
    assert sorted(said["counterexample"]) == [0, 1]


@pytest.mark.parametrize(
    ("file", "arguments", "code"),
    [
        ("skew", ["--level", "snapshot-isolation"], 0),
        ("skew", ["--level", "PL-SI"], 0),
        ("skew", ["--level", "PL-2.99"], 1),
        ("skew", [], 1),
        ("skew", ["--anomalies", "G0,G1"], 0),
        ("skew", ["--anomalies", "G0,G2"], 1),
        ("skew", ["--anomalies", "write-skew"], 1),
        ("skew", ["--anomalies", "long-fork"], 0),
        ("cycle", ["--level", "read-uncommitted"], 0),
        ("cycle", ["--level", "read-committed"], 1),
        ("cycle", ["--anomalies", "G0"], 0),
        ("cycle", ["--anomalies", "G1c"], 1),
        ("cycle", ["--anomalies", "G1"], 1),
        ("aborted", ["--anomalies", "G1"], 1),
        ("aborted", ["--anomalies", "G1b"], 0),
        ("aborted", ["--level", "read-uncommitted"], 0),
    ],
)
def test_levels_and_anomalies(file, arguments, code):
    got, said = judged(f"{file}.jsonl", "--model", "list-append", *arguments)
    assert (got, said["valid"]) == (code, code == 0)


def test_text_names_the_transactions():
    code, text = run("skew.jsonl", "--model", "list-append")
    assert code == 1
    assert "write-skew" in text
    assert "T0 read nothing" in text
    assert "T1 read nothing" in text


@pytest.mark.parametrize("given", ["[2, 0]", "[3, 1]", '{"0": 50, "2": 40}'])
def test_an_order_of_transactions(given):
    Path("order.json").write_text(given)
    flags = ("ordered.jsonl", "--model", "rw-register", "--level", "serializable")
    assert judged(*flags)[0] == 0
    code, said = judged(*flags, "--transaction-order", "order.json")
    assert code == 1
    assert said["anomalies"]["G-single"] == 1
    assert (
        "the given order of transactions puts T2 before T0"
        in run(*flags, "--transaction-order", "order.json")[1]
    )


@pytest.mark.parametrize("flag", ["--wfr-keys", "--sequential-keys", "--linearizable-keys"])
def test_assumptions_on_keys(flag):
    code, said = judged("ordered.jsonl", "--model", "rw-register", flag)
    assert (code, said["strongest"]) == (0, ["strict-serializable"])


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("[0, 9]", "9 is not the index"),
        ("[-1]", "-1 is not the index"),
        ("[0, 1]", "stands twice"),
        ("[0, 0]", "stands twice"),
        ('{"0": 1, "2": 1}', "the same place"),
        ('{"a": 1}', "expected indices"),
        ("7", "expected indices"),
        ("nope", "not JSON"),
    ],
)
def test_a_wrong_order_is_one_line(given, wrong):
    Path("order.json").write_text(given)
    flags = ("ordered.jsonl", "--model", "rw-register", "--transaction-order", "order.json")
    code, text = run(*flags)
    assert code == 2
    assert wrong in text
    assert "\n" not in text.strip()


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["--model", "list-append", "--level", "foo"], "level 'foo' is not known"),
        (["--model", "list-append", "--anomalies", "G9"], "anomaly 'G9' is not known"),
        (["--model", "list-append", "--transaction-order", "order.json"], "rw-register only"),
        (["--level", "serializable"], "--model list-append or --model rw-register"),
        (["--model", "rw-register", "--transaction-order", "no.json"], "No such file"),
    ],
)
def test_wrong_options_are_one_line(arguments, wrong):
    Path("order.json").write_text("[0]")
    code, text = run("skew.jsonl", *arguments)
    assert code == 2
    assert wrong in text
    assert "\n" not in text.strip()
