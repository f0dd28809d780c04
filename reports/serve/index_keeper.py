"""Keeps the index up to date beside the server, whenever somebody looks."""

from __future__ import annotations

import sqlite3
import threading
import time

from .run_index import RunIndex

EVERY_S = 0.4
"""How often the folders are looked at at most, however many ask."""


class IndexKeeper:
    """A thread that refreshes the index when it is asked to; without visitors it does nothing."""

    def __init__(self, index: RunIndex) -> None:
        self.index = index
        self.changes = 0
        """Grows whenever the index has changed."""
        self.problem = ""
        self._asked, self._done = 0, 0
        self._last_s = float("-inf")
        self._turn = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="duress-index", daemon=True)

    def start(self) -> None:
        """Begin, with a look at all folders."""
        self._thread.start()
        self.ask(0)

    def ask(self, wait_s: float) -> None:
        """Have the folders looked at, and wait that long at most for it to be done."""
        with self._turn:
            if time.monotonic() - self._last_s < EVERY_S:
                return
            self._asked += 1
            wanted = self._asked
            self._turn.notify_all()
            if wait_s > 0:
                self._turn.wait_for(lambda: self._done >= wanted or self._stop.is_set(), wait_s)

    def mend(self, problem: str) -> None:
        """Have the index opened again, for somebody could not read it."""
        self.problem = problem
        self.ask(0)

    def stop(self) -> None:
        """End, also in the midst of reading many folders. Idempotent."""
        self._stop.set()
        with self._turn:
            self._turn.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._asked > self._done or self._stop.is_set())
                if self._stop.is_set():
                    return
                asked = self._asked
            changed = self._refresh()
            with self._turn:
                self.changes += changed
                self._done = asked
                self._last_s = time.monotonic()
                self._turn.notify_all()

    def _refresh(self) -> bool:
        try:
            if self.problem:
                self.index.reopen()
            changed = self.index.refresh(stop=self._stop)
        except (sqlite3.Error, OSError) as error:
            self.problem = f"{self.index.file}: {error}"
            return True
        self.problem = ""
        return changed
