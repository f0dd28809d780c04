"""A quick way to a yes: run the transactions one by one against a simulated store.

The transactions pass by in the order of their completion, and each runs as late as it may: when
it completes, or when one that runs needs it first. A transaction needs the writers of what it
reads and, before it overwrites a version, all who still have to read that version; and it lets
another writer go first whose completion comes before the last reader of its own version begins.
If all can run, the order in which they did is a proof. For snapshot isolation reading and
committing are two steps, and who has read holds the keys that it writes. If it gets stuck,
nothing is proved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..linearizability.kernel import Kernel
from .searches import first_write
from .sorting import distinct
from .weak import Relations
from .witness_kernel import DEADLINES, RUN

NO_ORDER, SESSION_ORDER, REAL_TIME = 0, 1, 2
"""What else the order must respect."""

_INT = np.int32


class Replay:
    """The transactions of one history, ready to be run. ``order``: one along who read whom."""

    def __init__(self, relations: Relations, alive: Any, order: Any) -> None:
        txns = relations.txns
        count, width = len(txns), max(len(txns.keys), 1)
        writer = np.repeat(np.arange(count, dtype=_INT), np.diff(relations.write_start))
        written = len(writer)
        source, key = relations.source, relations.key
        at = _versions.for_size(len(source))(
            source, key, relations.write_start, relations.write_key
        )
        version = np.where(source < 0, written + key, at)
        pairs = distinct(relations.reader.astype(np.int64) * (written + width) + version)
        reader = (pairs // (written + width)).astype(_INT)
        version = (pairs % (written + width)).astype(_INT)
        by_version = np.argsort(version, kind="stable")
        version_start = np.searchsorted(version[by_version], np.arange(written + width + 1))
        of_key = np.concatenate((relations.write_key, np.arange(width, dtype=_INT)))
        of_writer = np.concatenate((writer, np.full(width, -1, _INT)))
        bounds = np.searchsorted(reader, np.arange(count + 1)).astype(_INT)
        last_begin = np.full(written + width, -1, _INT)
        np.maximum.at(last_begin, version, txns.invoked[reader])
        deadline = DEADLINES.for_size(count)(
            order, bounds, version, of_writer, txns.completed.astype(np.int64), count
        )
        ending = np.flatnonzero(alive).astype(_INT)
        ending = ending[np.argsort(deadline[ending], kind="stable")]
        self.size, self.expected = count * 4, len(ending)
        self.given = (
            alive, deadline, bounds, version, of_key, of_writer, version_start.astype(_INT),
            reader[by_version], relations.write_start, relations.write_key, last_begin,
            txns.previous, ending, txns.invoked, txns.completed,
        )  # fmt: skip

    def placed(self, kept: int, snapshot: bool) -> int:
        """How many could be run before it got stuck; the level holds if it is ``expected``."""
        return int(RUN.for_size(self.size)(*self.given, kept, snapshot))


def _versions_plain(source: Any, key: Any, write_start: Any, write_key: Any) -> Any:
    """int32 per read: the write of its source to its key (keys of a writer ascend), or 0."""
    at = np.zeros(len(source), np.int32)
    for read in range(len(source)):
        if source[read] < 0:
            continue
        low, high = write_start[source[read]], write_start[source[read] + 1]
        at[read] = first_write(write_key, key[read], low, high)
    return at


_versions = Kernel(_versions_plain, first_write)
