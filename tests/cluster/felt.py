"""A program that says what it can still do, and what resources are to show on any cluster."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from duress.harness.cluster import Process

TELL = """
import errno, json, os, time
def tried(what):
    try:
        what()
        return "ok"
    except OSError as error:
        return errno.errorcode[error.errno]
def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
held = [os.dup(0) for _ in range(20)]  # what it has open, a successor can open, too
while True:
    began, used = time.monotonic(), time.process_time()
    while time.monotonic() - began < 0.3:
        pass
    share = (time.process_time() - used) / (time.monotonic() - began)
    said = {"share": share, "open": tried(lambda: os.close(os.open("/", 0))), "fork": tried(fork)}
    print(json.dumps({"pid": os.getpid(), **said}), flush=True)
"""


def program(cluster: Any) -> Process:
    """It, as a program of a node."""
    python = sys.executable if cluster.kind == "local" else "python3"
    return Process("tell", [python, "-S", "-E", "-c", TELL], "tell.log")


async def last(node: Any, count: int = 2) -> dict[str, Any]:
    """The last line that it prints, of the next few."""
    before = len(await _lines(node))
    ends_s = asyncio.get_running_loop().time() + 30
    while True:
        lines = await _lines(node)
        if len(lines) >= before + count:
            return json.loads(lines[-1])
        if asyncio.get_running_loop().time() > ends_s:
            states = await node.processes.running()
            raise AssertionError(f"no line in 30 s; {states}; last: {lines[-3:]}")
        await asyncio.sleep(0.05)


async def _lines(node: Any) -> list[str]:
    try:
        text = (await node.get("tell.log" if node.directory == "" else _log(node))).decode()
    except FileNotFoundError:
        return []
    return text.splitlines() if text.endswith("\n") else text.splitlines()[:-1]


def _log(node: Any) -> str:
    return f"{node.directory}/tell.log"


async def story(cluster: Any) -> dict[str, Any]:
    """Squeeze and relax everything on a node: what was observed, and what its program felt."""
    node = cluster.nodes["n1"]
    tell = Process("tell", program(cluster).argv, _log(node))
    found: dict[str, Any] = {}
    await node.processes.start(tell)
    found["at first"] = await last(node)
    for kind, amount in (("cpu", 0.1), ("descriptors", 0), ("pids", 0)):
        if node.resources.reason_unavailable(kind):
            found[kind] = None
            continue
        seen = await node.resources.squeeze(kind, amount)
        felt = await last(node)
        await node.processes.kill()
        await node.processes.start(tell)  # a program that begins now lacks it, too
        again = await last(node)
        healed = await node.resources.relax(kind)
        found[kind] = {"seen": seen, "felt": felt, "again": again, "healed": healed}
        found[kind]["after"] = await last(node)
    found["running"] = await node.processes.running()
    seen = await node.resources.squeeze("memory", 4)
    found["memory"] = {"seen": seen, "running": await node.processes.running()}
    found["memory"]["healed"] = await node.resources.relax("memory")
    await node.resources.relax("memory")  # once more: no harm
    await node.processes.start(tell)
    found["at last"] = await last(node)
    return found


def check(found: dict[str, Any], backends: dict[str, str]) -> None:
    """That every limit was felt, by programs that were started later too, and is gone."""
    fine = {"open": "ok", "fork": "ok"}
    for when in ("at first", "at last"):
        assert {key: found[when][key] for key in fine} == fine
    for kind, backend in backends.items():
        assert backend in found[kind]["seen"]["backend"]
    cpu = found["cpu"]
    assert cpu["felt"]["share"] < 0.3
    assert cpu["again"]["share"] < 0.3
    for kind, deed, error in (("descriptors", "open", "EMFILE"), ("pids", "fork", "EAGAIN")):
        if found[kind] is not None:
            assert found[kind]["felt"][deed] == error
            assert found[kind]["again"][deed] == error, kind
            assert found[kind]["after"][deed] == "ok"
    assert found["running"] == {"tell": "running"}
    assert len(found["memory"]["seen"]["killed"]) == 1
    assert found["memory"]["running"] == {}
