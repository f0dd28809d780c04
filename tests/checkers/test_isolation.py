"""Each anomaly by its name, the evidence for it, and what the checker says of odd input."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from duress.checkers.isolation import Isolation
from duress.checkers.isolation.levels import LEVELS, at_or_below, forbidden, implied_by
from duress.harness.errors import UserError
from duress.harness.history import History
from duress.harness.operation import Operation

from .isolation_histories import history_of, simulated
from .isolation_oracle import Txn


def record(*txns, model="list-append"):
    """Transactions as strings: ``"p0 ax1 rx1,2 wy3"``, one after the other; ``||`` overlaps all."""
    parsed = []
    for at, text in enumerate(txns):
        kind, overlap = "ok", False
        steps, process = [], at
        for word in text.split():
            if word in ("fail", "info"):
                kind = word
            elif word == "||":
                overlap = True
            elif word[0] == "p":
                process = int(word[1:])
            elif word[0] == "r":
                values = [int(v) for v in word[2:].split(",") if v]
                if model == "list-append":
                    steps.append(("r", word[1], values))
                else:
                    steps.append(("r", word[1], values[0] if values else None))
            else:
                steps.append(("w", word[1], int(word[2:])))
        begin, end = (at, 1000 + at) if overlap else (2 * at, 2 * at + 1)
        parsed.append(Txn(process, begin, None if kind == "info" else end, kind, tuple(steps)))
    return history_of(parsed, model)[0]


def judged(*txns, model="list-append", **options):
    return Isolation(model, **options).check(record(*txns, model=model), {})


PLANTED = {
    "G0": ("ax1 ay1 ||", "ax2 ay2 ||", "rx1,2 ry2,1 ||"),
    "G1a": ("ax1 fail ||", "rx1 ||"),
    "G1b": ("ax1 ax2 ||", "rx1 ||", "rx1,2 ||"),
    "G1c": ("ax1 ry1 ||", "ay1 rx1 ||"),
    "G-single": ("ax1 ay1 ||", "rx1 ry ||", "ry1 ||"),
    "G-nonadjacent": ("ax1 ||", "ay1 ||", "rx1 ry ||", "rx ry1 ||"),
    "long-fork": ("ax1 ||", "ay1 ||", "rx1 ry ||", "rx ry1 ||"),
    "G2-item": ("rx ay1 ||", "ry ax1 ||"),
    "write-skew": ("rx ay1 ||", "ry ax1 ||"),
    "G-single-process": ("p0 ax1", "p0 rx", "p1 rx1"),
    "G-single-realtime": ("ax1", "rx", "rx1"),
    "G0-realtime": ("ax1", "ax2", "rx2,1"),
    "G1c-process": ("p0 rx1", "p0 ax1"),
    "G1c-realtime": ("rx1", "ax1"),
    "G2-item-process": ("p1 ay1 rx ||", "p0 ax1", "p0 ry", "p2 ry1"),
    "internal": ("ax1 rx2,1 ||", "ax2 ||", "ax3 rx ||"),
    "future-read": ("rx1 ax1 ||",),
    "dirty-update": ("ax1 fail ||", "ax2 ||", "rx1,2 ||"),
    "garbage-read": ("rx9 ||",),
    "duplicate-elements": ("ax1 ||", "rx1,1 ||"),
    "incompatible-order": ("ax1 ||", "ax2 ||", "rx1 ||", "rx2 ||"),
    "lost-update": ("ax1 ||", "rx1 ax2 ||", "rx1 ax3 ||", "rx1,2,3 ||"),
    "fractured-read": ("ax1 ay1 ||", "ax2 ay2 ||", "ry1 rx1,2 ||", "rx1,2 ry1,2 ||"),
    "observed-transaction-vanishes": ("ax1 ay1 ||", "rx1 ry ||", "ry1 ||"),
    "causal-violation": ("p0 ax1", "p1 rx1 ay1", "p2 ry1 || rx", "p3 rx1"),
    "pram-violation": ("p0 ax1", "p0 ay1", "p1 ry1", "p1 rx", "p2 rx1"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_anomaly_is_found_by_its_name(name):
    verdict = judged(*PLANTED[name])
    found = verdict.statistics["anomaly_counts"]
    assert verdict.valid is False
    assert any(name in implied_by(other) for other in found), found
    if name not in ("fractured-read", "causal-violation"):
        assert name in found
    for anomaly in verdict.anomalies:
        assert anomaly.explanation.endswith(".")
        assert anomaly.operations == sorted(set(anomaly.operations), key=anomaly.operations.index)


REGISTERS = {
    "G1a": ("wx1 fail ||", "rx1 ||"),
    "G1b": ("wx1 wx2 ||", "rx1 ||"),
    "G1c": ("wx1 ry1 ||", "wy1 rx1 ||"),
    "internal": ("wx1 rx2 ||", "wx2 ||"),
    "lost-update": ("wx1 ||", "rx1 wx2 ||", "rx1 wx3 ||"),
    "G-single": ("wx1 wy1 ||", "rx1 ry ||"),
    "G2-item": ("rx wy1 ||", "ry wx1 ||"),
    "garbage-read": ("rx1 ||", "rx2 ||"),
    "future-read": ("rx1 wx1 ||",),
    "not-serializable": ("wx5 wy5 ||", "wx1 ||", "wy1 ||", "rx1 ry5 ||", "rx5 ry1 ||"),
}


@pytest.mark.parametrize("name", REGISTERS)
def test_a_planted_anomaly_of_registers(name):
    verdict = judged(*REGISTERS[name], model="rw-register")
    assert verdict.valid is False
    found = verdict.statistics["anomaly_counts"]
    assert any(name in implied_by(other) for other in found), found


def test_assumptions_on_keys_order_versions():
    stale = ("wx1", "wx2", "rx1", "rx2 ||")
    assert (
        "cyclic-versions"
        in judged(
            *stale, model="rw-register", linearizable_keys=True, level="read-uncommitted"
        ).statistics["anomaly_counts"]
    )
    sequential = ("p0 wx1", "p0 wx2", "p0 rx1")
    verdict = judged(
        *sequential, model="rw-register", sequential_keys=True, level="read-uncommitted"
    )
    assert verdict.valid is False
    assert judged(*sequential, model="rw-register", level="read-uncommitted").valid is True


def test_every_edge_of_a_cycle_is_justified_by_the_history():
    history = record(*PLANTED["G-single"])
    verdict = Isolation("list-append").check(history, {})
    anomaly = next(a for a in verdict.anomalies if a.name == "G-single")
    cycle = anomaly.details["cycle"]
    assert [e["kind"] for e in cycle].count("rw") == 1
    for at, edge in enumerate(cycle):
        assert edge["to"] == cycle[(at + 1) % len(cycle)]["from"]
        assert history[edge["from"]].type == "invoke"
        assert edge["because"] in anomaly.explanation
    wr = next(e for e in cycle if e["kind"] == "wr")
    assert wr["because"].startswith(f"T{wr['from']} appended {wr['value']} to ")


def test_the_smallest_cycle_of_a_large_component():
    # A chain of 400 transactions, each of which reads the one before, closed by a stale read; and
    # inside it one pair with write skew.
    count = 400
    txns = [f"p{i} a{chr(200 + i)}1 r{chr(199 + i)}1 ||" for i in range(1, count)]
    txns.insert(0, f"p0 a{chr(200)}1 az1 ||")
    txns[-1] = txns[-1].replace("||", "rz ||")
    txns += ["p900 ra am1 ||", "p901 rm aa1 ||"]
    verdict = judged(*txns)
    sizes = {a.name: len(a.details["cycle"]) for a in verdict.anomalies if "cycle" in a.details}
    assert sizes["G2-item"] == 2
    assert sizes["G-single"] == count


@pytest.mark.parametrize("model", ["list-append", "rw-register"])
@pytest.mark.parametrize("seed", range(4))
def test_a_simulated_strictly_serializable_store_is_valid(model, seed):
    history = simulated(random.Random(seed), model, 300, snapshot=False)
    verdict = Isolation(model).check(history, {})
    assert verdict.valid is True, verdict.statistics
    assert verdict.statistics["result"]["strongest"] == ["strict-serializable"]


@pytest.mark.parametrize("seed", range(4))
def test_a_simulated_snapshot_store_is_snapshot_isolated(seed):
    history = simulated(random.Random(seed), "list-append", 300, snapshot=True)
    verdict = Isolation("list-append", "strong-snapshot-isolation").check(history, {})
    assert verdict.valid is True, verdict.statistics


@pytest.mark.parametrize("model", ["list-append", "rw-register"])
def test_one_stale_read_in_a_simulated_history_is_found(model):
    found = 0
    for seed in range(6):
        history = simulated(random.Random(seed), model, 200, snapshot=False, stale=True)
        verdict = Isolation(model).check(history, {})
        assert verdict.valid is not True
        found += verdict.valid is False
    assert found >= 5


def test_anomalies_can_be_asked_for_instead_of_a_level():
    skew = PLANTED["write-skew"]
    assert judged(*skew, anomalies=["G1"]).valid is True
    assert judged(*skew, anomalies=["G2"]).valid is False
    assert judged(*skew, anomalies=["G-single"]).valid is True


def test_the_result_names_levels():
    verdict = judged(*PLANTED["write-skew"])
    result = verdict.statistics["result"]
    assert "snapshot-isolation" in at_or_below("serializable")
    assert "strong-snapshot-isolation" in result["strongest"]
    assert {"serializable", "repeatable-read"} <= set(result["ruled_out"])
    assert result["anomalies"] == verdict.statistics["anomaly_counts"]
    assert verdict.statistics["operations"] == 2 and verdict.statistics["keys"] == 2
    json.dumps(verdict.statistics)


def test_the_lattice_is_consistent():
    for name, level in LEVELS.items():
        for weaker in level.weaker:
            assert forbidden(weaker) <= forbidden(name)
            assert name not in at_or_below(weaker)


def test_strange_histories_are_unknown():
    def check(*values, model="list-append"):
        history = History()
        for process, value in enumerate(values):
            history.append(Operation(-1, process, process, "invoke", "txn", value))
            history.append(Operation(-1, process, process, "ok", "txn", value))
        return Isolation(model).check(history, {})

    for value in (3, [3], [["r"]], [["cas", "x", 1]], [["r", "x", 1]], [["w", "x", 1]], None):
        verdict = check(value)
        assert verdict.valid == "unknown"
        assert "operation 0" in verdict.reason
    assert Isolation().check(History(), {}).valid == "unknown"
    assert "unique" in check([["append", "x", 1]], [["append", "x", 1]]).reason
    odd = check([["append", [1], "a"]], [["r", [1], ["a"]]])
    assert odd.valid is True
    assert check([["append", "x", None]], [["r", "x", [None]]]).valid is True


def test_options_of_the_command_line():
    wishes = {"initial": None, "level": "PL-3", "anomalies": [], "first": False, "realtime": "no"}
    made = Isolation.for_model("rw-register", wishes)
    assert (made.level, made.realtime) == ("serializable", False)
    assert set(Isolation.models()) == {"list-append", "rw-register"}
    for bad in ({"level": "nonsense"}, {"anomalies": ["G7"]}, {"colour": "red"}, {"realtime": "x"}):
        with pytest.raises(UserError):
            Isolation.for_model("list-append", bad)


def test_without_real_time_only_sessions_count():
    stale = PLANTED["G-single-realtime"]
    history = record(*stale)
    assert Isolation().check(history, {}).valid is False
    assert Isolation().check(history, {"realtime": False}).valid is True
    assert Isolation(realtime=False).check(history, {}).statistics["level"] == "serializable"


def test_importing_the_package_imports_nothing_heavy():
    code = "import duress.checkers.isolation, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "numba", "scipy", "networkx"} & set(done.stdout.split())
