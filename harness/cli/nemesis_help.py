"""``--nemesis help``: which faults can be had for a system on a cluster, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import packages, registry
from ..spared import Bounds


def text(system: Any, cluster: str, options: Mapping[str, Any]) -> str:
    """What ``--nemesis`` takes there, a line for each, and their options."""
    lines = [f"For {system.name} on {cluster} (packages in brackets):", ""]
    unusable = {}
    for name in registry.names("nemeses"):
        nemesis = registry.load("nemeses", name)
        why = packages.reason_unusable(name, cluster, system, options)
        if why is not None:
            unusable[name] = why
            continue
        marks = [packages.package_of(nemesis)]
        marks += [packages.DEFAULT] if name in system.nemeses else []
        lines.append(f"{name}  [{', '.join(marks)}]  {registry.doc_line(nemesis)}")
        lines += _options(nemesis.options)
    lines += ["", "All together:", *_options(Bounds.options)]
    if unusable:
        lines += ["", "Not here:"]
        lines += [f"    {name}: {why}" for name, why in unusable.items()]
    lines += [
        "",
        "Names, packages ('all', 'default') and weights: --nemesis partition:3,process:1,-pause",
        "Phases: --phases 5:none,20:partition+kill,5:none",
    ]
    return "\n".join(lines)


def _options(options: Mapping[str, str]) -> list[str]:
    return [f"    --set {name}=…  {doc}" for name, doc in options.items()]
