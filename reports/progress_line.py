"""One line on how far a long command is, written over on a terminal, now and then elsewhere.

For commands that run many trials; a single trial has :class:`.terminal.LiveView`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from . import words
from .console import Piece, is_coloured, is_terminal, say, width_of

AGAIN_S = 0.1
HEARTBEAT_S = 30.0
CLEAR = "\r\x1b[K"


class ProgressLine:
    """``with`` it, :meth:`show` the state as often as there is news, :meth:`say` what is to stay.

    On a terminal the state is one line, cut to its width, at most ten times a second. Elsewhere
    it is a plain line every half minute, so that a log shows that there is life. A closed
    stream ends nothing but the showing.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._now = now
        self._over = is_terminal(stream)
        self._shown_at = now() - (AGAIN_S if self._over else 0.0)
        self._is_shown = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *exc: object) -> None:
        self._clear()

    def show(self, state: str) -> None:
        """The state now, in a line."""
        pause = AGAIN_S if self._over else HEARTBEAT_S
        if self._quiet or self._now() - self._shown_at < pause:
            return
        self._shown_at = self._now()
        text = words.line(state)
        if not self._over:
            self._write(f"{text}\n")
            return
        room = max(width_of(self._stream) - 1, 10)  # the last column would wrap
        cut = text if len(text) <= room else f"{text[: room - 1]}…"
        self._write(f"{CLEAR}\x1b[2m{cut}\x1b[0m" if is_coloured(self._stream) else CLEAR + cut)
        self._is_shown = True

    def say(self, *pieces: Piece) -> None:
        """A line that stays, above the state."""
        self._clear()
        if not self._quiet:
            say(self._stream, *pieces)

    def _clear(self) -> None:
        if self._is_shown:
            self._write(CLEAR)
            self._is_shown = False

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._quiet = True
