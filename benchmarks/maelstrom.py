"""Messages per second through the router of ``--node`` programs, next to a bare pipe's bound.

The program is ``examples/maelstrom/c/echo.c``, compiled with ``cc -O2``. A message is one line in
one direction, about 85 bytes: an echo is two. Clients inside of the harness keep ``--window``
requests under way at each node. Run it with nothing else on the machine::

    .venv/bin/python benchmarks/maelstrom.py [--seconds 3] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from duress.harness.cluster.stdio import StdioCluster
from duress.harness.stdio.envelope import Envelope
from duress.harness.stdio.pipes import PIPE_BYTES

ECHO_C = Path(__file__).resolve().parent.parent / "examples" / "maelstrom" / "c" / "echo.c"
INIT = {"type": "init", "node_id": "n0", "node_ids": ["n0"]}


def compiled(folder: Path) -> str:
    program = folder / "echo"
    subprocess.run(["cc", "-O2", "-o", str(program), str(ECHO_C)], check=True)
    return str(program)


def bare_pipe(program: str, window: int, seconds: float) -> float:
    """Lines per second, both ways, when nobody looks at them: blocks of a window each."""
    import fcntl

    child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    assert child.stdin and child.stdout
    given, taken = child.stdin.fileno(), child.stdout.fileno()
    for end in (given, taken):
        fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    line = (
        b'{"src":"c1","dest":"n0","body":{"type":"echo","echo":"Please echo 35","msg_id":12345}}\n'
    )
    block, done = line * window, 0
    began = time.perf_counter()
    while time.perf_counter() < began + seconds:
        os.write(given, block)
        back = 0
        while back < window:
            back += os.read(taken, 1 << 20).count(b"\n")
        done += 2 * window
    took_s = time.perf_counter() - began
    child.stdin.close()
    child.wait()
    child.stdout.close()
    return done / took_s


class Load:
    """A client that asks again as soon as it is answered; takes the place of an ``Endpoint``."""

    def __init__(self, cluster: StdioCluster, node: str, name: str) -> None:
        self._router, self._node, self._name = cluster.router, node, name
        self.answered = 0
        self._router.clients[name] = self  # type: ignore[assignment]
        self._router.known_clients.add(name)

    def ask(self, number: int) -> None:
        body = {"type": "echo", "echo": f"Please echo {number}", "msg_id": number}
        self._router.post(self._name, self._node, body)

    def take(self, envelope: Envelope, line: bytes) -> None:
        self.answered += 1
        self.ask(self.answered)


async def through_router(
    program: str, nodes: int, window: int, seconds: float, options: dict[str, Any]
) -> dict[str, float]:
    from duress.harness.cluster import Process

    with tempfile.TemporaryDirectory(prefix="duress-bench-") as name:
        folder = Path(name)
        (folder / "nodes").mkdir()
        names = [f"n{i}" for i in range(nodes)]
        cluster = StdioCluster("bench", names, folder, {"seed": 1, "trace": "false", **options})
        await cluster.up()
        try:
            loads = []
            probe = cluster.probe()
            for node in cluster.nodes.values():
                log = str(folder / "nodes" / node.name / "log")
                await node.processes.start(Process("node", [program], log=log))
                await probe.request("", node.name, {**INIT, "node_id": node.name})
                loads.append(Load(cluster, node.name, f"c{node.name[1:]}0"))
            for load in loads:
                for number in range(window):
                    load.ask(number)
            await asyncio.sleep(0.3)
            before, began = sum(load.answered for load in loads), time.perf_counter()
            processor = time.process_time()
            await asyncio.sleep(seconds)
            took_s = time.perf_counter() - began
            done = 2 * (sum(load.answered for load in loads) - before)
            busy = (time.process_time() - processor) / took_s
        finally:
            await cluster.down()
    return {"messages_per_s": done / took_s, "harness_cores": busy}


def whole_trial(program: str, seconds: float) -> float:
    """Operations per second of a whole trial without a rate, clients and history and all."""
    with tempfile.TemporaryDirectory(prefix="duress-bench-") as name:
        command = [sys.executable, "-m", "duress", "run", "echo", "--node", program]
        command[1:3] = ["-c", "from duress.harness.cli import main; main()"]
        command += ["--node-count", "1", "--time-limit", str(seconds), "--rate", "0"]
        command += ["--concurrency", "16", "--settle", "0", "--store", name, "--json", "--quiet"]
        command += ["--set", "trace=false"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["ops"]["ok"] / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="duress-bench-") as name:
        program = compiled(Path(name))
        for window in (given.window, 16 * given.window):
            rate = bare_pipe(program, window, given.seconds)
            rows.append({"what": f"bare pipe, window {window}", "messages_per_s": rate})
        for what, nodes, window, options in (
            ("router, 1 node", 1, given.window, {}),
            ("router, 1 node", 1, 16 * given.window, {}),
            ("router, 5 nodes", 5, given.window, {}),
            ("router, 25 nodes", 25, given.window, {}),
            (
                "router, 1 node, 1 ms latency",
                1,
                16 * given.window,
                {"client-latency": "constant:1"},
            ),
            ("router, 5 nodes, all written to messages.jsonl", 5, given.window, {"trace": "true"}),
        ):
            found = asyncio.run(through_router(program, nodes, window, given.seconds, options))
            rows.append({"what": f"{what}, window {window}", **found})
        ops = whole_trial(program, given.seconds)
        rows.append({"what": "whole trial, 16 clients, echoes a second", "messages_per_s": 2 * ops})
    if given.json:
        print(json.dumps({"cores": os.cpu_count(), "rows": rows}))
        return
    for row in rows:
        cores = ""
        if "harness_cores" in row:
            each = row["messages_per_s"] / row["harness_cores"]
            cores = f"  {row['harness_cores']:.2f} cores, {each:,.0f} a core of the harness"
        print(f"{row['what']:60} {row['messages_per_s']:10,.0f} messages/s{cores}")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"most memory of the harness: {most / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
