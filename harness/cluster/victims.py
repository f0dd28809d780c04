"""Whom a lack of memory strikes: what processes have of it, and whom to kill first.

Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from . import pids

FIRST = 1000
"""The ``oom_score_adj`` of who is killed before everybody else (proc(5))."""


def resident_bytes(pid: int) -> int:
    """Memory of a process that is nobody else's and in no file; 0 if it is gone."""
    found = 0
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                found += 1024 * int(line.split()[1])
    return found


class Marked:
    """Processes that the kernel is to kill before others, until they are forgiven."""

    def __init__(self) -> None:
        self._before: dict[tuple[int, int], str] = {}

    def prefer(self, seen: pids.Seen) -> None:
        """Let this one be killed before others."""
        with contextlib.suppress(OSError):
            file = Path(f"/proc/{seen.pid}/oom_score_adj")
            self._before.setdefault((seen.pid, seen.started), file.read_text().strip())
            file.write_text(str(FIRST))

    def forgive(self, living: Iterable[pids.Seen]) -> None:
        """Undo it for those that live, and for what they have forked meanwhile."""
        usual = next(iter(self._before.values()), "0")
        for seen in living:
            with contextlib.suppress(OSError):
                file = Path(f"/proc/{seen.pid}/oom_score_adj")
                if file.read_text().strip() == str(FIRST):
                    file.write_text(self._before.get((seen.pid, seen.started), usual))
        self._before.clear()


def largest(among: Sequence[pids.Seen]) -> pids.Seen | None:
    """Who has most of it; ``None`` if there is nobody."""
    return max(among, key=lambda seen: resident_bytes(seen.pid), default=None)
