"""Who is told of a failure, and what becomes of it if they do not listen."""

import asyncio
import json
import sys

import pytest

from duress.harness.campaign import aftermath
from duress.harness.campaign import plan as plans
from duress.harness.campaign.aftermath import Care
from duress.harness.campaign.ledger import FILE, Ledger
from duress.harness.campaign.plan import Hooks
from duress.harness.campaign.results import INVALID, Result

from .ear import listening
from .made import make, plan, signature, write_run


def told(folder, hooks, times=1):
    """Look after one failure so many times: what was complained of, and whether it is told."""
    the_plan = plan(hooks=hooks)
    folder.mkdir(exist_ok=True)
    ledger = Ledger.create(folder / FILE, the_plan, "digest", plans.trials(the_plan, make))
    found = Result(INVALID, ["lost"], signature(1), run="run-0")
    write_run(folder / "runs" / "run-0", found)
    ledger.begin(0, "run-0")
    ledger.finish(0, found)
    complaints = []

    async def story():
        for _ in range(times):
            await Care(the_plan, complaints.append).found(ledger, folder / "runs")

    asyncio.run(story())
    (failure,) = ledger.failures()
    ledger.close()
    return complaints, failure.told


def test_a_command_and_a_webhook_hear_of_it_once(tmp_path):
    note = tmp_path / "notes"
    with listening() as (address, heard):
        append = [sys.executable, "-c", f"open({str(note)!r}, 'a').write(input() + chr(10))"]
        assert told(tmp_path / "c", Hooks(append, address), times=3) == ([], True)
    (notice,) = heard
    assert [json.loads(line) for line in note.read_text().splitlines()] == [notice]
    assert notice == {
        "campaign": "nightly",
        "signature": "00000001",
        "failure": "broken 1",
        "system": "raft",
        "mutant": None,
        "cells": ["raft"],
        "seed": None,
        "run": str(tmp_path / "c" / "runs" / "run-0"),
        "shrunk": None,
        "report": str(tmp_path / "c" / "runs" / "run-0" / "report.html"),
        "command": None,
    }


def test_a_webhook_that_does_not_take_it_is_told_again(tmp_path):
    with listening(500, 404) as (address, heard):
        complaints, done = told(tmp_path / "c", Hooks(webhook=address), times=4)
    assert complaints == [
        f"the webhook {address}: answered 500",
        f"the webhook {address}: answered 404",
    ]
    assert done
    assert len(heard) == 3


def test_a_webhook_that_nobody_listens_at(tmp_path):
    with listening() as (address, _):
        pass
    complaints, done = told(tmp_path / "c", Hooks(webhook=address))
    assert not done
    (complaint,) = complaints
    assert complaint.startswith(f"the webhook {address}: ")
    assert "refused" in complaint


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('no route to the team')", "status 1: no route to the team"),
        ("import sys; sys.exit(3)", "status 3: it said nothing"),
        ("import time; time.sleep(1000)", "status -1: not done after 0.5 s"),
    ],
)
def test_a_command_that_fails(tmp_path, monkeypatch, code, said):
    monkeypatch.setattr(aftermath, "TELL_TIMEOUT_S", 0.5 if "sleep" in code else 60)
    complaints, done = told(tmp_path / "c", Hooks([sys.executable, "-c", code]))
    assert not done
    assert complaints == [f"the hook's command ended with {said}"]


def test_a_command_that_is_not_there(tmp_path):
    complaints, done = told(tmp_path / "c", Hooks(["no-such-command"]))
    assert not done
    assert "No such file" in complaints[0]


def test_what_is_told_reaches_the_webhook_though_the_command_fails(tmp_path):
    with listening() as (address, heard):
        complaints, done = told(tmp_path / "c", Hooks(["false"], address))
    assert len(heard) == len(complaints) == 1
    assert not done
