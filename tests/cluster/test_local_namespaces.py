"""enter(): what comes out of it, how it ends, and that it takes everything with it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import sysconfig
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import duress
from duress.harness.cluster import namespaces, pids
from duress.harness.cluster.namespaces import _explain

TRIAL = """
import asyncio, json, os, signal, sys
from pathlib import Path
from duress.harness.cluster import Process, namespaces
namespaces.enter()
from duress.harness.cluster.local import LocalCluster

async def main(folder, ending):
    cluster = LocalCluster("t", ["n1", "n2", "n3"], Path(folder), {})
    try:
        await cluster.up()
        for node in cluster.nodes.values():
            await node.processes.start(Process("sleep", ["sleep", "600"], "log"))
        cut = frozenset({("n1", "n2")})
        await cluster.network.cut(cut)
        assert await cluster.network.probe() == cut
        await cluster.nodes["n3"].processes.pause()
        states = await cluster.nodes["n3"].processes.running()
        told = {
            "user": os.readlink("/proc/self/ns/user"),
            "uid": os.getuid(),
            "states": states,
            "pid": os.getpid(),
        }
        print(json.dumps(told), flush=True)
        if ending == "raise":
            raise ValueError("as planned")
        if ending == "hard":
            os._exit(5)
        if ending == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if ending == "wait":
            await asyncio.sleep(600)
    finally:
        await cluster.down()
        print("down", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def _inhabitants(user_namespace: str) -> list[str]:
    """What lives in a user namespace, as seen from outside. Zombies are their parent's affair."""
    found: list[str] = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and str((process / "ns/user").readlink()) == user_namespace:
                seen = pids.look(int(process.name))
                if seen is not None and not seen.dead:
                    found.append(f"{seen}")
        except OSError:
            continue
    return found


def _expect_nobody(user_namespace: str) -> None:
    """If the outer process was killed, it is gone a moment before the kernel killed the rest."""
    for _ in range(1000):
        if not _inhabitants(user_namespace):
            return
        time.sleep(0.01)
    assert _inhabitants(user_namespace) == []


@pytest.fixture
def trial(_local_usable: None, tmp_path: Path) -> Iterator[Any]:
    """Start the trial above; gives its process (the outer one) and what it told."""
    begun: list[subprocess.Popen[str]] = []

    def begin(ending: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = subprocess.Popen(
            [sys.executable, "-c", TRIAL, str(tmp_path), ending],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(process)
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        return process, json.loads(line) if line else pytest.fail(process.stderr.read())

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.local
@pytest.mark.parametrize(
    ("ending", "status", "last"),
    [("end", 0, "down\n"), ("raise", 1, "down\n"), ("hard", 5, ""), ("kill", 137, "")],
)
def test_nothing_is_left_at_the_end(trial: Any, ending: str, status: int, last: str) -> None:
    process, told = trial(ending)
    out, complaint = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, last)
    assert ("ValueError: as planned" in complaint) == (ending == "raise")
    assert told["uid"] == 0 and told["states"] == {"sleep": "paused"}
    assert _inhabitants(told["user"]) == []


@pytest.mark.local
@pytest.mark.parametrize(
    ("number", "group", "status", "last"),
    [
        (signal.SIGINT, False, 130, "down\n"),
        (signal.SIGINT, True, 130, "down\n"),
        (signal.SIGTERM, False, 143, ""),
        (signal.SIGHUP, False, 129, ""),
        (signal.SIGKILL, False, -9, ""),
    ],
)
def test_nothing_is_left_after_a_signal(
    trial: Any, number: signal.Signals, group: bool, status: int, last: str
) -> None:
    """Python turns one SIGINT into an orderly end; a second one would break it off."""
    process, told = trial("wait")
    inhabitants = _inhabitants(told["user"])
    assert len(inhabitants) == 9  # outer, first, trial; an init and a sleep on each node
    if group:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, last)
    _expect_nobody(told["user"])


@pytest.mark.local
@pytest.mark.parametrize("how", ["Ctrl-C", "hang up"])
def test_a_terminal(_local_usable: None, tmp_path: Path, how: str) -> None:
    """Ctrl-C goes to the whole foreground group, and must reach the trial once."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", TRIAL, str(tmp_path), "wait"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    try:
        os.close(theirs)
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        if how == "Ctrl-C":
            os.write(ours, b"\x03")
            out, complaint = process.communicate(timeout=60)
            assert (process.returncode, out) == (130, "down\n")
            assert complaint.splitlines().count("KeyboardInterrupt") == 1
        else:
            os.close(ours)
            assert process.wait(timeout=60) == 129
            process.communicate()
        assert _inhabitants(told["user"]) == []
    finally:
        process.kill()
        if how == "Ctrl-C":
            os.close(ours)


async def _write(path: str) -> list[int]:
    Path(path, "file").write_text("x")
    os.chown(Path(path, "file"), 1234, 1235)
    return [Path(path, "file").stat().st_uid, Path(path).stat().st_uid]


@pytest.mark.local
def test_root_keeps_access_to_files_of_others(inside: Any, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    tmp_path.chmod(0o700)
    os.chown(tmp_path, 4321, 4321)
    assert inside(_write, str(tmp_path)) == [1234, 4321]


@pytest.mark.local
def test_killing_the_first_process_ends_all(trial: Any) -> None:
    process, told = trial("wait")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == 137
    assert _inhabitants(told["user"]) == []


async def _orphans() -> list[Any]:
    """Orphans are collected; the statuses of our own children stay ours."""
    import asyncio

    statuses = []
    for code in range(20):
        script = f"(sleep 0.01 & true) & exit {code}"
        child = await asyncio.create_subprocess_exec("sh", "-c", script)
        statuses.append(await child.wait())
    done = await asyncio.to_thread(subprocess.run, ["sh", "-c", "exit 33"], check=False)
    for _ in range(2000):
        # Alive or a zombie: until the last one has ended and was collected.
        if not (left := _sleepers()):
            break
        await asyncio.sleep(0.005)
    return [statuses, done.returncode, left]


def _sleepers() -> list[str]:
    """The stat lines of the orphans that are still there."""
    stats = []
    for entry in Path("/proc").iterdir():
        # A process may be collected between being listed and being read.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if entry.name.isdecimal():
                stats.append((entry / "stat").read_text())
    return [stat for stat in stats if "(sleep)" in stat or "(sh)" in stat]


@pytest.mark.local
def test_orphans_are_collected_and_children_are_ours(inside: Any) -> None:
    assert inside(_orphans) == [list(range(20)), 33, []]


async def _closed_to_the_world() -> list[str]:
    import socket

    interfaces = [name for _, name in socket.if_nameindex()]
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"x", ("192.0.2.1", 9))
        return [*interfaces, "sent"]
    except OSError as error:
        return [*interfaces, error.strerror or ""]


@pytest.mark.local
def test_no_packet_can_leave(inside: Any) -> None:
    assert inside(_closed_to_the_world) == ["lo", "Network is unreachable"]


async def _refused() -> list[Any]:
    """Forbid user namespaces below this one, then ask and try."""
    from duress.harness.errors import UserError

    before = namespaces.reason_unavailable()
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    try:
        namespaces.enter()
    except UserError as error:
        return [before, namespaces.reason_unavailable(), str(error)]
    raise AssertionError("entered")


@pytest.mark.local
def test_a_refusal_says_why_and_what_to_do(inside: Any) -> None:
    before, reason, complaint = inside(_refused)
    assert before is None
    assert reason == complaint
    assert "user.max_user_namespaces is 0" in reason
    assert "`--on docker`" in reason and "sysctl -w user.max_user_namespaces" in reason
    assert "\n" not in reason


@pytest.mark.parametrize(
    ("switch", "value", "expected"),
    [
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        (
            "kernel/apparmor_restrict_unprivileged_userns",
            "1",
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ("user/max_user_namespaces", "100", "--privileged"),
    ],
)
def test_explanations(tmp_path: Path, switch: str, value: str, expected: str) -> None:
    (tmp_path / switch).parent.mkdir()
    (tmp_path / switch).write_text(value + "\n")
    told = _explain("Operation not permitted", tmp_path)
    assert expected in told and "`--on docker`" in told and "Operation not permitted" in told


@pytest.mark.local
def test_an_ordinary_user_needs_no_root(_local_usable: None, tmp_path_factory: Any) -> None:
    """The whole trial as user nobody, with the system's Python: ours may not be readable."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv to become nobody")
    folder = Path("/tmp") / f"duress-nobody-{os.getpid()}"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    source = str(Path(duress.__file__).absolute().parents[1])
    path = f"{source}:{sysconfig.get_path('purelib')}"
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command += ["env", "-i", "PATH=/usr/bin:/bin", f"PYTHONPATH={path}", "HOME=/tmp"]
    command += ["/usr/bin/python3", "-B", "-c"]
    try:
        modules = (
            "import duress.harness.cluster.local, pyroute2, sys; assert sys.version_info > (3, 11)"
        )
        able = subprocess.run([*command, modules], capture_output=True, text=True, check=False)
        if able.returncode != 0:
            pytest.skip(f"nobody cannot run the code: {able.stderr.strip().splitlines()[-1]}")
        done = subprocess.run(
            [*command, TRIAL, str(folder), "end"], capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout.splitlines()[0])
        assert (told["uid"], told["states"]) == (0, {"sleep": "paused"})
        assert (folder / "nodes/n1/data/log").stat().st_uid == 65534
        assert _inhabitants(told["user"]) == []
    finally:
        shutil.rmtree(folder)
