"""Starts the process of :mod:`.packet_queue`, and the rules that send packets to it.

A link is impaired where its packets arrive, by one queue for each source; links to the harness,
whose own firewall stays as it is, where they leave. Standard library only, without an event loop:
this is also run on hosts reached by ssh. Everything blocks for some milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import InfrastructureError
from .queue_messages import NETLINK_NETFILTER

FIRST_QUEUE = 0x4400
"""Numbers of our queues begin here, so as not to meet those of a firewall."""

ANSWER_S = 10.0

_START = (
    "import sys; sys.path.insert(0, {root!r}); "
    "from duress.harness.cluster.packet_queue import main; main()"
)


class Sockets(NamedTuple):
    """Of one network namespace: to its queues, and to send copies of packets there."""

    queues: socket.socket
    raw: socket.socket


class Place(NamedTuple):
    """Where packets of one node are impaired: whose they are when they arrive, and to whom they
    are when they leave. Each address has a queue, by its position.
    """

    sources: Sequence[str]
    targets: Sequence[str]
    open_port: int = 0
    """A TCP port of this node that is never touched: that of ssh."""

    def queue_from(self, address: str) -> int:
        """The queue of what comes from there."""
        return FIRST_QUEUE + list(self.sources).index(address)

    def queue_to(self, address: str) -> int:
        """The queue of what goes there."""
        return FIRST_QUEUE + len(self.sources) + list(self.targets).index(address)


def reason_unavailable() -> str | None:
    """Why packets cannot be queued here and what to do, or ``None``. Tries nothing out."""
    if _iptables() is None:
        return "packets: the program iptables-restore is not here: install Debian's iptables"
    return None


def open_sockets() -> Sockets:
    """Of the network namespace of this thread. Needs CAP_NET_ADMIN and CAP_NET_RAW there."""
    queues = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    try:
        return Sockets(queues, socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
    except OSError:
        queues.close()
        raise


def chains(trial_id: str) -> tuple[str, str]:
    """Names of our chains: for what arrives, and for what leaves."""
    name = f"duress-{zlib.crc32(trial_id.encode()):08x}"
    return f"{name}-in", f"{name}-out"


def ruleset(trial_id: str, place: Place) -> str:
    """Input of ``iptables-restore``: every source and target has its queue, and passes as long
    as nobody serves that.
    """
    arriving, leaving = chains(trial_id)
    lines = [
        "*mangle",
        f":{arriving} -",
        f":{leaving} -",
        f"-A INPUT -j {arriving}",
        f"-A OUTPUT -j {leaving}",
        f"-A {arriving} -i lo -j RETURN",
        f"-A {leaving} -o lo -j RETURN",
    ]
    if place.open_port:
        lines += [
            f"-A {arriving} -p tcp --dport {place.open_port} -j RETURN",
            f"-A {leaving} -p tcp --sport {place.open_port} -j RETURN",
        ]
    bypass = "--queue-bypass"
    for source in place.sources:
        to = f"-j NFQUEUE --queue-num {place.queue_from(source)} {bypass}"
        lines.append(f"-A {arriving} -s {source}/32 {to}")
    for target in place.targets:
        to = f"-j NFQUEUE --queue-num {place.queue_to(target)} {bypass}"
        lines.append(f"-A {leaving} -d {target}/32 {to}")
    return "\n".join([*lines, "COMMIT", ""])


def install(trial_id: str, place: Place) -> None:
    """Make the rules in the network namespace of this thread, where they must not be yet."""
    _restore(ruleset(trial_id, place))


def remove(trial_id: str) -> None:
    """Delete the rules from the network namespace of this thread. Idempotent."""
    names = chains(trial_id)
    for hook, name in zip(("INPUT", "OUTPUT"), names):  # noqa: B905 - 3.9
        commands = [f"-D {hook} -j {name}", f"-F {name}", f"-X {name}"]
        with contextlib.suppress(InfrastructureError):  # it is not there
            _restore("\n".join(["*mangle", *commands, "COMMIT", ""]))


def _iptables() -> str | None:
    return shutil.which(
        "iptables-restore", path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    )


def _restore(text: str) -> None:
    program = _iptables()
    if program is None:
        raise InfrastructureError(str(reason_unavailable()))
    done = subprocess.run(
        [program, "--noflush"],
        input=text,
        capture_output=True,
        text=True,
        timeout=ANSWER_S,
        check=False,
    )
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if line.strip()), "it said nothing")
        raise InfrastructureError(
            f"packets: iptables-restore: {said.strip()}; "
            "has this kernel the target NFQUEUE (CONFIG_NETFILTER_XT_TARGET_NFQUEUE)?"
        )


class QueueProcess:
    """The harness's side of the process. Not for two threads at once."""

    def __init__(self, seed: str, sockets: Sequence[Sockets]) -> None:
        """Starts it. The sockets are its own from now on: only so do queues end with it."""
        descriptors = [each.fileno() for pair in sockets for each in pair]
        code = _START.format(root=str(Path(__file__).parents[3]))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", code, seed, *map(str, descriptors)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=descriptors,
                start_new_session=True,
                bufsize=0,
            )
        finally:
            for each in (each for pair in sockets for each in pair):
                each.close()
        self._heard = b""
        try:
            self._answer()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it serves."""
        return self._process.poll() is None

    def become(self, lanes: Sequence[tuple[int, int, Mapping[str, Any]]]) -> dict[str, int]:
        """Serve exactly these: number of the namespace, queue, rule. What the lanes before did."""
        request = json.dumps({"lanes": lanes}).encode() + b"\n"
        stdin = self._process.stdin
        assert stdin is not None
        try:
            while request:
                request = request[stdin.write(request) :]
        except OSError:
            raise self._dead() from None
        return self._answer()

    def close(self) -> None:
        """End it; packets pass again. Idempotent."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> dict[str, int]:
        stdout = self._process.stdout
        assert stdout is not None
        while b"\n" not in self._heard:
            ready, _, _ = select.select([stdout], [], [], ANSWER_S)
            more = stdout.read(1 << 16) if ready else b""
            if not more:
                raise self._dead()
            self._heard += more
        line, _, self._heard = self._heard.partition(b"\n")
        told = json.loads(line)
        if "failed" in told:
            raise InfrastructureError(
                f"packets: a queue was refused: {told['failed']}; does another program use queues "
                f"from {FIRST_QUEUE}, or has this kernel none (CONFIG_NETFILTER_NETLINK_QUEUE)?"
            )
        return told["ok"]

    def _dead(self) -> InfrastructureError:
        return InfrastructureError(
            "packets: the process that holds packets back has ended or does not answer; "
            "they pass unimpaired"
        )


def opened(enter: Sequence[Callable[[Callable[[], Sockets]], Sockets]]) -> list[Sockets]:
    """Sockets of several network namespaces, each opened by what enters it."""
    made: list[Sockets] = []
    try:
        for inside in enter:
            made.append(inside(open_sockets))  # noqa: PERF401 - those made must be closed
    except OSError as error:
        for pair in made:
            pair.queues.close()
            pair.raw.close()
        raise InfrastructureError(
            f"packets: no socket to the kernel's queues: {error.strerror}"
        ) from error
    return made
