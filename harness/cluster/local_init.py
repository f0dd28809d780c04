"""The first process of each local node. A program of its own, standard library only.

It is run once a cluster, as ``python -I -S local_init.py <plan>``, and forks one node for
each entry of the plan (JSON: ``[{"name", "hosts", "control"}, …]``; ``hosts`` is the
path of the node's /etc/hosts, ``control`` an inherited descriptor of a sequenced-packet
socket). Small, because a fork copies it, and without threads, because a fork must be safe.

A node is a network, mount, pid, UTS and IPC namespace whose process 1 stays here, reaps
orphans and starts programs as the harness asks. Messages are JSON::

    node → harness   {"node": pid as the harness sees it}, {"ready": true}, {"failed": reason}
    harness → node   {"start": id, "argv", "env", "cwd", "log"}       log: path, or null and
                                                     three descriptors: input, output, error
    node → harness   {"started": id, "pid": as the node sees it}, {"refused": id, "reason"}
    node → harness   {"ended": id, "status": exit status, or -n for signal n}
    harness → node   {"stop": id}                    SIGKILL to the session of that program
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys

_NODE_NAMESPACES = 0x40000000 | 0x00020000 | 0x20000000 | 0x04000000 | 0x08000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PROC_FLAGS = 2 | 4 | 8  # nosuid, nodev, noexec
_MESSAGE_MAX = 1 << 18  # a socket's buffer holds less

_library = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    fstype = kind.encode() if kind is not None else None
    _checked(
        _library.mount(source.encode(), target.encode(), fstype, ctypes.c_ulong(flags), None),
        f"mount of {target}",
    )


def _furnish(name: str, hosts: str) -> None:
    """Make the namespaces this process is in those of a node."""
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", _PROC_FLAGS)
    _mount("tmpfs", "/run", "tmpfs", 2 | 4)
    _mount(hosts, "/etc/hosts", None, _MS_BIND)
    socket.sethostname(name)
    # A cut is by IPv4 address: devices made from now on get no IPv6 address to go round it.
    switch = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
    if os.path.exists(switch):  # noqa: PTH110 - pathlib would cost this program a third more time
        with open(switch, "w") as file:  # noqa: PTH123
            file.write("1")


class _Init:
    """Process 1 of a node."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._programs: dict[int, int] = {}  # pid → id

    def serve(self) -> None:
        """Until the harness closes its end: then end, and with it everything on the node."""
        awake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(awake, select.POLLIN)
        poll.register(self._control, select.POLLIN)
        while True:
            for descriptor, _ in poll.poll():
                if descriptor == awake:
                    os.read(awake, 4096)
                elif not self._obey():
                    return
            self._reap()

    def _obey(self) -> bool:
        content, descriptors, _, _ = socket.recv_fds(self._control, _MESSAGE_MAX, 3)
        if not content:
            return False
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        request = json.loads(content)
        if "stop" in request:
            self._stop(request["stop"])
        else:
            try:
                pid = execute(request, descriptors)
                self._programs[pid] = request["start"]
                self._tell({"started": request["start"], "pid": pid})
            except OSError as error:
                self._tell({"refused": request["start"], "reason": str(error)})
        for descriptor in descriptors:
            os.close(descriptor)
        return True

    def _stop(self, identity: int) -> None:
        for pid, program in self._programs.items():
            if program == identity:
                os.killpg(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            identity = self._programs.pop(pid, None)
            if identity is not None:
                code = os.waitstatus_to_exitcode(status)
                self._tell({"ended": identity, "status": code})

    def _tell(self, message: dict) -> None:
        self._control.send(json.dumps(message).encode())


def execute(request: dict, descriptors: list[int]) -> int:
    """Fork and execute in a new session; its pid once it is executed, or ``OSError`` with why not.

    ``request``: ``argv``, ``env`` (added), ``cwd`` and ``log``, as in ``start``.
    """
    failed, fail = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            _become(request, descriptors)
        except OSError as error:
            where = error.filename if error.filename != request["argv"][0] else None
            suffix = f": {where}" if isinstance(where, str) else ""  # bytes: tried on the PATH
            os.write(fail, f"{error.strerror}{suffix}".encode())
        except BaseException as error:
            os.write(fail, repr(error).encode())
        finally:
            os._exit(127)
    os.close(fail)
    with os.fdopen(failed, "rb") as answer:
        reason = answer.read().decode()
    if reason:
        os.waitpid(pid, 0)
        raise OSError(reason)
    return pid


def _become(request: dict, descriptors: list[int]) -> None:
    """In the child: become the program that was asked for."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if request["log"] is not None:
        os.makedirs(os.path.dirname(request["log"]), exist_ok=True)  # noqa: PTH103, PTH120
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        descriptors = [os.open(os.devnull, os.O_RDONLY), log, log]
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
    if request["cwd"] is not None:
        os.chdir(request["cwd"])
    environment = {**os.environ, **request["env"]}
    os.execvpe(request["argv"][0], request["argv"], environment)


def _fork_node(name: str, hosts: str, control: socket.socket) -> None:
    """In a child of the launcher: unshare, fork process 1, say where it is, end."""
    try:
        _checked(_library.unshare(_NODE_NAMESPACES), "unshare")
        pid = os.fork()
        if pid != 0:
            control.send(json.dumps({"node": pid}).encode())
            return
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _furnish(name, hosts)
        control.send(b'{"ready": true}')
        _Init(control).serve()
    except OSError as error:
        control.send(json.dumps({"failed": str(error)}).encode())


def main(plan: list[dict]) -> None:
    """Fork every node of the plan and end; the nodes go on without this process."""
    controls = [socket.socket(fileno=entry["control"]) for entry in plan]
    for control in controls:
        control.set_inheritable(False)
    children = []
    for entry, control in zip(plan, controls, strict=True):
        child = os.fork()
        if child == 0:
            for other in controls:
                if other is not control:
                    other.close()
            try:
                _fork_node(entry["name"], entry["hosts"], control)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
