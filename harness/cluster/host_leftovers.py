"""What a dead agent left on its host: programs, cut links, files. Runs on the host itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

from ..errors import InfrastructureError
from . import netfilter


def homes() -> list[Path]:
    """The folders below which each trial on this host has a directory."""
    return [Path("/var/lib/duress"), Path.home() / ".cache" / "duress"]


def trials() -> list[str]:
    """Those that have a directory on this host."""
    folders = [folder for home in homes() if home.is_dir() for folder in home.iterdir()]
    return sorted(folder.name for folder in folders if folder.is_dir())


def remove(trial_id: str) -> None:
    """Kill what runs in a trial's directory, heal its links, remove its files. Idempotent."""
    for home in homes():
        directory = home / trial_id
        for pid in _running_in(directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for point in _mounted_below(directory):
            subprocess.run(["umount", "--lazy", point], capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(InfrastructureError):  # without root, or without nftables, no table
        table = netfilter.table_name(trial_id)
        netfilter.open_backend().run(f"table inet {table} {{\n}}\ndelete table inet {table}\n")


def _running_in(directory: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if entry.readlink().is_relative_to(directory):
                found.append(int(entry.parent.name))
    return found


def _mounted_below(directory: Path) -> list[str]:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in mounts]
    return [point for point in reversed(points) if Path(point).is_relative_to(directory)]
