"""Being asked to end outside of a trial's event loop, which has an ear of its own for it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

ASKING_TO_END = (signal.SIGTERM, signal.SIGHUP)
"""Besides SIGINT, for which Python does the same by itself."""

AGAIN_S = 0.02


def listen() -> None:
    """Let them end the command as Ctrl-C does, so that what is under way is undone."""
    for number in ASKING_TO_END:
        if signal.getsignal(number) == signal.SIG_DFL:  # whoever ignores one, means it
            signal.signal(number, _interrupt)
    if sys.unraisablehook is sys.__unraisablehook__:  # so does whoever has set another one
        sys.unraisablehook = _unraisable


def ignore() -> None:
    """Nothing is left to be interrupted: the exit code is known."""
    for number in (signal.SIGINT, *ASKING_TO_END):
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _unraisable(lost: UnraisableHookArgs) -> None:
    """Interrupt again a moment later, where it came at a place from which nothing can be raised:
    in a finaliser, or in what an import calls when it lets go of a lock."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    by = {signal.Signals(number).name: number for number in ASKING_TO_END}
    number = by.get(str(lost.exc_value), signal.SIGINT)
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
