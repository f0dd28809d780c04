"""Is the signature of an anomaly the same for the same bug, and another for another one?

    .venv/bin/python benchmarks/signatures.py --folder found --minutes 60
    .venv/bin/python benchmarks/signatures.py --folder found --only-table

Hunts every mutant of the systems named, with several seeds far apart; keeps the trial that showed
it and the smallest one that ``duress shrink`` makes of it, as run folders
``FOLDER/SYSTEM/MUTANT/SEED/{found,shrunk}``; what is there is not made again. Then computes the
signature of each, and says how often two trials of one mutant have the same one, and how often
trials of two mutants do.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from duress.harness import registry, signature
from duress.harness.attempts import AttemptPool
from duress.harness.errors import DuressError
from duress.harness.hunt import hunt
from duress.harness.judgement import judge_history, workload_of
from duress.harness.proof import _case
from duress.harness.prove import SEEDS_APART
from duress.harness.shrink import Shrinker
from duress.harness.simulation import repeat
from duress.harness.spec import TrialSpec
from duress.harness.store import RunFolder
from duress.harness.verdict import Signature, Verdict, compose
from duress.reports import run_folder

SYSTEMS = ("raft", "two-phase-commit", "paxos", "lock-service")
KEPT = ("trial.json", "history.jsonl", "faults.jsonl", "schedule.json", "verdict.json")
TRIAL = {"seed": 0, "time_limit_s": 12.0, "interval_s": 1.5}
HUNT_TRIALS, HUNT_MINUTES = 400, 0.6
SHRINK_TRIALS, SHRINK_MINUTES = 300, 0.4
FEW_FAULTS = 4


def keep(spec: TrialSpec, target: Path) -> None:
    """Run a trial once more, in a folder that stays."""
    scratch = target.with_name(f".{target.name}")
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "nodes").mkdir(parents=True)
    quick = msgspec.structs.replace(spec, options={"trace": "false", **spec.options})
    repeat.run(quick, RunFolder(scratch))
    for path in scratch.iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    scratch.rename(target)


def collect(mutant: Any, number: int, pool: AttemptPool, folder: Path, shrinks: bool) -> str:
    """Hunt and maybe shrink one mutant from one seed; a line on what came of it."""
    case = _case(mutant, "sim", {**TRIAL, "seed": number * SEEDS_APART})
    result = hunt(
        case.spec,
        pool,
        trials=HUNT_TRIALS,
        minutes=HUNT_MINUTES,
        strategy="mixed",
        usual=case.usual,
    )
    folder.mkdir(parents=True)
    if result.found is None:
        return f"not found in {result.trials} trials"
    keep(result.found.spec, folder / "found")
    if not shrinks:
        return f"{', '.join(result.found.anomalies)} after {result.trials} trials"
    try:
        small = Shrinker(pool, trials=SHRINK_TRIALS, minutes=SHRINK_MINUTES).shrink(
            result.found.spec
        )
    except DuressError as error:
        return f"found, not shrunk: {error}"
    keep(small.smallest.spec, folder / "shrunk")
    return f"{', '.join(result.found.anomalies)} after {result.trials} trials"


def collect_all(
    systems: list[str], folder: Path, hunts: int, minutes: float, sample: int, shrinks: bool
) -> None:
    """Everything that is not there yet, one seed of every mutant after the other."""
    until = time.monotonic() + 60 * minutes
    mutants = []
    for system in systems:
        mine = [each for each in registry.mutants() if each.system == system]
        mutants += mine[:: max(1, -(-len(mine) // sample))]
    mutants.sort(key=lambda each: each.name)  # so that systems take turns
    with AttemptPool() as pool:
        for number, mutant in itertools.product(range(hunts), mutants):
            target = folder / mutant.system / mutant.name / str(number)
            if target.exists():
                continue
            if time.monotonic() > until:
                return
            said = collect(mutant, number, pool, target, shrinks)
            print(f"{mutant.system} {mutant.name} {number}: {said}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Signed:
    """A trial that was kept, and its signature."""

    system: str
    mutant: str
    seed: str
    signature: Signature


def judged_again(run: run_folder.Run) -> Verdict:
    """The verdict of today's checkers on what was recorded."""
    fields = {name: run.spec[name] for name in TrialSpec.__struct_fields__ if name in run.spec}
    spec = msgspec.convert(fields, TrialSpec)
    return compose(dict(judge_history(spec, workload_of(spec), run.history)))


def signed(folder: Path, which: str, again: bool) -> list[Signed]:
    """The signature of every trial of a kind, ``found`` or ``shrunk``."""
    result = []
    for path in sorted(folder.glob(f"*/*/*/{which}")):
        run = run_folder.load(path)
        if run.verdict is None:
            continue
        schedule = run.spec.get("schedule")
        # More than that are hardly all needed: the time for shrinking will have been over.
        needed = None
        if which == "shrunk" and schedule is not None and len(schedule) <= FEW_FAULTS:
            needed = [fault["kind"] for fault in schedule]
        verdict = judged_again(run) if again else run.verdict
        found = signature.of(run.spec["system"], run.spec["workload"], verdict, run.history, needed)
        if found is not None:
            system, mutant, seed = path.parts[-4:-1]
            result.append(Signed(system, mutant, seed, found))
    return result


def pairs(trials: Sequence[Signed], with_faults: bool) -> tuple[int, int, int, int]:
    """Of pairs of trials of one mutant, how many have the same signature; and of those of two
    mutants of a system, how many have not: same, of, different, of."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for a, b in itertools.combinations(trials, 2):
        if a.system == b.system:
            is_equal = a.signature.id == b.signature.id
            is_equal &= not with_faults or a.signature.faults == b.signature.faults
            counts[a.mutant == b.mutant, is_equal] += 1
    same, other = counts[True, True], counts[True, False]
    apart, mixed = counts[False, False], counts[False, True]
    return same, same + other, apart, apart + mixed


def table(trials: Sequence[Signed]) -> list[str]:
    """Which mutants share a signature: a line of Markdown for each."""
    lines = ["| system | id | symptom | faults | mutants (trials) |", "|---|---|---|---|---|"]
    groups: dict[tuple[str, ...], Counter[str]] = {}
    for each in trials:
        found = each.signature
        faults = "?" if found.faults is None else ", ".join(found.faults) or "none"
        at = (each.system, found.id, found.name, faults)
        groups.setdefault(at, Counter())[each.mutant] += 1
    for (system, number, name, faults), mutants in sorted(groups.items()):
        who = ", ".join(f"{mutant} ({count})" for mutant, count in sorted(mutants.items()))
        lines.append(f"| {system} | `{number}` | {name} | {faults} | {who} |")
    return lines


def say(folder: Path, again: bool) -> None:
    """Print the tables."""
    kinds = {which: signed(folder, which, again) for which in ("found", "shrunk")}
    small = [each for each in kinds["shrunk"] if each.signature.faults is not None]
    few = f"shrunk, at most {FEW_FAULTS} faults left"
    print("| trials | compared by | one mutant: the same | two mutants: different |")
    print("|---|---|---|---|")
    for title, trials, with_faults in (
        ("as found", kinds["found"], False),
        ("shrunk", kinds["shrunk"], False),
        (few, small, False),
        (few, small, True),
    ):
        same, of_same, apart, of_apart = pairs(trials, with_faults)
        told = "id and faults" if with_faults else "id"
        shown = f"{same} of {of_same} pairs | {apart} of {of_apart} pairs"
        print(f"| {title} ({len(trials)}) | {told} | {shown} |")
    for which, trials in kinds.items():
        print(f"\n{which}:\n")
        print("\n".join(table(trials)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--hunts", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--sample", type=int, default=100, help="mutants of each system")
    parser.add_argument("--only-table", action="store_true")
    parser.add_argument("--no-shrink", action="store_true", help="hunt only: much faster")
    parser.add_argument("--judge-again", action="store_true", help="by today's checkers")
    arguments = parser.parse_args()
    systems = arguments.systems.split(",")
    if not arguments.only_table:
        collect_all(
            systems,
            arguments.folder,
            arguments.hunts,
            arguments.minutes,
            arguments.sample,
            not arguments.no_shrink,
        )
    say(arguments.folder, arguments.judge_again)


if __name__ == "__main__":
    main()
