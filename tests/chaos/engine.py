"""A second Docker engine, in a network namespace of its own: it may be stopped and killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .machine import wait_for

START_S = 60


class SecondEngine:
    """dockerd with data, sockets, containerd, bridges and rules that nobody else uses."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = f"unix://{folder}/docker.sock"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up; echo; exec sleep infinity"],
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        self._holder.stdout.readline()
        self._holder.stdout.close()
        self.prefix = ("nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--")
        self._dockerd: subprocess.Popen[bytes] | None = None
        # By itself, as distributions run it: containers live on when dockerd is killed.
        self._containerd = self._run(
            *("containerd", "--root", f"{folder}/containerd", "--state", f"{folder}/exec/c"),
            *("--address", f"{folder}/containerd.sock"),
        )
        if not wait_for((folder / "containerd.sock").exists, START_S, 0.1):
            raise RuntimeError((folder / "log").read_text()[-2000:])

    def _run(self, *words: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*self.prefix, *words],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it (again) and wait until it answers."""
        folder = self._folder
        (folder / "pid").unlink(missing_ok=True)
        self._dockerd = self._run(
            *("dockerd", "--host", self.address, "--bridge", "none"),
            *("--containerd", f"{folder}/containerd.sock", "--pidfile", f"{folder}/pid"),
            *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        )
        if not wait_for(self._answers, START_S, 0.2):
            raise RuntimeError((folder / "log").read_text()[-2000:])

    def stop(self, number: signal.Signals) -> None:
        """End the daemon: SIGTERM also ends its containers, SIGKILL leaves them alive."""
        if self._dockerd is not None:
            self._dockerd.send_signal(number)
            self._dockerd.wait()
            self._dockerd = None

    def docker(self, *words: str, **more: object) -> subprocess.CompletedProcess[bytes]:
        """The client's command."""
        env = {**os.environ, "DOCKER_HOST": self.address}
        return subprocess.run(["docker", *words], env=env, capture_output=True, **more)  # type: ignore[call-overload]

    def _answers(self) -> bool:
        return self.docker("version").returncode == 0

    def load(self, tag: str) -> None:
        """Take over an image of the engine that everybody uses."""
        with subprocess.Popen(["docker", "save", tag], stdout=subprocess.PIPE) as saving:
            self.docker("load", stdin=saving.stdout, check=True)

    def end(self) -> None:
        """Stop everything of it and give back what it holds."""
        with suppress(RuntimeError):
            if self._dockerd is None:
                self.start()  # only an engine that runs can take its containers down
        for name in self.docker("ps", "-aq").stdout.decode().split():
            self.docker("rm", "-f", name)
        self.stop(signal.SIGTERM)
        self._containerd.terminate()
        self._containerd.wait()
        for pid in _those_of(self._folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._holder.kill()
        self._holder.wait()
        time.sleep(0.2)
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4] for line in mounts]
        for point in reversed([point for point in points if point.startswith(str(self._folder))]):
            subprocess.run(["umount", "--lazy", point])
        shutil.rmtree(self._folder, ignore_errors=True)


def _those_of(folder: Path) -> list[int]:
    """Processes whose command line names the folder: containerd and its shims."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{folder}/".encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


@contextmanager
def second_engine(*tags: str) -> Iterator[SecondEngine]:
    """One that runs and has these images; nothing is left of it afterwards."""
    engine = SecondEngine(Path(tempfile.mkdtemp(prefix="duress-engine-")))
    try:
        engine.start()
        for tag in tags:
            engine.load(tag)
        yield engine
    finally:
        engine.end()
