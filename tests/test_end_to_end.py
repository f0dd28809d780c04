"""The main job as a user runs it: real processes, real containers, real faults."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from duress.harness.formats import jsonl

from .command_line import DURESS


def start(*arguments, store):
    return subprocess.Popen(
        [*DURESS, "run", *map(str, arguments), "--json", "--store", str(store)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(*arguments, store, limit_s=200):
    process = start(*arguments, store=store)
    out, error = process.communicate(timeout=limit_s)
    assert out.strip(), error
    return process.returncode, json.loads(out), error


def left_in_namespaces(store):
    """Processes whose command line names the store: nodes of a local trial."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(store).encode() in entry.read_bytes():
                found.append(entry.parent.name)
        except OSError:
            continue
    return [pid for pid in found if int(pid) != os.getpid()]


def docker_left():
    ask = ["docker", "ps", "-aq", "--filter", "label=duress=1"]
    nets = ["docker", "network", "ls", "-q", "--filter", "label=duress=1"]
    rules = ["nft", "list", "tables", "bridge"]
    outputs = [
        subprocess.run(a, capture_output=True, text=True, check=True).stdout
        for a in (ask, nets, rules)
    ]
    return (
        outputs[0].split() + outputs[1].split() + [t for t in outputs[2].split() if "duress" in t]
    )


def wait_for(condition, limit_s=15):
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


POSSIBLE = ("--set", "partition-shapes=halves,one,one-way")
"""Partitions that can be had at any moment and with any number of nodes, unlike all of them."""


def history_grows(store, least=50):
    for path in store.glob("*/history.jsonl"):
        if path.stat().st_size and len(path.read_bytes().splitlines()) > least:
            return path
    return None


@pytest.mark.local
def test_raft_keeps_its_promises_under_partitions_and_kills(tmp_path):
    code, result, error = run(
        *("raft", "--time", 10, "--interval", 1.5, "--seed", 4, *POSSIBLE), store=tmp_path
    )
    assert (code, result["valid"]) == (0, True), (result, error)
    assert result["ops"]["ok"] > 100
    folder = Path(result["run"])
    assert len(jsonl.read(folder / "history.jsonl").history) > 400
    kinds = {json.loads(line)["fault"]["kind"] for line in (folder / "faults.jsonl").open()}
    assert kinds == {"partition", "kill"}
    assert (folder / "report.html").stat().st_size > 10_000
    assert (folder / "junit.xml").is_file()
    assert "leader in term" in "".join(p.read_text() for p in folder.glob("nodes/*/node.log"))
    assert left_in_namespaces(tmp_path) == []


@pytest.mark.local
def test_raft_that_reads_locally_is_found(tmp_path):
    code, result, _ = run(
        "raft",
        "--mutant",
        "stale-read",
        "--time",
        8,
        "--interval",
        1.5,
        "--trials",
        3,
        store=tmp_path,
    )
    assert (code, result["valid"]) == (1, False)
    assert result["anomalies"][0]["name"] == "nonlinearizable"


@pytest.mark.local
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_local_run_leaves_a_readable_folder_and_nothing_else(tmp_path, number):
    process = start("raft", "--time", 60, store=tmp_path)
    assert wait_for(lambda: history_grows(tmp_path)), process.communicate()[1]
    os.kill(process.pid, number)
    out, error = process.communicate(timeout=40)
    assert process.returncode == 3, error
    assert json.loads(out)["outcome"] == "interrupted"
    folder = Path(json.loads(out)["run"])
    assert json.loads((folder / "trial.json").read_text())["outcome"] == "interrupted"
    assert (folder / "report.html").is_file()
    assert wait_for(lambda: left_in_namespaces(tmp_path) == [])


@pytest.mark.local
def test_a_local_run_that_is_killed_leaves_its_history_and_nothing_else(tmp_path):
    process = start("raft", "--time", 60, store=tmp_path)
    assert wait_for(lambda: history_grows(tmp_path)), process.communicate()[1]
    process.kill()
    process.wait()
    assert wait_for(lambda: left_in_namespaces(tmp_path) == [])
    loaded = jsonl.read(next(tmp_path.glob("2*/history.jsonl")))
    assert len(loaded.history) >= 50


@pytest.mark.docker
def test_raft_runs_in_containers_too(tmp_path):
    code, result, error = run(
        *("raft", "--on", "docker", "--time", 8, "--interval", 1.5, "--seed", 3, *POSSIBLE),
        store=tmp_path,
    )
    assert (code, result["valid"]) == (0, True), (result, error)
    assert docker_left() == []


@pytest.mark.docker
@pytest.mark.parametrize("nodes", [3, pytest.param(5, marks=pytest.mark.soak)])
def test_etcd_keeps_its_promises_with_linearizable_reads(tmp_path, nodes):
    code, result, error = run(
        "etcd",
        "--on",
        "docker",
        "--nodes",
        nodes,
        "--nemesis",
        "partition,kill",
        "--time",
        10,
        "--interval",
        1.5,
        *("--seed", 4),  # draws both kinds of faults soon, which by chance may take longer
        *POSSIBLE,
        store=tmp_path,
    )
    assert (code, result["valid"]) == (0, True), (result, error)
    assert docker_left() == []


@pytest.mark.docker
def test_etcd_is_found_invalid_with_serializable_reads(tmp_path):
    code, result, _ = run(
        "etcd",
        "--on",
        "docker",
        "--set",
        "reads=serializable",
        "--nemesis",
        "partition",
        "--time",
        15,
        "--interval",
        2,
        "--trials",
        3,
        store=tmp_path,
    )
    assert (code, result["valid"]) == (1, False)


@pytest.mark.docker
def test_an_interrupted_docker_run_leaves_nothing(tmp_path):
    process = start("etcd", "--on", "docker", "--time", 60, store=tmp_path)
    assert wait_for(lambda: history_grows(tmp_path), 60), process.communicate()[1]
    os.killpg(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 3, error
    assert json.loads(out)["outcome"] == "interrupted"
    assert docker_left() == []


@pytest.mark.docker
def test_clean_removes_what_a_killed_docker_run_left(tmp_path):
    process = start("etcd", "--on", "docker", "--time", 60, "--interval", 1, store=tmp_path)
    assert wait_for(lambda: history_grows(tmp_path), 60), process.communicate()[1]
    process.kill()
    process.wait()
    assert docker_left()
    subprocess.run([*DURESS, "clean"], check=True, capture_output=True)
    assert docker_left() == []
    assert len(jsonl.read(next(tmp_path.glob("2*/history.jsonl"))).history) >= 50
