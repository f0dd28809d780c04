"""Being asked to end outside of a trial's event loop, which has an ear of its own for it."""

from __future__ import annotations

import contextlib
import signal
from typing import NoReturn

ASKING_TO_END = (signal.SIGTERM, signal.SIGHUP)
"""Besides SIGINT, for which Python does the same by itself."""


def listen() -> None:
    """Let them end the command as Ctrl-C does, so that what is under way is undone."""
    for number in ASKING_TO_END:
        if signal.getsignal(number) == signal.SIG_DFL:  # whoever ignores one, means it
            signal.signal(number, _interrupt)


def ignore() -> None:
    """Nothing is left to be interrupted: the exit code is known."""
    for number in (signal.SIGINT, *ASKING_TO_END):
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)
