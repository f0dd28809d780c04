"""What there is of a kind (systems, nemeses, …), as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from . import packages, registry
from .errors import UserError


def rows(kind: str) -> list[dict[str, Any]]:
    """An object for each of a kind, with its name and a line of documentation at least."""
    if kind not in registry.KINDS:
        close = registry.did_you_mean(kind, registry.KINDS)
        raise UserError(f"list {kind!r}: expected one of {', '.join(registry.KINDS)}{close}")
    if kind == "mutants":
        return list(_mutants())
    found = [_row(kind, name) for name in registry.names(kind)]
    return [row | _where(row["name"]) for row in found] if kind == "nemeses" else found


def _where(nemesis: str) -> dict[str, Any]:
    """The package, where it works on this machine, and why it does not elsewhere."""
    kind = registry.load("nemeses", nemesis)
    reasons = {}
    for cluster in kind.clusters:
        why = _reason_no_cluster(cluster) or packages.reason_unusable(nemesis, cluster)
        if why is not None:
            reasons[cluster] = why
    works = [cluster for cluster in kind.clusters if cluster not in reasons]
    row: dict[str, Any] = {"package": packages.package_of(kind), "works_here": works}
    return row | ({"not_here": reasons} if reasons else {})


@cache
def _reason_no_cluster(name: str) -> str | None:
    return registry.load("clusters", name).reason_unavailable()


def _row(kind: str, name: str) -> dict[str, Any]:
    thing = registry.load(kind, name)
    row: dict[str, Any] = {"name": name, "doc": registry.doc_line(thing)}
    for attribute in ("workloads", "nemeses", "clusters"):
        if kind == "systems" or (kind == "nemeses" and attribute == "clusters"):
            row[attribute] = list(getattr(thing, attribute, ()))
    if kind == "systems":
        row["clocks"] = list(getattr(thing, "clocks", ()))
    options = getattr(thing, "options", None)
    if isinstance(options, dict):
        row["options"] = dict(options)
    return row


def _mutants() -> Iterator[dict[str, Any]]:
    for mutant in registry.mutants():
        yield {
            "name": mutant.name,
            "system": mutant.system,
            "anomaly": mutant.anomaly,
            "doc": " ".join(mutant.doc.split()),
        }
