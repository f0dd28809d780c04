"""Operations per second, end to end: generator + interpreter + history on disk.

    .venv/bin/python benchmarks/interpreter.py

Drives a client that does nothing (and one that waits for one turn of the event loop)
as fast as it goes, next to the raw event loop's bound: as many tasks that hand a
future to each other and write the same lines.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from random import Random

import msgspec
from rich.console import Console
from rich.table import Table

from duress.harness import generator as gen
from duress.harness.history import History
from duress.harness.interpreter import Interpreter
from duress.harness.operation import Operation
from duress.harness.store import LineFile


class NoClient:
    """Does nothing at all."""

    async def open(self, node):
        pass

    async def setup(self):
        pass

    async def invoke(self, operation):
        return None

    async def close(self):
        pass


class OneTurnClient(NoClient):
    """Waits for one turn of the event loop, as the quickest real client must."""

    async def invoke(self, operation):
        await asyncio.sleep(0)


def stack(count: int, kind: str):
    """A generator as workloads build them."""
    reads = lambda: {"f": "read"}  # noqa: E731
    writes = lambda: {"f": "write", "value": 3}  # noqa: E731
    if kind == "plain":
        return gen.clients(gen.limit(count, reads))
    return gen.clients(
        gen.limit(
            count,
            gen.stagger(1e-9, gen.time_limit(600, gen.reserve(5, reads, gen.mix([reads, writes])))),
        )
    )


async def drive(count: int, client: type, kind: str, path: Path | None, concurrency: int) -> float:
    """Seconds for ``count`` operations."""
    history = History()
    encode = msgspec.json.Encoder().encode
    lines = LineFile(path) if path else None

    def record(operation: Operation) -> Operation:
        msgspec.structs.force_setattr(operation, "index", len(history))
        if lines:
            lines.write(encode(operation) + b"\n")
        history.append(operation)
        return operation

    interpreter = Interpreter(
        nodes=["n1"],
        concurrency=concurrency,
        client=client,
        invoke_nemesis=None,
        record=record,
        log=print,
        random=Random(1),
        timeout_s=5,
    )
    began = time.perf_counter()
    await interpreter.run(stack(count, kind))
    seconds = time.perf_counter() - began
    await interpreter.close()
    if lines:
        lines.close()
    assert len(history) == 2 * count
    return seconds


async def bound(count: int, path: Path, concurrency: int) -> float:
    """Tasks that each await a future per operation and write two lines: no generator, no rules."""
    loop = asyncio.get_running_loop()
    encode = msgspec.json.Encoder().encode
    lines = LineFile(path)
    waiters = [loop.create_future() for _ in range(concurrency)]
    left = count

    async def worker(thread: int) -> None:
        nonlocal left
        while True:
            await waiters[thread]
            waiters[thread] = loop.create_future()
            for kind in ("invoke", "ok"):
                lines.write(encode(Operation(left, left, thread, kind, "read")) + b"\n")
            left -= 1
            if left <= 0:
                done.set_result(None) if not done.done() else None
                return
            following = (thread + 1) % concurrency
            if not waiters[following].done():
                waiters[following].set_result(None)

    done = loop.create_future()
    tasks = [loop.create_task(worker(i)) for i in range(concurrency)]
    began = time.perf_counter()
    waiters[0].set_result(None)
    await done
    seconds = time.perf_counter() - began
    for task in tasks:
        task.cancel()
    lines.close()
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=100_000)
    parser.add_argument("--concurrency", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    count, concurrency = arguments.operations, arguments.concurrency
    table = Table(
        title=f"{count} operations, {concurrency} processes, median of {arguments.repeats}"
    )
    for column in ("what", "op/s", "µs per op"):
        table.add_column(column, justify="right" if column != "what" else "left")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        rows = {
            "event loop + two lines on disk (bound)": lambda: bound(count, path, concurrency),
            "plain generator, no-op client": lambda: drive(
                count, NoClient, "plain", path, concurrency
            ),
            "plain generator, one-turn client": lambda: drive(
                count, OneTurnClient, "plain", path, concurrency
            ),
            "full stack, no-op client": lambda: drive(count, NoClient, "stack", path, concurrency),
            "full stack, one-turn client": lambda: drive(
                count, OneTurnClient, "stack", path, concurrency
            ),
            "plain, no-op, nothing on disk": lambda: drive(
                count, NoClient, "plain", None, concurrency
            ),
        }
        for name, run in rows.items():
            seconds = sorted(asyncio.run(run()) for _ in range(arguments.repeats))
            median = seconds[len(seconds) // 2]
            table.add_row(name, f"{count / median:,.0f}", f"{median / count * 1e6:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
