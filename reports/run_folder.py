"""Reads a run folder for reports, whatever state it is in.

A run folder is useful after a crash at any byte: every file may be missing,
torn or strange. What could not be read is said in :attr:`Run.problems`, never raised.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ..harness.errors import DuressError, UserError
from ..harness.formats import jsonl
from ..harness.history import History, HistoryError
from ..harness.operation import Operation
from ..harness.verdict import Verdict
from . import saved_history, words

LOG_TAIL_BYTES = 64 * 1024
LOG_FILES_MAX = 200

_COLOUR = re.compile("\x1b\\[[0-9;]*m")

_SPEC_TYPES: dict[str, tuple[type, ...]] = {
    "duress": (str,),
    "id": (str,),
    "seed": (int, str),
    "system": (str,),
    "title": (str,),
    "mutant": (str,),
    "workload": (str,),
    "nemeses": (list,),
    "cluster": (str,),
    "nodes": (list,),
    "concurrency": (int,),
    "rate": (int, float),
    "time_limit_s": (int, float),
    "options": (dict,),
    "started": (str,),
    "command": (str,),
    "system_info": (dict,),
    "host": (dict,),
    "outcome": (str,),
    "error": (str,),
    "phases": (list,),
    "weights": (dict,),
    "fault_phases": (list,),
    "recovered_s": (int, float),
    "history_origin_ns": (int,),
    "history_clocks": (dict,),
    "shrunk_from": (str,),
}


@dataclass(frozen=True)
class NodeLog:
    """The tail of one collected log. ``skipped_bytes`` of it stand before ``text``."""

    node: str
    name: str
    text: str
    skipped_bytes: int


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    ``spec``      trial.json; only entries of the expected type.
    ``faults``    faults.jsonl, as plain objects with ``time``, ``state`` and ``fault``.
    ``verdict``   ``None`` if there is none that can be read.
    ``problems``  one line for each thing that is missing or damaged.
    """

    folder: Path
    spec: dict[str, Any] = field(default_factory=dict)
    history: History = field(default_factory=History)
    faults: list[dict[str, Any]] = field(default_factory=list)
    verdict: Verdict | None = None
    logs: list[NodeLog] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes, as the specification gives them."""
        return [str(node) for node in self.spec.get("nodes", [])]


def load(folder: Path) -> Run:
    """Everything that can be read of a run folder. Raises nothing for damaged files."""
    problems: list[str] = []
    return Run(
        folder=folder,
        spec=_guarded(folder / "trial.json", problems, _read_spec, {}),
        history=_guarded(folder / "history.jsonl", problems, _read_history, History()),
        faults=_guarded(folder / "faults.jsonl", problems, _read_faults, []),
        verdict=_guarded(folder / "verdict.json", problems, _read_verdict, None),
        logs=_read_logs(folder / "nodes", problems),
        problems=problems,
    )


def _guarded(
    path: Path, problems: list[str], read: Callable[[Path, list[str]], Any], otherwise: Any
) -> Any:
    try:
        return read(path, problems)
    except FileNotFoundError:
        problems.append(f"{path.name}: missing")
    except OSError as error:
        problems.append(f"{path.name}: cannot be read ({error.strerror})")
    except (ValueError, DuressError, RecursionError) as error:
        problems.append(f"{path.name}: not readable ({words.line(str(error), 200)})")
    return otherwise


def _read_spec(path: Path, problems: list[str]) -> dict[str, Any]:
    spec = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    for name, given in list(spec.items()):
        expected = _SPEC_TYPES.get(name)
        if given is None:
            del spec[name]
        elif expected and (not isinstance(given, expected) or isinstance(given, bool)):
            problems.append(f"trial.json: {name} is {words.value(given)}; left out")
            del spec[name]
    return spec


def _read_verdict(path: Path, problems: list[str]) -> Verdict:
    return msgspec.json.decode(path.read_bytes(), type=Verdict)


def _read_history(path: Path, problems: list[str]) -> History:
    quick = saved_history.read(path)
    if quick is not None:
        return quick
    try:
        loaded = jsonl.read(path)
    except UserError:
        path.open("rb").close()  # OSError if the file itself is the trouble
        return _readable_part(path, problems)
    problems += [f"history.jsonl: {note}" for note in loaded.notes]
    return loaded.history


def _readable_part(path: Path, problems: list[str]) -> History:
    """A history up to the first line that is no operation, or that breaks its rules."""
    decode = msgspec.json.Decoder(Operation).decode
    history = History()
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                history.append(decode(text))
            except (ValueError, HistoryError, RecursionError, OverflowError) as error:
                problems.append(
                    f"history.jsonl: line {number:,} is not the next operation "
                    f"({words.line(str(error), 160)}); shown up to there"
                )
                break
    return history


def _read_faults(path: Path, problems: list[str]) -> list[dict[str, Any]]:
    faults: list[dict[str, Any]] = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            entry = msgspec.json.decode(text)
            fault = entry["fault"]
            if not (isinstance(fault["id"], int) and isinstance(fault["kind"], str)):
                raise ValueError("a fault needs a number and a kind")
            if not (isinstance(entry["time"], int) and isinstance(entry["state"], str)):
                raise ValueError("an entry needs a time and a state")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            problems.append(
                f"faults.jsonl: line {number:,} left out ({words.line(str(error), 80)})"
            )
        else:
            faults.append(entry)
    return faults


def _read_logs(folder: Path, problems: list[str]) -> list[NodeLog]:
    logs: list[NodeLog] = []
    try:
        paths = sorted(p for p in folder.glob("*/*.log") if p.is_file() and not p.is_symlink())
    except OSError:
        return logs
    if len(paths) > LOG_FILES_MAX:
        problems.append(f"nodes/: {len(paths)} logs, the first {LOG_FILES_MAX} are shown")
    for path in paths[:LOG_FILES_MAX]:
        try:
            logs.append(_read_log(path))
        except OSError as error:
            problems.append(f"nodes/{path.parent.name}/{path.name}: {error.strerror}")
    return logs


def _read_log(path: Path) -> NodeLog:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        skipped = max(0, size - LOG_TAIL_BYTES)
        file.seek(skipped)
        data = file.read(LOG_TAIL_BYTES)
    if skipped:
        first_line_end = data.find(b"\n") + 1  # the first line is torn; 0 if it is all one line
        skipped += first_line_end
        data = data[first_line_end:]
    text = words.printable(_COLOUR.sub("", data.decode("utf-8", "replace")))
    return NodeLog(words.line(path.parent.name), words.line(path.name), text, skipped)
