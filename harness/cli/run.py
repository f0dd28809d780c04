"""``duress run``: one trial, or several until one fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from ..errors import UserError
from ..one_trial import prepare
from ..spec import TrialSpec
from . import interruption
from .maelstrom_flags import MaelstromCommand, maelstrom_options, translated
from .one_trial import hear_again, run_and_report, run_twice
from .one_trial import replay_command as replay_command
from .trial_options import BY_ROLE, STORE, given_flags, spec_of, trial_options

EXIT_DIVERGED = 3


@click.command(
    cls=MaelstromCommand,
    epilog="""\b
Examples:
  duress run raft
  duress run raft --mutant forgets-vote --trials 10
  duress run raft --nemesis pause --time 120 --seed 7
  duress run etcd --on docker --nodes 5 --nemesis partition,kill --time 60
  duress run raft --nemesis help
  duress run raft --nemesis partition:3,process --set spare=majority
  duress run raft --phases 5:none,20:partition+kill,5:none --time 120
  duress run raft --on sim --seed 42 --twice
  duress run raft --on docker --schedule runs/latest/schedule.json
  duress run etcd --on docker --set reads=serializable
  duress run my_suite.py:MyStore --on local
  duress run broadcast --node ./my-node --nemesis partition,kill --latency 10
  duress run lin-kv --node python3 -- my_node.py --verbose
  duress run -w echo --bin ./my-node --node-count 1 --time-limit 10""",
)
@trial_options
@maelstrom_options
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Repeat with seed, seed+1, … until one is invalid.",
)
@click.option(
    "--schedule",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Inject the faults of this file (a run folder's schedule.json) instead of drawing some.",
)
@BY_ROLE
@click.option(
    "--twice",
    is_flag=True,
    help="On sim: run again and compare, byte for byte; with --node: let every program hear the "
    "same again and compare what it says.",
)
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(system: str, **flags: Any) -> int:
    """Run SYSTEM (a name or path.py:Class) and judge what its clients saw."""
    system, flags, given = translated(system, flags, given_flags(flags))
    spec = spec_of(system, flags, given)
    twice = flags["twice"]
    if twice and spec.cluster not in ("sim", "stdio"):
        raise UserError(
            f"--twice: only trials on sim are repeatable, and what programs on stdio hear; got "
            f"{spec.cluster}"
        )
    interruption.listen()
    prepare(spec)  # may fork: nothing runs yet
    show = sys.stderr if flags["as_json"] else sys.stdout
    number, this, outcome = 0, spec, None
    while outcome is None or (outcome.outcome == "valid" and number < flags["trials"]):
        this = msgspec.structs.replace(spec, seed=spec.seed + number)
        number += 1
        if flags["trials"] > 1 and not flags["quiet"]:
            click.echo(f"trial {number} of at most {flags['trials']}, seed {this.seed}", file=show)
        outcome = run_and_report(this, flags["store_path"], show, flags["quiet"])
        if twice and spec.cluster == "stdio":
            click.echo(hear_again(this, outcome), file=show)
        elif twice:
            difference, said = run_twice(this, outcome)
            click.echo(said, file=show)
            if difference is not None:
                return EXIT_DIVERGED
    if flags["as_json"]:
        click.echo(json.dumps(_as_json(this, outcome) | {"trials": number}))
    return outcome.exit_code


def _as_json(spec: TrialSpec, outcome: Any) -> dict[str, Any]:
    vacuity = outcome.verdict.parts.get("vacuity")
    counts = vacuity.statistics.get("outcomes", {}) if vacuity else {}
    return {
        "valid": outcome.verdict.valid,
        "anomalies": msgspec.to_builtins(outcome.verdict.anomalies),
        "reason": outcome.verdict.reason,
        "outcome": outcome.outcome,
        "run": outcome.folder,
        "seed": spec.seed,
        "ops": {
            kind: sum(by_type.get(kind, 0) for by_type in counts.values())
            for kind in ("ok", "fail", "info")
        },
    }
