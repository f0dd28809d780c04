"""The run store: one folder a trial, useful after a crash at any byte.

``trial.json`` the spec and how it ended; ``history.jsonl`` one operation a line;
``faults.jsonl`` the ledger; ``verdict.json``; ``nodes/<name>/`` logs and data;
``report.html``, ``junit.xml``. Whole files are replaced atomically; line files
get each line in one write, so that a ``kill -9`` loses at most the line in flight.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import secrets
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from .errors import InfrastructureError, UserError

DEFAULT_STORE = "runs"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole: readers see the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(descriptor: int, line: bytes) -> None:
    """Append a line to a file that is open for appending: all of it, or none if the disk is full.

    What is left of a line would spoil the next one. Raises ``OSError``.
    """
    written = 0
    try:
        while written < len(line):  # a signal or a nearly full disk cuts it short
            written += os.write(descriptor, line[written:] if written else line)
    except OSError:
        if written:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - written)
        raise


class LineFile:
    """An append-only file of lines, each written by one system call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, line: bytes) -> None:
        """Append a line that already ends in a newline; ``InfrastructureError`` without room."""
        try:
            write_whole(self._descriptor, line)
        except OSError as error:
            raise InfrastructureError(f"{self.path}: cannot write: {error.strerror}") from None

    def close(self) -> None:
        """Flush to disk and close. Idempotent."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class RunFolder:
    """The folder of one trial."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """Unique, sorts by time, fit for names of resources once shortened."""
        return self.path.name

    def file(self, name: str) -> Path:
        """A path in the folder."""
        return self.path / name

    @contextlib.contextmanager
    def being_written(self) -> Iterator[None]:
        """Let everybody know for the time of the block that a trial writes here; whatever ends this
        process, :func:`is_being_written` knows it at once. Nothing is left in the folder."""
        with contextlib.ExitStack() as held:
            with contextlib.suppress(OSError):  # a file system without locks
                descriptor = os.open(self.path, _LOOK)
                held.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield

    def write_json(self, name: str, value: Any) -> None:
        """Write (or replace) a JSON file; ``InfrastructureError`` without room for it."""
        encoded = msgspec.json.format(msgspec.json.encode(value), indent=2)
        try:
            write_atomically(self.file(name), encoded + b"\n")
        except OSError as error:
            raise InfrastructureError(
                f"{self.file(name)}: cannot write: {error.strerror}"
            ) from None

    def read_json(self, name: str, kind: Any = Any) -> Any:
        """Read a JSON file; ``UserError`` names the file and what is wrong."""
        path = self.file(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=kind)
        except FileNotFoundError:
            raise UserError(f"{path}: no such file; is {self.path} a run folder?") from None
        except msgspec.MsgspecError as error:
            raise UserError(f"{path}: {error}") from None


_LOOK = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_being_written(folder: Path) -> bool | None:
    """Whether a trial writes into a run folder at this moment; ``None`` if nobody can know."""
    try:
        descriptor = os.open(folder, _LOOK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def create(store: Path, label: str) -> RunFolder:
    """Make a new run folder and point ``latest`` at it."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    while True:
        path = store / f"{moment}-{label}-{secrets.token_hex(2)}"
        try:
            (path / "nodes").mkdir(parents=True)
            break
        except FileExistsError:
            if not path.is_dir():  # else another process drew the same in this second
                raise UserError(f"{path}: cannot make the run folder: a file is there") from None
        except OSError as error:
            raise UserError(f"{path}: cannot make the run folder: {error.strerror}") from error
    _point_latest(store, path.name)
    return RunFolder(path.resolve())


def adopt(folder: Path, store: Path) -> RunFolder:
    """Move a run folder into a store, under its own name, and point ``latest`` at it."""
    path = store / folder.name
    folder.rename(path)
    _point_latest(store, path.name)
    return RunFolder(path.resolve())


def find(reference: str, store: Path) -> RunFolder:
    """A run folder by path, by ``latest`` or by the unique beginning of its name."""
    for candidate in (Path(reference), store / reference):
        if (candidate / "trial.json").is_file():
            return RunFolder(candidate.resolve())
    matches = sorted(p for p in store.glob(f"{reference}*") if (p / "trial.json").is_file())
    if len(matches) == 1:
        return RunFolder(matches[0].resolve())
    problem = "is ambiguous" if matches else "was not found"
    raise UserError(f"run {reference!r} {problem} in {store}/")


def clocks() -> dict[str, int]:
    """What the clocks of this machine show now, in ns."""
    return {"wall_ns": time.time_ns(), "monotonic_ns": time.monotonic_ns()}


def host() -> dict[str, str]:
    """What the trial ran on, for the report."""
    return {
        "python": sys.version.split()[0],
        "kernel": platform.release(),
        "machine": platform.machine(),
    }


def _point_latest(store: Path, name: str) -> None:
    temporary = store / f".latest.{os.getpid()}-{secrets.token_hex(4)}"  # threads, pid namespaces
    temporary.symlink_to(name)
    temporary.replace(store / "latest")
