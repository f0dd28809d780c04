"""Whose trial a container or network belongs to, and removing what dead harnesses left behind.

Everything a trial makes in the engine carries labels that tell its harness: pid, start time
of that pid and boot of the machine. Together they never name another process, so a harness
is dead exactly if no process has all three.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ..errors import InfrastructureError
from . import netfilter, pids
from .docker_engine import Engine

OURS = "duress=1"


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


def clean(all_: bool = False) -> list[str]:
    """Remove containers, networks and nftables tables of trials whose harness is dead.

    With ``all_`` those of living ones too. Returns a line for each thing removed; raises
    ``InfrastructureError`` after having tried everything if something could not be.
    """
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return []  # no engine, nothing of it
    removed: list[str] = []
    failures: list[str] = []

    def attempt(what: str, remove: Callable[[str], None], name: str) -> None:
        try:
            remove(name)
            removed.append(f"{what} {name}")
        except InfrastructureError as error:
            failures.append(str(error))

    living: set[str] = set()
    with Engine() as engine:
        for name, found in engine.containers({"label": OURS}):
            if all_ or not harness_lives(found):
                attempt("container", engine.remove_container, name)
            else:
                living.add(found.get("duress.trial", ""))
        for name, found in engine.networks({"label": OURS}):
            if all_ or not harness_lives(found):
                attempt("network", engine.remove_network, name)
            else:
                living.add(found.get("duress.trial", ""))
    # A table is made after its network and removed before it: no living trial has only a table.
    kept = {netfilter.table_name(trial) for trial in living if trial}
    if os.geteuid() == 0 and netfilter.reason_unavailable() is None:
        for name in netfilter.list_tables():
            if name not in kept:
                attempt("nftables table", netfilter.remove_table, name)
    if failures:
        raise InfrastructureError(
            f"could not remove {len(failures)} of {len(failures) + len(removed)} leftovers: "
            + "; ".join(failures)
        )
    return removed
