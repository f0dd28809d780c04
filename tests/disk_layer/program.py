"""Runs in a mount namespace of its own: mounts the layer over a folder and tries it out.

Prints one JSON object of what it saw. Its only argument is the folder.
"""

import asyncio
import json
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from duress.harness.cluster.layer_process import LayerProcess


async def power_cut(layer, survives: str, seed: int = 1) -> dict:
    await layer.ask({"do": "hold"})
    return await layer.ask(
        {"do": "drop", "survives": survives, "sector_bytes": 512, "seed": str(seed)}
    )


async def trouble(layer, **what) -> dict:
    return await layer.ask({"do": "trouble", "what": what, "seed": "1"})


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    return (done.stdout + done.stderr).strip() if done.returncode else "ok"


async def in_thread(function, *arguments):
    return await asyncio.to_thread(function, *arguments)


async def durability(layer, data: Path, seen: dict) -> None:
    def write(path: Path, content: bytes, sync: bool, flags: int = 0) -> None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | flags)
        os.write(file, content)
        if sync:
            os.fsync(file)
        os.close(file)

    await in_thread(write, data / "dsync", b"by a flag", False, os.O_DSYNC)
    await in_thread(write, data / "a", b"synced", True)
    await in_thread(write, data / "a", b" lost", False)
    await in_thread(write, data / "b", b"never synced", False)
    seen["lost"] = await power_cut(layer, "lost")
    seen["after"] = {path.name: path.read_text() for path in sorted(data.iterdir())}
    await in_thread(write, data / "a", b"!", True)
    seen["appended"] = (data / "a").read_text()


async def mapping(layer, data: Path, seen: dict) -> None:
    def change() -> None:
        with (data / "mapped").open("w+b") as file:
            file.write(bytes(8192))
            file.flush()
            os.fsync(file.fileno())
            with mmap.mmap(file.fileno(), 8192) as pages:
                pages[0:4] = b"kept"
                pages.flush()
                os.fsync(file.fileno())
                pages[4096:4100] = b"lost"

    await in_thread(change)
    await power_cut(layer, "lost")
    content = (data / "mapped").read_bytes()
    seen["mapped"] = [content[:4].decode(), content[4096:4100].hex(), len(content)]


async def troubles(layer, data: Path, seen: dict) -> None:
    synced = (
        "dd",
        "if=/dev/zero",
        f"of={data}/dd",
        "bs=4096",
        "count=2",
        "conv=fsync",
        "status=none",
    )
    await trouble(layer, free_bytes=5000)
    seen["full"] = [await in_thread(run, *synced), (data / "dd").stat().st_size]
    seen["met"] = await trouble(layer)
    seen["healed"] = await in_thread(run, *synced)
    await trouble(layer, error_share=1.0, error_on=["sync"])
    seen["errors"] = await in_thread(run, *synced)
    await trouble(layer, delay_s=0.2)
    began = time.monotonic()
    await in_thread(run, *synced)
    seen["slow_s"] = time.monotonic() - began
    await trouble(layer, flip_share=1.0)
    seen["flipped"] = sum(byte.bit_count() for byte in (data / "dd").read_bytes())
    await trouble(layer)


async def stall(layer, data: Path, seen: dict) -> None:
    for folder in ("one", "other"):  # for the kernel lets only one at a time change a folder
        (data / folder).mkdir()
    await trouble(layer, stalled=True)
    victim = dd(data / "one/x")
    other = dd(data / "other/x")
    await asyncio.sleep(0.3)
    seen["stalled"] = victim.poll() is None and other.poll() is None
    seen["readable"] = len((data / "a").read_bytes()) > 0
    other.send_signal(signal.SIGUSR1)  # dd says how far it is, and goes on
    began = time.monotonic()
    victim.kill()
    await in_thread(victim.wait, 20)
    seen["killed_after_s"] = time.monotonic() - began
    seen["still_waits"] = other.poll() is None
    await trouble(layer)
    seen["went_on"] = await in_thread(other.wait, 20)


def unlinked(path: Path) -> str:
    """What a file holds that has lost its name before it was written."""
    with path.open("w+") as file:
        path.unlink()
        file.write("still there")
        file.seek(0)
        return file.read()


def dd(path: Path) -> subprocess.Popen:
    """A program that writes a file."""
    return subprocess.Popen(["dd", "if=/dev/zero", f"of={path}", "count=1"], stderr=-1)


async def ordinary_programs(layer, data: Path, seen: dict) -> None:
    room = Path(__file__).parents[1]
    seen["copy"] = await in_thread(run, "cp", "-a", f"{room}/.", str(data / "tree"))
    seen["diff"] = await in_thread(run, "diff", "-r", str(room), str(data / "tree"))
    seen["moved"] = await in_thread(run, "mv", str(data / "tree"), str(data / "moved"))
    seen["linked"] = await in_thread(run, "ln", str(data / "a"), str(data / "hard"))
    seen["nlink"] = (data / "a").stat().st_nlink
    (data / "soft").symlink_to("a")
    seen["soft"] = (data / "soft").read_text()
    seen["removed"] = await in_thread(run, "rm", "-r", str(data / "moved"))
    seen["unlinked"] = await in_thread(unlinked, data / "open")
    await layer.ask({"do": "sync"})
    await power_cut(layer, "lost")
    seen["names"] = sorted(path.name for path in data.iterdir())


async def main(data: Path) -> dict:
    seen: dict = {}
    layer = LayerProcess("here")
    await layer.start(0, str(data))
    await durability(layer, data, seen)
    await mapping(layer, data, seen)
    await troubles(layer, data, seen)
    await stall(layer, data, seen)
    await ordinary_programs(layer, data, seen)
    await trouble(layer, stalled=True)
    victim = dd(data / "end")
    await asyncio.sleep(0.2)
    os.kill(layer.pid, signal.SIGKILL)  # whoever waits for the disk is told that it is gone
    _, said = await in_thread(victim.communicate, None, 20)
    seen["layer_killed"] = said.decode().split("\n")[0].rpartition(": ")[2]
    layer.close()
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
