"""The agent of a host as one file that needs nothing but Python 3.9 or later."""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

ROOM = Path(__file__).resolve().parents[1]
MODULES = (
    "errors",
    "cluster/background",
    "cluster/burden",
    "cluster/burdens",
    "cluster/clock_account",
    "cluster/control_groups",
    "cluster/duty_cycle",
    "cluster/followed_clocks",
    "cluster/group_limits",
    "cluster/host",
    "cluster/host_agent",
    "cluster/host_clocks",
    "cluster/host_disk",
    "cluster/host_filter",
    "cluster/host_leftovers",
    "cluster/host_packets",
    "cluster/host_probe",
    "cluster/layer_process",
    "cluster/local_init",
    "cluster/meter_end",
    "cluster/netem",
    "cluster/netfilter",
    "cluster/packet_bytes",
    "cluster/packet_lane",
    "cluster/packet_queue",
    "cluster/patched_clocks",
    "cluster/pids",
    "cluster/process_limits",
    "cluster/program_clocks",
    "cluster/program_resources",
    "cluster/programs",
    "cluster/queue_control",
    "cluster/queue_messages",
    "cluster/queue_shaper",
    "cluster/shaper",
    "cluster/stop_and_go",
    "cluster/tcp_reset",
    "cluster/vdso",
    "cluster/victims",
    "cluster/watched_memory",
    *(
        f"disk_layer/{name}"
        for name in (
            *("copies", "inode", "mount", "names", "requests", "server"),
            *("trouble", "volume", "wire", "written"),
        )
    ),
)
MAIN = "from duress.harness.cluster.host_agent import main\n\nmain()\n"


@cache
def agent_bundle() -> bytes:
    """The zip application; the same bytes whenever the sources are the same."""
    packages = ("duress", *(f"duress/harness{sub}" for sub in ("", "/cluster", "/disk_layer")))
    sources = {"__main__.py": MAIN, **{f"{package}/__init__.py": "" for package in packages}}
    for module in MODULES:
        text = (ROOM / f"{module}.py").read_text("utf-8")
        sources[f"duress/harness/{module}.py"] = text
    archive = io.BytesIO(b"#!/usr/bin/env python3\n")
    archive.seek(0, io.SEEK_END)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as bundle:
        for name, source in sources.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(entry, source.encode())
    return archive.getvalue()
