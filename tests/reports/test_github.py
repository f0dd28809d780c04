"""The step summary says what the terminal says, nothing in it acts; annotations are one line."""

import html as entities
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duress.harness.verdict import Anomaly, Signature, Verdict, compose
from duress.reports import github

from . import synthetic

HOSTILE = "](x) <img src=x> @octocat #1 `a` **b** | ::error::x\n1. y www.x.org http://x $e$ ~~z~~"


@pytest.fixture
def told(tmp_path):
    def of(verdict=None, stale=False, actions=True):
        run = synthetic.generate(seed=3, calls=1500, seconds=15.0, stale=stale)
        folder = synthetic.write_folder(tmp_path / "run", run, verdict)
        out, target = io.StringIO(), tmp_path / "summary.md"
        environment = {"GITHUB_STEP_SUMMARY": str(target)}
        github.tell(folder, out, environment | ({"GITHUB_ACTIONS": "true"} if actions else {}))
        return target.read_text(), out.getvalue()

    return of


def test_a_violation(told):
    text, log = told(stale=True)
    assert text.startswith("### ❌ raft (mutant stale-read) broke linearizability.\n")
    assert re.search(r"^1\. .*: .+$", text, re.M)
    assert "\n∴ Process " in text
    assert "```sh\nduress run raft --seed 42 --nemesis partition,kill,pause\n```" in text
    assert log.count("\n") == 1
    assert log.startswith("::error title=duress%3A raft (mutant stale-read)::raft (mutant stale-")
    assert "%0A1.  " in log


def test_a_valid_trial_has_a_summary_and_no_annotation(told):
    text, log = told()
    assert text.startswith("### ✅ raft kept its promises in this trial.\n")
    assert log == ""


def test_unknown_is_a_warning(told):
    text, log = told(Verdict("unknown", reason="100% of reads failed, all"))
    assert "❔" in text
    assert log.startswith("::warning ")
    assert "100%25 of reads failed, all" in log


def test_outside_of_actions_nothing_is_said(told, tmp_path):
    assert told(stale=True, actions=False)[1] == ""
    out = io.StringIO()
    github.tell(tmp_path / "run", out, {})
    assert out.getvalue() == ""


def test_several_trials_add_up_but_not_beyond_what_is_shown(told, tmp_path, monkeypatch):
    once = told()[0]
    assert told()[0] == 2 * once
    monkeypatch.setattr(github, "SUMMARY_MAX_BYTES", 2 * len(once.encode()) + 10)
    assert told()[0] == 2 * once


def test_a_summary_that_cannot_be_written_is_left_out(told, tmp_path):
    (tmp_path / "summary.md").mkdir()
    with pytest.raises(IsADirectoryError):  # only the test's own reading fails
        told(stale=True)


def test_hostile_text_does_nothing(told):
    signature = Signature("0123abcd", HOSTILE, [HOSTILE])
    anomaly = Anomaly(HOSTILE, HOSTILE, [0], HOSTILE)
    verdict = compose({HOSTILE: Verdict(False, [anomaly, anomaly])})
    text, log = told(Verdict(False, verdict.anomalies, parts=verdict.parts, signature=signature))
    rest = (
        text.replace("<details><summary>", "").replace("</summary>", "").replace("</details>", "")
    )
    assert "<" not in rest
    assert "@" not in rest
    assert "](" not in rest
    assert "www.x" not in rest
    assert "http:/" not in rest
    assert all(line.count("|") == 3 for line in text.splitlines() if "|" in line)
    assert log.count("\n") == 1
    assert [line for line in log.splitlines() if line.startswith("::")] == log.splitlines()


@given(st.text())
def test_escaped_text_reads_as_it_was(text):
    shown = github.escape(text)
    assert not re.search(r"[`*_\[\]<>|~@$]", shown)
    assert entities.unescape(shown) == github.words.line(text)
