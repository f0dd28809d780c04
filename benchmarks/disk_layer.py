"""What the layer under the data of real nodes costs: the same writes to the folder and through it.

    .venv/bin/python benchmarks/disk_layer.py [FOLDER]

Needs ``/dev/fuse`` and user namespaces, no root. FOLDER (default: a temporary one) says which disk
the native figures are of. The layer's syncs wait for no disk.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from duress.harness.cluster import namespaces
from duress.harness.cluster.layer_process import LayerProcess

BIG_MIB = 64


def synced_writes(folder: Path, count: int, size: int, allocated: bool) -> str:
    """Median and mean of a write and its ``fdatasync``."""
    file = os.open(folder / f"{size}-{allocated}", os.O_CREAT | os.O_WRONLY)
    if allocated:
        os.ftruncate(file, count * size)
    took_s = []
    for number in range(count):
        began = time.perf_counter()
        os.pwrite(file, b"x" * size, number * size)
        os.fdatasync(file)
        took_s.append(time.perf_counter() - began)
    os.close(file)
    return f"p50 {statistics.median(took_s) * 1e3:.3f} ms, mean {statistics.mean(took_s) * 1e3:.3f}"


def names(folder: Path, count: int = 500) -> str:
    """Create, write, sync, rename and remove a file."""
    began = time.perf_counter()
    for _ in range(count):
        file = os.open(folder / "new", os.O_CREAT | os.O_WRONLY)
        os.write(file, b"x" * 100)
        os.fsync(file)
        os.close(file)
        (folder / "new").rename(folder / "old")
        (folder / "old").unlink()
    return f"{(time.perf_counter() - began) / count * 1e3:.3f} ms"


def big_write(folder: Path) -> str:
    """One large file, synced at its end."""
    began = time.perf_counter()
    with (folder / "big").open("wb") as file:
        for _ in range(BIG_MIB):
            file.write(os.urandom(1 << 10) * 1024)
        file.flush()
        os.fsync(file.fileno())
    return f"{BIG_MIB / (time.perf_counter() - began):.0f} MiB/s"


def big_read(folder: Path) -> str:
    """The same file, read again."""
    began = time.perf_counter()
    with (folder / "big").open("rb") as file:
        while file.read(1 << 20):
            pass
    return f"{BIG_MIB / (time.perf_counter() - began):.0f} MiB/s"


ROWS: dict[str, Callable[[Path], str]] = {
    "append 100 bytes + fdatasync": lambda folder: synced_writes(folder, 3000, 100, False),
    "append 8 KiB + fdatasync": lambda folder: synced_writes(folder, 1000, 8192, False),
    "write 8 KiB in an allocated file + fdatasync": lambda folder: synced_writes(
        folder, 1000, 8192, True
    ),
    "create, write, fsync, rename, remove": names,
    f"write {BIG_MIB} MiB and fsync": big_write,
    f"read {BIG_MIB} MiB again": big_read,
}


async def measure(folder: Path) -> Table:
    """All rows, natively and through the layer."""
    native, layered = folder / "native", folder / "layered"
    native.mkdir()
    layered.mkdir()
    began = time.perf_counter()
    layer = LayerProcess("here")
    await layer.start(0, str(layered))
    mounted_s = time.perf_counter() - began
    table = Table("", "native", "through the layer")
    for what, act in ROWS.items():
        table.add_row(what, *[await asyncio.to_thread(act, where) for where in (native, layered)])
    table.add_row("mount", "", f"{mounted_s * 1e3:.0f} ms")
    layer.close()
    return table


def main() -> None:
    """Measure in namespaces of our own, and print the table."""
    namespaces.enter()
    where = sys.argv[1] if len(sys.argv) > 1 else None
    folder = Path(tempfile.mkdtemp(prefix="duress-disk-layer-", dir=where))
    try:
        Console().print(asyncio.run(measure(folder)))
    finally:
        subprocess.run(["umount", "-l", str(folder / "layered")], check=True)
        for inside in (folder / "native", folder / "layered"):
            shutil.rmtree(inside, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
