"""Plans, specs and executors for tests."""

import asyncio
from pathlib import Path
from random import Random

from duress.harness.campaign import plan as plans
from duress.harness.campaign.engine import Campaign
from duress.harness.campaign.ledger import FILE, Ledger
from duress.harness.campaign.plan import Matrix, Plan
from duress.harness.campaign.results import INVALID, VALID, Result
from duress.harness.spec import TrialSpec
from duress.harness.store import RunFolder
from duress.harness.verdict import Signature


def plan(**more):
    """Three cells of five trials."""
    matrix = [Matrix(systems=["raft", "paxos"], seeds=5), Matrix(systems=["etcd"], seeds="3-7")]
    return Plan(matrix=matrix, name="nightly", shrink=False, **more)


def make(cell, seed):
    return TrialSpec(
        system=cell.system,
        workload="register",
        nemeses=[],
        cluster="sim",
        nodes=["n1"],
        seed=seed,
        mutant=cell.mutant,
        concurrency=1,
    )


def short_spec(time_s):
    """A trial of Raft on sim that takes a moment."""
    return TrialSpec(
        system="raft",
        workload="register",
        nemeses=[],
        cluster="sim",
        nodes=["n1", "n2", "n3"],
        seed=1,
        concurrency=3,
        time_limit_s=time_s,
    )


def signature(number):
    return Signature(f"{number:08x}", f"broken {number}")


def write_run(folder: Path, result: Result) -> None:
    """What a trial that came to its end leaves."""
    (folder / "nodes").mkdir(parents=True)
    run = RunFolder(folder)
    valid = {VALID: True, INVALID: False}.get(result.outcome, "unknown")
    run.write_json("trial.json", {"outcome": result.outcome, "system": "raft", "cluster": "sim"})
    anomalies = [{"name": name, "explanation": "", "operations": []} for name in result.anomalies]
    sign = result.signature
    told = {"signature": {"id": sign.id, "name": sign.name}} if sign else {}
    run.write_json("verdict.json", {"valid": valid, "anomalies": anomalies, **told})


class Executor:
    """Says of a trial what ``answer(spec)`` says, after a moment; ``ran``: what it was asked."""

    def __init__(self, answer, slots=3, moment_s=0.0):
        self.answer, self.slots, self.moment_s = answer, slots, moment_s
        self.ran, self.closed, self.at_once, self._now = [], False, 0, 0
        self.tidied = []
        self._random = Random(1)

    async def run(self, spec, folder):
        self.ran.append((spec.system, spec.seed))
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        try:
            await asyncio.sleep(self.moment_s * self._random.random())
            result = self.answer(spec)
            write_run(folder, result)
            size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
            return Result(
                result.outcome,
                result.anomalies,
                result.signature,
                run=folder.name,
                bytes=size,
                error=result.error,
            )
        finally:
            self._now -= 1

    async def tidy(self, kinds):
        self.tidied += kinds

    async def close(self):
        self.closed = True


class Nobody:
    """Nothing is done about failures."""

    async def found(self, ledger, runs):
        pass


def ledger_of(folder, the_plan):
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / FILE).exists():
        return Ledger(folder / FILE)
    trials = plans.trials(the_plan, make)
    return Ledger.create(folder / FILE, the_plan, plans.digest(the_plan), trials)


def run(folder, executor, the_plan=None, care=None, stop_after=None):
    the_plan = the_plan or plan()
    ledger = ledger_of(folder, the_plan)
    told = []

    async def story():
        task = asyncio.current_task()

        def progress(trial, result):
            told.append((trial.number, result.outcome))
            if stop_after is not None and len(told) == stop_after:
                task.cancel()

        return await Campaign(ledger, the_plan, executor, care or Nobody(), progress).run()

    try:
        why = asyncio.run(story())
    except asyncio.CancelledError:
        why = "cancelled"
    return why, ledger, told
