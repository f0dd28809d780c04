"""Does every read show the newest completed write, or one that overlaps it? Regular registers.

Source: L. Lamport, "On Interprocess Communication", Distributed Computing 1, 1986; for several
writers C. Shao, E. Pierce and J. Welch, "Multi-writer Consistency Conditions for Shared Memory
Registers", DISC 2003 (their weakest: each read on its own has a place in an order of all writes
that real time allows). It is what read and write quorums that overlap give, and less than
linearizability: of two reads, the later one may show the older value while a write is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .register_sessions import LAST_WRITE, SIBLINGS, KeyStory, Read, Write, key_stories
from .tally import Tally, shown, strange, who, wishes_of

MODELS = {
    "regular-register": "writes and reads of registers, of which the last write stays",
    "regular-siblings": "the same, but writes that did not know of each other stay side by side",
}


class Regular:
    """Judges ``write``, ``delete`` and ``read`` of registers by key.

    ``conflicts``  what becomes of writes that did not know of each other: ``siblings`` (each must
                   stay until somebody who saw it writes) or ``last-write-wins``.

    Anomalies: ``stale-read`` (it misses a write or delete that was complete before it began),
    ``resurrected-value`` (it shows a value together with, or instead of, one that had overwritten
    it, or that was deleted and had been seen to be gone), ``unwritten-value`` (nobody wrote it by
    then, or its write failed).
    """

    def __init__(self, conflicts: str = LAST_WRITE) -> None:
        self.conflicts = conflicts

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every read that succeeded."""
        stories = key_stories(history)
        tally, reads, siblings = Tally(), 0, 0
        for story in stories.values():
            if story.strange:
                return strange(story.strange)
            for read in story.reads():
                reads += 1
                siblings = max(siblings, len(read.values))
                self._judge(tally, story, read)
        writes = sum(len(story.updates) for story in stories.values())
        statistics: dict[str, Any] = {"operations": reads + writes, "keys": len(stories)}
        statistics |= {"reads": reads, "writes": writes}
        statistics["most_siblings"] = siblings
        return tally.verdict(statistics, vacuous="" if reads and writes else "nothing to compare")

    def _judge(self, tally: Tally, story: KeyStory, read: Read) -> None:
        for value in story.unwritten(read):
            tally.add("unwritten-value", partial(_unwritten, story, read, value))
        missed = story.missed(read, self.conflicts)
        if missed:
            gone = story.was_gone(read, missed)
            if gone is None:
                tally.add("stale-read", partial(_stale, story, read, missed))
            else:
                tally.add("resurrected-value", partial(_back, story, read, *gone))
            return
        back = story.came_back(read) if self.conflicts == SIBLINGS else None
        if back is not None:
            tally.add("resurrected-value", partial(_back, story, read, *back))

    @classmethod
    def models(cls) -> dict[str, str]:
        """The models by name, with a line on each."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Regular:
        """A checker; it has no options."""
        wishes_of(model, wishes)
        return cls(SIBLINGS if model == "regular-siblings" else LAST_WRITE)


def told(read: Read) -> str:
    """``process 3 (through n2) read nothing (1.234 s)``."""
    values = ", ".join(shown(value) for value in read.values) or "nothing"
    by = who(read.invoked.process, read.completion.node)
    return f"{by} read {values} ({read.completion.time / 1e9:.3f} s)"


def wrote(write: Write) -> str:
    """``process 3's write of 17 (acknowledged at 1.234 s)``."""
    what = "delete" if write.value is None else f"write of {shown(write.value)}"
    done = write.completion
    when = f"acknowledged at {done.time / 1e9:.3f} s" if done and write.is_ok else "of unknown fate"
    return f"process {write.invoked.process}'s {what} ({when})"


def evidence(read: Read, *writes: Write | None) -> list[int]:
    """The invocations concerned, in order."""
    return sorted({read.invoked.index, *(write.invoked.index for write in writes if write)})


def _unwritten(story: KeyStory, read: Read, value: Any) -> Anomaly:
    why = "whose write had failed" if value in story.failed else "which nobody had written by then"
    text = f"Of key {shown(story.key)}, {told(read)}: {shown(value)}, {why}."
    return Anomaly("unwritten-value", text, [read.invoked.index], key=story.key)


def _stale(story: KeyStory, read: Read, missed: list[Write]) -> Anomaly:
    last = missed[-1]
    since_s = (read.invoked.time - min(w.completion.time for w in missed if w.completion)) / 1e9
    text = (
        f"Of key {shown(story.key)}, {told(read)}, but that does not show {wrote(last)}, which was "
        f"complete before the read began at {read.invoked.time / 1e9:.3f} s"
    )
    text += f" (it misses {len(missed)} writes" if len(missed) > 1 else " (it is"
    text += f", the first for {since_s:.3f} s)." if len(missed) > 1 else f" {since_s:.3f} s late)."
    shown_by = story.writes.get(read.values[0]) if read.values else None
    return Anomaly("stale-read", text, evidence(read, last, shown_by), key=story.key)


def _back(story: KeyStory, read: Read, write: Write, value: Any) -> Anomaly:
    text = (
        f"Of key {shown(story.key)}, {told(read)}: {shown(value)} is back, although it was gone "
        f"after {wrote(write)}."
    )
    indices = evidence(read, write, story.writes.get(value))
    return Anomaly("resurrected-value", text, indices, key=story.key)
