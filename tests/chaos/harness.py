"""A harness that is to be struck: ``duress run`` as a process, what it said and what it wrote."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..command_line import DURESS
from .machine import MARK, Machine

PHASES = {  # as the terminal calls them
    "bringing the cluster up": "cluster",
    "starting the system": "system",
    "running the workload": "load",
    "healed; waiting": "settle",
    "final reads": "final",
    "taking the cluster down": "teardown",
    "checking the history": "check",
    "writing the report": "report",
    "ended after": "report",
}


class Harness:
    """One ``duress run`` with a store, a mark and a folder for temporary files of its own."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        prefix: tuple[str, ...] = (),
        docker: str | None = None,
        env: Mapping[str, str] | None = None,
        store: Path | None = None,
    ) -> None:
        token = secrets.token_hex(6)
        self.store = store or folder / f"runs-{token}"
        temporary = folder / f"tmp-{token}"
        temporary.mkdir(parents=True)
        self._scratch = [folder / f"out-{token}", folder / f"err-{token}", temporary]
        self._out, self._err = self._scratch[:2]
        self._prefix = prefix
        self._env = {**os.environ, MARK: token, "TMPDIR": str(temporary), **(env or {})}
        if docker:
            self._env["DOCKER_HOST"] = docker
        self.machine = Machine(token, self.store, temporary, prefix, docker)
        self.began = time.monotonic()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*prefix, *DURESS, "run", *arguments, "--store", str(self.store)],
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                env=self._env,
                start_new_session=True,
            )

    # -- what can be seen of it ------------------------------------------------------

    @property
    def run_folder(self) -> Path | None:
        """The trial's folder, once there is one."""
        return next((path for path in self.store.glob("2*") if path.is_dir()), None)

    @property
    def trial(self) -> str | None:
        """The trial's id."""
        return self.run_folder.name if self.run_folder else None

    @property
    def phase(self) -> str:
        """The one that it was in when it last said something; ``start`` before the first."""
        last = "start"
        for line in self._out.read_text(errors="replace").splitlines():
            last = next((name for said, name in PHASES.items() if said in line), last)
        return last

    @property
    def said(self) -> str:
        """Everything that it printed."""
        return self._out.read_text(errors="replace") + self._err.read_text(errors="replace")

    def ledger(self) -> list[dict[str, Any]]:
        """The whole lines of ``faults.jsonl``."""
        path = self.run_folder / "faults.jsonl" if self.run_folder else None
        if path is None or not path.is_file():
            return []
        whole = path.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.split(b"\n") if line]

    def half_done(self) -> str:
        """Whether the ledger ends in the midst of an injection or of a heal; empty if not."""
        last: dict[int, str] = {}
        for line in self.ledger():
            last[line["fault"]["id"]] = line["state"]
        states = set(last.values())
        return "injection" if "injecting" in states else "heal" if "healing" in states else ""

    def active(self) -> list[str]:
        """Kinds of the faults that, as far as the ledger knows, are in effect."""
        last = {line["fault"]["id"]: line for line in self.ledger()}
        return sorted(
            {line["fault"]["kind"] for line in last.values() if line["state"] != "healed"}
        )

    # -- strokes ---------------------------------------------------------------------

    def pids(self) -> list[int]:
        """The processes of duress itself, the one that the user started first."""
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found += [int(child) for child in task.read_text().split()]
                except OSError:
                    continue
        return [pid for pid in found if _is_duress(pid)]

    def strike(self, number: signal.Signals, pid: int | None = None) -> None:
        """Send it a signal; nothing if it has ended."""
        if self.process.poll() is None:
            try:
                os.kill(pid or self.process.pid, number)
            except ProcessLookupError:
                return

    def wait(self, limit_s: float = 90) -> int | None:
        """Its exit code; ``None`` if it does not end in time, and it is killed then."""
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    # -- afterwards ------------------------------------------------------------------

    def command(self, *arguments: str, limit_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Another command of duress in the same surroundings."""
        return subprocess.run(
            [*self._prefix, *DURESS, *arguments],
            capture_output=True,
            text=True,
            timeout=limit_s,
            env=self._env,
        )

    def unreadable(self, checked: bool = True) -> str:
        """What ``duress check`` and ``duress report`` cannot read of what it recorded; empty: all.

        Of a harness that was killed before it began to record, nothing is expected.
        """
        folder = self.run_folder
        if folder is None or not (folder / "trial.json").is_file():
            return ""
        history = folder / "history.jsonl"
        if history.is_file() and history.stat().st_size:
            done = self.command("check", str(history), "--model", "cas-register")
            if done.returncode not in (0, 1, 3) or "Traceback" in done.stdout + done.stderr:
                return f"check: exit {done.returncode}: {(done.stdout + done.stderr)[-300:]}"
        if history.is_file():
            done = self.command("report", str(folder))
            if done.returncode not in (0, 1, 3) or "Traceback" in done.stdout + done.stderr:
                return f"report: exit {done.returncode}: {(done.stdout + done.stderr)[-300:]}"
        return ""

    def reason(self) -> str:
        """The one line that says why there is no verdict; empty if it says none."""
        folder = self.run_folder
        if folder is not None and (folder / "verdict.json").is_file():
            verdict = json.loads((folder / "verdict.json").read_text())
            machine = verdict.get("parts", {}).get("infrastructure", {})
            if said := machine.get("reason") or verdict.get("reason"):
                return said
        lines = [line for line in self.said.splitlines() if line.startswith("duress: ")]
        return lines[-1] if lines else ""

    def forget(self) -> None:
        """Remove what it wrote."""
        for path in [self.store, *self._scratch]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _is_duress(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.endswith(b"/duress") for word in words) and b"run" in words
