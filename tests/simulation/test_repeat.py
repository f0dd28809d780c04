"""The same seed gives the same run, byte for byte, however this process hashes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from duress.harness import store
from duress.harness.errors import InfrastructureError, UserError
from duress.harness.simulation import repeat
from duress.harness.spec import TrialSpec

FILES = ("history.jsonl", "faults.jsonl", "messages.jsonl", "messages.json", "nodes/n1/node.log")


def spec(**changes):
    fields = {
        "system": "raft",
        "workload": "register",
        "nemeses": ["partition", "kill", "pause"],
        "cluster": "sim",
        "nodes": [f"n{i}" for i in range(1, 6)],
        "seed": 7,
        "concurrency": 6,
        "rate": 60.0,
        "time_limit_s": 6.0,
        "settle_s": 0.5,
        "interval_s": 1.0,
        "options": {"trace": "true", "loss": "0.01", "duplicate": "0.01"},
        **changes,
    }
    return TrialSpec(**fields)


def folder(path):
    (path / "nodes").mkdir(parents=True)
    return store.RunFolder(path)


def digests(path):
    return [hashlib.sha256((path / name).read_bytes()).hexdigest() for name in FILES]


def test_two_processes_that_hash_differently_agree(tmp_path):
    seen = []
    for hash_seed in ("0", "12345"):
        run = folder(tmp_path / hash_seed)
        subprocess.run(
            [sys.executable, "-m", "duress.harness.simulation.repeat", str(run.path)],
            input=msgspec.json.encode(spec()),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
        )
        assert (run.path / "messages.jsonl").stat().st_size > 100_000
        seen.append(digests(run.path))
    assert seen[0] == seen[1]


def test_another_seed_is_another_run(tmp_path):
    runs = [folder(tmp_path / str(seed)) for seed in (1, 2)]
    for seed, run in enumerate(runs, 1):
        repeat.run(spec(seed=seed, time_limit_s=1.0), run)
    found = repeat.first_difference(runs[0].path, runs[1].path)
    assert found is not None
    assert found.file == "messages.jsonl"
    assert "differs between two runs of the same seed" in str(found)


def test_running_twice_finds_nothing_in_raft(tmp_path):
    first, second = folder(tmp_path / "1"), folder(tmp_path / "2")
    assert repeat.run_twice(spec(time_limit_s=2.0, options={}), first, second) is None
    assert (first.path / "messages.jsonl").stat().st_size > 10_000


UNORDERED = '''
"""A protocol that greets its peers in the order of a set."""
from duress.fixtures.protocols import raft
from duress.fixtures.runtime import node
from duress.fixtures.systems.raft import RaftSystem
from duress.harness import registry


class Greets(raft.Raft):
    def on_start(self):
        super().on_start()
        friends = set(self.peers)
        for peer in friends:
            self.send(peer, {"type": "hello"})


def parse(arguments):
    return node.parse_command(arguments)._replace(protocol=Greets)


class Greeting(RaftSystem):
    pass


load = registry.load
registry.load = lambda kind, name: parse if kind == "programs" else load(kind, name)
'''


def test_the_order_of_a_set_is_found_out_where_it_first_shows(tmp_path):
    suite = tmp_path / "suite.py"
    suite.write_text(UNORDERED)
    changed = spec(system=f"{suite}:Greeting", time_limit_s=1.0, nemeses=[], options={})
    probe = "print(list({'n2', 'n3', 'n4', 'n5'}))"
    orders = {
        subprocess.check_output(
            [sys.executable, "-c", probe], env={**os.environ, "PYTHONHASHSEED": seed}
        )
        for seed in ("1", "2")
    }
    assert len(orders) == 2, "these two seeds must order the set differently"
    script = (
        "import sys, msgspec; from pathlib import Path; from duress.harness.spec import TrialSpec\n"
        "from duress.harness.simulation import repeat; from duress.harness.store import RunFolder\n"
        "spec = msgspec.json.decode(sys.stdin.buffer.read(), type=TrialSpec)\n"
        "print(repeat.run_twice(spec, *(RunFolder(Path(p)) for p in sys.argv[1:])))"
    )
    paths = [str(folder(tmp_path / name).path) for name in ("1", "2")]
    done = subprocess.run(
        [sys.executable, "-c", script, *paths],
        input=msgspec.json.encode(changed),
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        check=True,
    )
    said = done.stdout.decode()
    assert said.startswith("messages.jsonl:")
    assert '"hello"' in said


def test_a_trial_that_did_not_work_proves_nothing(tmp_path):
    first, second = folder(tmp_path / "1"), folder(tmp_path / "2")
    with pytest.raises(UserError, match=r"loss: expected a number"):
        repeat.run_twice(spec(options={"loss": "7"}), first, second)


def test_a_trial_that_fails_elsewhere_is_told(tmp_path):
    with pytest.raises(InfrastructureError, match=r"repeating the trial failed: .*no-such"):
        repeat.run_again(spec(workload="no-such"), folder(tmp_path / "x"))


def test_where_files_differ(tmp_path):
    for name, text in (("a", "1\n2\n3\n"), ("b", "1\n2\n"), ("c", "1\n2\n3\n")):
        folder(tmp_path / name)
        Path(tmp_path, name, "history.jsonl").write_text(text)
    found = repeat.first_difference(tmp_path / "a", tmp_path / "b")
    assert found == repeat.Divergence("history.jsonl", 3, "3", None)
    assert repeat.first_difference(tmp_path / "a", tmp_path / "c") is None
