"""Processes of trials that end when nobody expects it."""

import asyncio
import os
import signal

import pytest

from duress.harness.campaign.plan import Limits
from duress.harness.campaign.results import INFRASTRUCTURE, VALID
from duress.harness.campaign.workers import Worker

from .made import short_spec


@pytest.mark.parametrize("before", [0, 1])
def test_it_is_said_how_a_process_ended_and_what_it_said_last(tmp_path, monkeypatch, before):
    monkeypatch.setenv("PYTHONFAULTHANDLER", "1")

    async def story():
        worker = Worker("sim", "")
        try:
            for number in range(before):
                done = await worker.run(short_spec(1.0), tmp_path / f"{number}", Limits())
                assert done.outcome == VALID
            trial = asyncio.ensure_future(
                worker.run(short_spec(3000.0), tmp_path / "long", Limits())
            )
            while not (tmp_path / "long" / "trial.json").exists():
                await asyncio.sleep(0.02)
                assert not trial.done()
            os.kill(worker.pid, signal.SIGABRT)
            result = await asyncio.wait_for(trial, 30)
            assert not worker.lives
            return result
        finally:
            await worker.end()

    result = asyncio.run(story())
    assert (result.outcome, result.run) == (INFRASTRUCTURE, "long")
    assert "status -6" in result.error
    assert "File" in result.error, "the trace that a dying interpreter leaves"
