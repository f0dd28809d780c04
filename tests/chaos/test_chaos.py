"""duress struck in the midst of trials, in short; ``python -m tests.chaos`` does it at length."""

import argparse
import re
import subprocess
from pathlib import Path
from random import Random

import pytest

from duress.harness.cluster import images

from . import blows, disasters, grounds
from .blows import Ground, Struck, arguments, examine
from .engine import second_engine
from .harness import Harness

DEADLY = Path(__file__).with_name("deadly.py")
TAKES_S = 7.0
"""About what a trial takes that nobody strikes."""


def assert_right(struck: Struck) -> None:
    assert struck.is_right, (struck.left, struck.wrong)


@pytest.fixture
def options():
    return argparse.Namespace(tries=1, nemesis="")


@pytest.mark.local
@pytest.mark.parametrize(
    ("blow", "moment"),
    [
        pytest.param("kill -9", "bring-up", marks=pytest.mark.soak),
        ("kill -9", "injection"),
        pytest.param("kill -9", "healing", marks=pytest.mark.soak),
        pytest.param("SIGTERM", "injection", marks=pytest.mark.soak),
        pytest.param("Ctrl-C", "bring-up", marks=pytest.mark.soak),
        ("Ctrl-C twice", "healing"),
        pytest.param("Ctrl-C twice", "teardown", marks=pytest.mark.soak),
    ],
)
def test_nothing_is_left_of_a_local_trial(tmp_path, blow, moment):
    with grounds.local(tmp_path) as ground:
        assert_right(blows.strike(ground, blow, moment, Random(1), TAKES_S, tmp_path))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("blow", "moment"),
    [
        pytest.param("kill -9", "bring-up", marks=pytest.mark.soak),
        ("kill -9", "injection"),
        ("SIGTERM", "teardown"),
        pytest.param("Ctrl-C twice", "healing", marks=pytest.mark.soak),
    ],
)
def test_nothing_is_left_of_a_trial_in_containers(tmp_path, blow, moment):
    with grounds.containers(tmp_path) as ground:
        assert_right(blows.strike(ground, blow, moment, Random(2), TAKES_S, tmp_path))


@pytest.mark.soak
@pytest.mark.docker
def test_nothing_is_left_on_hosts(tmp_path, options):
    with grounds.hosts(tmp_path) as ground:
        assert_right(blows.strike(ground, "kill -9", "injection", Random(3), TAKES_S, tmp_path))
        assert_right(blows.strike(ground, "SIGTERM", "healing", Random(4), TAKES_S, tmp_path))


@pytest.mark.soak
@pytest.mark.docker
def test_an_engine_that_ends_in_the_midst_of_a_trial(tmp_path):
    with second_engine(images.BASE, images.ensure("node")) as engine:
        ground = Ground("docker", arguments("docker"), True, engine.address, engine.prefix)
        for name in ("engine restarted", "engine killed for good"):
            assert_right(
                disasters.without_engine(ground, engine, name, 0, Random(5), TAKES_S, tmp_path)
            )


@pytest.mark.local
def test_a_run_folder_without_room(tmp_path):
    assert_right(disasters.run_folder_full("local", Random(6), tmp_path, "120k"))


@pytest.mark.local
def test_a_node_without_room(tmp_path):
    struck = disasters.node_full("local", Random(7), tmp_path, "16k", "partition,kill,pause")
    assert_right(struck)


@pytest.mark.soak
@pytest.mark.docker
@pytest.mark.parametrize("name", ["ssh sessions killed", "host killed for good"])
def test_a_host_that_is_lost_in_the_midst_of_a_trial(tmp_path, name):
    with grounds.ssh_hosts.running(3, tmp_path) as hosts:
        ground = grounds.ground_of(hosts, "partition,kill,pause")
        assert_right(disasters.without_host(hosts, ground, name, 0, Random(8), tmp_path))


# -- between the ledger and the effect ---------------------------------------------------


def killed_exactly(cluster: str, when: str, folder: Path) -> Harness:
    words = ["raft", "--on", cluster, "--time", "20", "--interval", "0.5"]
    words += ["--nemesis", f"{DEADLY}:{when}", "--set", "partition-shapes=halves"]
    docker = grounds.SOCKET if cluster == "docker" else None
    harness = Harness(words, folder, docker=docker)
    assert harness.wait() in (-9, 137), harness.said
    return harness


def cut_links(trial: str) -> int:
    """How many address pairs the table of a trial drops."""
    words = ["nft", "list", "set", "bridge", f"duress_{trial}", "cut"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return len(re.findall(r"[\d.]+ \. [\d.]+", listed))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("when", "states", "cut"),
    [
        pytest.param("BeforeTheEffect", ["injecting"], 0, marks=pytest.mark.soak),
        ("AfterTheEffect", ["injecting"], 12),
        ("AfterTheHeal", ["injecting", "injected", "healing"], 0),
    ],
)
def test_the_ledger_knew_before_there_was_an_effect(tmp_path, when, states, cut):
    harness = killed_exactly("docker", when, tmp_path)
    assert [line["state"] for line in harness.ledger()] == states
    assert harness.trial is not None
    assert cut_links(harness.trial) == cut
    struck = Struck("docker", when)
    with grounds.containers(tmp_path) as ground:
        examine(struck, harness, ground, killed=True)
    assert struck.before_clean
    assert_right(struck)


@pytest.mark.soak
@pytest.mark.local
@pytest.mark.parametrize("when", ["BeforeTheEffect", "AfterTheEffect", "AfterTheHeal"])
def test_at_that_moment_nothing_is_left_of_a_local_trial(tmp_path, when):
    harness = killed_exactly("local", when, tmp_path)
    assert harness.ledger()[0]["state"] == "injecting"
    struck = Struck("local", when)
    with grounds.local(tmp_path) as ground:
        examine(struck, harness, ground, killed=True)
    assert_right(struck)


def test_of_every_blow_and_moment_the_long_form_knows():
    assert set(blows.BLOWS) == {"kill -9", "SIGTERM", "Ctrl-C", "Ctrl-C twice"}
    assert set(blows.MOMENTS) == {"anywhere", "bring-up", "injection", "healing", "teardown"}
