"""A node's durable memory: what was synced survives a crash, the rest by luck.

Writes change the state at once and are remembered with what undoes them until they are
synced. A crash undoes a part of those, newest first; a sync only forgets them. Raw files, which a
crash may tear anywhere, are in :mod:`.files`.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from .disk_gate import RECORD_BYTES, DiskGate
from .files import SimFiles

CRASHES = ("prefix", "lost", "torn")
"""What a crash does to unsynced writes: see :meth:`Disk.crash`."""

_MISSING = object()


class Disk:
    """Logs of records and named values (the ``Storage`` of a protocol's context).

    ``syncs``  how many syncs had something to make durable.
    ``files``  the raw files, which have syncs of their own.
    ``gate``   through which it all goes while something is wrong with the disk.
    """

    def __init__(self) -> None:
        self._logs: dict[str, list[Any]] = {}
        self._values: dict[str, Any] = {}
        self._unsynced: list[tuple[str, str, Any]] = []
        self.is_empty = True
        self.syncs = 0
        self.gate: DiskGate | None = None
        self.files = SimFiles()

    def append(self, log: str, record: Any) -> None:
        """Add a record at the end of a log."""
        records = self._logs.get(log)
        if records is None:
            records = self._logs[log] = []
        records.append(record)
        self._unsynced.append(("append", log, None))

    def truncate(self, log: str, length: int) -> None:
        """Keep only the first ``length`` records of a log."""
        records = self._logs.setdefault(log, [])
        self._unsynced.append(("truncate", log, records[length:]))
        del records[length:]

    def logs(self) -> list[str]:
        """The names of the logs."""
        return sorted(self._logs)

    def read(self, log: str) -> Sequence[Any]:
        """All records of a log, oldest first."""
        return list(self._logs.get(log, ()))

    def put(self, name: str, value: Any) -> None:
        """Set a named value."""
        self._unsynced.append(("put", name, self._values.get(name, _MISSING)))
        self._values[name] = value

    def get(self, name: str, default: Any = None) -> Any:
        """A named value."""
        return self._values.get(name, default)

    def sync(self) -> None:
        """Return once everything written before is durable; ``OSError`` as from a disk."""
        if self._unsynced:
            if self.gate is not None:
                self.gate.write(RECORD_BYTES * len(self._unsynced))
                self.gate.sync()
            self._unsynced.clear()
            self.is_empty = False
            self.syncs += 1

    def crash(self, kind: str, random: Random) -> tuple[int, int]:
        """Lose unsynced writes; returns how many survived and how many were lost.

        ``lost``    all of them.
        ``prefix``  all from some write on; which one is drawn.
        ``torn``    as ``prefix``, but the first lost one had partly reached the disk. Recovery
                    finds that by its checksum and drops it, so that the state is the same.

        In raw files, ``prefix`` ends at any byte, and ``torn`` leaves holes before that.
        """
        written = len(self._unsynced)
        kept = 0 if kind == "lost" else int(random.random() * (written + 1))
        for _ in range(written - kept):
            self._undo(*self._unsynced.pop())
        self._unsynced.clear()
        files_kept, files_lost = self.files.crash(kind, random)
        if kept or self.files.names():
            self.is_empty = False
        return kept + files_kept, written - kept + files_lost

    def _undo(self, kind: str, name: str, before: Any) -> None:
        if kind == "append":
            self._logs[name].pop()
        elif kind == "truncate":
            self._logs[name].extend(before)
        elif before is _MISSING:
            del self._values[name]
        else:
            self._values[name] = before
