"""JUnit: one case a checker, and XML that parses whatever the texts hold."""

from xml.etree import ElementTree

import pytest

from duress.harness.verdict import Anomaly, Verdict, compose
from duress.reports import junit

from . import synthetic


def suite_of(folder):
    root = ElementTree.parse(junit.render(folder)).getroot()
    assert root is not None
    suite = root.find("testsuite")
    assert suite is not None
    return suite


def test_a_failure_carries_the_story(tmp_path):
    run = synthetic.generate(seed=3, stale=True)
    suite = suite_of(synthetic.write_folder(tmp_path, run))
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    assert set(cases) == {"linearizable", "availability", "vacuity"}
    assert list(cases["vacuity"]) == []
    failure = cases["linearizable"].find("failure")
    assert failure is not None and failure.text is not None
    assert failure.get("type") == "nonlinearizable"
    assert "broke linearizability" in failure.get("message", "")
    assert "partition halves: n1 n2 | n3 n4 n5 took effect" in failure.text
    assert "replay: duress run raft --seed 42" in failure.text
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "0")


def test_unknown_is_an_error_not_a_pass(tmp_path):
    run = synthetic.generate(calls=50, seconds=1.0)
    judged = compose({"linearizable": Verdict("unknown", reason="budget"), "x": Verdict(True)})
    suite = suite_of(synthetic.write_folder(tmp_path, run, judged))
    error = suite.find("testcase/error")
    assert error is not None
    assert error.get("message") == "budget"
    assert suite.get("errors") == "1"


@pytest.mark.parametrize("left", [["trial.json"], [], ["verdict.json"]])
def test_a_damaged_folder_is_an_error_not_a_pass(tmp_path, left):
    run = synthetic.generate(calls=50, seconds=1.0)
    folder = synthetic.write_folder(tmp_path, run)
    for name in ("trial.json", "history.jsonl", "verdict.json", "faults.jsonl"):
        if name not in left:
            (folder / name).unlink()
    suite = suite_of(folder)
    assert suite.get("errors") == ("0" if "verdict.json" in left else "1")


def test_texts_that_xml_cannot_hold_are_replaced(tmp_path):
    bad = "]]>\x00\x08\ufffe<&\"'\x1b"
    judged = compose({bad: Verdict(False, [Anomaly(bad, bad, [0], bad)])})
    run = synthetic.generate(calls=50, seconds=1.0)
    suite = suite_of(synthetic.write_folder(tmp_path, run, judged))
    failure = suite.find("testcase/failure")
    assert failure is not None and failure.text is not None
    assert "]]>" in failure.text
