"""``duress check``: judges histories that anything recorded."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from .. import registry
from ..errors import UserError
from ..formats import FORMATS, Loaded, load
from ..judged_history import (
    DEFAULT_MODEL,
    UNSAID,
    bounds,
    checker_of,
    kinds,
    of_transactions,
    write_report,
)
from ..verdict import Verdict


@dataclass(frozen=True)
class Judged:
    """One file's result; ``error`` instead of a verdict if it could not be read."""

    file: str
    loaded: Loaded | None
    verdict: Verdict | None
    seconds: float
    error: str | None = None
    model: str = ""


@click.command(
    epilog="""\b
Examples:
  duress check history.jsonl --model cas-register
  duress check store/*/history.edn --model register --initial 0 --json
  duress check etcd_000.log --report etcd.html
  duress check txns.edn --model list-append --level serializable

The model is chosen by the file's format where that tells it; else it is cas-register.
JSON: one object a file, in an array when there are several."""
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--model", metavar="NAME", help="What the history is a history of (--models lists).")
@click.option(
    "--models",
    "list_models",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _p, value: value and _print_models(ctx),
    help="List the models and exit.",
)
@click.option(
    "--initial",
    metavar="JSON",
    help="What the object holds at first (default: null, or by format).",
)
@click.option(
    "--failed-cas",
    type=click.Choice(["drop", "observe"]),
    help="A failed cas did not happen, or saw another value (default by format).",
)
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), help="Default: found out.")
@click.option(
    "--time-limit",
    "time_limit_s",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds for each file; then it is unknown.",
)
@click.option(
    "--memory-limit",
    "memory_limit_mb",
    type=click.IntRange(min=1),
    help="Megabytes for each file; then it is unknown.",
)
@click.option(
    "--level",
    metavar="NAME",
    help="For transactions: the isolation level to judge by (default strict-serializable).",
)
@click.option("--anomalies", metavar="NAMES", help="For transactions: only these, such as G0,G1c.")
@click.option(
    "--linearizable-keys", is_flag=True, help="For rw-register: each key is linearizable."
)
@click.option("--sequential-keys", is_flag=True, help="For rw-register: each key is sequential.")
@click.option("--wfr-keys", is_flag=True, help="For rw-register: writes follow reads.")
@click.option(
    "--transaction-order",
    metavar="FILE",
    help="For rw-register: JSON, the indices of transactions in the order in which they wrote.",
)
@click.option("--total", type=int, help="For bank: what the accounts hold together.")
@click.option("--first", is_flag=True, help="Stop at the first object that fails.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A further option of the model's checker; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an HTML report (with several files: of the first that is not valid).",
)
def command(files: Sequence[str], **flags: Any) -> int:
    """Judge every FILE: JSON Lines, Jepsen EDN or JSON, Knossos and Porcupine formats, gzip."""
    flags["initial"] = _json_value(flags["initial"])
    results = []
    for file in files:
        results.append(_judge(file, flags))
        if len(files) > 1 and not flags["as_json"]:
            _tell_row(results[-1])
    if flags["as_json"]:
        objects = [_as_json(result) for result in results]
        click.echo(json.dumps(objects if len(objects) > 1 else objects[0]))
    elif len(files) == 1:
        _explain(results[0])
    else:
        _terminal().tell_total([result.verdict for result in results], sys.stdout)
    if flags["report_path"]:
        _report(results, flags)
    return _exit_code(results)


def _json_value(text: str | None) -> Any:
    if text is None:
        return UNSAID
    try:
        return json.loads(text)
    except ValueError:
        raise UserError(f"--initial {text}: not a JSON value (a string needs quotes)") from None


def _judge(file: str, flags: dict[str, Any]) -> Judged:
    try:
        loaded = load(file, flags["format_"], transactions=of_transactions(flags["model"]))
        checker = checker_of(loaded, flags)
        began, verdict = _checked(checker, loaded, flags)
    except UserError as error:
        if flags["as_json"]:
            click.echo(f"duress: {error}", err=True)
        return Judged(file, None, None, 0.0, str(error))
    seconds = time.perf_counter() - began
    suggested = loaded.metadata.get("suggested", {}).get("model")
    return Judged(
        file, loaded, verdict, seconds, model=flags["model"] or suggested or DEFAULT_MODEL
    )


def _checked(checker: Any, loaded: Loaded, flags: dict[str, Any]) -> tuple[float, Verdict]:
    """When it began, and the verdict."""
    options = bounds(loaded, flags)
    began = time.perf_counter()
    return began, checker.check(loaded.history, options)


def _print_models(context: click.Context) -> None:
    for kind in kinds():
        for name, doc in kind.models().items():
            click.echo(f"{name:24} {doc}")
    context.exit(0)


def _terminal() -> Any:
    """What prints in the language of every other command."""
    return registry.load("reports", "terminal")


def _tell_row(result: Judged) -> None:
    error = result.error or ""
    _terminal().tell_row(result.file, result.verdict, result.seconds, error, sys.stdout)


def _explain(result: Judged) -> None:
    if result.verdict is None or result.loaded is None:
        raise UserError(result.error or result.file)
    _terminal().tell_file(
        result.file,
        result.loaded.history,
        result.verdict,
        result.seconds,
        result.model,
        result.loaded.notes,
        sys.stdout,
    )


def _as_json(result: Judged) -> dict[str, Any]:
    if result.verdict is None:
        return {"file": result.file, "valid": None, "error": result.error}
    verdict = result.verdict
    counterexample = verdict.anomalies[0].operations if verdict.anomalies else []
    return {
        "file": result.file,
        "valid": verdict.valid,
        "algorithm": verdict.statistics.get("algorithm"),
        "operations": verdict.statistics.get("operations"),
        "keys": verdict.statistics.get("keys"),
        "seconds": round(result.seconds, 6),
        "counterexample": counterexample,
        "anomalies": dict(_counted(verdict)),
        **verdict.statistics.get("result", {}),
        **({"reason": verdict.reason} if verdict.reason else {}),
    }


def _counted(verdict: Verdict) -> Any:
    names = [anomaly.name for anomaly in verdict.anomalies]
    counts = verdict.statistics.get("anomaly_counts")
    return (counts or {name: names.count(name) for name in dict.fromkeys(names)}).items()


def _report(results: Sequence[Judged], flags: dict[str, Any]) -> None:
    chosen = next((r for r in results if r.verdict and r.verdict.valid is not True), results[0])
    if chosen.verdict is None or chosen.loaded is None:
        return
    spec = {
        "id": Path(chosen.file).name,
        "system": Path(chosen.file).name,
        "workload": flags["model"] or chosen.loaded.metadata.get("suggested", {}).get("model"),
        "command": "duress " + " ".join(sys.argv[1:]),
    }
    write_report(chosen.loaded.history, chosen.verdict, spec, flags["report_path"])


def _exit_code(results: Sequence[Judged]) -> int:
    if any(result.verdict is None for result in results):
        return 2
    codes = [result.verdict.exit_code for result in results if result.verdict]
    return 1 if 1 in codes else max(codes)
