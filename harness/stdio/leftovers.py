"""Programs on pipes whose harness is dead.

The program of a node dies with the harness, by whatever signal that ends; what it had started
itself may not, but it carries the harness's mark in its environment.
"""

from __future__ import annotations

import os
import signal

from ..cluster import pids

HARNESS_MARK = "DURESS_HARNESS"
"""Set in the environment of a node's programs and, by inheritance, of their children."""


def harness() -> str:
    """What names this very process, now and after its pid has become another's."""
    seen = pids.look(os.getpid())
    return f"{os.getpid()}/{seen.started if seen else 0}/{pids.boot_id()}"


def clean(all_: bool = False) -> list[str]:
    """Kill what dead harnesses (or all but this one) left behind; a line for each process."""
    mine, lines = harness(), []
    for seen in pids.members(pids.namespace(os.getpid())):
        mark = _mark(seen.pid)
        if not mark or mark == mine or (_lives(mark) and not all_):
            continue
        pids.send(seen, signal.SIGKILL)
        lines.append(f"process {seen.pid} ({seen.command}) of a program on pipes")
    return lines


def _mark(pid: int) -> str:
    for each in pids.words(pid, "environ"):
        name, _, value = each.partition(b"=")
        if name == HARNESS_MARK.encode():
            return value.decode("utf-8", "replace")
    return ""


def _lives(mark: str) -> bool:
    pid, _, rest = mark.partition("/")
    started, _, boot = rest.partition("/")
    seen = pids.look(int(pid)) if pid.isdecimal() else None
    return (
        seen is not None
        and not seen.dead
        and str(seen.started) == started
        and boot == pids.boot_id()
    )
