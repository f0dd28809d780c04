"""The table of docs/faults.md: every fault tried on every kind of cluster.

    .venv/bin/python benchmarks/fault_matrix.py [--on sim,local,docker,ssh] >table.md

``duress doctor --faults --markdown``, with hosts for ssh made of containers where it is asked for.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOSTS = 5


def matrix(where: str, settings: list[str]) -> int:
    words = [str(Path(sys.executable).with_name("duress")), "doctor", "--faults", "--markdown"]
    return subprocess.run([*words, "--on", where, *settings]).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--on", default="sim,local,docker,ssh")
    where = parser.parse_args().on
    if "ssh" not in where.split(","):
        return matrix(where, [])
    sys.path.insert(0, str(ROOT))
    from tests.cluster import ssh_hosts

    can = {"mount": True, "control_groups": True}
    with (
        tempfile.TemporaryDirectory() as name,
        ssh_hosts.running(HOSTS, Path(name), **can) as hosts,
    ):
        pairs = [f"{name}={value}" for name, value in hosts.options.items()]
        return matrix(where, [word for pair in pairs for word in ("--set", pair)])


if __name__ == "__main__":
    sys.exit(main())
