"""The benchmark of the isolation checker runs, and peers are given what they understand."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from benchmarks import isolation_histories, isolation_peer  # noqa: E402
from benchmarks.isolation_rows import ROWS  # noqa: E402

from duress.checkers.isolation import Isolation  # noqa: E402
from duress.checkers.isolation.judgement import judge_transactions  # noqa: E402
from duress.checkers.isolation.transactions import flatten  # noqa: E402
from duress.harness.formats import jsonl, load  # noqa: E402
from duress.harness.history import History  # noqa: E402

PEER = """
import json, sys
from duress.checkers.isolation import Isolation
from duress.harness.formats import load
loaded = load(sys.argv[2])
level = {"rc": "strong-session-monotonic-atomic-view", "ra": "read-atomic", "cc": "causal"}
verdict = Isolation("rw-register", level[sys.argv[1]], realtime=False).check(loaded.history, {})
print("hello")
print(json.dumps({"valid": verdict.valid is (sys.argv[3] == "honest"), "seconds": 0.25}))
"""


def table(*arguments: str) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "isolation.py"), "--quick", *arguments],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]


def test_a_quick_run_with_a_peer_that_errs(tmp_path: Path) -> None:
    (tmp_path / "peer.py").write_text(PEER)
    command = f"{sys.executable} {tmp_path / 'peer.py'} {{short}} {{awdit}} lying"
    head, _, lists, weak = table("--rows", "list from disk,weak stale causal", "--peer", command)
    verdict = head.index("verdict")
    assert lists[0] == "list from disk" and lists[verdict].startswith("valid") and not lists[-1]
    assert weak[verdict].startswith("invalid") and weak[-1].startswith("0.25 s")
    assert weak[-1].endswith("DISAGREES: True")


@pytest.mark.parametrize("name", ["weak serial causal", "weak causal read-atomic"])
def test_a_peer_reads_awdit(tmp_path: Path, name: str) -> None:
    (tmp_path / "peer.py").write_text(PEER)
    command = f"{sys.executable} {tmp_path / 'peer.py'} {{short}} {{awdit}} honest"
    row = ROWS[name]
    txns = row.made(300)
    told = isolation_peer.judged(command, row, txns, tmp_path)
    assert told is not None and (told["valid"], told["seconds"]) == (True, 0.25)
    assert told["peak_mb"] > 10


def test_peers_that_fail_are_shown(tmp_path: Path) -> None:
    row = ROWS["weak serial causal"]
    txns = row.made(50)
    judged = isolation_peer.judged("false {awdit}", row, txns, tmp_path)
    assert judged == {"error": "exit code 1"}
    assert "error" in (isolation_peer.judged("/absent", row, txns, tmp_path) or {})
    assert isolation_peer.judged("true {awdit}", ROWS["list"], txns, tmp_path) is None
    quiet = isolation_peer.judged("true {edn} {jsonl} {level}", row, txns, tmp_path)
    assert quiet is not None and quiet["valid"] is None and quiet["seconds"] > 0
    with pytest.raises(ValueError, match="edm"):
        isolation_peer.places("peer {edm}")


@pytest.mark.parametrize("name", ["list", "list stale", "register wfr", "weak causal causal"])
def test_files_hold_the_same_as_the_arrays(tmp_path: Path, name: str) -> None:
    row = ROWS[name]
    txns = row.made(300)
    history = History(isolation_histories.operations(txns, row.model))
    jsonl.write(history, tmp_path / "history.jsonl")
    isolation_histories.save(txns, tmp_path / "history.npz")
    again = isolation_histories.load(str(tmp_path / "history.npz"))
    read = flatten(load(tmp_path / "history.jsonl").history, row.model)
    checker = Isolation(row.model, **row.options)
    results = [judge_transactions(checker, t, {}).statistics for t in (txns, again, read)]
    assert results[0]["result"] == results[1]["result"] == results[2]["result"]
    assert (read.op == txns.op).all() and (read.length == txns.length).all()
    assert [read.keys[k] for k in read.key] == txns.key.tolist()


def test_the_replicated_store_is_causal_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation_histories, "LAG", 3_000)
    txns = ROWS["weak causal causal"].made(5_000)
    result = judge_transactions(
        Isolation("rw-register", "causal", realtime=False), txns, {}
    ).statistics["result"]
    assert "causal" not in result["ruled_out"]
    assert "serializable" in {*result["ruled_out"], *result.get("undecided", ())}, result
