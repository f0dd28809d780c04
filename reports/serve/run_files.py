"""Opens files of run folders for reading, and nothing else.

Every step of a path is opened relative to the one before and never through a symbolic link, so that
no name and no link, and no change between a check and its use, leads out of the store. A
store's own path has none, for whoever serves it has followed them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from . import run_names

READ_BY_REPORTS = (
    *("trial.json", "verdict.json", "history.jsonl", "faults.jsonl", "schedule.json"),
    *("messages.json", "messages.jsonl", "shrunk.json", "nodes"),
)
OF_EVERY_RUN = ("trial.json", "verdict.json", "history.jsonl")
LISTED_MAX, ARCHIVED_MAX = 2000, 200_000
DEEPEST = 12

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class FoundFile:
    """A file below a run folder: the parts of its path, its size, its time of change (epoch s)."""

    parts: tuple[str, ...]
    size_bytes: int
    changed_s: float


def open_file(store: Path, run: str, parts: Sequence[str]) -> BinaryIO:
    """A regular file of a run, open for reading; ``OSError`` if there is no such file.

    ``run`` and ``parts`` are names, as :func:`.run_names.decoded` gives them.
    """
    if not parts:
        raise IsADirectoryError(f"{run}: expected a file")
    with _folder(store, [run, *parts[:-1]]) as folder:
        descriptor = os.open(parts[-1], _FILE, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileNotFoundError(f"{parts[-1]}: no regular file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def file_change(store: Path, run: str, parts: Sequence[str]) -> tuple[int, int, int]:
    """By which a change of a regular file is known; ``OSError`` if there is no such file.

    It is not opened: a process that closes a file loses SQLite's locks on it.
    """
    with _folder(store, [run, *parts[:-1]]) as folder:
        about = os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(about.st_mode):
        raise FileNotFoundError(f"{parts[-1]}: no regular file")
    return about.st_ino, about.st_size, about.st_mtime_ns


def folders(store: Path, names: Sequence[str]) -> list[str]:
    """Names of the folders in a folder below the store, sorted; links are left out.

    ``OSError`` if there is no such folder.
    """
    with _folder(store, names) as folder, os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))


def real_folder(store: Path, run: str) -> Path:
    """The folder of a run; ``OSError`` if there is none, only a symbolic link to one, or another
    folder, which is nobody's business."""
    folder = store / run
    if folder.is_symlink() or not folder.is_dir() or not is_run(str(folder), run):
        raise FileNotFoundError(f"{run_names.shown(run)}: no run folder")
    return folder


def is_run(folder: str, name: str) -> bool:
    """Whether a folder is of a run: it is called as one, or has a run's files."""
    if run_names.MADE_BY_US.fullmatch(name):
        return True
    return any(os.path.lexists(f"{folder}/{file}") for file in OF_EVERY_RUN)


def readable_by_path(store: Path, run: str) -> Path:
    """The folder of a run for those who follow links; ``OSError`` if it holds any where they
    read."""
    folder = real_folder(store, run)
    looked_at = [folder / name for name in READ_BY_REPORTS]
    with contextlib.suppress(OSError):
        looked_at += (folder / "nodes").iterdir()
    for path in looked_at:
        if path.is_symlink():
            raise FileNotFoundError(
                f"{run_names.shown(path.name)}: a symbolic link, which is not followed"
            )
    return folder


def files(store: Path, run: str, most: int = LISTED_MAX) -> tuple[list[FoundFile], bool]:
    """At most so many regular files of a run, sorted by path, and whether there are more.

    Links, sockets and devices are left out. ``OSError`` if there is no such run.
    """
    found: list[FoundFile] = []
    with _folder(store, [run]) as folder:
        for file in _walk(folder, ()):
            if len(found) == most:
                return sorted(found, key=lambda f: f.parts), True
            found.append(file)
    return sorted(found, key=lambda f: f.parts), False


def _walk(folder: int, above: tuple[str, ...]) -> Iterator[FoundFile]:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        try:
            about = entry.stat(follow_symlinks=False)
        except OSError:  # gone meanwhile
            continue
        if stat.S_ISREG(about.st_mode):
            yield FoundFile((*above, entry.name), about.st_size, about.st_mtime)
        elif stat.S_ISDIR(about.st_mode) and len(above) < DEEPEST:
            with contextlib.suppress(OSError), _below(folder, entry.name) as inner:
                yield from _walk(inner, (*above, entry.name))


@contextlib.contextmanager
def _folder(store: Path, names: Sequence[str]) -> Iterator[int]:
    *above, last = [*store.absolute().parts, *names]
    descriptor = os.open(above.pop(0), _STEP)
    try:
        for name, how in (*((name, _STEP) for name in above), (last, _FOLDER)):
            inner = os.open(name, how, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _below(folder: int, name: str) -> Iterator[int]:
    descriptor = os.open(name, _FOLDER, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
