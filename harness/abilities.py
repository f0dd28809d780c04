"""What this machine can do, and why it cannot do the rest."""

from __future__ import annotations

from typing import Any

from . import registry

DISKS = "disks of real nodes, for the nemesis disk"
CLOCKS = "clocks of other programs than duress's own nodes, for the nemesis clock"


def rows() -> list[dict[str, Any]]:
    """An object for each ability: ``name``, ``usable`` and, if it is not, the ``reason``."""
    from .cluster import layer_process, program_resources, vdso

    known = [
        (n, registry.load("clusters", n).reason_unavailable()) for n in registry.names("clusters")
    ]
    known.append((CLOCKS, vdso.reason_unavailable()))
    known.append((DISKS, layer_process.reason_unavailable()))
    known += program_resources.ways_here()
    return [{"name": name, "usable": why is None, "reason": why} for name, why in known]
