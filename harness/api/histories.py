"""Histories that anything recorded: judged, and written in other formats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from .. import registry
from ..checker import Checker
from ..errors import UserError
from ..formats import Loaded, load
from ..formats.conversion import convert as _convert
from ..history import History
from ..judged_history import UNSAID, bounds, checker_of, of_transactions, write_report
from ..operation import Operation
from ..verdict import Verdict
from .flags import Named
from .trial import Trial

Recorded = str | Path | Trial | History | Iterable[Operation]
"""A file in any format that duress reads, a trial, or the operations themselves."""


def check(
    history: Recorded,
    model: Named | Checker | None = None,
    *,
    initial: Any = UNSAID,
    failed_cas: Literal["drop", "observe"] | None = None,
    format: str | None = None,
    time_limit: float | None = None,
    memory_limit: int | None = None,
    level: str | None = None,
    anomalies: str | None = None,
    linearizable_keys: bool = False,
    sequential_keys: bool = False,
    wfr_keys: bool = False,
    transaction_order: str | Path | None = None,
    total: int | None = None,
    first: bool = False,
    settings: Mapping[str, Any] | None = None,
    report: str | Path | None = None,
) -> Verdict:
    """Judge a history: ``duress check``.

    ``model``         what it is a history of, such as ``cas-register`` or ``list-append``
                      (``duress check --models``), a class with a model of one's own, or a checker,
                      which is anything with ``check(history, options)``.
    ``time_limit``    seconds; then it is unknown. ``memory_limit`` in megabytes.
    ``settings``      further options of the model's checker.
    ``report``        where to write an HTML report.

    Raises ``UserError`` for a file that cannot be read and for options that make no sense.
    """
    flags: dict[str, Any] = {
        "model": None,
        "initial": initial,
        "failed_cas": failed_cas,
        "time_limit_s": time_limit,
        "memory_limit_mb": memory_limit,
        "level": level,
        "anomalies": anomalies,
        "linearizable_keys": linearizable_keys,
        "sequential_keys": sequential_keys,
        "wfr_keys": wfr_keys,
        "transaction_order": None if transaction_order is None else str(transaction_order),
        "total": total,
        "first": first,
        "settings": [f"{name}={value}" for name, value in (settings or {}).items()],
    }
    own: Any = model if not isinstance(model, str) and hasattr(model, "check") else None
    if model is not None and own is None:
        flags["model"] = registry.name_of("checkers", model)
    loaded = _loaded(history, format, flags["model"])
    checker = own if own is not None else checker_of(loaded, flags)
    checker = checker() if isinstance(checker, type) else checker
    verdict: Verdict = checker.check(loaded.history, bounds(loaded, flags))
    if report is not None:
        name = history if isinstance(history, str | Path) else "history"
        name = Path(name).name if not isinstance(history, Trial) else history.folder.name
        workload = flags["model"] or loaded.metadata.get("suggested", {}).get("model")
        spec = {"id": name, "system": name, "workload": workload, "command": "duress.check(…)"}
        write_report(loaded.history, verdict, spec, Path(report))
    return verdict


def _loaded(history: Recorded, format: str | None, model: str | None) -> Loaded:
    if isinstance(history, Trial):
        history = history.folder / "history.jsonl"
    if isinstance(history, str | Path):
        return load(history, format, transactions=of_transactions(model))
    if not isinstance(history, History):
        try:
            history = History(history)
        except ValueError as error:
            raise UserError(f"check: {error}") from None
    return Loaded(history, "operations")


def convert(
    source: str | Path, target: str | Path, *, from_: str | None = None, to: str = "jsonl"
) -> Loaded:
    """Write a history in another format: ``duress convert``. Returns what was read."""
    return _convert(source, Path(target), from_, to)
