"""How long clusters of 3, 5 and 9 nodes take to come up and to go; one kind of cluster.

Run by ``benchmarks/faults.py`` in a process of its own; prints JSON: rows of
``[kind, nodes, seconds up, seconds down]``. The peer starts as many containers of the same image
on a new internal network, all at once, through the command ``docker``.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from duress.harness import registry
from duress.harness.cluster import images

SIZES = (3, 5, 9)
IMAGE = "node"


async def ours(kind: str, size: int, number: int, options: dict[str, Any]) -> tuple[float, float]:
    names = [f"n{at}" for at in range(1, size + 1)]
    with tempfile.TemporaryDirectory(prefix="duress-times-") as folder:
        make = registry.load("clusters", kind)
        trial = f"times-{os.getpid()}-{size}-{number}"
        cluster = make(trial, names, Path(folder), {"image": IMAGE, **options})
        began = time.monotonic()
        try:
            await cluster.up()
            up = time.monotonic() - began
        finally:
            began = time.monotonic()
            await cluster.down()
        return up, time.monotonic() - began


def _docker(*words: str) -> None:
    subprocess.run(["docker", *words], capture_output=True, check=True)


def by_hand(size: int) -> tuple[float, float]:
    tag, name = images.ensure(IMAGE), f"duress-bench-{os.getpid()}"
    containers = [f"{name}-{at}" for at in range(size)]
    began = time.monotonic()
    try:
        _docker("network", "create", "--internal", name)
        run = ["run", "-d", "--init", "--network", name]
        with ThreadPoolExecutor(size) as pool:
            list(pool.map(lambda c: _docker(*run, "--name", c, tag, "sleep", "1000"), containers))
        up = time.monotonic() - began
    finally:
        began = time.monotonic()
        _docker("rm", "-f", *containers)
        _docker("network", "rm", name)
    return up, time.monotonic() - began


def main() -> None:
    kind, repeats, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
    hosts = str(options.get("hosts", "")).split(",")
    prepare = getattr(registry.load("clusters", kind), "prepare", None)
    if prepare is not None:
        prepare(IMAGE)
    rows = []
    for size in SIZES:
        if kind == "ssh" and size > len(hosts):
            continue
        for number in range(repeats):
            given = {**options, "hosts": ",".join(hosts[:size])} if kind == "ssh" else options
            rows.append([kind, size, *asyncio.run(ours(kind, size, number, given))])
            if kind == "docker":
                rows.append(["docker run, rm (peer)", size, *by_hand(size)])
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
