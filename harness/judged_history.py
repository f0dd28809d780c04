"""Judges a history that anything recorded: which checker, and with what options."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from . import registry
from .errors import UserError
from .formats import Loaded, jsonl
from .history import History
from .verdict import Verdict

DEFAULT_MODEL = "cas-register"

UNSAID: Any = object()
"""Of ``--initial``, where ``null`` means something."""

TRANSACTION_FLAGS = (
    "level", "anomalies", "linearizable_keys", "sequential_keys", "wfr_keys", "transaction_order",
)  # fmt: skip

WORDS: Mapping[Any, str] = {True: "valid", False: "invalid"}
"""What a verdict is called; any other is ``unknown``."""


def bounds(loaded: Loaded, flags: Mapping[str, Any]) -> dict[str, Any]:
    """The options with which the checker is called."""
    options: dict[str, Any] = {"time_limit_s": flags["time_limit_s"]}
    if loaded.metadata.get("realtime") is False:
        options["realtime"] = False
    if flags["memory_limit_mb"]:
        options["memory_limit_bytes"] = flags["memory_limit_mb"] << 20
    return options


def checker_of(loaded: Loaded, flags: Mapping[str, Any]) -> Any:
    """The checker that flags and format ask for; ``UserError`` if there is none."""
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
    for kind in kinds():
        known = kind.models()
        if model in known:
            # What a format suggests is meant for the checker of the model that it suggests.
            return kind.for_model(model, {**suggested, **wishes} if meant in known else wishes)
    known = ", ".join(sorted(name for kind in kinds() for name in kind.models()))
    raise UserError(f"--model {model}: no such model; there are: {known} (or path.py:Name)")


def of_transactions(model: str | None) -> bool:
    """Whether the model's checker works on micro-operations as arrays."""
    return model is not None and any(
        model in kind.models() and getattr(kind, "takes_transactions", False) for kind in kinds()
    )


def _wishes(flags: Mapping[str, Any]) -> dict[str, Any]:
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


def kinds() -> list[Any]:
    """The kinds of checkers, each with the models that it knows."""
    return [registry.load("checkers", name) for name in registry.names("checkers")]


def write_report(history: History, verdict: Verdict, spec: Mapping[str, Any], target: Path) -> None:
    """Write an HTML report of a history that no trial of ours recorded.

    ``spec``: of ``trial.json``, what is known: ``id``, ``system``, ``workload``, ``command``.
    """
    with tempfile.TemporaryDirectory(prefix="duress-report-") as name:
        folder = Path(name)
        jsonl.write(history, folder / "history.jsonl")
        judged = _with_availability(history, verdict)
        (folder / "verdict.json").write_bytes(msgspec.json.encode(judged))
        outcome = WORDS.get(verdict.valid, "unknown")
        (folder / "trial.json").write_bytes(msgspec.json.encode({**spec, "outcome": outcome}))
        page = registry.load("reports", "html")(folder)
        try:
            target.write_bytes(page.read_bytes())
        except OSError as error:
            raise UserError(f"{target}: cannot be written: {error.strerror}") from None


def _with_availability(history: History, verdict: Verdict) -> Verdict:
    """The verdict with the figures that a report shows of any history."""
    measured = registry.load("checkers", "availability")().check(history, {})
    parts = verdict.parts or {"verdict": verdict}
    return msgspec.structs.replace(verdict, parts={**parts, "availability": measured})
