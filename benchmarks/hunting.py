"""How soon each strategy of ``duress hunt`` finds the planted bugs of Raft.

    .venv/bin/python benchmarks/hunting.py [--hunts 5] [--budget 100] [--mutants A,B] [--quick]

Every hunt has first seeds of its own, the same for all strategies; it ends with the first
violation or with the budget. What a mutant needs in load (clients, length, settings) is as in
``duress hunt raft --mutant NAME --strategy …``, what it says about faults is not used: that is the
strategies' affair. *Trials* and *seconds* are medians over the hunts; one that found
nothing counts as longer than its budget, so that a median among those is printed as ``> N``.
Seconds are the processor time of all trials together, whatever else the machine does: with all
cores to itself a hunt takes that by their number.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from duress.harness import registry
from duress.harness.attempts import AttemptPool
from duress.harness.hunt import by_moment_too, hunt, with_strategy
from duress.harness.spec import TrialSpec, parse_concurrency

STRATEGIES = ("uniform", "aimed", "guided")
LOAD = ("time_limit_s", "rate", "concurrency", "workload")
SEEDS_APART = 100_000
NODES = 5


class Result(msgspec.Struct, frozen=True):
    """One hunt."""

    mutant: str
    strategy: str
    number: int
    budget: int
    found: bool
    trials: int
    cpu_s: float
    wall_s: float


def first_trial(mutant, strategy: str, seed: int) -> TrialSpec:
    """As ``duress hunt`` plans it."""
    load = {name: value for name, value in mutant.conditions.items() if name in LOAD}
    concurrency = parse_concurrency(str(load.pop("concurrency", "2n")), NODES)
    system = registry.load("systems", mutant.system)
    fields = {"workload": system.workloads[0], "rate": 150.0, **load}
    spec = TrialSpec(
        system=mutant.system,
        mutant=mutant.name,
        nemeses=list(system.nemeses),
        cluster="sim",
        nodes=[f"n{i + 1}" for i in range(NODES)],
        seed=seed,
        concurrency=concurrency,
        options={**mutant.options, **mutant.conditions.get("options", {})},
        **fields,
    )
    return with_strategy(by_moment_too(spec, strategy), strategy, {})


def one_hunt(mutant, strategy: str, number: int, budget: int, pool: AttemptPool) -> Result:
    spec = first_trial(mutant, strategy, number * SEEDS_APART)
    done = hunt(spec, pool, trials=budget, strategy=strategy)
    assert not done.errors, done.errors
    return Result(
        mutant.name, strategy, number, budget, done.found is not None,
        done.trials, round(done.cpu_s, 2), round(done.wall_s, 2),
    )  # fmt: skip


def median(results: list[Result], field: str) -> str:
    """The median with unfinished hunts as longer than any that found something."""
    inf = float("inf")
    values = [getattr(each, field) if each.found else inf for each in results]
    middle = statistics.median_high(values)
    if middle == inf:
        return f"> {min(getattr(each, field) for each in results if not each.found):.0f}"
    return f"{middle:.0f}" if field == "trials" else f"{middle:.1f}"


def table(results: list[Result]) -> Table:
    shown = Table("mutant", title="medians; found of hunts, trials, processor seconds")
    for strategy in STRATEGIES:
        shown.add_column(strategy, justify="right")
    for name in dict.fromkeys(each.mutant for each in results):
        cells = []
        for strategy in STRATEGIES:
            mine = [r for r in results if (r.mutant, r.strategy) == (name, strategy)]
            found = sum(each.found for each in mine)
            cells.append(
                f"{found}/{len(mine)}  {median(mine, 'trials')}  {median(mine, 'cpu_s')} s"
                if mine
                else ""
            )
        shown.add_row(name, *cells)
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hunts", type=int, default=5)
    parser.add_argument("--budget", type=int, default=100, help="trials a hunt")
    parser.add_argument("--mutants", help="comma-separated; default: all of the register")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--quick", action="store_true", help="3 hunts of at most 15 trials")
    parser.add_argument("--save", type=Path, help="JSON lines; hunts found there are not repeated")
    arguments = parser.parse_args()
    hunts, budget = (3, 15) if arguments.quick else (arguments.hunts, arguments.budget)
    register = registry.load("systems", "raft").workloads[0]
    mutants = [
        mutant
        for mutant in registry.mutants()
        if mutant.system == "raft" and mutant.conditions.get("workload", register) == register
    ]
    if arguments.mutants:
        wanted = arguments.mutants.split(",")
        mutants = [mutant for mutant in mutants if mutant.name in wanted]
    results: list[Result] = []
    if arguments.save and arguments.save.exists():
        lines = arguments.save.read_text().splitlines()
        results = [msgspec.json.decode(line, type=Result) for line in lines]
    known = {(r.mutant, r.strategy, r.number, r.budget) for r in results}
    console = Console()
    with AttemptPool(arguments.jobs) as pool, Live(table(results), console=console) as live:
        for number in range(1, hunts + 1):
            for mutant in mutants:
                for strategy in arguments.strategies.split(","):
                    if (mutant.name, strategy, number, budget) in known:
                        continue
                    result = one_hunt(mutant, strategy, number, budget, pool)
                    results.append(result)
                    if arguments.save:
                        with arguments.save.open("a") as file:
                            file.write(json.dumps(msgspec.structs.asdict(result)) + "\n")
                    live.update(table(results))


if __name__ == "__main__":
    main()
