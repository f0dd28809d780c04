"""``duress serve`` as a user starts and ends it."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from ..command_line import DURESS, duress
from . import run_folders

RUN = "20260309T000000-live"


@pytest.fixture
def store(tmp_path):
    store = tmp_path / "runs"
    store.mkdir()
    run_folders.small_store(store)
    return store


@contextmanager
def command(store, *flags):
    process = subprocess.Popen(
        [*DURESS, "serve", "--store", str(store), "--port", "0", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def connected(address):
    return http.client.HTTPConnection(
        address.strip().removeprefix("http://").rstrip("/"), timeout=60
    )


def events(response):
    """Names and data of server-sent events, as they come."""
    name = ""
    for line in response:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_also_while_somebody_watches(store, number):
    folder = run_folders.write(store, RUN, run_folders.spec())
    with run_folders.being_written(folder), command(store) as process:
        first = process.stdout.readline()
        assert first.startswith("duress serve: http://127.0.0.1:")
        connection = connected(first.split()[2])
        connection.request("GET", f"/runs/{RUN}/events")
        stream = events(connection.getresponse())
        assert next(stream)[1]["state"] == "running"
        process.send_signal(number)
        assert process.wait(30) == 0
        connection.close()
        rest = process.stdout.read() + process.stderr.read()
        assert "Traceback" not in rest
        assert "ERROR" not in rest
    assert [path.name for path in store.glob(".runs-index*")] == [".runs-index.sqlite"]


def test_mistakes_are_one_line(store, tmp_path):
    def said(*flags):
        done = duress("serve", *flags)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        return done.stderr

    assert "no such folder; run something first" in said("--store", tmp_path / "nowhere")
    assert "nowhere" in said("--store", store, "--campaigns", tmp_path / "nowhere")
    run = store / "20260301T063000-raft-0001"
    assert f"expected the folder it is in: --store {store}" in said("--store", run)
    assert "--host nowhere.invalid: " in said("--store", store, "--host", "nowhere.invalid")
    with command(store, "--quiet") as process:
        port = process.stdout.readline().strip().rstrip("/").rpartition(":")[2]
        assert "Address already in use; try another --port" in said(
            "--store", store, "--port", port
        )


def test_whoever_opens_it_to_others_is_told(store):
    with command(store, "--host", "0.0.0.0") as process:
        port = process.stdout.readline().split()[2].rstrip("/").rpartition(":")[2]
        assert "can read them" in process.stderr.readline()
        connection = connected(f"127.0.0.1:{port}")
        connection.request("GET", "/", headers={"Host": "evil.example"})
        assert connection.getresponse().status == 421
        connection.close()


def test_help_needs_no_server():
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "from click.testing import CliRunner; from duress.harness.cli import cli; import sys; "
            "assert 'Ctrl-C ends it' in CliRunner().invoke(cli, ['serve', '--help']).output; "
            "print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"starlette", "uvicorn", "sqlite3", "jinja2"} & set(loaded)


def test_nothing_on_disk_changes_but_the_index(store):
    def content():
        return {
            path: (path.lstat().st_mtime_ns, path.lstat().st_mode)
            for path in (*store.rglob("*"),)
            if not path.name.startswith(".runs-index")
        }

    before = content()
    with command(store, "--quiet") as process:
        connection = connected(process.stdout.readline())
        runs = [path.name for path in store.iterdir() if path.is_dir()]
        for path in (
            *("/", "/live", f"/compare?run={runs[0]}&run={runs[1]}", "/api/runs"),
            *(f"/runs/{run}{part}" for run in runs for part in ("", "/report", "/archive.zip")),
        ):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            assert response.status == 200, path
        connection.close()
    assert content() == before


@pytest.mark.local
def test_a_real_trial_is_watched_from_its_first_file_to_its_report(tmp_path):
    store = tmp_path / "runs"
    store.mkdir()
    with command(store, "--quiet") as process:
        connection = connected(process.stdout.readline())
        trial = threading.Thread(
            target=subprocess.run,
            args=(
                [
                    *(*DURESS, "run", "raft", "--time", "6", "--rate", "40", "--seed", "7"),
                    *("--nemesis", "kill", "--interval", "1", "--settle", "0.5"),
                    *("--quiet", "--store", str(store)),
                ],
            ),
            kwargs={"stdout": subprocess.DEVNULL, "env": os.environ | {"COLUMNS": "80"}},
        )
        trial.start()
        try:
            running = []
            while not running:
                connection.request("GET", "/api/status")
                running = json.loads(connection.getresponse().read())["running"]
                time.sleep(0.1)
            connection.request("GET", f"/runs/{running[0]}/events")
            seen = list(events(connection.getresponse()))
        finally:
            trial.join()
        states = [data for name, data in seen if name == "state"]
        assert seen[-1][0] == "ended"
        assert {state["state"] for state in states[:-1]} <= {"running", states[-1]["state"]}
        assert states[0]["state"] == "running"
        assert states[-1]["state"] in ("valid", "unknown")
        counts = [state["calls"]["ok"] for state in states]
        assert counts == sorted(counts)
        assert len(set(counts)) > 3
        assert any(state["faults_active"] for state in states)
        assert states[-1]["faults_active"] == 0
        history = (store / running[0] / "history.jsonl").read_text().splitlines()
        told = [json.loads(line) for line in history]
        ok = sum(o["type"] == "ok" and o["process"] != "nemesis" for o in told)
        assert counts[-1] == ok
        connection.request("GET", f"/runs/{running[0]}")
        assert b"<iframe" in connection.getresponse().read()
        connection.close()
