"""What the report of a trial of programs says, and draws."""

import json
import re
from pathlib import Path

import pytest

from duress.harness.cli import main
from duress.reports import html

from .node_trials import python_program, run

LIES_AT_TEN = """
for number, r in enumerate(requests()):
    answer(r, type="ok" if number == 10 else "echo_ok", echo=r["body"]["echo"])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("lies")
    outcome = run(tmp_path, "echo", *python_program(tmp_path, LIES_AT_TEN), nodes=1, rate=40.0)
    assert outcome.verdict.valid is False
    return Path(outcome.folder)


def data_of(page):
    return json.loads(
        re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page)[1]
    )


def test_a_complaint_is_told_at_its_time_with_the_messages_around_it(folder):
    page = html.render(folder).read_text()
    assert "program.py as echo broke the rules of the protocol." in page
    (anomaly,) = json.loads((folder / "verdict.json").read_text())["parts"]["protocol"]["anomalies"]
    at_s = anomaly["details"]["moment"] / 1e9
    assert f"Node n0, at {at_s:.3f} s, replied" in page
    (diagram,) = data_of(page)["diagrams"]
    begin_s, end_s = (diagram["begin"] + end for end in (0, diagram["end"]))
    assert begin_s / 1e9 < at_s < end_s / 1e9
    assert "ok" in diagram["types"] and diagram["calls"]


def test_the_messages_of_any_window_can_be_drawn(folder, capsys):
    for text, is_there in (("0.2-0.7", True), ("900-901", False)):
        with pytest.raises(SystemExit, match="1"):
            main(["report", str(folder), "--window", text])
        page = (folder / "report.html").read_text()
        diagrams = data_of(page)["diagrams"]
        assert len(diagrams) == 2
        assert bool(diagrams[1]) is is_there
        assert ("No message was written down there" in page) is not is_there
    (shown,) = re.findall(r"Messages at ([^<]*)", page)
    assert shown == "900.000 – 901.000 s"
    capsys.readouterr()
    for text in ("5", "3-2", "a-b", "0-inf"):
        with pytest.raises(SystemExit, match="2"):
            main(["report", str(folder), "--window", text])
        assert "two times in seconds" in capsys.readouterr().err


def test_what_to_do_next_is_said(folder):
    page = html.render(folder).read_text()
    assert "duress shrink" in page and "--window 1.0-1.5" in page
