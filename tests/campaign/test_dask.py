"""A campaign on a Dask cluster: a real scheduler, workers in processes, one of which is lost."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from duress.harness.campaign import remains
from duress.harness.campaign.dask_room import leave
from duress.harness.campaign.dask_workers import DaskWorkers
from duress.harness.campaign.ledger import FILE
from duress.harness.campaign.plan import Limits

from ..command_line import duress, said_by
from .test_command import COUNT, only_folder, rows_as_expected, write

DASK = str(Path(sys.executable).with_name("dask"))


@contextlib.contextmanager
def cluster(tmp_path, workers=3):
    """The file by which the scheduler is found, its address, and the workers' processes."""
    file = tmp_path / "scheduler.json"
    log = (tmp_path / "dask.log").open("wb")
    plain = {"stdout": log, "stderr": log, "cwd": tmp_path}
    words = ["--scheduler-file", str(file), "--no-dashboard"]
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", *words]
    processes = [subprocess.Popen([DASK, *scheduler], **plain)]
    try:
        until(file.is_file)
        each = ["worker", *words, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1"]
        processes += [subprocess.Popen([DASK, *each], **plain) for _ in range(workers)]
        yield json.loads(file.read_text())["address"], processes[1:]
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        log.close()


def until(condition, limit_s=60):
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def done(tmp_path):
    files = list((tmp_path / "c" / "night").glob(f"*/{FILE}"))
    if not files:
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{files[0]}?mode=ro", uri=True)) as file:
        return file.execute(COUNT).fetchone()[0]


def lost_worker(tmp_path, seeds, after):
    path = write(tmp_path, seeds=seeds)
    with cluster(tmp_path) as (address, workers):

        def kill() -> None:
            with contextlib.suppress(AssertionError):
                until(lambda: done(tmp_path) >= after, 1000)
            os.kill(workers[0].pid, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        words = ("campaign", path, "--folder", tmp_path / "c", "--json", "--scheduler", address)
        code, said, error = said_by(*words, limit_s=8000)
        killer.join()
    assert code == 1, error
    rows_as_expected(path, only_folder(tmp_path), seeds)
    run = only_folder(tmp_path) / "runs" / said["failures"][0]["run"]
    assert (run / "report.html").is_file()  # it came back with its answer


def test_the_trials_of_a_lost_worker_are_run_elsewhere(tmp_path):
    lost_worker(tmp_path, seeds=4, after=2)


@pytest.mark.soak
@pytest.mark.timeout(9000)
def test_a_thousand_trials_on_three_workers_one_of_which_is_lost(tmp_path):
    lost_worker(tmp_path, seeds=334, after=300)


class Asked:
    """A client of which nothing is heard but what all workers are asked to do."""

    def __init__(self):
        self.asked = []

    async def run(self, function, *arguments, on_error):
        self.asked.append((function, *arguments, on_error))

    async def close(self):
        self.asked.append("closed")


def test_every_machine_is_tidied_and_left():
    client = Asked()

    async def story():
        workers = DaskWorkers(client, Limits())
        await workers.tidy({"docker"})
        await workers.close()

    asyncio.run(story())
    tidied, (left, *_), closed = client.asked
    assert tidied == (remains.remove, ["docker"], "ignore")
    assert (left, closed) == (leave, "closed")


def test_a_scheduler_that_is_not_there(tmp_path):
    path = write(tmp_path)
    done = duress("campaign", path, "--folder", tmp_path / "c", "--scheduler", "tcp://127.0.0.1:9")
    assert done.returncode == 2
    assert "--scheduler tcp://127.0.0.1:9: cannot be reached" in done.stderr
