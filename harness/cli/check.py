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
import msgspec

from .. import registry
from ..errors import UserError
from ..formats import FORMATS, Loaded, load
from ..verdict import Verdict

DEFAULT_MODEL = "cas-register"

UNSAID: Any = object()
"""Of ``--initial``, where ``null`` means something."""


TRANSACTION_FLAGS = (
    "level", "anomalies", "linearizable_keys", "sequential_keys", "wfr_keys", "transaction_order",
)  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """One file's result; ``error`` instead of a verdict if it could not be read."""

    file: str
    loaded: Loaded | None
    verdict: Verdict | None
    seconds: float
    error: str | None = None


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
            _say(*_row(results[-1]))
    if flags["as_json"]:
        objects = [_as_json(result) for result in results]
        click.echo(json.dumps(objects if len(objects) > 1 else objects[0]))
    elif len(files) == 1:
        _explain(results[0])
    else:
        _total(results)
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
        loaded = load(file, flags["format_"], transactions=_of_transactions(flags["model"]))
        checker = _checker(loaded, flags)
        began, verdict = _checked(checker, loaded, flags)
    except UserError as error:
        if flags["as_json"]:
            click.echo(f"duress: {error}", err=True)
        return Judged(file, None, None, 0.0, str(error))
    return Judged(file, loaded, verdict, time.perf_counter() - began)


def _checked(checker: Any, loaded: Loaded, flags: dict[str, Any]) -> tuple[float, Verdict]:
    """When it began, and the verdict."""
    options: dict[str, Any] = {"time_limit_s": flags["time_limit_s"]}
    if loaded.metadata.get("realtime") is False:
        options["realtime"] = False
    if flags["memory_limit_mb"]:
        options["memory_limit_bytes"] = flags["memory_limit_mb"] << 20
    began = time.perf_counter()
    return began, checker.check(loaded.history, options)


def _checker(loaded: Loaded, flags: dict[str, Any]) -> Any:
    suggested = dict(loaded.metadata.get("suggested", {}))
    meant = suggested.pop("model", None)
    model = flags["model"] or meant or DEFAULT_MODEL
    told = next((name for name in TRANSACTION_FLAGS if flags[name]), None)
    if told and not flags["model"] and not meant:
        raise UserError(
            f"--{told.replace('_', '-')} is for transactions: say --model list-append or "
            "--model rw-register"
        )
    wishes = _wishes(flags)
    if ".py:" in model:
        kind = registry.load("checkers", "linearizable")
        return kind.for_model(registry.load("checkers", model), wishes)
    for kind in _kinds():
        known = kind.models()
        if model in known:
            # What a format suggests is meant for the checker of the model that it suggests.
            return kind.for_model(model, {**suggested, **wishes} if meant in known else wishes)
    known = ", ".join(sorted(name for kind in _kinds() for name in kind.models()))
    raise UserError(f"--model {model}: no such model; there are: {known} (or path.py:Name)")


def _of_transactions(model: str | None) -> bool:
    """Whether the model's checker works on micro-operations as arrays."""
    return model is not None and any(
        model in kind.models() and getattr(kind, "takes_transactions", False) for kind in _kinds()
    )


def _wishes(flags: dict[str, Any]) -> dict[str, Any]:
    """What the user asked of the checker."""
    wishes: dict[str, Any] = {}
    if flags["initial"] is not UNSAID:
        wishes["initial"] = flags["initial"]
    if flags["failed_cas"] is not None:
        wishes["failed_cas"] = flags["failed_cas"]
    if flags["total"] is not None:
        wishes["total"] = flags["total"]
    for name in (*TRANSACTION_FLAGS, "first"):
        if flags[name]:
            wishes[name] = flags[name]
    for pair in flags["settings"]:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: expected NAME=VALUE")
        wishes[name.replace("-", "_")] = value
    if "transaction_order" in wishes:
        wishes["transaction_order"] = _order_in(wishes["transaction_order"])
    return wishes


def _order_in(name: str) -> Any:
    """What a JSON file holds; checkers read no files."""
    try:
        return json.loads(Path(name).read_text())
    except OSError as error:
        raise UserError(f"--transaction-order {name}: {error.strerror or error}") from None
    except ValueError:
        raise UserError(f"--transaction-order {name}: not JSON") from None


def _kinds() -> list[Any]:
    return [registry.load("checkers", name) for name in registry.names("checkers")]


def _print_models(context: click.Context) -> None:
    for kind in _kinds():
        for name, doc in kind.models().items():
            click.echo(f"{name:24} {doc}")
    context.exit(0)


def _word(verdict: Verdict | None) -> str:
    if verdict is None:
        return "error"
    return {True: "valid", False: "INVALID"}.get(verdict.valid, "unknown")  # type: ignore[call-overload]


def _say(*pieces: Any) -> None:
    """A line as every command prints it: coloured and wrapped on a terminal, plain elsewhere."""
    registry.load("reports", "terminal").say(sys.stdout, *pieces)


def _row(result: Judged) -> tuple[Any, str]:
    """What became of a file, with its style, and the rest of the line."""
    if result.verdict is None:
        return (f"{'error':8} ", "bold red"), str(result.error)
    verdict = result.verdict
    _, style = registry.load("reports", "terminal").VERDICTS[verdict.valid]
    line = f"{result.file}  {verdict.statistics.get('operations', 0)} operations"
    line += f", {result.seconds * 1000:.1f} ms"
    line += f"  ({verdict.reason})" if verdict.valid == "unknown" else ""
    return (f"{_word(verdict):8} ", style), line


def _total(results: Sequence[Judged]) -> None:
    words = [_word(result.verdict) for result in results]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(sorted(words)))
    click.echo(f"{len(results)} files: {counts}")


def _explain(result: Judged) -> None:
    if result.verdict is None or result.loaded is None:
        raise UserError(result.error or result.file)
    _say(*_row(result))
    for note in result.loaded.notes:
        _say("note: ", note)
    if result.verdict.statistics.get("algorithm"):
        _say(("by: ", "dim"), result.verdict.statistics["algorithm"])
    for anomaly in result.verdict.anomalies[:5]:
        where = "" if anomaly.key is None else f" (key {json.dumps(anomaly.key)})"
        click.echo()
        _say((f"{anomaly.name}{where}", "bold red"), ": ", anomaly.explanation)
        for at in anomaly.operations[:20]:
            operation = result.loaded.history[at]
            completion = result.loaded.history.completion(at)
            head = f"  {at:6}  process {operation.process}  "
            _say((head, "dim"), _call(operation, completion))
    more = len(result.verdict.anomalies) - 5
    if more > 0:
        click.echo(f"\nand {more} more")


def _call(operation: Any, completion: Any) -> str:
    asked = f"{operation.f} {json.dumps(operation.value)}"
    if completion is None or completion.type == "info":
        return f"{asked} → unknown"
    return f"{asked} → {completion.type} {json.dumps(completion.value)}"


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
    import tempfile

    from ..formats import jsonl

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jsonl.write(chosen.loaded.history, folder / "history.jsonl")
        (folder / "verdict.json").write_bytes(msgspec.json.encode(_with_availability(chosen)))
        spec = {
            "id": Path(chosen.file).name,
            "system": Path(chosen.file).name,
            "workload": flags["model"] or chosen.loaded.metadata.get("suggested", {}).get("model"),
            "outcome": _word(chosen.verdict).lower(),
            "command": "duress " + " ".join(sys.argv[1:]),
        }
        (folder / "trial.json").write_bytes(msgspec.json.encode(spec))
        page = registry.load("reports", "html")(folder)
        flags["report_path"].write_bytes(page.read_bytes())


def _with_availability(judged: Judged) -> Verdict:
    """The verdict with the figures that a report shows of any history."""
    assert judged.verdict is not None and judged.loaded is not None
    measured = registry.load("checkers", "availability")().check(judged.loaded.history, {})
    parts = judged.verdict.parts or {"verdict": judged.verdict}
    return msgspec.structs.replace(judged.verdict, parts={**parts, "availability": measured})


def _exit_code(results: Sequence[Judged]) -> int:
    if any(result.verdict is None for result in results):
        return 2
    codes = [result.verdict.exit_code for result in results if result.verdict]
    return 1 if 1 in codes else max(codes)
