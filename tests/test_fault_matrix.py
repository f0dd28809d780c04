"""Which fault works on which kind of cluster: each is tried, and seen by a probe to be there."""

from itertools import takewhile
from pathlib import Path

import pytest

from duress.harness import registry
from duress.harness.cli import fault_trials
from duress.harness.errors import UserError
from duress.harness.fault_matrix import (
    FAILED,
    NOT_APPLICABLE,
    WORKS,
    Cell,
    Sample,
    observed,
    samples,
    schedule_of,
)

from .cluster import ssh_hosts
from .command_line import duress, said_by

PAGE = Path(__file__).parents[1] / "docs" / "faults.md"


def matrix(*words, limit_s=250):
    return said_by("doctor", "--faults", "--json", *words, limit_s=limit_s)


def assert_all_work(cluster, *words):
    code, cells, said = matrix("--on", cluster, *words)
    bad = [cell for cell in cells if cell["status"] not in (WORKS, NOT_APPLICABLE)]
    assert (code, bad) == (0, []), said
    assert {cell["fault"] for cell in cells} == {sample.fault for sample in samples()}
    for cell in cells:  # what works was observed, what does not has a reason
        assert cell["seen"]["injected"] if cell["status"] == WORKS else cell["reason"]
        nemesis = registry.load("nemeses", cell["fault"].split()[0])
        assert (cluster in nemesis.clusters) == (cell["status"] == WORKS)


def test_every_fault_works_on_sim():
    assert_all_work("sim")


@pytest.mark.local
def test_every_fault_works_on_local():
    assert_all_work("local")


@pytest.mark.soak  # the tests of each nemesis try theirs
@pytest.mark.docker
def test_every_fault_works_on_docker():
    assert_all_work("docker")


@pytest.mark.soak
@pytest.mark.docker
def test_every_fault_works_on_ssh(tmp_path):
    with ssh_hosts.running(5, tmp_path, mount=True, control_groups=True) as hosts:
        assert_all_work("ssh", *hosts.flags())
        assert hosts.leftovers() == ""


def test_no_nemesis_is_forgotten():
    assert {sample.nemesis for sample in samples()} == set(registry.names("nemeses"))
    for name in registry.names("nemeses"):
        nemesis = registry.load("nemeses", name)
        for sample in samples():
            if sample.nemesis == name:
                nemesis.check_aim(sample.aim)


def test_a_nemesis_without_samples_is_an_error(monkeypatch):
    monkeypatch.setattr(registry, "names", lambda kind: ["new"])
    monkeypatch.setattr(registry, "load", lambda kind, name: object())
    with pytest.raises(UserError, match="'new' has no samples"):
        samples()


def cells(line):
    return [part.strip() for part in line.strip("|").split("|")]


def test_the_page_has_every_fault_and_says_what_is_known_of_it():
    lines = iter(PAGE.read_text().splitlines())
    header = next(cells(line) for line in lines if line.startswith("| fault |"))
    table = [cells(line) for line in takewhile(lambda line: line.startswith("|"), lines)]
    shown = {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in table}
    # Programs on pipes have a page of their own: no system of the matrix runs there.
    assert set(header[1:]) == set(registry.names("clusters")) - {"stdio"}
    for sample in samples():
        for cluster, mark in shown[sample.fault].items():
            works = cluster in registry.load("nemeses", sample.nemesis).clusters
            assert mark.split()[0] == ("works" if works else "–"), (sample.fault, cluster, mark)


def line(state, seen=None, identity=1, kind="pause"):
    return {"state": state, "fault": {"id": identity, "kind": kind}, "seen": seen or {}}


AIM = {"targets": "one"}


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([line("injected", {"states": {}}), line("healed", {"states": {}})], WORKS),
        ([line("injected"), line("healed")], FAILED),
        ([line("injected", {"reached": False}), line("healed")], FAILED),
        ([line("injected", {"traps": 2}), line("healed", {"struck": 0})], FAILED),
        ([line("failed", {"error": "still running"})], FAILED),
        ([line("injected", {"states": {}})], None),
        ([], None),
    ],
)
def test_works_is_what_was_seen_to_begin_and_to_end(lines, status):
    ledger = [line("injecting", {"aim": AIM}), *lines]
    found = observed(ledger, [Sample("pause", AIM)], "local")
    assert found.get("pause", Cell("", "", None)).status == status


def test_a_schedule_has_each_fault_once_and_sees_to_an_election_where_one_is_waited_for():
    plan = schedule_of([Sample("pause", AIM), Sample("partition", {"shape": "new-primary"})])
    assert [fault.kind for fault in plan] == ["pause", "kill", "partition"]


def test_the_table_has_a_row_for_each_fault_and_says_each_reason_once():
    cells = [
        Cell("kill", "sim", WORKS),
        Cell("pids", "sim", NOT_APPLICABLE, "no threads"),
        Cell("memory", "sim", NOT_APPLICABLE, "no threads"),
    ]
    text = fault_trials.as_text(cells, markdown=True)
    assert "| kill | works |" in text
    assert text.count("– [1]") == 2
    assert text.count("no threads") == 1


def test_what_keeps_a_trial_from_beginning_is_said_of_that_nemesis_alone(monkeypatch):
    def tried(ground, wanted):
        if any(sample.nemesis == "memory" for sample in wanted):
            return {}, "memory: n1: no control groups"
        return {s.fault: Cell(s.fault, "local", WORKS) for s in wanted}, ""

    monkeypatch.setattr(fault_trials, "_tried", tried)
    wanted = [Sample(name, AIM) for name in ("kill", "pause", "memory", "stop", "disk")]
    ground = fault_trials._Ground("local", "raft", (), print)
    found = fault_trials._sorted_out(ground, wanted)
    assert [fault for fault, cell in found.items() if cell.status != WORKS] == ["memory"]
    assert found["memory"].reason == "memory: n1: no control groups"
    assert len(found) == len(wanted)


def test_doctor_says_what_belongs_to_the_faults_alone():
    done = duress("doctor", "--on", "local")
    assert done.returncode == 2
    assert "go with --faults" in done.stderr
