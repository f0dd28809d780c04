"""What ``docs/`` tells of each finding: a page, a picture, a schedule and a row of the table."""

import re
import shlex

import pytest
from click.core import ParameterSource

from duress.harness import registry, schedule
from duress.harness.cli import run
from duress.harness.cli.trial_options import spec_of

from .scripts import ROOT, script

page, findings = script("finding_page"), script("findings")

KNOWN = {finding.name: finding for finding in registry.findings()}
INDEX = findings.INDEX.read_text()


def text_of(finding):
    return (page.folder_of(finding.system) / f"{finding.name}.md").read_text()


def trial_of(words):
    """What a command line of ``duress run`` asks for."""
    context = run.command.make_context("run", shlex.split(words)[2:])
    sources = {name: context.get_parameter_source(name) for name in context.params}
    given = {name for name, source in sources.items() if source is not ParameterSource.DEFAULT}
    return spec_of(context.params.pop("system"), context.params, given)


@pytest.mark.parametrize("finding", KNOWN.values(), ids=lambda finding: finding.name)
def test_a_finding_has_a_page(finding, monkeypatch):
    text = text_of(finding)
    assert finding.claim in text
    assert finding.source in text
    assert f"duress rediscover {finding.name}\n" in text
    picture = re.search(rf"!\[([^\]]+)\]\(../../pictures/findings/{finding.name}\.png\)", text)
    assert picture, "the page shows its picture"
    assert len(picture[1]) > 60, "a description for who cannot see it"
    assert (page.PICTURES / f"{finding.name}.png").stat().st_size <= findings.LARGEST_BYTES
    assert f"{page.folder_of(finding.system).name}/{finding.name}.md" in INDEX
    monkeypatch.chdir(ROOT)
    (again,) = re.findall(r"^duress run .*", text, re.MULTILINE)
    trial = trial_of(again)
    plan = page.SCHEDULES / f"{finding.name}.json"
    assert plan.is_file() == (trial.schedule is not None)
    if trial.schedule:
        assert trial.schedule == schedule.read(plan)


def test_links_between_pages_lead_somewhere():
    for path in page.FINDINGS.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#:]+)[^):]*\)", path.read_text()):
            assert (path.parent / link).exists(), f"{path}: {link}"


def test_there_is_nothing_of_findings_that_are_gone():
    assert set(findings.outcomes()) == set(KNOWN)
    told = {path.stem for path in page.FINDINGS.glob("*/*.md")}
    assert told == set(KNOWN) == {path.stem for path in page.PICTURES.iterdir()}
    assert {path.stem for path in page.SCHEDULES.iterdir()} <= set(KNOWN)


def test_pictures_are_small_in_sum():
    assert sum(path.stat().st_size for path in page.PICTURES.iterdir()) < 5_000_000


def test_controls_are_of_findings_of_the_same_page():
    for control in KNOWN.values():
        assert control.is_control or not control.controls
        for name in control.controls:
            assert not KNOWN[name].is_control
            assert page.folder_of(KNOWN[name].system) == page.folder_of(control.system)


def test_a_marked_part_is_replaced_and_nothing_else(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"before\n{findings.BEGIN}\nold\n{findings.END}\nafter\n")
    for text in ("new", "newer"):
        findings.replace(path, text)
        whole = f"before\n{findings.BEGIN}\n\n{text}\n\n{findings.END}\nafter\n"
        assert path.read_text() == whole
