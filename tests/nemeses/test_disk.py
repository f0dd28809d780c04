"""The nemesis ``disk``: in simulation, on real processes and in containers."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from duress.harness.attempts import attempt
from duress.harness.cluster import layer_process
from duress.harness.cluster.disks import DiskTrouble
from duress.harness.errors import UserError
from duress.nemeses import disk_shapes
from duress.nemeses.disk import DiskNemesis

from ..ability import needs
from ..command_line import DURESS, duress, said_by
from ..fixtures.protocol_trials import assert_valid, mutant_spec, spec, trials_to_find

needs_fuse = needs(layer_process.reason_unavailable())

POWER_CUTS = {"disk-faults": "power-cut"}


# -- what is drawn -------------------------------------------------------------------


@pytest.mark.parametrize("shape", disk_shapes.SHAPES)
def test_what_is_drawn_can_be_written_down_and_read_again(shape):
    limits = disk_shapes.limits({})
    for seed in range(20):
        drawn = {"shape": shape, **disk_shapes.SHAPES[shape].draw(Random(seed), limits)}
        assert json.loads(json.dumps(drawn)) == drawn
        lasting = disk_shapes.trouble(drawn)
        assert (lasting is None) == (shape in ("power-cut", "bit-flip", "truncate", "rollback"))
        assert lasting != DiskTrouble()


def test_only_what_a_correct_system_survives_is_drawn_by_default():
    assert set(disk_shapes.wanted({})) == {"power-cut", "full", "errors", "slow", "stall"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"disk-faults": "rust"}, "disk-faults: expected some of power-cut, .*; got 'rust'"),
        ({"disk-survives": "all"}, "disk-survives: expected some of prefix, torn, lost"),
        ({"disk-sector": "0"}, "disk-sector: expected a number from 1"),
        ({"disk-error-on": "close"}, "disk-error-on: expected some of read, write, sync"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        disk_shapes.limits(options)
        disk_shapes.wanted(options)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({}, "needs a `shape`"), ({"shape": "slow"}, "lacks a parameter: 'delay_s'")],
)
def test_a_planned_fault_that_says_too_little_is_refused(parameters, message):
    with pytest.raises(UserError, match=message):
        disk_shapes.trouble(parameters)


def test_an_aim_needs_a_shape():
    DiskNemesis.check_aim({"targets": "one", "shape": "full"})
    with pytest.raises(UserError, match="one of the shapes"):
        DiskNemesis.check_aim({"targets": "one"})


# -- in simulation -------------------------------------------------------------------


@pytest.mark.parametrize("system", ["raft", "wal-store", "two-phase-commit"])
def test_correct_systems_survive_troubles_of_disks(system):
    assert_valid((spec(system, seed, nemeses=["disk"]) for seed in range(2)), operations=100)


@pytest.mark.parametrize(
    "mutant", ["no-fsync", "acknowledges-early", "ignores-torn-tail", "renames-before-sync"]
)
def test_stores_that_do_not_sync_as_they_should_are_found(mutant):
    found = trials_to_find("wal-store", mutant, range(12), nemeses=["disk"], time_limit_s=15.0)
    assert 1 <= found <= 12


def test_damage_to_what_was_synced_is_noticed_by_the_checker():
    damage = {"disk-faults": "bit-flip,truncate,rollback"}
    results = [attempt(spec("wal-store", s, nemeses=["disk"], options=damage)) for s in range(2)]
    assert all(result.error is None for result in results)
    assert any("lost-write" in result.anomalies for result in results)


def test_a_trial_with_troubles_is_the_same_every_time():
    def told(seed):
        result = attempt(mutant_spec("wal-store", "no-fsync", seed, nemeses=["disk"]))
        return result.outcome, result.anomalies, result.operations

    assert [told(seed) for seed in (1, 2)] == [told(seed) for seed in (1, 2)]


# -- on real processes ---------------------------------------------------------------


def run(store, *arguments):
    return said_by("run", "wal-store", "--store", str(store), "--json", *arguments)


def ledger(store):
    lines = (store / "latest" / "faults.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@needs_fuse
@pytest.mark.local
def test_a_correct_store_survives_every_trouble_and_the_probe_meets_each(tmp_path):
    faults = [
        {"shape": "power-cut", "survives": "torn", "sector_bytes": 64},
        {"shape": "full", "free_bytes": 900},
        {"shape": "errors", "share": 0.5, "on": ["write", "sync"]},
        {"shape": "slow", "delay_s": 0.05},
        {"shape": "stall"},
        {"shape": "power-cut", "survives": "lost", "sector_bytes": 512},
    ]
    lines = [
        {
            "kind": "disk",
            "at_s": 0.5 + 1.5 * at,
            "until_s": 1.5 + 1.5 * at,
            "targets": ["n1", "n2"],
            "parameters": {**fault, "seed": at},
        }
        for at, fault in enumerate(faults)
    ]
    schedule = tmp_path / "schedule.json"
    schedule.write_text(json.dumps({"faults": lines}))
    common = ("--on", "local", "--nodes", "3", "--time", "10", "--schedule", str(schedule))
    code, said, error = run(tmp_path, *common)
    assert (code, said["valid"]) == (0, True), (said, error)
    injected = [line for line in ledger(tmp_path) if line["state"] == "injected"]
    met = {line["fault"]["parameters"]["shape"]: line["seen"]["disks"]["n1"] for line in injected}
    assert {line["seen"]["backend"] for line in injected} == {"fuse"}
    assert met["power-cut"]["probe_bytes_left"] == 0
    assert met["full"]["probe"] == "ENOSPC"
    assert met["errors"]["probe"] == "EIO"
    assert met["slow"]["took_s"] >= 0.05
    assert met["stall"]["probe"] == "stalled"


@needs_fuse
@pytest.mark.local
@pytest.mark.parametrize(
    ("mutant", "options"),
    [
        ("no-fsync", {}),
        pytest.param("acknowledges-early", {}, marks=pytest.mark.soak),
        pytest.param(
            "ignores-torn-tail",
            {"checkpoint_ms": "3000", "disk-sector": "64"},
            marks=pytest.mark.soak,
        ),
    ],
)
def test_stores_that_do_not_sync_are_found_on_real_disks(tmp_path, mutant, options):
    settings = [f"--set={name}={value}" for name, value in {**POWER_CUTS, **options}.items()]
    code, said, error = run(
        tmp_path,
        *("--on", "local", "--nemesis", "disk", "--mutant", mutant, "--interval", "0.6"),
        *("--rate", "300", "--time", "15", "--trials", "2", *settings),
    )
    assert code == 1, (said, error)
    verdicts = [path.read_text() for path in tmp_path.glob("2*/verdict.json")]
    assert any('"lost-write"' in verdict for verdict in verdicts)


@needs_fuse
@pytest.mark.local
@pytest.mark.parametrize("shape", ["rollback", "truncate", "bit-flip"])
def test_damage_to_what_was_synced_is_done_on_real_disks(tmp_path, shape):
    run(
        tmp_path,
        *("--on", "local", "--nodes", "2", "--nemesis", "disk", "--interval", "0.8"),
        *("--time", "4", "--seed", "3", f"--set=disk-faults={shape}"),
    )
    injected = [line for line in ledger(tmp_path) if line["state"] == "injected"]
    assert injected
    assert all(what for line in injected for what in line["seen"]["disks"].values())


@needs_fuse
@pytest.mark.local
def test_nothing_is_left_when_the_harness_is_killed_while_a_disk_is_stalled(tmp_path):
    kill_while_stalled(tmp_path, "--on", "local")
    assert left_of(str(tmp_path)) == []


def kill_while_stalled(store, *where):
    """Run a trial, and kill the harness once a disk is stalled."""
    nemesis = ("--nemesis", "disk", "--set", "disk-faults=stall", "--interval", "0.5")
    harness = subprocess.Popen(
        [*DURESS, "run", "wal-store", *where, *nemesis, "--time", "60", "--store", str(store)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    for line in harness.stdout:
        if "injected" in line and "stall" in line:
            break
    os.kill(harness.pid, signal.SIGKILL)
    harness.stdout.close()
    harness.wait()


def left_of(folder: str, patience_s: float = 10) -> list[str]:
    """Processes that still have to do with a run folder, once they had time to end."""
    deadline = time.monotonic() + patience_s
    while True:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                text = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if folder in text and str(os.getpid()) != path.parent.name:
                found.append(text)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


# -- in containers -------------------------------------------------------------------


@pytest.mark.soak
@needs_fuse
@pytest.mark.docker
def test_etcd_survives_power_cuts_of_all_its_members(tmp_path):
    code, said, error = said_by(
        *("run", "etcd", "--on", "docker", "--store", str(tmp_path), "--json", "--seed", "4"),
        *("--nemesis", "disk", "--set", "disk-faults=power-cut,full,stall", "--interval", "2"),
        *("--set", "disk-targets=all,one", "--time", "15"),
    )
    assert (code, said["valid"]) == (0, True), (said, error)
    cuts = [line for line in ledger(tmp_path) if line["state"] == "injected"]
    assert cuts
    assert {line["seen"]["backend"] for line in cuts} == {"fuse"}


@needs_fuse
@pytest.mark.docker
def test_containers_are_removed_after_the_harness_was_killed_while_a_disk_is_stalled(tmp_path):
    kill_while_stalled(tmp_path, "--on", "docker", "--nodes", "2")
    trial = (tmp_path / "latest").readlink().name
    done = duress("clean")
    assert f"container duress-{trial}-n1" in done.stdout, done.stdout + done.stderr
    assert "duress-disk" not in Path("/proc/mounts").read_text()
