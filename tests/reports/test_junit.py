"""JUnit: one case a checker, and XML that parses whatever the texts hold."""

import re
from xml.etree import ElementTree

import msgspec
import pytest

from duress.harness.verdict import Anomaly, Signature, Verdict, compose
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
    assert "the network was cut: n1 n2 | n3 n4 n5" in failure.text
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


# What both schemas in use allow: attributes with what they may hold, and children in order.
NAME, WHOLE, SECONDS = r"(?s).+", r"\d+", r"\d+(\.\d+)?"
RULES = {
    "testsuites": ({}, ["testsuite*"]),
    "testsuite": (
        {
            "id": WHOLE,
            "name": NAME,
            "package": NAME,
            "hostname": NAME,
            "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
            "tests": WHOLE,
            "failures": WHOLE,
            "errors": WHOLE,
            "time": SECONDS,
        },
        ["properties", "testcase*", "system-out", "system-err"],
    ),
    "properties": ({}, ["property*"]),
    "property": ({"name": NAME, "value": NAME}, []),
    "testcase": ({"name": NAME, "classname": NAME, "time": SECONDS}, ["failure?", "error?"]),
    "failure": ({"message": "(?s).*", "type": NAME}, []),
    "error": ({"message": "(?s).*", "type": NAME}, []),
    "system-out": ({}, []),
    "system-err": ({}, []),
}


def breaches(element):
    attributes, children = RULES[element.tag]
    if set(element.keys()) != set(attributes):
        yield f"{element.tag}: {sorted(element.keys())}"
    for name, form in attributes.items():
        if not re.fullmatch(form, element.get(name, "")):
            yield f"{element.tag}: {name} is {element.get(name)!r}"
    order = "".join(f"<{child.tag}>" for child in element)
    form = "".join(
        f"(<{name.rstrip('*?')}>){name[-1] if name[-1] in '*?' else ''}" for name in children
    )
    if not re.fullmatch(form, order):
        yield f"{element.tag}: {order}"
    for child in element:
        yield from breaches(child)


@pytest.mark.parametrize("left", [None, ["trial.json"], ["verdict.json"], []])
@pytest.mark.parametrize("stale", [False, True])
def test_the_document_keeps_the_rules_of_both_schemas(tmp_path, left, stale):
    run = synthetic.generate(seed=3, stale=stale)
    folder = synthetic.write_folder(tmp_path, run)
    for name in ("trial.json", "history.jsonl", "verdict.json", "faults.jsonl"):
        if left is not None and name not in left:
            (folder / name).unlink()
    root = ElementTree.parse(junit.render(folder)).getroot()
    assert root is not None
    assert list(breaches(root)) == []
    suite = root[0]
    counted = [len(suite.findall(f"testcase{what}")) for what in ("", "/failure", "/error")]
    assert counted == [int(suite.get(name, "")) for name in ("tests", "failures", "errors")]


def test_the_signature_is_a_property_and_in_the_text(tmp_path):
    run = synthetic.generate(seed=3, stale=True)
    signature = Signature("0123abcd", "nonlinearizable: saw an older state", ["kill"])
    judged = msgspec.structs.replace(synthetic.verdict(run), signature=signature)
    suite = suite_of(synthetic.write_folder(tmp_path, run, judged))
    said = "0123abcd (nonlinearizable: saw an older state), under kill"
    values = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert values["signature"] == said
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert f"signature: {said}" in (failure.text or "")
