"""What of one trial is on this machine: looked for with the machine's own tools, not duress's."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

MARK = "DURESS_CHAOS"
"""An environment variable, by which everything that descends from a harness is known."""


class Machine:
    """Looks for what belongs to the harness that was started with the mark ``token``.

    ``prefix``  words before a command, where the harness has a network namespace of its own.
    ``docker``  the engine's address; ``None``: there is none to be asked.
    """

    def __init__(
        self,
        token: str,
        store: Path,
        temporary: Path,
        prefix: tuple[str, ...] = (),
        docker: str | None = None,
    ) -> None:
        self._token = token
        self._store = store
        self._temporary = temporary
        self._prefix = prefix
        self._docker = docker

    def left(self, trial: str | None, patience_s: float = 0) -> list[str]:
        """A line for each thing that is there; asks again for so long until there is none."""
        deadline = time.monotonic() + patience_s
        while (found := list(self._look(trial))) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _look(self, trial: str | None) -> Iterator[str]:
        yield from self._processes()
        yield from (f"file {path}" for path in sorted(self._temporary.rglob("*")))
        if trial is None:
            return
        yield from self._lines("mount", ["cat", "/proc/1/mountinfo"], trial)
        yield from self._lines("loop device", ["losetup", "-a"], trial)
        yield from self._lines("nftables table", ["nft", "list", "tables"], trial)
        bridge = "dr-" + hashlib.sha256(trial.encode()).hexdigest()[:10]
        for word in (bridge, trial):
            yield from self._lines("rule", ["iptables-save"], word)
            yield from self._lines("device", ["ip", "-o", "link"], word)
            yield from self._lines("namespace", ["ip", "netns"], word)
        yield from self._cgroups(trial)
        if self._docker:
            for kind, listing in _ENGINE.items():
                argv = ["docker", *listing, "--filter", f"label=duress.trial={trial}"]
                yield from self._lines(kind, argv, "", DOCKER_HOST=self._docker)

    def _processes(self) -> Iterator[str]:
        mark = f"{MARK}={self._token}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    yield f"process {entry.name}: {words[:120]}"

    def _lines(self, kind: str, argv: list[str], word: str, **env: str) -> Iterator[str]:
        try:
            done = subprocess.run(
                [*self._prefix, *argv], capture_output=True, text=True, env={**os.environ, **env}
            )
        except FileNotFoundError:
            return
        if done.returncode and argv[0] == "docker":
            yield f"engine that cannot be asked: {done.stderr.strip()[:200]}"
        for line in done.stdout.splitlines():
            if line.strip() and word in line:
                yield f"{kind}: {line.strip()[:200]}"

    def _cgroups(self, trial: str) -> Iterator[str]:
        for folder, names, _ in os.walk("/sys/fs/cgroup"):
            yield from (f"control group {folder}/{name}" for name in names if trial in name)


_ENGINE: Mapping[str, list[str]] = {
    "container": ["ps", "--all", "--format", "{{.Names}}"],
    "network": ["network", "ls", "--format", "{{.Name}}"],
    "volume": ["volume", "ls", "--format", "{{.Name}}"],
}


def wait_for(condition: Callable[[], object], limit_s: float, every_s: float = 0.02) -> bool:
    """Whether it became true in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
