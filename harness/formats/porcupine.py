"""The two formats of Porcupine's test data.

``read_etcd``: lines of a Jepsen log about one register, tabs or blanks between the words::

    INFO  jepsen.util - 3	:invoke	:cas	[1 4]
    INFO  jepsen.util - 3	:info	:cas	:timed-out

Other log lines are skipped. Porcupine takes a failed cas there as an observation (the value was
not ``from``), so that is what ``metadata["suggested"]`` says.

``read_kv``: op maps with ``:key``, of a map whose missing keys read as the empty string.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from . import jepsen
from .builder import HistoryBuilder
from .edn import Plain, loads
from .loaded import Loaded, collector_paused
from .source import excerpt, numbered_lines, read_text

LOGGED = re.compile(r"(?:.*\s)?INFO\s+jepsen\.util\s+-\s+(?=\d|:nemesis\b)")
"""How an operation begins in the log."""

_OPERATION = re.compile(r"(\d{1,18}|:nemesis)\s+:(\w+)\s+:(\S+)(?:\s+(.*))?")

ETCD_SUGGESTED = {"model": "cas-register", "failed_cas": "observe"}
KV_SUGGESTED = {"model": "kv-map", "initial": ""}


def read_etcd(path: str | Path) -> Loaded:
    """Read a log of etcd's register. :class:`UserError` ``file:line: …`` for a bad operation."""
    number = 0
    with collector_paused():
        builder = HistoryBuilder(lambda: f"{path}:{number}", independent=False)
        for number, line in numbered_lines(read_text(path)):
            start = LOGGED.match(line)
            if not start:
                continue
            match = _OPERATION.fullmatch(line, start.end())
            if not match:
                raise builder.refuse(f"not a logged operation: {excerpt(line)}")
            process, type_, f, text = match.groups()
            nemesis = process == ":nemesis"
            value = _value(text or "nil", f"{path}:{number}", lenient=nemesis)
            reason = None
            # ":timed-out" and the like stand where a completion's value would.
            if type_ in ("fail", "info") and not nemesis and (text or "").startswith(":"):
                value, reason = None, value
            builder.add(
                "nemesis" if nemesis else int(process),
                type_,
                f,
                value,
                time=len(builder),
                error=reason,
            )
        if not len(builder):
            raise UserError(f"{path}: no line of an operation (INFO jepsen.util - 0 :invoke …)")
        notes = ["the log has no times; made up from the order of its lines"]
        return builder.finish("porcupine-etcd", {"suggested": dict(ETCD_SUGGESTED)}, notes)


def _value(text: str, place: str, *, lenient: bool) -> Any:
    try:
        return loads(text, place, Plain)
    except UserError:
        if lenient:  # what a nemesis says is prose
            return text
        raise


def read_kv(path: str | Path) -> Loaded:
    """Read op maps with ``:key``."""
    loaded = jepsen.read(path, independent=False)
    return replace(
        loaded,
        format="porcupine-kv",
        metadata={**loaded.metadata, "suggested": dict(KV_SUGGESTED)},
    )
