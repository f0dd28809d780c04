"""Put the whole trial into namespaces of its own: no root needed, nothing left behind.

:func:`enter` splits the process in three::

    outer      the process that the user started: passes signals on, waits, exits alike
    └─ first   process 1 of the new pid namespace: collects orphans
       └─ trial   returns from enter() and carries on

The kernel ties them together. The first process is killed when the outer one dies, even
by SIGKILL; and when the first process is gone the kernel kills everything in its pid
namespace and frees the network namespace with all bridges, links and rules in it. So
whatever happens, nothing of a trial outlives its process.

The trial is in a process group of its own: the outer process hears Ctrl-C, which the
terminal sends to the whole foreground group, and passes it on, so that the trial gets it
exactly once. Namespaces: user_namespaces(7), pid_namespaces(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from ..errors import UserError

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
_PR_SET_PDEATHSIG = 1
_PASSED_ON = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)

_inside = False


def enter() -> None:
    """Carry on as root of new user, network, mount and pid namespaces.

    Call it once, before any thread exists. Returns in the trial only: the process that called
    exits with the trial's status, or 128 + n if signal n killed it. Raises ``UserError`` where
    namespaces are refused.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    listened = {number for number in _PASSED_ON if signal.getsignal(number) != signal.SIG_IGN}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    previous_mask = signal.pthread_sigmask(signal.SIG_BLOCK, listened | {signal.SIGCHLD})
    try:
        _unshare()
        told, tell = os.pipe()
        first = os.fork()
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)
        if error.errno == errno.EINVAL:
            raise RuntimeError("enter() was called when other threads were running") from error
        raise UserError(_explain(error)) from error
    if first == 0:
        os.close(told)
        _become_first(tell)
        trial = os.fork()
        if trial != 0:
            _collect_until_end(trial, listened)
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)
        global _inside
        _inside = True
        return
    os.close(tell)
    with os.fdopen(told, "rb") as answer:
        complaint = answer.read().decode()
    if complaint != "ready":
        os.waitpid(first, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, previous_mask)
        raise UserError(_explain(complaint or "the new pid namespace died while it was set up"))
    _pass_signals_until_end(first, listened)


def inside() -> bool:
    """Whether this process came out of :func:`enter`."""
    return _inside


def reason_unavailable() -> str | None:
    """Why :func:`enter` would refuse on this machine, or ``None``. Tries it in a child."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        _try_out(tell)
    os.close(tell)
    with os.fdopen(told, "rb") as answer:
        complaint = answer.read().decode()
    os.waitpid(child, 0)
    return None if complaint == "ready" else _explain(complaint or "the attempt died")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """mount(2). Raises ``OSError`` that names the target."""
    library = ctypes.CDLL(None, use_errno=True)
    fstype = kind.encode() if kind is not None else None
    if library.mount(
        source.encode(), target.encode(), fstype, ctypes.c_ulong(flags), data.encode()
    ):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"mount of {target}")


def _unshare() -> None:
    """Move this process into new namespaces, as their root.

    Whoever may (root) keeps all users and groups as they are, so that files of others stay
    accessible; an ordinary user becomes root and has no other user beside it.
    """
    user, group = os.geteuid(), os.getegid()
    go, mapper = _start_mapper() if user == 0 else (None, None)
    library = ctypes.CDLL(None, use_errno=True)
    flags = _CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS | _CLONE_NEWPID
    refusal = ctypes.get_errno() if library.unshare(flags) != 0 else 0
    if go is not None and mapper is not None:
        os.write(go, b"n" if refusal else b"y")
        os.close(go)
        _, status = os.waitpid(mapper, 0)
        if status == 0 and not refusal:
            return
    if refusal:
        raise OSError(refusal, os.strerror(refusal), "unshare")
    Path("/proc/self/setgroups").write_text(
        "deny"
    )  # the condition for mapping a group unprivileged
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def _start_mapper() -> tuple[int, int]:
    """Fork a process that stays outside, where alone all users can be mapped; it waits for "y".

    Returns the descriptor to tell it through, and its pid. Its status is 0 if it mapped.
    """
    wait, go = os.pipe()
    mapper = os.fork()
    if mapper != 0:
        os.close(wait)
        return go, mapper
    try:
        os.close(go)
        if os.read(wait, 1) == b"y":
            target = Path(f"/proc/{os.getppid()}")
            for name in ("uid_map", "gid_map"):
                ranges = [
                    line.split() for line in Path("/proc/self", name).read_text().splitlines()
                ]
                same = "".join(f"{first} {first} {count}\n" for first, _, count in ranges)
                (target / name).write_text(same)
            os._exit(0)
    except OSError:
        pass  # not so mighty a root: then as an ordinary user
    finally:
        os._exit(1)


def _become_first(tell: int) -> None:
    """As process 1: tie to the outer process, furnish the namespaces, say so through ``tell``."""
    try:
        os.setpgid(0, 0)
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _furnish()
        answer = "ready"
    except OSError as error:
        answer = str(error)
    try:
        os.write(tell, answer.encode())  # fails if the outer process died before it was tied
        os.close(tell)
    except BrokenPipeError:
        os._exit(1)
    if answer != "ready":
        os._exit(1)


def _furnish() -> None:
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    _mount("tmpfs", "/run", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
    bring_loopback_up()


def bring_loopback_up() -> None:
    """Switch ``lo`` of the current network namespace on (netdevice(7))."""
    import fcntl
    import socket
    import struct

    set_flags, up = 0x8914, 0x1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, set_flags, struct.pack("16sh14x", b"lo", up))


def _collect_until_end(trial: int, listened: set[signal.Signals]) -> NoReturn:
    """Process 1: reap whoever is left to it, pass signals on, end with the trial."""
    while True:
        number = signal.sigwait(listened | {signal.SIGCHLD})
        if number != signal.SIGCHLD:
            os.kill(trial, number)
            continue
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if ended == trial:
                os._exit(_exit_code(status))
            if ended == 0:
                break


def _pass_signals_until_end(first: int, listened: set[signal.Signals]) -> NoReturn:
    """The outer process: pass signals on, end as the first process ended."""
    while True:
        number = signal.sigwait(listened | {signal.SIGCHLD})
        if number != signal.SIGCHLD:
            os.kill(first, number)
            continue
        ended, status = os.waitpid(first, os.WNOHANG)
        if ended == first:
            os._exit(_exit_code(status))


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _try_out(tell: int) -> NoReturn:
    """In a child: all that :func:`enter` does, and the answer through ``tell``."""
    try:
        _unshare()
        first = os.fork()
        if first == 0:
            _become_first(tell)
            os._exit(0)
        os.waitpid(first, 0)
    except OSError as error:
        os.write(tell, str(error).encode())
    finally:
        os._exit(0)


_SWITCHES = (
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


def _explain(refusal: OSError | str, sysctls: Path = Path("/proc/sys")) -> str:
    """One line: what was refused, the switch that is most likely why, what to do."""
    told = f"this machine refuses rootless namespaces ({refusal})"
    for name, closed, remedy in _SWITCHES:
        try:
            value = (sysctls / name).read_text().strip()
        except OSError:
            continue
        if value == closed:
            reason = f"{name.replace('/', '.')} is {value}"
            return f"{told}: {reason}; run `{remedy}` as root, or use `--on docker`"
    return (
        f"{told}: no sysctl forbids it, so perhaps a container's seccomp profile does; "
        "run outside the container or with --privileged, or use `--on docker`"
    )
