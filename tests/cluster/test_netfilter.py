"""The nftables table that cuts links, and the probe that sees it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from duress.harness.cluster import netfilter
from duress.harness.cluster.local import LocalCluster
from duress.harness.cluster.netfilter import LinkFilter, replace_pairs
from duress.harness.cluster.probe import run_in_netns
from duress.harness.errors import InfrastructureError

NAMES = ["n1", "n2", "n3", "n4"]


def test_a_transaction_replaces_the_whole_set() -> None:
    text = replace_pairs(
        "duress_t", frozenset({("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "10.0.0.9")})
    )
    assert text == (
        "flush set bridge duress_t cut\n"
        "add element bridge duress_t cut { 10.0.0.1 . 10.0.0.9, 10.0.0.2 . 10.0.0.1 }\n"
    )
    assert replace_pairs("duress_t", frozenset()) == "flush set bridge duress_t cut\n"


def test_only_addresses_get_into_a_transaction() -> None:
    with pytest.raises(ValueError, match="drop"):
        replace_pairs("duress_t", frozenset({("10.0.0.1", "1 }; drop")}))


@pytest.mark.parametrize("name", ["filter", "duress", "duress_x; flush ruleset", "duress_", "nat"])
def test_tables_of_others_are_left_alone(name: str) -> None:
    with pytest.raises(InfrastructureError, match="left alone"):
        netfilter.remove_table(name)


@pytest.mark.parametrize("trial", ["", "a b", "a;b", "x" * 300])
def test_strange_trial_ids_are_refused(trial: str) -> None:
    if trial == "":
        assert netfilter.table_name("t") == "duress_t"
    else:
        with pytest.raises(InfrastructureError, match="does not fit"):
            netfilter.table_name(trial)


def test_without_nftables_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(_: str) -> None:
        raise OSError("not here")

    monkeypatch.setattr(netfilter.ctypes, "CDLL", no_library)
    monkeypatch.setattr(netfilter.shutil, "which", lambda *_, **__: None)
    assert "install Debian's package nftables" in (netfilter.reason_unavailable() or "")


def _shell(command: str) -> str:
    path = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    return subprocess.check_output(command, shell=True, text=True, env=path)


async def _life_of_a_table(backend: str) -> dict[str, Any]:
    if backend == "nft":
        path = shutil.which("nft", path="/usr/sbin:/usr/bin:/sbin") or "nft"
        netfilter.open_backend = lambda: netfilter._Program(path)
    _shell("ip link add br9 type bridge; nft add table bridge others")
    table = LinkFilter("t-1.a", "br9")
    table.install()
    table.install()
    pairs = frozenset({("10.1.0.1", "10.1.0.2"), ("10.1.0.2", "10.1.0.3")})
    table.cut(pairs)
    table.cut(pairs)
    shown = _shell("nft list set bridge duress_t-1.a cut")
    during = netfilter.list_tables()
    LinkFilter("t-2", "br9").install()
    both = netfilter.list_tables()
    one = netfilter.list_tables("duress_t-2")
    netfilter.remove_table("duress_t-2")
    netfilter.remove_table("duress_t-2")
    table.remove()
    table.remove()
    try:
        table.cut(pairs)
        refusal = ""
    except InfrastructureError as error:
        refusal = str(error)
    after = _shell("nft list tables")
    return {
        "backend": table.backend,
        "elements": shown.count(" . ") - 1,
        "lists": [during, both, one, netfilter.list_tables()],
        "refusal": refusal,
        "after": after.split("\n")[:-1],
    }


@pytest.mark.local
@pytest.mark.parametrize("backend", ["libnftables", "nft"])
def test_life_of_a_table(inside: Any, backend: str) -> None:
    seen = inside(_life_of_a_table, backend)
    assert seen["backend"] == backend
    assert seen["elements"] == 2
    assert seen["lists"] == [
        ["duress_t-1.a"],
        ["duress_t-1.a", "duress_t-2"],
        ["duress_t-2"],
        [],
    ]
    assert "No such file" in seen["refusal"] and "\n" not in seen["refusal"]
    assert seen["after"] == ["table bridge others"]


# A process of its own: in a thread it would stand still whenever the cut holds the interpreter.
SENDER = """
import json, mmap, os, select, socket, sys
counter = mmap.mmap(int(sys.argv[1]), 8)
ends = [socket.socket(fileno=int(text)) for text in sys.argv[2:]]
ways = [(a, b.getsockname()) for a in ends for b in ends if a is not b]
# One processor: then packets are delivered in the order in which they were sent.
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
arrived, sent = set(), 0
while not select.select([0], [], [], 0)[0]:
    for source, target in ways:
        source.sendto(str(sent).encode(), target)
        sent += 1
    for end in ends:
        try:
            while True:
                arrived.add(int(end.recv(64)))
        except BlockingIOError:
            pass
    counter[:] = sent.to_bytes(8, "big")
missing = sorted(set(range(sent)) - arrived)
print(json.dumps({"sent": sent, "missing": [missing[0], missing[-1], len(missing)]}))
"""


async def _numbers_that_arrive(folder: str) -> dict[str, Any]:
    """Number packets over all links by turns while a cut of all comes and goes."""
    cluster = LocalCluster("atomic", NAMES, Path(folder), {})
    await cluster.up()
    ends: list[socket.socket] = []
    for node in cluster._nodes.values():

        def make(address: str = node.address) -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            made.bind((address, 0))
            return made

        ends.append(run_in_netns(node.init_pid, make))
    shared = os.memfd_create("counter")
    os.ftruncate(shared, 8)
    inherited = [shared, *(end.fileno() for end in ends)]
    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", SENDER, *map(str, inherited)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=inherited,
    )

    async def a_thousand_more() -> None:
        def sent() -> int:
            return int.from_bytes(os.pread(shared, 8, 0), "big")

        before = sent()
        while sent() < before + 1000:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.001)

    await a_thousand_more()
    await cluster.network.cut(frozenset((a, b) for a in NAMES for b in NAMES if a != b))
    await a_thousand_more()
    await cluster.network.cut(frozenset())
    await a_thousand_more()
    told, _ = await sender.communicate(b"")  # the end of its input ends it
    for end in ends:
        end.close()
    os.close(shared)
    await cluster.down()
    return json.loads(told)


@pytest.mark.local
def test_a_cut_and_its_heal_hit_all_links_at_one_moment(inside: Any, tmp_path: Path) -> None:
    seen = inside(_numbers_that_arrive, str(tmp_path))
    first, last, count = seen["missing"]
    # Not one packet, over any link, passed between the first that was dropped and the last.
    assert count == last - first + 1
    assert count >= 1000 and first >= 1000 and last < seen["sent"] - 1
