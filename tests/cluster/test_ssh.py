"""Clusters of hosts reached by ssh: real sshds, real faults, nothing left behind."""

import asyncio
import os
import signal
import subprocess

import pytest

from duress.harness.cluster import Process
from duress.harness.errors import InfrastructureError

from ..command_line import DURESS, duress
from .ssh_hosts import running, with_cluster

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    with running(3, tmp_path_factory.mktemp("ssh")) as found:
        yield found


@pytest.mark.parametrize("user", [pytest.param("root", marks=pytest.mark.soak), "alice"])
def test_raft_keeps_its_promise_under_partitions_and_kills(hosts, tmp_path, user):
    done = duress(
        *("run", "raft", "--on", "ssh", "--nodes", "3", "--time", "10", "--interval", "1"),
        # An aimed shape strikes nobody while there is no primary: these always strike.
        *("--set", "partition-shapes=halves,one,one-way"),
        *("--seed", "3", "--store", str(tmp_path), *hosts.flags(**{"ssh-user": user})),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "partition" in done.stdout
    assert hosts.leftovers() == ""


def test_a_planted_bug_is_found(hosts, tmp_path):
    done = duress(
        *("run", "raft", "--mutant", "stale-read", "--on", "ssh", "--nodes", "3"),
        *("--time", "8", "--interval", "1.5", "--trials", "4", "--store", str(tmp_path)),
        *hosts.flags(),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert hosts.leftovers() == ""


def test_etcd_keeps_its_promise(hosts, tmp_path):
    done = duress(
        *("run", "etcd", "--on", "ssh", "--time", "10", "--interval", "1"),
        *("--set", "partition-shapes=halves,one,one-way"),
        *("--seed", "1", "--store", str(tmp_path), *hosts.flags()),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert hosts.leftovers() == ""


def test_links_are_cut_one_way_and_healed(hosts, tmp_path):
    async def story(cluster):
        seen = []
        cuts = [
            {("n1", "n2")},
            {("n1", "n2"), ("n2", "n1"), ("n3", "n1")},
            {("clients", "n2"), ("n3", "clients")},
            set(),
        ]
        for cut in cuts:
            await cluster.network.cut(frozenset(cut))
            seen.append((set(await cluster.network.probe()), cut))
        return seen

    for found, cut in with_cluster(hosts, tmp_path, story):
        assert found == cut
    assert hosts.leftovers() == ""


def test_commands_files_and_programs(hosts, tmp_path):
    async def story(cluster):
        node = cluster.nodes["n1"]
        assert (await node.run("sh", "-c", "cat; echo oops >&2", input=b"in")).stdout == "in"
        assert (await node.run("false", check=False)).status == 1
        with pytest.raises(InfrastructureError, match=r"n1: `false` ended with status 1"):
            await node.run("false")
        with pytest.raises(InfrastructureError, match=r"was killed after 0\.2 s"):
            await node.run("sleep", "60", timeout_s=0.2)
        content = os.urandom(3_000_000)
        await node.put("deep/down/file", content, 0o755)
        assert await node.get("deep/down/file") == content
        with pytest.raises(FileNotFoundError):
            await node.get("nothing")
        forks = "setsid sleep 1000 & sleep 1001 & wait"
        await node.processes.start(Process("p", ["sh", "-c", forks], "p.log"))
        assert await node.processes.running() == {"p": "running"}
        await node.processes.pause()
        assert await node.processes.running() == {"p": "paused"}
        assert "T" in hosts.on(0, "ps ax -o stat,args | grep 'sleep 1000' | grep -v grep")
        await node.processes.resume()
        await node.processes.kill("p")
        assert await node.processes.running() == {}
        assert "sleep" not in hosts.on(0, "ps ax -o args | grep 'sleep 100' | grep -v grep")
        with pytest.raises(InfrastructureError, match="cannot start q"):
            await node.processes.start(Process("q", ["no-such-program"], "q.log"))
        await node.processes.start(Process("r", ["sleep", "1002"], "r.log"))

    with_cluster(hosts, tmp_path, story)
    assert hosts.leftovers() == ""


def test_a_connection_that_is_cut_is_made_anew(hosts, tmp_path):
    async def story(cluster):
        node = cluster.nodes["n2"]
        await node.processes.start(Process("p", ["sleep", "1000"], "p.log"))
        await cluster.network.cut(frozenset({("n1", "n2")}))
        hosts.on(1, "pkill -f 'sshd: root@'")
        assert await node.processes.running() == {"p": "running"}
        assert await cluster.network.probe() == {("n1", "n2")}

    with_cluster(hosts, tmp_path, story)
    assert hosts.leftovers() == ""


def test_a_host_that_was_killed_comes_back_without_programs_but_with_its_cuts(hosts, tmp_path):
    async def story(cluster):
        node = cluster.nodes["n3"]
        await node.processes.start(Process("p", ["sleep", "1000"], "p.log"))
        await cluster.network.cut(frozenset({("n1", "n3")}))
        hosts.containers[2].kill()
        asyncio.get_running_loop().call_later(0.5, hosts.up, 2)
        assert await node.processes.running() == {}
        assert await cluster.network.probe() == {("n1", "n3")}

    with_cluster(hosts, tmp_path, story)
    assert hosts.leftovers() == ""


def test_hosts_heal_themselves_when_the_harness_is_killed(hosts, tmp_path):
    arguments = ["run", "raft", "--on", "ssh", "--nodes", "3", "--time", "60", "--interval", "0.5"]
    heal = {"ssh-heal-after-s": "2"}
    harness = subprocess.Popen(
        [*DURESS, *arguments, "--store", str(tmp_path), *hosts.flags(**heal)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    for line in harness.stdout:
        if "injected" in line and "partition" in line:
            break
    harness.send_signal(signal.SIGKILL)
    harness.stdout.close()
    harness.wait()
    assert hosts.leftovers(0) != ""
    assert hosts.leftovers(30) == ""


def test_clean_ends_what_runs_on_the_hosts(hosts, tmp_path):
    arguments = ["run", "raft", "--on", "ssh", "--nodes", "3", "--time", "60"]
    harness = subprocess.Popen(
        [*DURESS, *arguments, "--store", str(tmp_path), *hosts.flags()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    for line in harness.stdout:
        if "running the workload" in line:
            break
    harness.send_signal(signal.SIGKILL)
    harness.stdout.close()
    harness.wait()
    done = duress("clean", "--all", "--on", "ssh", *hosts.flags())
    assert done.stdout.count(": ended\n") == 3, done.stdout + done.stderr
    assert hosts.leftovers() == ""


def test_a_host_can_be_reached_through_another(hosts, tmp_path):
    async def story(cluster):
        return (await cluster.nodes["n1"].run("hostname", "-i")).stdout

    only = {"hosts": hosts.addresses[1], "ssh-jump": f"root@{hosts.addresses[0]}"}
    assert hosts.addresses[1] in with_cluster(hosts, tmp_path, story, 1, **only)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ssh-known-hosts": "empty"}, "is not known: compare it and add it to known_hosts"),
        ({"ssh-key": "other"}, "refuses root with the keys"),
        ({"ssh-user": "nobody-at-all"}, "refuses nobody-at-all"),
        ({"hosts": "10.213.0.250", "ssh-connect-s": "2"}, "no login as root, port 22"),
    ],
)
def test_a_login_that_fails_says_why(hosts, tmp_path, changes, message):
    import paramiko

    (tmp_path / "empty").write_text("")
    paramiko.ECDSAKey.generate().write_private_key_file(str(tmp_path / "other"))
    made = {k: str(tmp_path / v) if v in ("empty", "other") else v for k, v in changes.items()}

    async def story(cluster):
        raise AssertionError("it is not up")

    with pytest.raises(InfrastructureError, match=message):
        with_cluster(hosts, tmp_path, story, 1, **made)


def test_a_host_whose_key_is_another_than_known_is_refused(hosts, tmp_path):
    import paramiko

    other = paramiko.ECDSAKey.generate()
    known = tmp_path / "known"
    known.write_text(f"{hosts.addresses[0]} {other.get_name()} {other.get_base64()}\n")

    async def story(cluster):
        raise AssertionError("it is not up")

    with pytest.raises(InfrastructureError, match="its key is another than the known one"):
        with_cluster(hosts, tmp_path, story, 1, **{"ssh-known-hosts": str(known)})


def test_clean_removes_what_an_agent_left_that_was_killed(hosts, tmp_path):
    arguments = ["run", "raft", "--on", "ssh", "--nodes", "3", "--time", "60", "--interval", "0.5"]
    harness = subprocess.Popen(
        [*DURESS, *arguments, "--store", str(tmp_path), *hosts.flags()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    for line in harness.stdout:
        if "injected" in line and "partition" in line:
            break
    for number in range(3):
        hosts.on(number, "pkill -9 -f agent-")
    harness.send_signal(signal.SIGKILL)
    harness.stdout.close()
    harness.wait()
    for number in range(3):  # it may have begun another one meanwhile
        hosts.on(number, "pkill -9 -f agent-")
    done = duress("clean", "--all", "--on", "ssh", *hosts.flags())
    assert done.stdout.count(": was dead\n") == 3, done.stdout + done.stderr
    assert hosts.leftovers() == ""
