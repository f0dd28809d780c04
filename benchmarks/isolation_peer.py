"""A peer that judges the same histories: any command that speaks this protocol.

The command is run once a row, without a shell, with these parts replaced:

    {jsonl}   a file of duress's JSON lines         {model}   list-append or rw-register
    {edn}     a file of Jepsen's op maps            {level}   the level, by Jepsen's name
    {awdit}   a file in AWDIT's text format         {short}   rc, ra or cc

``{awdit}``: ``r key value`` and ``w key value`` a line, committed transactions split by ``-----``,
sessions by ``=====``; a read of 0 saw nothing. A row that has no ``{short}`` level, or is of
lists, is left out if the command asks for one of these two.

Its exit code is 0 if it could judge at all. If the last line that it prints is a JSON object, its
``seconds`` are taken as the time of the check alone and its ``valid`` is compared with ours; else
the time is that of the whole process. For example::

    benchmarks/isolation.py --rows 'weak causal causal' --peer 'awdit check -i {short} {awdit}'
"""

from __future__ import annotations

import json
import shlex
import string
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.isolation_histories import awdit, operations
from benchmarks.isolation_rows import Row

from duress.checkers.isolation.transactions import Transactions
from duress.harness.formats import jepsen, jsonl

PLACES = ("jsonl", "edn", "awdit", "model", "level", "short")


def places(command: str) -> set[str]:
    """What the command asks for. :class:`ValueError` for what there is not."""
    asked = {name for _, name, _, _ in string.Formatter().parse(command) if name is not None}
    if wrong := asked - set(PLACES):
        raise ValueError(f"--peer: {{{wrong.pop()}}}: expected one of {', '.join(PLACES)}")
    return asked


def judged(command: str, row: Row, txns: Transactions, folder: Path) -> dict[str, Any] | None:
    """``valid`` (``None``: it did not say), ``seconds``, ``peak_mb``; or ``error``.

    ``None``: the row is nothing for this peer.
    """
    asked = places(command)
    lists = row.model == "list-append"
    if ("awdit" in asked and lists) or ("short" in asked and not row.short):
        return None
    filled = {"model": row.model, "level": row.options["level"], "short": row.short}
    for name in asked & {"jsonl", "edn", "awdit"}:
        path = folder / f"history.{name}"
        filled[name] = str(path)
        if name == "awdit":
            with path.open("w") as file:
                file.writelines(awdit(txns))
        else:
            (jsonl if name == "jsonl" else jepsen).write(operations(txns, row.model), path)
    arguments = [part.format(**filled) for part in shlex.split(command)]
    done = subprocess.run(
        [sys.executable, "-S", "-c", _LAUNCHER, *arguments], capture_output=True, text=True
    )
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["failed"])[-1]}
    launched = json.loads(done.stdout)
    if launched["exit"]:
        return {"error": f"exit code {launched['exit']}"}
    said = _last_object(launched["output"])
    return {
        "valid": said.get("valid"),
        "seconds": float(said.get("seconds", launched["seconds"])),
        "peak_mb": launched["peak_mb"],
    }


# A small process in between: what a process holds counts into the peak of those it starts.
_LAUNCHER = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, text=True)
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps(
    {"exit": done.returncode, "output": done.stdout, "seconds": seconds, "peak_mb": peak}
))
"""


def _last_object(output: str) -> dict[str, Any]:
    lines = output.strip().splitlines()
    try:
        said = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
