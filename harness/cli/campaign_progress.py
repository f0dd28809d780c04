"""A campaign under way in a terminal: what is said meanwhile, and what ends it."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

import click

from ..campaign.ledger import Ledger
from ..campaign.plan import Plan, Planned
from ..campaign.results import INFRASTRUCTURE, INVALID, KILLED, Result

STYLES = {"known": "yellow"}


def run_to_its_end(campaign: Coroutine[Any, Any, str]) -> str:
    """Run it; the first SIGINT, SIGTERM or SIGHUP ends it (``KeyboardInterrupt``), and later ones
    do not hinder the trials under way from removing what they made."""

    async def story() -> str:
        task = asyncio.current_task()
        assert task is not None

        def stop() -> None:
            if not task.cancelling():
                click.echo("duress: ending the trials under way", err=True)
                task.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop)
        return await campaign

    try:
        return asyncio.run(story())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class Progress:
    """Says how far it is, and each failure once.

    ``state``: whether a failure of a signature in a cell is ``new`` or ``known``.
    """

    def __init__(
        self,
        ledger: Ledger,
        plan: Plan,
        live: Any,
        state: Callable[[str, str], str] = lambda signature, cell: "new",
    ) -> None:
        self._ledger = ledger
        self._minutes = plan.budget.minutes
        self._planned = min(ledger.planned, plan.budget.trials or ledger.planned)
        self._live = live
        self._state = state
        self._began = time.monotonic()
        self._done = 0
        self._failures = {each.signature for each in ledger.failures()}
        self._told = {(sign, "new") for sign in self._failures}

    def __call__(self, trial: Planned, result: Result) -> None:
        """A trial has ended."""
        self._done += 1
        sign = result.signature
        if result.outcome == INVALID and sign is not None:
            self._failures.add(sign.id)
            state = self._state(sign.id, trial.cell)
            if (sign.id, state) not in self._told:
                self._told.add((sign.id, state))
                self._say(
                    f"{state} failure",
                    STYLES.get(state, "bold red"),
                    f"{sign.name} ({sign.id})",
                    trial,
                )
        elif result.outcome in (INFRASTRUCTURE, KILLED):
            self._say("not run", "yellow", result.error, trial)
        done = self._ledger.count("done")
        self._live.show(
            f"{done:,} of {self._planned:,} trials, different failures: {len(self._failures)}, "
            f"{self._left(self._planned - done)}"
        )

    def again(self, trial: Planned, result: Result) -> None:
        """A trial could not be run, and is going to be run again."""
        self._say("run again", "yellow", result.error, trial)

    def _say(self, what: str, style: str, said: str, trial: Planned) -> None:
        where = f"{trial.cell} seed {trial.spec.seed}"
        self._live.say((f"  {what:<13} ", style), f"{where}: {said}")

    def _left(self, trials: int) -> str:
        """How long it may take, by how long it took so far."""
        minutes = trials * (time.monotonic() - self._began) / self._done / 60
        rest = None if self._minutes is None else self._minutes - self._ledger.seconds / 60
        if rest is not None and minutes > rest:
            return f"{rest:.0f} minutes left, which is not enough for all ({minutes:.0f})"
        return f"about {minutes:.0f} minutes left"
