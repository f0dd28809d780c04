"""Messages per operation, the figure that protocols are compared by.

The counting is done by clusters that carry the messages themselves, and stands in the run
folder as ``messages.json``; here it is set against the operations of the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from .history import History
from .operation import NEMESIS

FILE = "messages.json"
TYPES_MAX = 60


def of_trial(folder: Path, history: History) -> dict[str, Any]:
    """``{"messages": …}`` (see :func:`summarise`), or nothing where the cluster counted none."""
    try:
        counts = msgspec.json.decode((folder / FILE).read_bytes(), type=dict[str, Any])
        operations = sum(o.type == "invoke" and o.process != NEMESIS for o in history)
        return {"messages": summarise(counts, operations)}
    except (OSError, msgspec.MsgspecError, TypeError, ValueError, KeyError, AttributeError):
        return {}


def summarise(counts: Mapping[str, Any], operations: int) -> dict[str, Any]:
    """Messages of a trial as Maelstrom's users look at them.

    ``operations``  how many operations clients began.
    ``all``, ``servers``, ``clients``  of both kinds, between nodes, and between clients and nodes:
        ``sent``, ``received``, ``dropped``, and ``per_operation`` (sent, by operations begun;
        ``None`` if there were none). A message that arrives twice is received twice.
    ``probes``  the same of what the harness itself asked nodes, which is in none of the others.
    ``dropped_because``  messages between nodes, by cause.
    ``by_type``  a list of ``type``, ``between`` (``servers`` or ``clients``) and the same figures,
        the most frequent first.
    ``counts`` is what ``SimNetwork.counts`` returns; of older ones, without types, only the sums.
    """
    types = counts.get("types", {})
    rows = [
        {"type": name, "between": group, **_figures(tally, operations)}
        for group in ("servers", "clients")
        for name, tally in types.get(group, {}).items()
    ]
    rows.sort(key=lambda row: (-row["sent"], row["between"], row["type"]))
    servers = {
        "sent": int(counts["sent"]),
        "received": int(counts["delivered"]),
        "dropped": sum(counts["lost"].values()),
    }
    if types:
        clients = _sum(types.get("clients", {}).values())
    else:
        sent = sum(counts["requests"].values()) + counts["answers"]
        clients = {"sent": sent, "received": None, "dropped": None}
    found: dict[str, Any] = {"operations": operations}
    found["all"] = _figures(_sum((servers, clients)), operations)
    found["servers"] = {**_figures(servers, operations), "copies": int(counts["copies"])}
    found["clients"] = _figures(clients, operations)
    found["probes"] = _figures(_sum(types.get("probes", {}).values()), operations)
    found["dropped_because"] = dict(counts["lost"])
    found["by_type"] = rows[:TYPES_MAX]
    return found


def _sum(tallies: Any) -> dict[str, Any]:
    tallies = list(tallies)
    return {
        name: None if any(t[name] is None for t in tallies) else sum(int(t[name]) for t in tallies)
        for name in ("sent", "received", "dropped")
    }


def _figures(tally: Mapping[str, Any], operations: int) -> dict[str, Any]:
    return {
        "sent": tally["sent"],
        "received": tally["received"],
        "dropped": tally["dropped"],
        "per_operation": round(tally["sent"] / operations, 3) if operations else None,
    }
