"""Processes of a node, seen and signalled from outside by their pids in our own /proc.

A node is a pid namespace. Its processes are what carries that namespace, whoever their
parent is: a program that forked twice and left its session is still found. Signals go
through pidfds, so that a pid that was given to somebody else meanwhile is never hit.
Functions that wait use the event loop's clock; those that look are plain calls of 1-3 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..errors import InfrastructureError

_STOP_BIT = 1 << (signal.SIGSTOP - 1)

POLL_S = 0.002
"""How long to sleep between two looks while waiting for an effect."""


class Seen(NamedTuple):
    """One process as ``/proc/<pid>/stat`` shows it; ``started`` is in clock ticks since boot."""

    pid: int
    command: str
    state: str
    parent: int
    session: int
    started: int

    @property
    def dead(self) -> bool:
        """Whether it runs no more (a zombie has let go of its files and sockets)."""
        return self.state in "ZXx"

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        return self.state == "T"


def look(pid: int) -> Seen | None:
    """A process, or ``None`` if there is none with this pid."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - this is a hot path
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    # The command may hold spaces and parentheses: fields count from its last ")".
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Seen(
        pid=pid,
        command=head.partition("(")[2],
        state=fields[0],
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
    )


def still(seen: Seen) -> Seen | None:
    """The very same process as it is now, or ``None`` if it has ended."""
    now = look(seen.pid)
    return None if now is None or now.dead or now.started != seen.started else now


def boot_id() -> str:
    """The id of this boot of the machine: pids and start times mean nothing across boots."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
        return file.read().strip()


def namespace(pid: int) -> str:
    """The pid namespace of a process, as ``pid:[4026531836]``; ``InfrastructureError`` if gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115 - a hot path
    except OSError as error:
        raise InfrastructureError(
            f"process {pid}: cannot read its pid namespace ({error.strerror}); has the node died?"
        ) from None


def members(pid_namespace: str, exempt: Iterable[int] = ()) -> list[Seen]:
    """Every living process of a pid namespace, but those exempt (pids)."""
    spared = set(exempt)
    found = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is needed
        if not entry.isdecimal() or int(entry) in spared:
            continue
        try:
            if os.readlink(f"/proc/{entry}/ns/pid") != pid_namespace:  # noqa: PTH115
                continue
        except OSError:
            continue
        seen = look(int(entry))
        if seen is not None and not seen.dead:
            found.append(seen)
    return found


def family(leaders: Iterable[int], among: Sequence[Seen]) -> list[Seen]:
    """Those of ``among`` that are leaders, in a leader's session, or descend from such."""
    kin = set(leaders)
    while True:
        more = {
            seen.pid
            for seen in among
            if seen.pid not in kin and (seen.session in kin or seen.parent in kin)
        }
        if not more:
            return [seen for seen in among if seen.pid in kin]
        kin |= more


def words(pid: int, name: str) -> list[bytes]:
    """The texts in its ``environ`` or ``cmdline``; none if it is gone or executes something now."""
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:  # noqa: PTH123
            content = file.read()
    except OSError:
        return []
    return content.removesuffix(b"\0").split(b"\0") if content else []


def environment_has(pid: int, name: str, value: str) -> bool:
    """Whether a process was started with an environment variable of this value."""
    return f"{name}={value}".encode() in words(pid, "environ")


def send(seen: Seen, number: signal.Signals) -> None:
    """Signal exactly this process; nothing if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(seen.pid)
        try:
            now = look(seen.pid)
            if now is not None and now.started == seen.started:
                signal.pidfd_send_signal(handle, number)
        except PermissionError:
            raise InfrastructureError(
                f"process {seen.pid} ({seen.command}): not permitted to send {number.name}"
            ) from None
        finally:
            os.close(handle)


Find = Callable[[], list[Seen]]
"""Looks for the processes concerned, anew each time: they may fork while they are hit."""


async def _until(
    find: Find, wrong: Callable[[Seen], bool], number: signal.Signals | None, timeout_s: float
) -> list[Seen]:
    """Signal those that are wrong until none is; returns those left when time is up."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    hit: set[tuple[int, int]] = set()
    while True:
        left = [seen for seen in find() if wrong(seen)]
        if not left or loop.time() > deadline:
            return left
        for seen in left:
            if number is not None and (seen.pid, seen.started) not in hit:
                hit.add((seen.pid, seen.started))
                send(seen, number)
        await asyncio.sleep(POLL_S)


def _complain(node: str, effect: str, left: Sequence[Seen], timeout_s: float) -> None:
    if left:
        who = ", ".join(f"{seen.pid} ({seen.command}, state {seen.state})" for seen in left[:5])
        raise InfrastructureError(f"{node}: not {effect} after {timeout_s:g} s: {who}")


async def kill(node: str, find: Find, graceful_s: float = 0, timeout_s: float = 10) -> None:
    """SIGKILL what ``find`` finds and wait until it is gone (with ``graceful_s``, SIGTERM first).

    Raises ``InfrastructureError`` if something still lives after ``timeout_s``.
    """
    if graceful_s > 0:
        await _until(find, lambda seen: True, signal.SIGTERM, graceful_s)
    left = await _until(find, lambda seen: True, signal.SIGKILL, timeout_s)
    _complain(node, "killed", left, timeout_s)


def stands(seen: Seen) -> bool:
    """Whether it is stopped, or waits for a disk and will stop before it does anything else."""
    if seen.state != "D":
        return seen.stopped
    try:
        with open(f"/proc/{seen.pid}/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(("SigPnd:", "ShdPnd:")) and int(line[7:], 16) & _STOP_BIT:
                    return True
        threads = os.listdir(f"/proc/{seen.pid}/task")  # noqa: PTH208
    except OSError:
        return False
    others = [look(int(thread)) for thread in threads if int(thread) != seen.pid]
    return any(other is not None and other.stopped for other in others)


async def pause(node: str, find: Find, timeout_s: float = 10) -> None:
    """SIGSTOP what ``find`` finds and wait until all of it stands still."""
    left = await _until(find, lambda seen: not stands(seen), signal.SIGSTOP, timeout_s)
    _complain(node, "paused", left, timeout_s)


async def resume(node: str, find: Find, timeout_s: float = 10) -> None:
    """SIGCONT what ``find`` finds and wait until nothing of it stands still."""
    left = await _until(find, stands, signal.SIGCONT, timeout_s)
    _complain(node, "resumed", left, timeout_s)
