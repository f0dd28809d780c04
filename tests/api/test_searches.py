"""Many trials from Python, histories of others, and what there is."""

import json
from datetime import date
from urllib.error import URLError
from urllib.request import urlopen

import pytest

import duress

FAST: dict[str, int | float | str] = {"time": 2, "interval": 0.5}
FLAGS = {"time": 3, "interval": 1, "nemesis": "partition"}


def test_a_hunt_finds_a_planted_bug(tmp_path):
    seen = []
    hunted = duress.hunt(
        "raft", mutant="stale-read", seed=7, budget_trials=5, jobs=1, strategy="default",
        progress=lambda state: seen.append(state.trials), store=tmp_path, **FLAGS,
    )  # fmt: skip
    assert seen == list(range(1, hunted.trials + 1))
    assert hunted.found is not None
    assert hunted.found.invalid
    assert hunted.found.report.is_file()


def test_a_hunt_in_vain_says_so(tmp_path):
    hunted = duress.hunt("raft", seed=7, budget_trials=1, jobs=1, store=tmp_path, **FLAGS)
    assert hunted.found is None
    assert hunted.trials == hunted.state.trials == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"on": "local"}, "hunt: trials are run on sim, not on 'local'"),
        ({"strategy": "wild"}, "Invalid value for '--strategy': 'wild' is not one of 'mixed'"),
        ({"colour": "blue"}, "hunt: no flag 'colour'"),
    ],
)
def test_mistakes_of_hunts(flags, said):
    with pytest.raises(duress.UserError, match=said):
        duress.hunt("raft", **flags)


def test_our_own_power_is_measured():
    proof = duress.prove(
        "raft", mutants=["stale-read"], quick=True, hunts=1, budget_trials=5, time=3,
        clean_trials=1, jobs=1,
    )  # fmt: skip
    assert [each.case.mutant for each in proof.detections] == ["stale-read"]
    assert proof.detections[0].found == 1
    assert proof.clean[0].trials == 1
    with pytest.raises(duress.UserError, match="--jobs: trials on docker run one after the other"):
        duress.prove("raft", on="docker", jobs=2, mutants=["stale-read"])


def plan():
    nightly = duress.Matrix(
        systems=["raft"], clusters=["sim"], nemeses=["kill"], seeds=1, flags=FAST
    )
    return duress.Plan(matrix=[nightly], name="nightly", shrink=False)


def test_campaigns_and_gates(tmp_path):
    heard = []
    told = {"folder": tmp_path, "progress": lambda planned, result: heard.append(result.outcome)}
    summary = duress.campaign(plan(), **told)
    assert (summary.done, summary.planned, summary.outcomes["invalid"]) == (1, 1, 0)
    assert summary.folder.startswith(str(tmp_path / "nightly"))
    gate = duress.gate(plan(), minutes=5, **told)
    assert gate.result in ("pass", "unknown")
    assert len(heard) == 2
    with pytest.raises(duress.UserError, match=r"none.toml: cannot read"):
        duress.campaign(tmp_path / "none.toml")
    crooked = duress.Plan(matrix=[{"systems": "raft"}])  # type: ignore[list-item]
    with pytest.raises(duress.UserError, match=r"plan: Expected `array`.*matrix"):
        duress.campaign(crooked, folder=tmp_path)


def test_a_gate_accepts_what_its_baseline_is_told_of(tmp_path):
    cell = duress.Matrix(
        systems=["raft"], mutants=["stale-read"], clusters=["sim"], seeds=1, flags=FAST
    )
    bad = duress.Plan(matrix=[cell], name="known")
    told = {"folder": tmp_path, "baseline": tmp_path / "known.json", "shrink": False}
    expires = date(2999, 12, 31)
    with pytest.raises(duress.UserError, match=r"known.json: cannot read the baseline"):
        duress.gate(bad, **told)
    with pytest.raises(duress.UserError, match="--expires: is for --update-baseline"):
        duress.gate(bad, folder=tmp_path, expires=expires)
    first = duress.gate(bad, update_baseline=True, why="planted", expires=expires, **told)
    assert [(each.state, each.why) for each in first.failures] == [("known", "planted")]
    assert duress.gate(bad, fail_fast=True, **told).result == "pass"
    assert duress.gate(bad, folder=tmp_path, shrink=False).result == "violation"


def test_runs_are_shown_in_a_browser_for_a_while(tmp_path):
    duress.run("raft", on="sim", time=1, store=tmp_path)
    with duress.serve(store=tmp_path) as address:
        runs = json.loads(urlopen(f"{address}api/runs", timeout=20).read())
        assert runs["total"] == 1
    with pytest.raises(URLError):
        urlopen(address, timeout=20)
    with pytest.raises(duress.UserError, match="no such folder"), duress.serve(store="nowhere"):
        pass


HISTORY = [
    duress.Operation(-1, 0, 0, "invoke", "write", 1),
    duress.Operation(-1, 1, 0, "ok", "write", 1),
    duress.Operation(-1, 2, 1, "invoke", "read"),
    duress.Operation(-1, 3, 1, "ok", "read", 2),
]


def test_histories_of_others_are_judged_and_converted(tmp_path):
    verdict = duress.check(HISTORY, "register", report=tmp_path / "page.html")
    assert verdict.valid is False
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    duress.History(HISTORY)
    source, target = tmp_path / "history.jsonl", tmp_path / "history.edn"
    source.write_text(
        '{"index":0,"time":0,"process":0,"type":"invoke","f":"write","value":1}\n'
        '{"index":1,"time":1,"process":0,"type":"ok","f":"write","value":1}\n'
    )
    assert duress.check(source, "register").valid is True
    assert len(duress.convert(source, target, to="jepsen-edn").history) == 2
    assert duress.check(target, "register").valid is True
    with pytest.raises(duress.UserError, match="no such model; there are"):
        duress.check(source, "no-such-model")
    with pytest.raises(duress.UserError, match="--to plume: expected one of"):
        duress.convert(source, target, to="plume")
    with pytest.raises(duress.UserError, match="completes 'read', which it never invoked"):
        duress.check(HISTORY[3:], "register")


def test_a_checker_of_ones_own():
    class NoReads:
        """Nobody may read."""

        def check(self, history, options):
            reads = [each.index for each in history if each.f == "read"]
            found = [duress.Anomaly("read", "somebody read", reads)] if reads else []
            return duress.Verdict(valid=not found, anomalies=found)

    assert duress.check(HISTORY, NoReads).anomalies[0].name == "read"
    assert duress.check(HISTORY[:2], NoReads()).valid is True


def test_what_there_is(tmp_path):
    assert "raft" in {row["name"] for row in duress.list("systems")}
    with pytest.raises(duress.UserError, match="list 'system': expected one of systems"):
        duress.list("system")
    assert {"sim", "local", "docker"} <= {each.name for each in duress.doctor()}
    assert duress.init("my-store", tmp_path / "suite") == tmp_path / "suite"
    assert (tmp_path / "suite" / "suite.py").is_file()
    with pytest.raises(duress.UserError, match="is there already; nothing was written"):
        duress.init("my-store", tmp_path / "suite")
