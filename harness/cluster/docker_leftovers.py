"""Whose trial a container or network belongs to, and removing what dead harnesses left behind.

Everything a trial makes in the engine carries labels that tell its harness: pid, start time
of that pid and boot of the machine. Together they never name another process, so a harness
is dead exactly if no process has all three.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import InfrastructureError
from . import netfilter, pids
from .docker_engine import Engine

OURS = "duress=1"

PASSES, PAUSE_S = 5, 0.5


def labels(trial_id: str) -> dict[str, str]:
    """The labels of everything that this process makes for a trial."""
    me = pids.look(os.getpid())
    return {
        "duress": "1",
        "duress.trial": trial_id,
        "duress.pid": str(os.getpid()),
        "duress.start": str(me.started if me else 0),
        "duress.boot": pids.boot_id(),
    }


def harness_lives(found: Mapping[str, str]) -> bool:
    """Whether the harness that these labels name still runs."""
    if found.get("duress.boot") != pids.boot_id():
        return False
    pid = found.get("duress.pid", "")
    seen = pids.look(int(pid)) if pid.isdecimal() else None
    return seen is not None and not seen.dead and str(seen.started) == found.get("duress.start")


def owner() -> str:
    """The same for a table of nftables: pid, start and boot of this process."""
    found = labels("")
    return "_".join([found["duress.pid"], found["duress.start"], _short(found["duress.boot"])])


def owner_lives(told: str) -> bool:
    """Whether the harness that made a table still runs, by what :func:`owner` said."""
    pid, _, rest = told.partition("_")
    start, _, boot = rest.partition("_")
    whole = pids.boot_id()
    return boot == _short(whole) and harness_lives(
        {"duress.pid": pid, "duress.start": start, "duress.boot": whole}
    )


def _short(boot_id: str) -> str:
    return boot_id.replace("-", "")


def clean(all_: bool = False) -> list[str]:
    """Remove containers, networks and nftables tables of trials whose harness is dead.

    With ``all_`` those of living ones too. Returns a line for each thing removed; raises
    ``InfrastructureError`` after having tried everything if something could not be.
    """
    each = _Pass(all_)
    removed = each.removed
    for _ in range(PASSES):
        if each.unreachable or not (each.removed or each.failures):
            break
        # What a harness asked for right before its end, the engine may have made meanwhile.
        time.sleep(PAUSE_S)
        each = _Pass(all_)
        removed += each.removed
    if failures := each.unreachable + each.failures:
        done = f"removed {', '.join(removed)}; " if removed else ""
        raise InfrastructureError(f"{done}not everything could be removed: {'; '.join(failures)}")
    return removed


class _Pass:
    """One attempt to remove everything: what was ``removed``, and what could not be and why."""

    def __init__(self, all_: bool) -> None:
        self._all = all_
        self.removed: list[str] = []
        self.failures: list[str] = []
        self.unreachable: list[str] = []
        self._living: set[str] = set()
        if os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists():
            try:
                with Engine() as engine:
                    self._of_engine(engine)
            except InfrastructureError as error:
                self.unreachable.append(str(error))
        if os.geteuid() == 0 and netfilter.reason_unavailable() is None:
            self._tables()

    def _attempt(self, what: str, remove: Callable[[str], None], name: str) -> None:
        try:
            remove(name)
            self.removed.append(f"{what} {name}")
        except InfrastructureError as error:
            self.failures.append(str(error))

    def _of_engine(self, engine: Engine) -> None:
        for what, ask, remove in (
            ("container", engine.containers, engine.remove_container),
            ("network", engine.networks, engine.remove_network),
        ):
            for name, found in ask({"label": OURS}):
                if self._all or not harness_lives(found):
                    self._attempt(what, remove, name)
                else:
                    self._living.add(netfilter.table_name(found.get("duress.trial", "")))

    def _tables(self) -> None:
        for name in netfilter.list_tables():
            # Its trial may have begun just now, or be on another engine: the table tells itself.
            told = netfilter.owner_of(name)
            if told is not None:
                lives = owner_lives(told)
            else:
                lives = name in self._living or bool(self.unreachable)
            if self._all or not lives:
                self._attempt("nftables table", netfilter.remove_table, name)
