"""What to run so that a saved run happens once more."""

from __future__ import annotations

from typing import Any

import msgspec

from . import registry, schedule, store
from .errors import UserError
from .spec import TrialSpec, with_schedule


def is_exact(spec: TrialSpec, cluster: str | None, by_role: bool = False) -> bool:
    """Whether a run of this spec, asked for so, is the same run again, byte for byte."""
    return spec.cluster == "sim" and cluster in (None, "sim") and not by_role


def again(folder: store.RunFolder, cluster: str | None, by_role: bool = False) -> TrialSpec:
    """What to run: the same on sim, else with the faults that took effect as a schedule."""
    spec = folder.read_json("trial.json", TrialSpec)
    wanted = cluster or spec.cluster
    if wanted == spec.cluster == "sim" and not by_role:
        return spec
    system = registry.load("systems", spec.system)
    if wanted not in system.clusters:
        raise UserError(f"{spec.system} runs on {', '.join(system.clusters)}, not on {wanted!r}")
    faults = schedule.read(folder.file(schedule.FILE))
    faults = schedule.by_role(faults) if by_role else faults
    schedule.check(faults, spec.nodes)
    options = _fitting(spec, system, wanted)
    spec = msgspec.structs.replace(with_schedule(spec, faults), cluster=wanted, options=options)
    if wanted != "sim":
        # The few operations that sufficed at exact moments; here more of them meet the moment.
        spec = msgspec.structs.replace(spec, operations=None)
    return spec


def _fitting(spec: TrialSpec, system: Any, cluster: str) -> dict[str, Any]:
    """The options that mean something on the other cluster."""
    takers = [registry.load("clusters", cluster), registry.load("workloads", spec.workload), system]
    known = {name for taker in takers for name in getattr(taker, "options", ())}
    return {name: value for name, value in spec.options.items() if name in known}
