"""The gate's command in this process, with trials that are said."""

import json
import signal
from contextlib import contextmanager
from datetime import date, timedelta

import pytest

from duress.harness.campaign import session
from duress.harness.campaign.results import INVALID, VALID, Result
from duress.harness.cli import main

from .made import Executor, signature

TODAY = date(2026, 3, 1)
LATER, BEFORE = TODAY + timedelta(days=1), TODAY - timedelta(days=1)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def valid(spec):
    return Result(VALID)


def broken(*systems):
    """Trials of these systems fail, each in its own way."""

    def answer(spec):
        if spec.system in systems:
            return Result(INVALID, ["lost"], signature(systems.index(spec.system)))
        return Result(VALID)

    return answer


def known(signature="00000000", cell="raft sim", **more):
    return {"signature": signature, "cell": cell, "why": "issue 12", **more}


@contextmanager
def commands(folder, monkeypatch, capsys):
    """``gate(*words, answer=…)``: exit code, what it printed as JSON, and standard error."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    monkeypatch.chdir(folder)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)

    def gate(*words, answer=valid, json_wanted=True):
        monkeypatch.setattr(session, "LocalWorkers", lambda limits: Executor(answer, slots=1))
        with pytest.raises(SystemExit) as ended:
            main(["gate", *map(str, words), *(["--json"] if json_wanted else []), "--no-shrink"])
        out, error = capsys.readouterr()
        told = json.loads(out) if json_wanted and out else out
        return ended.value.code, told, error

    try:
        yield gate
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def baseline(folder, *entries):
    path = folder / "known.json"
    path.write_text(json.dumps({"known": list(entries)}))
    return path
