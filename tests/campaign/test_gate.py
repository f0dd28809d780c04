"""What a gate says of what was run, by the baseline and by the machine's behaviour."""

from xml.etree import ElementTree

import msgspec
import pytest

from duress.harness.campaign import baseline as baselines
from duress.harness.campaign import gate as gates
from duress.harness.campaign.baseline import Accepted, Baseline
from duress.harness.campaign.confidence import bound, rule
from duress.harness.campaign.gate import DOUBT, EXIT_CODES, NOT_RUN, PASS, VIOLATION
from duress.harness.campaign.plan import Budget, Limits, Matrix, Plan
from duress.harness.campaign.results import (
    INFRASTRUCTURE,
    INVALID,
    KILLED,
    UNKNOWN,
    VALID,
    Result,
)
from duress.harness.errors import UserError
from duress.reports.campaign import gate_words, junit, markdown, page

from ..reports.test_junit import breaches
from . import made
from .gates import BEFORE, LATER, TODAY, broken, valid
from .made import Executor, run, signature

SIGN = signature(0).id


def entry(cell="raft", sign=SIGN, **more):
    return Accepted(signature=sign, cell=cell, why="issue 12", **more)


def judged(tmp_path, answer, known=(), stopped="", **more):
    """The report, and the summary, of three cells (raft, paxos, etcd) of five trials."""
    _, ledger, _ = run(tmp_path, Executor(answer, slots=1), **more)
    found = gates.judged(ledger, Baseline(list(known)), "known.json", TODAY, stopped)
    ledger.close()
    return found


def states(report):
    return {(each.signature, each.cell): each.state for each in report.failures}


@pytest.mark.parametrize(
    ("known", "state", "result"),
    [
        ([], "new", VIOLATION),
        ([entry()], "known", PASS),
        ([entry("ra*")], "known", PASS),
        ([entry("*")], "known", PASS),
        ([entry("paxos")], "new", VIOLATION),
        ([entry("raf")], "new", VIOLATION),
        ([entry(".*")], "new", VIOLATION),
        ([entry(sign="0000000f")], "new", VIOLATION),
        ([entry(expires=TODAY)], "known", PASS),
        ([entry(expires=BEFORE)], "expired", VIOLATION),
        ([entry("*", expires=BEFORE), entry(expires=LATER)], "known", PASS),
    ],
)
def test_only_what_the_baseline_does_not_know_fails(tmp_path, known, state, result):
    report, summary = judged(tmp_path, broken("raft"), known)
    assert states(report) == {(SIGN, "raft"): state}
    assert (report.result, report.exit_code) == (result, EXIT_CODES[result])
    assert (summary.bound is None) == (result == VIOLATION)
    (each,) = report.failures
    assert (each.trials, each.judged) == (5, 5)


def test_a_failure_that_is_known_in_one_cell_is_new_in_another(tmp_path):
    def answer(spec):
        return Result(INVALID, ["lost"], signature(0)) if spec.system != "etcd" else Result(VALID)

    report, summary = judged(tmp_path, answer, [entry()])
    assert states(report) == {(SIGN, "raft"): "known", (SIGN, "paxos"): "new"}
    assert report.why == ["broken 0 (00000000) in paxos"]
    assert [each.state for each in summary.failures] == ["new"]
    assert [cell.known for cell in summary.cells] == [[SIGN], [], []]


def test_what_is_fixed_is_said_but_only_if_it_was_looked_for_as_often(tmp_path):
    known = [
        entry(judged=5, seen=1),
        entry("paxos", judged=6, seen=1),
        entry("*", sign="0000000a", judged=15),
        entry("zookeeper"),
    ]
    report, summary = judged(tmp_path, valid, known)
    found = [(each.cell, each.state, each.judged, each.then) for each in report.missed]
    assert found == [("raft", "fixed", 5, 5), ("paxos", "not seen", 5, 6), ("*", "fixed", 15, 15)]
    assert report.elsewhere == 1
    assert report.result == PASS
    said = markdown.workflow_lines(summary, report)
    assert [line.partition(" ")[0] for line in said] == ["::notice"]
    assert "remove it from the baseline" in page.page(summary, gate=report)


@pytest.mark.parametrize(
    ("outcomes", "stopped", "result", "code"),
    [
        ({}, "", PASS, 0),
        ({"etcd": UNKNOWN}, "", DOUBT, 4),
        ({"etcd": KILLED}, "", DOUBT, 4),
        ({"etcd": UNKNOWN, "paxos": INFRASTRUCTURE}, "", NOT_RUN, 3),
        ({}, "interrupted", NOT_RUN, 3),
        ({"etcd": UNKNOWN}, "interrupted", NOT_RUN, 3),
        ({"raft": INVALID}, "interrupted", VIOLATION, 1),
        ({"raft": INVALID, "paxos": INFRASTRUCTURE, "etcd": UNKNOWN}, "", VIOLATION, 1),
    ],
)
def test_what_is_worse_outweighs_the_rest(tmp_path, outcomes, stopped, result, code):
    def answer(spec):
        kind = outcomes.get(spec.system, VALID)
        error = "no engine" if kind == INFRASTRUCTURE else ""
        return Result(kind, signature=signature(0) if kind == INVALID else None, error=error)

    report, summary = judged(tmp_path, answer, stopped=stopped)
    assert (report.result, report.exit_code) == (result, code)
    assert bool(report.why) == (result != PASS)
    if len(outcomes) == 3:
        assert [why.partition(" ")[2] for why in report.why] == [
            "0 (00000000) in raft",
            "trials could not be run; paxos seed 1: no engine",
            "trials ended without a verdict",
            "trial of paxos came to a verdict",
            "trial of etcd came to a verdict",
        ]
    document = junit.document(summary, report)
    assert list(breaches(ElementTree.fromstring(document))) == []
    assert (b"<failure" in document or b"<error" in document) == bool(outcomes)
    assert f"{code} (".encode() in document


def test_a_cell_that_was_not_reached_is_no_pass(tmp_path):
    report, _ = judged(tmp_path, valid, the_plan=small(Budget(trials=1)))
    assert (report.result, report.why) == (DOUBT, ["no trial of paxos came to a verdict"])


def small(budget=None, **limits):
    matrix = [Matrix(systems=["raft", "paxos"], seeds=2)]
    return Plan(matrix, name="pr", budget=budget or Budget(), limits=Limits(**limits))


def test_what_could_not_be_run_is_run_again_and_that_is_said_everywhere(tmp_path):
    tries = {}

    def answer(spec):
        number = tries[spec.system, spec.seed] = tries.get((spec.system, spec.seed), 0) + 1
        bad = spec.seed == 1 and (number == 1 or spec.system == "paxos")
        return Result(INFRASTRUCTURE if bad else VALID, error="no engine" if bad else "")

    report, summary = judged(tmp_path, answer, the_plan=small(retries=1))
    assert (report.retried, report.retried_still) == (2, 1)
    assert report.outcomes == dict.fromkeys(report.outcomes, 0) | {VALID: 3, INFRASTRUCTURE: 1}
    said = "2 trials that could not be run; 1 of them not then either"
    assert ("Run again", said) in gate_words.facts(report, summary)
    assert said in page.page(summary, gate=report)
    assert said in junit.document(summary, report).decode()
    assert f"| Run again | {said} |" in markdown.document(summary, report)
    assert report.why[0] == "1 trial could not be run; paxos seed 1: no engine"


@pytest.mark.parametrize(
    ("trials", "chance", "said"),
    [(1, 0.95, "1 - 0.05^(1/1)"), (29, 0.0982, "1 - 0.05^(1/29)"), (30, 0.1, "3/30")],
)
def test_the_bound_is_exact_for_few_trials_and_three_by_n_for_many(trials, chance, said):
    found = bound(trials)
    assert found == pytest.approx(chance, abs=1e-4)
    assert (1 - found) ** trials <= 0.05 + 1e-9, "so many trials without a failure are that rare"
    assert rule(trials) == said


def test_there_is_no_bound_without_a_trial():
    assert bound(0) is None


def bounds(report):
    return {(each.of, each.name): (each.trials, each.bound) for each in report.confidence}


def test_a_pass_means_something_for_each_cell_and_system_and_for_all(tmp_path):
    matrix = [
        Matrix(["raft"], settings={"batch": 1}, seeds=4),
        Matrix(["raft"], settings={"batch": 2}, seeds="5-7"),
        Matrix(["paxos"], seeds=2),
    ]
    report, _ = judged(tmp_path, broken("paxos"), the_plan=Plan(matrix, name="pr"))
    assert bounds(report) == {
        ("all", "all"): (7, None),
        ("system", "raft"): (7, bound(7)),
        ("system", "paxos"): (0, None),
        ("cell", "raft batch=1"): (4, bound(4)),
        ("cell", "raft batch=2"): (3, bound(3)),
        ("cell", "paxos"): (0, None),
    }


@pytest.mark.parametrize(("cluster", "different"), [("sim", 3), ("local", 6)])
def test_the_same_simulated_trial_counts_once(tmp_path, monkeypatch, cluster, different):
    make = made.make  # for which the settings make no difference

    def on(cell, seed):
        return msgspec.structs.replace(make(cell, seed), cluster=cluster)

    monkeypatch.setattr(made, "make", on)
    matrix = [Matrix(["raft"], settings={"x": x}, seeds=3) for x in (1, 2)]
    report, summary = judged(tmp_path, valid, the_plan=Plan(matrix, name="pr"))
    assert report.outcomes[VALID] == 6
    assert bounds(report) == {
        ("all", "all"): (different, bound(different)),
        ("cell", "raft x=1"): (3, bound(3)),
        ("cell", "raft x=2"): (3, bound(3)),
    }
    assert summary.bound == bound(different)


def test_an_updated_baseline_accepts_what_was_seen_and_forgets_what_is_fixed(tmp_path):
    old = [
        entry(expires=BEFORE, added=BEFORE),
        entry("paxos", sign="0000000a", judged=1),
        entry("etcd", sign="0000000b", judged=99),
        entry("zookeeper"),
    ]
    report, _ = judged(tmp_path, broken("raft", "etcd"), old)
    entries = gates.updated(Baseline(old), report, "", LATER, TODAY)
    path = tmp_path / "new" / "known.json"
    baselines.write(path, entries)
    again = baselines.read(path)
    assert {(each.signature, each.cell): each for each in again.known} == {
        (SIGN, "raft"): entry(name="broken 0", expires=LATER, added=TODAY, seen=5, judged=5),
        ("0000000b", "etcd"): old[2],
        (SIGN, "zookeeper"): old[3],
        (signature(1).id, "etcd"): Accepted(
            signature=signature(1).id,
            cell="etcd",
            why=gates.NO_REASON,
            name="broken 1",
            expires=LATER,
            added=TODAY,
            seen=5,
            judged=5,
        ),
    }
    report, _ = judged(tmp_path, valid, again.known)
    assert report.result == PASS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("{'known': []}", "not JSON"),
        ("\xff", "not JSON"),
        ("[]", "not a baseline: Expected `object`, got `array`"),
        ("{}", "missing required field `known`"),
        ('{"known": [], "x": 1}', "unknown field `x`"),
        ('{"known": [{"signature": "a", "cell": "b"}]}', "missing required field `why`"),
        ('{"known": [{"signature": "a", "cell": "b", "why": ""}]}', "`$.known[0].why`"),
        (
            '{"known": [{"signature": "a", "cell": "b", "why": "c", "expires": "soon"}]}',
            "Expected a day as 2026-12-31 - at `$.known[0].expires`",
        ),
        (
            '{"known": [{"signature": "a", "cell": "b", "why": "c"},'
            ' {"signature": "a", "cell": "b", "why": "d"}]}',
            "known[1]: a in 'b' is in it twice",
        ),
    ],
)
def test_a_bad_baseline_is_one_line_that_names_the_place(tmp_path, text, said):
    path = tmp_path / "known.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"known\.json: ") as caught:
        baselines.read(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cells_with_commas_are_whole(tmp_path):
    plan = Plan([Matrix(["raft"], nemeses=["partition,kill", "kill"])], name="pr")
    _, ledger, _ = run(tmp_path, Executor(broken("raft")), plan)
    (failure,) = ledger.failures()
    ledger.close()
    assert sorted(failure.cells) == ["raft kill", "raft partition,kill"]
