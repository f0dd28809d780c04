"""Anomalies of registers that show without a graph of transactions.

G1a, G1b, garbage-read, internal, future-read, lost-update, cyclic-versions: named as in Elle.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .direct_appends import add_lost_updates
from .findings import Example, Findings, name_of, shown, step_text
from .graph import WW, build, components
from .registers import INITIAL, SESSION, UNKNOWN, Registers, VersionOrder
from .transactions import READ


def find(registers: Registers, versions: VersionOrder) -> Findings:
    """All of them, counted."""
    found = Findings()
    txns, writes = registers.txns, registers.writes
    source = registers.source
    mops, written_by = _foreign_reads(registers)
    failed = writes.failed[written_by] if len(writes) else np.zeros(0, np.bool_)
    between = ~writes.final[written_by] if len(writes) else failed

    def pair(at: int, why: str) -> Example:
        mop, writer = int(mops[at]), int(writes.txn[written_by[at]])
        reader = int(txns.owner[mop])
        key, value = txns.keys[int(txns.key[mop])], txns.decode(int(txns.value[mop]))
        text = f"{name_of(txns, writer)} wrote {shown(value)} to {shown(key)} and then {why}, yet "
        return Example(
            [writer, reader], f"{text}{name_of(txns, reader)} {step_text(txns, mop)}.", key
        )

    def single(mop: int, why: str) -> Example:
        reader = int(txns.owner[mop])
        text = f"{name_of(txns, reader)} {step_text(txns, mop)}, {why}."
        return Example([reader], text, txns.keys[int(txns.key[mop])])

    found.add("G1a", np.flatnonzero(failed).tolist(), lambda at: pair(at, "failed"))
    found.add(
        "G1b",
        np.flatnonzero(between & ~failed).tolist(),
        lambda at: pair(at, "wrote another value to it"),
    )
    found.add(
        "garbage-read",
        registers.mop[source == UNKNOWN].tolist(),
        lambda mop: single(mop, "a value that nobody wrote"),
    )
    found.add(
        "internal",
        registers.internal.tolist(),
        lambda mop: single(mop, "not what it had itself read or written there before"),
    )
    found.add(
        "future-read",
        registers.future.tolist(),
        lambda mop: single(mop, "before it wrote that value itself"),
    )
    _cyclic_versions(registers, versions, found)
    at = np.flatnonzero(registers.first & registers.rewrites & (source >= INITIAL))
    # Under one number: which version of which key.
    version = registers.key[at].astype(np.int64) * (len(txns) + 2) + source[at] + 1
    add_lost_updates(txns, registers.mop[at], version, found)
    return found


def _foreign_reads(registers: Registers) -> tuple[Any, Any]:
    """Reads of what another transaction wrote, and the writes; those after own writes too."""
    txns, writes = registers.txns, registers.writes
    later = registers.internal[txns.op[registers.internal] == READ]
    later = later[~np.isin(later, registers.mop)]
    mops = np.concatenate((registers.mop, later))
    write = np.concatenate((registers.write, writes.find(txns.key[later], txns.value[later])))
    keep = write >= 0
    keep[keep] = writes.txn[write[keep]] != txns.owner[mops[keep]]
    return mops[keep], write[keep]


def _cyclic_versions(registers: Registers, versions: VersionOrder, found: Findings) -> None:
    txns = registers.txns
    groups = [(key, [one, two]) for key, one, two in versions.cyclic]
    # Zones alone are acyclic or found above, and what follows reads alone is a G1c.
    if (versions.why == SESSION).any() or (np.diff(versions.why) != 0).any():
        groups += _components(registers, versions)
    seen = set()
    groups = [g for g in groups if not (g[0] in seen or seen.add(g[0]))]

    def contradiction(group: tuple[int, list[int]]) -> Example:
        key, writers = group
        names = [
            "the initial version" if w < 0 else f"what {name_of(txns, w)} wrote"
            for w in writers[:6]
        ]
        text = (
            f"The versions of {shown(txns.keys[key])} have no order: {' and '.join(names)} each "
            "come before the other by what was read, written and assumed of keys."
        )
        return Example([w for w in writers if w >= 0][:6], text, txns.keys[key])

    found.add("cyclic-versions", groups, contradiction)


def _components(registers: Registers, versions: VersionOrder) -> list[tuple[int, list[int]]]:
    width = len(registers.txns) + 2
    ends = [
        versions.key.astype(np.int64) * width + w + 1 for w in (versions.before, versions.after)
    ]
    ids, number = np.unique(np.concatenate(ends), return_inverse=True)
    half = len(ends[0])
    kind: Any = np.full(half, WW, np.int8)
    graph = build(len(ids), number[:half], number[half:], kind, np.zeros(half, np.int32))
    component = components(graph)
    groups: dict[int, list[int]] = {}
    for node in np.flatnonzero(component >= 0).tolist():
        groups.setdefault(int(component[node]), []).append(int(ids[node]))
    return [
        (members[0] // width, [member % width - 1 for member in members])
        for members in groups.values()
    ]
