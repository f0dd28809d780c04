"""Clusters of containers, on the real engine."""

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from duress.harness.cluster import CLIENTS, Process, pids
from duress.harness.cluster.docker import DockerCluster, reason_unavailable
from duress.harness.cluster.docker_engine import Engine
from duress.harness.cluster.docker_node import DockerNode
from duress.harness.cluster.netfilter import list_tables, table_name
from duress.harness.errors import InfrastructureError, UserError

pytestmark = pytest.mark.docker

counter = itertools.count()


def trial_id() -> str:
    return f"test-{os.getpid()}-{next(counter)}"


def leftovers(trial: str) -> list[str]:
    """Everything on this machine that carries the trial's id."""
    ours = {"label": f"duress.trial={trial}"}
    with Engine() as engine:
        found = [name for name, _ in engine.containers(ours) + engine.networks(ours)]
    return found + [name for name in list_tables() if name == table_name(trial)]


class Running:
    """A cluster that is up, and the loop in which it lives."""

    def __init__(self, size: int) -> None:
        self.runner = asyncio.Runner()
        names = [f"n{number}" for number in range(1, size + 1)]
        self.cluster = DockerCluster(trial_id(), names, Path(), {"image": "node"})

    def __call__(self, coroutine):
        return self.runner.run(coroutine)


async def until(attempt: Callable[[], Awaitable[Any]], limit_s: float = 20) -> Any:
    """The first result of ``attempt`` that is true."""
    async with asyncio.timeout(limit_s):
        while True:
            if result := await attempt():
                return result
            await asyncio.sleep(0.01)


async def log_of(node: DockerNode, path: str, lines: int) -> bytes:
    """A log once it has so many lines."""

    async def enough() -> bytes:
        content = await node.get(path)
        return content if content.count(b"\n") >= lines else b""

    return await until(enough)


async def living(node: DockerNode, command: str) -> list[str]:
    """Command lines of the processes of a name; the dead whom nobody collected are not counted."""
    found = await node.run("ps", "-C", command, "-o", "stat=,args=", check=False)
    lines = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
    return sorted(args for state, args in lines if state[0] not in "ZX")


async def sleepers(node: DockerNode, number: int) -> None:
    """Wait until so many processes named sleep are on a node."""

    async def counted() -> bool:
        return len(await living(node, "sleep")) == number

    await until(counted)


@pytest.fixture(scope="module")
def three() -> Iterator[Running]:
    running = Running(3)
    try:
        running(running.cluster.up())
        yield running
    finally:
        running(running.cluster.down())
        running.runner.close()
    assert leftovers(running.cluster.trial_id) == []


@pytest.fixture
def n1(three):
    yield three.cluster.nodes["n1"]
    three(three.cluster.nodes["n1"].processes.kill())


def test_this_machine_can():
    assert reason_unavailable() is None


def test_five_nodes_come_up_and_leave_nothing_behind():
    running = Running(5)
    cluster = running.cluster
    with running.runner:
        running(cluster.up())
        assert list(cluster.nodes) == ["n1", "n2", "n3", "n4", "n5"]
        assert len({node.address for node in cluster.nodes.values()}) == 5
        assert running(cluster.network.probe()) == frozenset()
        assert len(leftovers(cluster.trial_id)) == 7  # containers, network, table
        running(cluster.down())
        assert leftovers(cluster.trial_id) == []
        running(cluster.down())


def test_a_trial_given_up_half_way_leaves_nothing_behind():
    async def give_up_after(cluster: DockerCluster, delay_s: float) -> None:
        task = asyncio.create_task(cluster.up())
        await asyncio.sleep(delay_s)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cluster.down()

    for delay_s in (0.0, 0.05, 0.15, 0.3, 0.5):
        cluster = DockerCluster(trial_id(), ["n1", "n2", "n3"], Path(), {"image": "node"})
        asyncio.run(give_up_after(cluster, delay_s))
        assert leftovers(cluster.trial_id) == []


def test_two_trials_at_once_do_not_meet():
    async def both() -> None:
        clusters = [DockerCluster(trial_id(), ["n1"], Path(), {"image": "node"}) for _ in "ab"]
        try:
            await asyncio.gather(*(cluster.up() for cluster in clusters))
            a, b = (cluster.nodes["n1"] for cluster in clusters)
            assert a.address != b.address
            ping = await a.run("ping", "-c1", "-W1", b.address, check=False)
            assert ping.status != 0
        finally:
            await asyncio.gather(*(cluster.down() for cluster in clusters))

    asyncio.run(both())


def test_wrong_options_are_the_users_mistake():
    with pytest.raises(UserError, match="option image is missing"):
        DockerCluster("t", ["n1"], Path(), {})
    with pytest.raises(UserError, match="0 nodes"):
        DockerCluster("t", [], Path(), {"image": "node"})
    cluster = DockerCluster(trial_id(), ["n1"], Path(), {"image": "nope"})
    with pytest.raises(UserError, match=r"no fixtures/images/nope; there are etcd, .*node, "):
        asyncio.run(cluster.up())
    asyncio.run(cluster.down())


def test_without_root_it_says_so_before_anything_is_made(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    cluster = DockerCluster(trial_id(), ["n1"], Path(), {"image": "node"})
    with pytest.raises(InfrastructureError, match="need root on the host"):
        asyncio.run(cluster.up())
    assert leftovers(cluster.trial_id) == []


def test_without_an_engine_it_says_what_to_do(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    reason = reason_unavailable()
    assert reason is not None
    assert "/nonexistent/docker.sock" in reason
    assert "scripts/docker-up" in reason


# -- commands and files --------------------------------------------------------------


def test_commands_run_inside(three, n1):
    done = three(
        n1.run("sh", "-c", "hostname; cat; echo oops >&2; exit 3", check=False, input=b"x\n")
    )
    assert (done.status, done.stdout, done.stderr) == (3, "n1\nx\n", "oops\n")
    assert three(n1.run("sh", "-c", "ip -4 -br addr")).stdout.count(n1.address) == 1
    assert three(n1.run("getent", "hosts", "n3")).stdout.split()[0] == (
        three.cluster.nodes["n3"].address
    )


def test_nothing_of_the_harness_leaks_into_commands(three, n1, monkeypatch):
    monkeypatch.setenv("LD_SOMETHING", "from the host")
    assert "LD_SOMETHING" not in three(n1.run("env")).stdout


def test_commands_that_fail_or_hang_are_errors_of_one_line(three, n1):
    with pytest.raises(InfrastructureError, match=r"n1: `ls /nope` ended with status 2: .*nope"):
        three(n1.run("ls", "/nope"))
    with pytest.raises(InfrastructureError, match=r"n1: `sleep 777` had not ended after 0\.2 s"):
        three(n1.run("sleep", "777", timeout_s=0.2))
    assert "sleep 777" not in three(n1.run("ps", "ax")).stdout


def test_files_go_there_and_back(three, n1):
    content = bytes(range(256)) * 4000
    path = f"{n1.directory}/deep/down/file"
    three(n1.put(path, content, mode=0o750))
    assert three(n1.get(path)) == content
    assert three(n1.run("stat", "-c", "%a", path)).stdout == "750\n"
    three(n1.put(path, b"new"))
    assert three(n1.get(path)) == b"new"
    with pytest.raises(FileNotFoundError):
        three(n1.get("/nope"))


def test_links_inside_do_not_lead_to_files_of_the_host(three, n1):
    three(n1.run("ln", "-sfn", "/etc/hostname", "/tmp/link"))
    three(n1.run("ln", "-sfn", "/srv", "/tmp/folder"))
    assert three(n1.get("/tmp/link")) == b"n1\n"
    three(n1.put("/tmp/folder/duress-was-here", b""))
    assert not Path("/srv/duress-was-here").exists()


# -- programs ------------------------------------------------------------------------

COUNT = (
    "import time, itertools\nfor i in itertools.count(): print(i, flush=True); time.sleep(0.005)"
)


def count(name="counter") -> Process:
    return Process(name, ["python3", "-c", COUNT], f"/var/log/{name}.log")


def test_a_program_is_started_once_and_killed(three, n1):
    three(n1.processes.start(count()))
    three(n1.processes.start(count()))
    assert three(n1.processes.running()) == {"counter": "running"}
    assert len(three(living(n1, "python3"))) == 1
    three(n1.processes.kill("counter"))
    assert three(n1.processes.running()) == {}
    assert three(living(n1, "python3")) == []
    three(n1.processes.kill("counter"))
    three(n1.processes.kill())


def test_a_program_has_its_environment_folder_and_log(three, n1):
    shell = ["sh", "-c", "echo $DURESS_TEST $PWD; echo second >&2; sleep 100"]
    three(n1.processes.start(Process("p", shell, "/a/b.log", {"DURESS_TEST": "7"}, "/usr")))
    assert three(log_of(n1, "/a/b.log", 2)) == b"7 /usr\nsecond\n"


def test_a_program_that_is_not_there_is_an_error(three, n1):
    with pytest.raises(InfrastructureError, match=r"n1: cannot execute /nope for p .*not found"):
        three(n1.processes.start(Process("p", ["/nope"], "/a/nope.log")))
    assert three(n1.processes.running()) == {}


def test_programs_are_restricted_like_any_container(three, n1):
    """They must not have the harness's rights: no new network rules, no foreign signals."""
    shell = ["sh", "-c", "grep CapEff /proc/self/status; sleep 100"]
    three(n1.processes.start(Process("p", shell, "/a/caps.log")))
    effective = int(three(log_of(n1, "/a/caps.log", 1)).split()[1], 16)
    net_admin, sys_admin = 1 << 12, 1 << 21
    assert effective & (net_admin | sys_admin) == 0


def test_children_are_killed_with_their_program_and_no_others(three, n1):
    family = ["sh", "-c", "env -i setsid sleep 101 & sleep 102 & wait"]
    three(n1.processes.start(Process("family", family, "/a/f.log")))
    three(n1.processes.start(count()))
    three(sleepers(n1, 3))
    three(n1.processes.kill("family"))
    assert three(n1.processes.running()) == {"counter": "running"}
    # The one that is left keeps the container alive.
    assert three(living(n1, "sleep")) == ["sleep infinity"]
    assert len(three(living(n1, "python3"))) == 1


def test_orphans_that_left_everything_are_killed_with_the_node(three, n1):
    shell = ["sh", "-c", "env -i setsid sh -c 'sleep 103 & exit' & wait; exit"]
    three(n1.processes.start(Process("daemon", shell, "/a/d.log")))
    three(sleepers(n1, 2))
    three(n1.processes.kill())
    assert three(living(n1, "sleep")) == ["sleep infinity"]


def test_graceful_ends_are_waited_for(three, n1):
    script = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.05; done"
    three(n1.processes.start(Process("p", ["sh", "-c", script], "/a/term.log")))
    three(log_of(n1, "/a/term.log", 1))
    three(n1.processes.kill("p", graceful_s=10))
    assert three(n1.get("/a/term.log")).endswith(b"bye\n")


def test_a_paused_node_stands_still_and_goes_on(three, n1):
    three(n1.processes.start(count()))

    async def size() -> int:
        return len(await n1.get("/var/log/counter.log"))

    three(n1.processes.pause())
    three(n1.processes.pause())
    assert three(n1.processes.running()) == {"counter": "paused"}
    before = three(size())
    three(asyncio.sleep(0.1))
    assert three(size()) == before

    three(n1.processes.resume())
    three(n1.processes.resume())
    assert three(n1.processes.running()) == {"counter": "running"}

    async def grown() -> bool:
        return await size() > before

    three(until(grown))


def test_pausing_spares_the_harness_s_own_commands(three, n1):
    async def both() -> str:
        command = asyncio.create_task(n1.run("sh", "-c", "sleep 0.5; echo done"))

        async def inside() -> bool:
            return "sleep 0.5" in (await n1.run("ps", "ax")).stdout

        await until(inside)
        await n1.processes.pause()
        try:
            return (await command).stdout
        finally:
            await n1.processes.resume()

    assert three(both()) == "done\n"


def test_a_paused_program_can_be_killed_and_started(three, n1):
    three(n1.processes.start(count()))
    three(n1.processes.pause())
    three(n1.processes.kill())
    assert three(n1.processes.running()) == {}
    three(n1.processes.start(count()))
    assert three(n1.processes.running()) == {"counter": "running"}


# -- links ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "links",
    [
        frozenset({("n1", "n2")}),
        frozenset({("n1", "n2"), ("n2", "n1"), ("n1", "n3"), ("n3", "n1")}),
        frozenset({(CLIENTS, "n3")}),
        frozenset({("n3", CLIENTS), ("n2", "n3")}),
    ],
)
def test_exactly_the_links_cut_are_dead(three, links):
    network = three.cluster.network
    three(network.cut(links))
    assert three(network.probe()) == links
    three(network.cut(links))
    assert three(network.probe()) == links
    three(network.cut(frozenset()))
    assert three(network.probe()) == frozenset()


def test_a_cut_survives_a_kill_and_start(three, n1):
    links = frozenset({("n1", "n2"), ("n2", "n1")})
    three(three.cluster.network.cut(links))
    three(n1.processes.start(count()))
    three(n1.processes.kill())
    three(n1.processes.start(count()))
    assert three(three.cluster.network.probe()) == links
    ping = three(n1.run("ping", "-c1", "-W1", three.cluster.nodes["n2"].address, check=False))
    assert ping.status == 1
    three(three.cluster.network.cut(frozenset()))
    three(n1.run("ping", "-c1", "-W5", three.cluster.nodes["n2"].address))


def test_links_of_unknown_nodes_are_refused(three):
    with pytest.raises(InfrastructureError, match="no nodes \\['n9'\\]"):
        three(three.cluster.network.cut(frozenset({("n1", "n9")})))


# -- an engine that dies ---------------------------------------------------------------


class Relay:
    """Stands between us and the engine, and can die or fall silent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.silent = False
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect("/var/run/docker.sock")
            self._open += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source, target) -> None:
        try:
            while data := source.recv(65536):
                if not self.silent:
                    target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def die(self) -> None:
        # close() alone would leave the accepting thread asleep.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.path.unlink(missing_ok=True)


@pytest.mark.parametrize("how", ["dies", "falls silent"])
def test_an_engine_that_is_lost_is_reported_and_nothing_hangs(how, tmp_path, monkeypatch):
    relay = Relay(tmp_path / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{relay.path}")
    running = Running(2)
    cluster = running.cluster
    cluster.call_timeout_s = 2
    try:
        with running.runner:
            running(cluster.up())
            n1 = cluster.nodes["n1"]
            assert isinstance(n1, DockerNode)
            running(n1.processes.start(count()))
            if how == "dies":
                relay.die()
            else:
                relay.silent = True
            with pytest.raises(InfrastructureError, match=r"engine at|no engine answers"):
                running(n1.processes.start(count("other")))
            # Faults need no engine.
            running(cluster.network.cut(frozenset({("n1", "n2")})))
            running(n1.processes.kill())
            with pytest.raises(InfrastructureError, match="run `duress clean`"):
                running(cluster.down())
            assert table_name(cluster.trial_id) not in list_tables()
            seen = pids.look(n1.init_pid)
            assert seen is None or seen.dead
    finally:
        relay.die()
        monkeypatch.delenv("DOCKER_HOST")
        rest = DockerCluster(cluster.trial_id, ["n1"], Path(), {"image": "node"})
        with Engine() as engine:
            for name in leftovers(rest.trial_id):
                if "-n" in name:
                    engine.remove_container(name)
            for name in leftovers(rest.trial_id):
                engine.remove_network(name)
    assert leftovers(cluster.trial_id) == []


def test_a_container_that_is_killed_behind_our_back_is_an_infrastructure_error():
    running = Running(1)
    with running.runner:
        running(running.cluster.up())
        try:
            node = running.cluster.nodes["n1"]
            assert isinstance(node, DockerNode)
            subprocess.run(["docker", "kill", node.container], check=True, capture_output=True)
            with pytest.raises(InfrastructureError, match="n1"):
                running(node.run("true"))
            with pytest.raises(InfrastructureError, match="n1"):
                running(node.processes.start(count()))
        finally:
            running(running.cluster.down())
    assert leftovers(running.cluster.trial_id) == []
