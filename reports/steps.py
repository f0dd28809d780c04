"""A step of a story: one thing that happened, and when."""

from __future__ import annotations

from dataclasses import dataclass

from . import words


@dataclass(frozen=True)
class Step:
    """One thing that happened.

    ``kind``  ``fault``, ``heal``, ``more`` (faults that are not told), ``call``, ``stuck``,
              ``node`` (what a node said of itself), ``messages``, ``end`` (why it cannot be) or
              ``instead`` (what should have been).
    ``time``  when it began; ``until``: when it ended, if it took time and did end. In ns.
    """

    time: int
    kind: str
    text: str
    until: int | None = None

    @property
    def when(self) -> str:
        """Both ends, if it has two: ``0.161 – 1.125 s``; of a call that never ended the first:
        ``0.161 s – …``."""
        if self.until is not None:
            return words.span(self.time, self.until)
        is_open = self.kind in ("call", "stuck")
        return f"{words.moment(self.time)} – …" if is_open else words.moment(self.time)

    @property
    def told_at(self) -> int:
        """Where it stands in the story: a call that contradicts the rest does so as it ends."""
        return self.until if self.kind == "stuck" and self.until is not None else self.time
