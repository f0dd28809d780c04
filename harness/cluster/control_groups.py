"""Control groups (cgroups(7), of version 1 and 2): where they are, and groups of our own.

A group of our own is called ``duress-…`` and locked (flock(2) on its folder) by whoever made it:
the lock ends with its owner, so that a group without one was left behind and may be removed.

Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import InfrastructureError

CONTROLLERS = ("cpu", "memory", "pids")
PREFIX = "duress-"
REMOVE_TIMEOUT_S = 5.0


class Hierarchy(NamedTuple):
    """A tree of groups: ``version`` 1 or 2, where it is mounted, and which group that shows."""

    version: int
    mount: Path
    root: str

    def folder(self, path: str) -> Path | None:
        """Where a group is that ``/proc/PID/cgroup`` calls ``path``; ``None`` if out of sight."""
        if self.root == "/":
            return self.mount / path.strip("/")
        if path == self.root or path.startswith(self.root + "/"):
            return self.mount / path[len(self.root) :].strip("/")
        # Seen from a namespace of its own, a container's group is called "/".
        return self.mount / path.strip("/") if path == "/" else None


class Group(NamedTuple):
    """A group as one controller sees it."""

    version: int
    folder: Path

    def read(self, name: str) -> str:
        """A file of it, ``InfrastructureError`` if that cannot be."""
        try:
            return (self.folder / name).read_text().strip()
        except OSError as error:
            raise InfrastructureError(
                f"control group {self.folder}: cannot read {name}: {error.strerror}"
            ) from None

    def write(self, name: str, value: object) -> None:
        """Set a file of it, ``InfrastructureError`` if that cannot be."""
        try:
            (self.folder / name).write_text(str(value))
        except OSError as error:
            raise InfrastructureError(
                f"control group {self.folder}: cannot write {value} to {name}: {error.strerror}"
            ) from None

    def number(self, name: str, key: str) -> int:
        """A line ``key number`` of a file; 0 without one."""
        for line in self.read(name).splitlines():
            words = line.split()
            if len(words) == 2 and words[0] == key:
                return int(words[1])
        return 0


def hierarchies(mountinfo: str | None = None) -> dict[str, Hierarchy]:
    """By controller. ``mountinfo`` as in proc(5), this process's own by default."""
    if mountinfo is None:
        mountinfo = _text("/proc/self/mountinfo")
    found: dict[str, Hierarchy] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or len(kind) < 3 or not kind[0].startswith("cgroup"):
            continue
        version = 2 if kind[0] == "cgroup2" else 1
        here = Hierarchy(version, Path(_unescaped(fields[4])), _unescaped(fields[3]))
        if version == 1:
            names = kind[2].split(",")
        else:
            names = _text(str(here.mount / "cgroup.controllers")).split()
        for name in CONTROLLERS:
            if name in names and name not in found:
                found[name] = here
    return found


def of_process(pid: int) -> dict[str, Group]:
    """The groups that a process is in, by controller."""
    groups = {}
    mounted = hierarchies()
    for controller, path in _paths(_text(f"/proc/{pid}/cgroup"), mounted).items():
        here = mounted[controller]
        folder = here.folder(path)
        if folder is not None and folder.is_dir():
            groups[controller] = Group(here.version, folder)
    return groups


def _paths(cgroup: str, mounted: Mapping[str, Hierarchy]) -> dict[str, str]:
    """What ``/proc/PID/cgroup`` says, by controller."""
    found = {}
    for line in cgroup.splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for controller, here in mounted.items():
            of_this = number == "0" if here.version == 2 else controller in names.split(",")
            if of_this:
                found[controller] = path
    return found


def why_not_writable(group: Group) -> str | None:
    """Why limits of a group cannot be set, or ``None``."""
    if not os.access(group.folder / "cgroup.procs", os.W_OK):
        return f"{group.folder} cannot be written to"
    return None


def parents() -> dict[str, Group]:
    """Below which groups we may have our own, by controller; without those where we may not."""
    found = {}
    mounted = hierarchies()
    own = of_process(os.getpid())
    for controller, here in mounted.items():
        candidates = [own[controller].folder] if controller in own else []
        if here.version == 2:
            # A group with processes in it, as our own is, cannot hand controllers on; the root
            # can, and so does every group of systemd's that has groups below it.
            above = candidates[0].parents if candidates else ()
            candidates = [here.mount, *candidates, *(f for f in above if here.mount in f.parents)]
        for folder in candidates:
            if not os.access(folder, os.W_OK) or not os.access(folder / "cgroup.procs", os.W_OK):
                continue
            if here.version == 2:
                handed_on = _text(str(folder / "cgroup.subtree_control")).split()
                if controller not in handed_on:
                    continue
            found[controller] = Group(here.version, folder)
            break
    return found


class OwnGroups:
    """Groups of our own for the programs of one node, one a controller (of version 2, one for all).

    Made when they are first asked for. ``name`` must be unique on the machine.
    """

    def __init__(self, name: str) -> None:
        self._name = PREFIX + name
        self._locks: dict[Path, int] = {}
        self._groups: dict[str, Group] = {}

    @property
    def groups(self) -> Mapping[str, Group]:
        """Those that were made."""
        return self._groups

    def make(self, controller: str) -> Group:
        """The group of a controller; ``InfrastructureError`` if it cannot be made."""
        if controller in self._groups:
            return self._groups[controller]
        above = parents().get(controller)
        if above is None:
            raise InfrastructureError(f"control groups: none for {controller} can be made here")
        folder = above.folder / self._name
        try:
            folder.mkdir(exist_ok=True)
            if folder not in self._locks:
                lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
                self._locks[folder] = lock
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InfrastructureError(
                f"control group {folder}: cannot be made: {error.strerror}"
            ) from None
        group = self._groups[controller] = Group(above.version, folder)
        return group

    def take_in(self, pid: int) -> None:
        """Let a process be in all of them, and what it forks; nothing if it is gone."""
        for folder in self._locks:
            _join(folder, pid)

    def remove(self) -> None:
        """Remove them; what is still in one goes back to where we are. Idempotent."""
        failures = []
        for folder, lock in list(self._locks.items()):
            if why := _removed(folder):
                failures.append(why)
                continue
            os.close(lock)
            del self._locks[folder]
        if failures:
            raise InfrastructureError("; ".join(failures))
        self._groups.clear()


def leftovers() -> list[Path]:
    """Folders of groups of our own whose owner is dead."""
    found = []
    for above in {group.folder for group in parents().values()}:
        found += [folder for folder in above.glob(PREFIX + "*") if _is_abandoned(folder)]
    return sorted(found)


def clean() -> list[str]:
    """Remove them; a line for each. Tries all, then raises ``InfrastructureError``."""
    removed, failures = [], []
    for folder in leftovers():
        if why := _removed(folder):
            failures.append(why)
        else:
            removed.append(f"control group {folder}")
    if failures:
        raise InfrastructureError("; ".join(failures))
    return removed


def _is_abandoned(folder: Path) -> bool:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False
    finally:
        os.close(lock)


def _removed(folder: Path) -> str | None:
    """Why a group could not be removed, or ``None``. Its processes go to the group above."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    while True:
        try:
            folder.rmdir()
            return None
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                return f"control group {folder}: cannot be removed: {error.strerror}"
        for pid in _text(str(folder / "cgroup.procs")).split():
            _join(folder.parent, int(pid))
        time.sleep(0.005)


def _join(folder: Path, pid: int) -> None:
    try:
        (folder / "cgroup.procs").write_text(str(pid))
    except ProcessLookupError:
        return
    except OSError as error:
        if error.errno == errno.EINVAL and not os.path.exists(f"/proc/{pid}"):  # noqa: PTH110
            return
        raise InfrastructureError(
            f"control group {folder}: does not take process {pid}: {error.strerror}"
        ) from None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _unescaped(path: str) -> str:
    return path.replace("\\040", " ").replace("\\134", "\\")
