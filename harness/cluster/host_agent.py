"""The program that serves the harness on a host: ``agent.pyz connect|sweep …``.

Requests and answers are JSON, one a line; bytes are base64::

    → {"id": 1, "do": "run", …}       ← {"id": 1, "ok": …} | {"id": 1, "failed": text}
                                        | {"id": 1, "missing": path}

``connect TRIAL DIRECTORY HEAL_AFTER_S`` joins its standard input and output to the trial's server
on this host, which it starts if there is none. The server outlives its connections, so that a lost
one can be made anew; when nothing was heard for ``HEAL_AFTER_S`` (a harness that lives says hello
more often), its harness is dead or cut off for good, and it ends as if told to: everything killed,
healed and removed. ``sweep`` has every server
on this host do so at once.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InfrastructureError
from . import control_groups, host_leftovers, host_packets
from .host import Host

LINE_LIMIT = 1 << 30
CONNECT_TRIES = 200

FOLDER = Path("/run/duress" if os.geteuid() == 0 else f"/tmp/duress-{os.getuid()}")
"""Of the sockets of the servers on this host."""

Request = dict


class Server:
    """Carries out requests of one trial."""

    def __init__(self, host: Host, ended: asyncio.Event) -> None:
        self._host = host
        self._ended = ended
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard = time.monotonic()

    @property
    def lonely_s(self) -> float:
        """For how long nobody has asked for anything; a connection may be dead without telling."""
        return time.monotonic() - self._heard

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        try:
            while line := await reader.readline():
                self._heard = time.monotonic()
                request = json.loads(line)
                task = asyncio.ensure_future(self._answer(request, writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except (OSError, ValueError):
            pass  # the other side is gone or speaks nonsense: hang up
        finally:
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        answer: dict[str, Any] = {"id": request.get("id")}
        try:
            act: Callable[[Request], Any] = getattr(self, f"_do_{request['do']}")
            answer["ok"] = await act(request)
        except FileNotFoundError as error:
            answer["missing"] = str(error.filename)
        except InfrastructureError as error:
            answer["failed"] = str(error)
        except Exception as error:
            answer["failed"] = f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError):
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        if request.get("do") == "end":
            self._ended.set()

    async def _do_hello(self, request: Request) -> Any:
        return {"pid": os.getpid(), "uid": os.geteuid(), "python": sys.version.split()[0]}

    async def _do_run(self, request: Request) -> Any:
        content = None if request["input"] is None else base64.b64decode(request["input"])
        status, out, err = await self._host.run(request["argv"], content, request["limit_s"])
        return {"status": status, "out": _text(out), "err": _text(err)}

    async def _do_put(self, request: Request) -> Any:
        self._host.put(request["path"], base64.b64decode(request["content"]), request["mode"])

    async def _do_get(self, request: Request) -> Any:
        return _text(self._host.get(request["path"]))

    async def _do_start(self, request: Request) -> Any:
        host = self._host
        await host.disk.starting()
        await host.resources.starting()
        try:
            async with host.clocks.starting(request["name"], request.get("clock")):
                host.start(
                    request["name"], request["argv"], request["env"], request["cwd"], request["log"]
                )
        finally:
            await host.resources.started()
        return {"why_no_clocks": host.clocks.reason_unavailable()}

    async def _do_kill(self, request: Request) -> Any:
        await self._host.programs.kill(*request["names"], graceful_s=request["graceful_s"])

    async def _do_pause(self, request: Request) -> Any:
        await self._host.programs.pause()

    async def _do_resume(self, request: Request) -> Any:
        await self._host.programs.resume()

    async def _do_running(self, request: Request) -> Any:
        return self._host.programs.states()

    async def _do_cut(self, request: Request) -> Any:
        return self._host.cut(request["ssh_port"], request["sources"], request["targets"])

    async def _do_probe_port(self, request: Request) -> Any:
        return self._host.probe().port

    async def _do_probe(self, request: Request) -> Any:
        return await self._host.probe().round(request["round"], request["to"], request["wait_s"])

    async def _do_disturb_clocks(self, request: Request) -> Any:
        await self._host.clocks.disturb(request["disturbance"])

    async def _do_read_clocks(self, request: Request) -> Any:
        return await self._host.clocks.read()

    async def _do_wall_clock(self, request: Request) -> Any:
        return self._host.clocks.wall_s()

    async def _do_scarce(self, request: Request) -> Any:
        return {kind: self._host.resources.reason_unavailable(kind) for kind in request["kinds"]}

    async def _do_squeeze(self, request: Request) -> Any:
        return await self._host.resources.squeeze(request["kind"], request["amount"])

    async def _do_relax(self, request: Request) -> Any:
        return await self._host.resources.relax(request["kind"])

    async def _do_mount_disk(self, request: Request) -> Any:
        await self._host.disk.mount()

    async def _do_disk(self, request: Request) -> Any:
        return await self._host.disk.order(request["order"])

    async def _do_packets(self, request: Request) -> Any:
        return await self._host.packets.order(request["order"])

    async def _do_end(self, request: Request) -> Any:
        await self._host.end()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _socket_of(trial_id: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", trial_id):
        raise SystemExit(f"trial id {trial_id!r} does not fit a file's name")
    return FOLDER / f"{trial_id}.sock"


async def _serve(trial_id: str, directory: str, path: Path, heal_after_s: float) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    host = Host(trial_id, directory)
    server = Server(host, ended)
    listener = await asyncio.start_unix_server(server.serve, str(path), limit=LINE_LIMIT)
    path.chmod(0o600)
    try:
        while not ended.is_set() and server.lonely_s < heal_after_s:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(ended.wait(), 1)
    finally:
        path.unlink()
        listener.close()
        await host.end()
        await asyncio.sleep(0.05)  # the answer to ``end`` is on its way


def _begin(trial_id: str, directory: str, path: Path, heal_after_s: float) -> None:
    """Fork the server away from this process, its terminal and its session."""
    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.fork() != 0:
        return
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(FOLDER / f"{trial_id}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, descriptor in enumerate((null, null, log)):
        os.dup2(descriptor, target)
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    status = 1
    try:
        asyncio.run(_serve(trial_id, directory, path, heal_after_s))
        status = 0
        (FOLDER / f"{trial_id}.log").unlink()
    finally:
        os._exit(status)


def _connected(path: Path) -> socket.socket | None:
    joined = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        joined.connect(str(path))
    except OSError:
        joined.close()
        return None
    return joined


def _connect(trial_id: str, directory: str, heal_after_s: str) -> None:
    path = _socket_of(trial_id)
    joined = _connected(path)
    if joined is None:
        path.unlink(missing_ok=True)
        _begin(trial_id, directory, path, float(heal_after_s))
        for _ in range(CONNECT_TRIES):
            if (joined := _connected(path)) is not None:
                break
            time.sleep(0.02)
        else:
            log = FOLDER / f"{trial_id}.log"
            said = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
            raise SystemExit(f"the server did not start: {said[-1] if said else 'it said nothing'}")
    first = {"connection": os.environ.get("SSH_CONNECTION", "")}
    os.write(1, json.dumps(first).encode() + b"\n")
    _join(joined)


def _join(joined: socket.socket) -> None:
    """Copy between standard input and output and the server until either ends."""
    import select

    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(joined, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == 0:
                content = os.read(0, 1 << 18)
                if not content:
                    return
                joined.sendall(content)
            else:
                content = joined.recv(1 << 18)
                if not content:
                    return
                view = memoryview(content)
                while view:
                    view = view[os.write(1, view) :]


def _sweep() -> None:
    """End every server on this host, and say of each what it was; remove what dead ones left."""
    living: set[str] = set()
    dead: set[str] = set()
    for path in sorted(FOLDER.glob("*.sock")):
        joined = _connected(path)
        if joined is None:
            dead.add(path.stem)
            continue
        living.add(path.stem)
        joined.settimeout(30)
        joined.sendall(b'{"id": 0, "do": "end"}\n')
        answer = json.loads(joined.makefile().readline() or "{}")
        print(f"{path.stem}: {answer.get('failed') or 'ended'}")
    # Without a socket, too, for those do not outlive a reboot.
    for trial in sorted(dead | set(host_leftovers.trials()) - living):
        host_packets.clean(trial)
        host_leftovers.remove(trial)
        for name in (f"{trial}.sock", f"{trial}.log"):
            (FOLDER / name).unlink(missing_ok=True)
        print(f"{trial}: was dead")
    for line in control_groups.clean():
        print(f"{line}: was left behind")


def main() -> None:
    """``connect TRIAL DIRECTORY HEAL_AFTER_S`` or ``sweep``."""
    if sys.argv[1:2] == ["connect"] and len(sys.argv) == 5:
        _connect(*sys.argv[2:])
    elif sys.argv[1:] == ["sweep"]:
        _sweep()
    else:
        raise SystemExit("expected: connect TRIAL DIRECTORY HEAL_AFTER_S, or sweep")
