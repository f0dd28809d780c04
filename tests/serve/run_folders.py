"""Run folders for tests of the server: small, and named as real ones are."""

import json
import os
from contextlib import contextmanager
from urllib.parse import urlsplit

from duress.harness.store import RunFolder
from duress.reports.serve import server

LONG_AGO_S = 1_700_000_000


def spec(**changes):
    return {
        "duress": "0.1.0",
        "system": "raft",
        "workload": "register",
        "nemeses": ["partition"],
        "cluster": "sim",
        "nodes": ["n1", "n2", "n3"],
        "seed": 7,
        "mutant": None,
        "time_limit_s": 10.0,
        "check_time_s": 60.0,
        "started": "2026-03-01T06:30:00Z",
        "command": "duress run raft --on sim --seed 7",
        **changes,
    }


def verdict(valid=True, anomalies=(), reason="", calls=120, served=0.9):
    told = [{"name": name, "explanation": f"{name} was seen."} for name in anomalies]
    parts = {
        "checker": {"valid": valid, "anomalies": told, "reason": reason},
        "availability": {"valid": True, "statistics": {"served": served, "faults": [{"id": 1}]}},
        "vacuity": {"valid": True, "statistics": {"outcomes": {"read": {"ok": calls}}}},
    }
    return {"valid": valid, "anomalies": told, "reason": reason, "parts": parts}


def write(store, name, spec=None, verdict=None, age_s=0, files=()):
    """A run folder; ``age_s`` makes it look as if nothing had been written for so long."""
    folder = store / name
    (folder / "nodes").mkdir(parents=True, exist_ok=True)
    for file, content in (("trial.json", spec), ("verdict.json", verdict)):
        if content is not None:
            text = content if isinstance(content, bytes) else json.dumps(content).encode()
            (folder / file).write_bytes(text)
    for file, content in dict(files).items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if age_s:
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (path.stat().st_mtime - age_s,) * 2)
    return folder


def being_written(folder):
    """As if a trial ran there, for the time of a ``with`` block."""
    return RunFolder(folder).being_written()


def small_store(store):
    """Runs of every kind."""
    write(store, "20260301T063000-raft-0001", spec(), verdict())
    stale = spec(mutant="stale-read", seed=8, started="2026-03-01T07:30:00Z", outcome="invalid")
    write(store, "20260301T073000-raft-stale-read-0002", stale, verdict(False, ["nonlinearizable"]))
    stale = {**stale, "seed": 9, "started": "2026-03-01T08:30:00Z"}
    write(
        store,
        "20260301T083000-raft-stale-read-0003",
        stale,
        verdict(False, ["nonlinearizable", "nonlinearizable"]),
    )
    etcd = spec(
        system="etcd",
        workload="append",
        cluster="docker",
        nemeses=["kill", "clock"],
        started="2026-03-02T06:30:00Z",
    )
    write(store, "20260302T063000-etcd-0004", etcd, verdict(False, ["G1c", "lost-update"]))
    doubt = {**etcd, "nemeses": [], "started": "2026-03-02T07:30:00Z", "outcome": "unknown"}
    write(store, "20260302T073000-etcd-0005", doubt, verdict("unknown", reason="no time left"))
    killed = spec(seed=11, started="2026-03-03T06:30:00Z")
    write(store, "20260303T063000-raft-0006", killed, age_s=10_000)


@contextmanager
def served(store, names=(), campaigns=None):
    """The server in a thread: its host and port."""
    with server.serving(store, "127.0.0.1", 0, names, campaigns) as address:
        place = urlsplit(address)
        yield place.hostname, place.port
