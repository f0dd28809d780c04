"""Local clusters: nodes, files, commands, and the network between them."""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from duress.harness.cluster import CLIENTS, Cluster, Node, Process, namespaces, pids
from duress.harness.cluster.local import LocalCluster
from duress.harness.errors import InfrastructureError, UserError

NAMES = ["n1", "n2", "n3", "n4", "n5"]
ECHO = """
import socket
server = socket.create_server(("", 7000))
while True:
    peer, _ = server.accept()
    peer.sendall(peer.recv(100))
    peer.close()
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], 7000), timeout=float(sys.argv[2])) as peer:
    peer.sendall(b"hello")
    print(peer.recv(100).decode())
"""


def test_out_of_namespaces_it_refuses(tmp_path: Path) -> None:
    cluster: Cluster = LocalCluster("t", ["n1"], tmp_path, {})
    with pytest.raises(InfrastructureError, match=r"call namespaces.enter\(\)"):
        asyncio.run(cluster.up())
    asyncio.run(cluster.down())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [0, 201])
def test_number_of_nodes(tmp_path: Path, count: int) -> None:
    with pytest.raises(UserError, match="1 to 200"):
        LocalCluster("t", [f"n{i}" for i in range(count)], tmp_path, {})


def test_the_run_folder_must_be_seen_by_nodes() -> None:
    with pytest.raises(UserError, match="below /run"):
        LocalCluster("t", ["n1"], Path("/run/x"), {})


async def _hosts(folder: str) -> list[str]:
    cluster = LocalCluster("t", NAMES, Path(folder), {})
    Path(folder, "nodes/n1/data").mkdir(parents=True)
    Path(folder, "nodes/n1/data/old").touch()
    await cluster.up()
    node = cluster.nodes["n1"]
    lines = (await node.run("sh", "-c", "hostname; ls -A; ls /run; ps ax -o comm=; pwd")).stdout
    addresses = (await node.run("getent", "hosts", "n1", "n5", "localhost")).stdout
    outside = socket.gethostname()
    interfaces = (await node.run("cat", "/proc/net/if_inet6")).stdout
    await cluster.down()
    return [lines, addresses, outside, interfaces]


@pytest.mark.local
def test_a_node_is_a_host_of_its_own(inside: Any, tmp_path: Path) -> None:
    lines, addresses, outside, interfaces = inside(_hosts, str(tmp_path))
    hostname, init, *rest, directory = lines.split("\n")[:-1]
    assert (hostname, directory) == ("n1", f"{tmp_path}/nodes/n1/data")
    assert outside == socket.gethostname()
    assert len([init, *rest]) == 3  # its first process, sh, ps: nothing of ours, no file, no run
    assert addresses.split()[:4] == ["10.86.0.1", "n1", "10.86.0.5", "n5"]
    assert all(line.split()[-1] == "lo" for line in interfaces.splitlines())


async def _commands(folder: str) -> dict[str, Any]:
    cluster = LocalCluster("t", ["n1"], Path(folder), {})
    await cluster.up()
    node: Node = cluster.nodes["n1"]
    complaints: list[str] = []
    for timeout_s, *argv in (
        (30, "false"),
        (30, "sh", "-c", "echo why >&2; exit 3"),
        (30, "no-such-program"),
        (0.05, "sleep", "60"),
    ):
        try:
            await node.run(*map(str, argv), timeout_s=float(timeout_s))
        except InfrastructureError as error:
            complaints.append(str(error))
    big = b"x" * 3_000_000
    echoed = await node.run("cat", input=big)
    both = await node.run("sh", "-c", "echo out; echo err >&2; kill -9 $$", check=False)
    left = await node.run("sh", "-c", "sleep 60 & echo done")
    many = await asyncio.gather(*(node.run("echo", str(i)) for i in range(20)))
    await node.processes.kill()
    with_handles = (await node.run("ls", "/proc/self/fd")).stdout.split()
    await cluster.down()
    return {
        "complaints": complaints,
        "echoed": echoed.stdout == big.decode(),
        "both": [both.status, both.stdout, both.stderr],
        "left": left.stdout,
        "many": [done.stdout for done in many],
        "descriptors": with_handles,
    }


@pytest.mark.local
def test_commands(inside: Any, tmp_path: Path) -> None:
    seen = inside(_commands, str(tmp_path))
    assert seen["complaints"] == [
        "node n1: `false` ended with status 1: it printed nothing",
        "node n1: `sh -c 'echo why >&2; exit 3'` ended with status 3: why",
        "node n1: `no-such-program` cannot be run: No such file or directory",
        "node n1: `sleep 60` was killed after 0.05 s",
    ]
    assert seen["echoed"]
    assert seen["both"] == [-9, "out\n", "err\n"]
    assert seen["left"] == "done\n"
    assert seen["many"] == [f"{i}\n" for i in range(20)]
    assert seen["descriptors"] == ["0", "1", "2", "3"]  # 3 is ls's own: nothing is inherited


async def _files(folder: str) -> list[Any]:
    cluster = LocalCluster("t", ["n1"], Path(folder), {})
    await cluster.up()
    node = cluster.nodes["n1"]
    path = f"{node.directory}/a/b/file"
    await node.put(path, b"\x00one", mode=0o750)
    first = (await node.get(path)).decode()
    await node.put(path, b"two")
    listed = (await node.run("ls", "-l", f"{node.directory}/a/b")).stdout
    await node.put("/run/mine", b"only here")
    private = (await node.run("cat", "/run/mine")).stdout
    missing = ""
    try:
        await node.get("/no/such/file")
    except FileNotFoundError as error:
        missing = str(error)
    await cluster.down()
    refused = ""
    try:
        await node.get(path)
    except InfrastructureError as error:
        refused = str(error)
    return [first, listed, private, Path("/run/mine").exists(), missing, refused]


@pytest.mark.local
def test_files(inside: Any, tmp_path: Path) -> None:
    first, listed, private, leaked, missing, refused = inside(_files, str(tmp_path))
    assert first == "\x00one"
    assert listed.count("\n") == 2 and "-rw-r--r--" in listed and " 3 " in listed
    assert (private, leaked) == ("only here", False)
    assert missing == "n1:/no/such/file"
    assert "is not up" in refused
    assert (tmp_path / "nodes/n1/data/a/b/file").read_bytes() == b"two"


# How long to wait for an answer: for one that must come, and for one that cannot.
PATIENT_S, SHORT_S = 10, 0.2


async def _answers(cluster: LocalCluster, source: str, target: str, wait_s: float) -> bool:
    argv = (sys.executable, "-I", "-S", "-c", ASK, target, str(wait_s))
    done = await cluster.nodes[source].run(*argv, check=False)
    return (done.status, done.stdout) == (0, "hello\n")


async def _asks(cluster: LocalCluster, target: str, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            reader, writer = await asyncio.open_connection(cluster.nodes[target].address, 7000)
            writer.write(b"hello")
            answer = await reader.read(100)
            writer.close()
            return answer == b"hello"
    except OSError:
        return False


async def _links(folder: str) -> dict[str, Any]:
    cluster = LocalCluster("t", NAMES, Path(folder), {})
    await cluster.up()
    network = cluster.network
    for node in cluster.nodes.values():
        await node.processes.start(Process("echo", [sys.executable, "-c", ECHO], "echo.log"))
        while not await _asks(cluster, node.name, SHORT_S):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.01)
    seen: dict[str, Any] = {"tcp by name": await _answers(cluster, "n1", "n2", PATIENT_S)}

    one_way = frozenset({("n1", "n2")})
    await network.cut(one_way)
    seen["one way"] = sorted(await network.probe())
    seen["one way, tcp"] = [
        await _answers(cluster, "n1", "n2", SHORT_S),
        await _answers(cluster, "n2", "n1", SHORT_S),
        await _answers(cluster, "n1", "n3", PATIENT_S),
    ]

    sides = ({"n1", "n2"}, {"n3", "n4", "n5"})
    halves = frozenset(
        (a, b) for a in NAMES for b in NAMES if any(a in s and b not in s for s in sides)
    )
    await network.cut(halves)
    await network.cut(halves)
    seen["halves"] = await network.probe() == halves
    seen["halves, tcp"] = [
        await _answers(cluster, "n1", "n4", SHORT_S),
        await _answers(cluster, "n1", "n2", PATIENT_S),
        await _asks(cluster, "n4", PATIENT_S),
    ]

    await network.cut(frozenset({(CLIENTS, "n2"), ("n3", CLIENTS)}))
    seen["clients"] = sorted(await network.probe())
    seen["clients, tcp"] = [
        await _asks(cluster, "n1", PATIENT_S),
        await _asks(cluster, "n2", SHORT_S),
        await _asks(cluster, "n3", SHORT_S),
    ]
    seen["between nodes"] = await _answers(cluster, "n2", "n3", PATIENT_S)

    await network.cut(frozenset())
    await network.cut(frozenset())
    seen["healed"] = [sorted(await network.probe()), await _answers(cluster, "n1", "n4", PATIENT_S)]
    try:
        await network.cut(frozenset({("n1", "n9")}))
    except InfrastructureError as error:
        seen["unknown"] = str(error)
    await cluster.down()
    return seen


@pytest.mark.local
def test_links(inside: Any, tmp_path: Path) -> None:
    assert inside(_links, str(tmp_path)) == {
        "tcp by name": True,
        "one way": [["n1", "n2"]],
        "one way, tcp": [False, False, True],
        "halves": True,
        "halves, tcp": [False, True, True],
        "clients": [["clients", "n2"], ["n3", "clients"]],
        "clients, tcp": [True, False, False],
        "between nodes": True,
        "healed": [[], True],
        "unknown": "network: cannot cut links of ['n9']; there are n1, n2, n3, n4, n5, clients",
    }


async def _probe_knows_better(folder: str) -> list[Any]:
    """Break and mend links behind the network's back: the probe must tell what is, not what was
    asked for."""
    cluster = LocalCluster("t", ["n1", "n2", "n3"], Path(folder), {})
    await cluster.up()
    wanted = frozenset({("n1", "n2")})
    await cluster.network.cut(wanted)
    assert cluster._network._filter is not None
    cluster._network._filter.cut(frozenset())
    leaky = sorted(await cluster.network.probe())
    await cluster.network.cut(frozenset())
    cluster._network._filter.cut(frozenset({("10.86.0.3", "10.86.0.1")}))
    broken = sorted(await cluster.network.probe())
    await cluster.down()
    return [leaky, broken]


@pytest.mark.local
def test_the_probe_tells_what_is(inside: Any, tmp_path: Path) -> None:
    assert inside(_probe_knows_better, str(tmp_path)) == [[], [["n3", "n1"]]]


def _left() -> list[Any]:
    """Processes but the first two of the pid namespace, and interfaces, of the trial."""
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    living = [seen for seen in map(pids.look, numbers) if seen is not None and seen.pid > 2]
    interfaces = [name for _, name in socket.if_nameindex()]
    return [[seen.command for seen in living], interfaces]


async def _left_in_the_end() -> list[Any]:
    """The same once the dead are reaped, and what was cancelled before it had told its pid, which
    ends by itself, is gone."""
    for _ in range(1000):
        if _left() == [[], ["lo"]]:
            break
        await asyncio.sleep(0.005)
    return _left()


async def _down_again(folder: str) -> list[Any]:
    answers: list[Any] = []
    for _ in range(2):  # the second time in the same process and folder
        cluster = LocalCluster("t", NAMES, Path(folder), {})
        await cluster.up()
        for node in cluster.nodes.values():
            await node.processes.start(Process("sleep", ["sleep", "600"], "log"))
        await cluster.nodes["n1"].processes.pause()
        await cluster.network.cut(frozenset({("n1", "n2")}))
        seen = pids.look(cluster._nodes["n2"].init_pid)
        assert seen is not None
        pids.send(seen, 9)  # pyright: ignore[reportArgumentType]
        await cluster.down()
        await cluster.down()
        answers.append(await _left_in_the_end())
    return answers


@pytest.mark.local
def test_nothing_is_left_after_down(inside: Any, tmp_path: Path) -> None:
    assert inside(_down_again, str(tmp_path)) == [[[], ["lo"]], [[], ["lo"]]]


async def _down_in_spite_of(folder: str) -> Any:
    cluster = LocalCluster("spite", ["n1", "n2"], Path(folder), {})
    await cluster.up()
    ended = []

    async def fails() -> None:
        raise InfrastructureError("it did not stop for its clocks")

    async def ends() -> None:
        ended.append("n2")

    cluster.nodes["n1"].clocks.end = fails  # type: ignore[method-assign]
    cluster.nodes["n2"].resources.end = ends  # type: ignore[method-assign]
    try:
        await cluster.down()
    except InfrastructureError as error:
        return str(error), ended
    return "", ended


@pytest.mark.local
def test_what_fails_on_one_node_does_not_keep_the_others_from_their_end(
    inside: Any, tmp_path: Path
) -> None:
    said, ended = inside(_down_in_spite_of, str(tmp_path))
    assert said.endswith("not everything was taken down: it did not stop for its clocks")
    assert ended == ["n2"]


async def _down_half_way(folder: str) -> list[Any]:
    """Cancel ``up`` at ever later moments: ``down`` must undo whatever was done by then."""
    answers: list[Any] = []
    for delay_s in (0, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.12):
        cluster = LocalCluster("t", NAMES, Path(folder), {})
        task = asyncio.ensure_future(cluster.up())
        await asyncio.sleep(delay_s)
        task.cancel()
        await asyncio.wait([task])
        await cluster.down()
        answers.append(await _left_in_the_end())
    return answers


@pytest.mark.local
def test_nothing_is_left_when_up_was_cancelled(inside: Any, tmp_path: Path) -> None:
    assert all(answer == [[], ["lo"]] for answer in inside(_down_half_way, str(tmp_path)))


async def _init_dies(folder: str) -> list[str]:
    cluster = LocalCluster("t", ["n1", "n2"], Path(folder), {})
    await cluster.up()
    node = cluster._nodes["n1"]
    pending = asyncio.ensure_future(node.run("sleep", "60"))
    await asyncio.sleep(0.02)
    seen = pids.look(node.init_pid)
    assert seen is not None
    pids.send(seen, 9)  # pyright: ignore[reportArgumentType]
    complaints: list[str] = []
    for attempt in (pending, asyncio.ensure_future(node.run("true"))):
        try:
            await attempt
        except InfrastructureError as error:
            complaints.append(str(error))
    await cluster.down()
    return complaints


@pytest.mark.local
def test_a_node_that_dies_says_so(inside: Any, tmp_path: Path) -> None:
    complaints = inside(_init_dies, str(tmp_path))
    assert len(complaints) == 2
    assert all("does not listen any more" in complaint for complaint in complaints)


def test_this_process_stayed_outside() -> None:
    assert not namespaces.inside()
