"""The flags of a trial as keyword arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from .. import registry
from ..errors import UserError
from ..planned_fault import PlannedFault
from ..spec import TrialSpec
from ..trial_flags import DEFAULTS, NODES_MAX, spec_of

Named = str | Callable[..., Any]
"""A name as ``duress list`` shows it, ``path.py:Name``, or a class of one's own."""

Setting = str | int | float | bool


class TrialFlags(TypedDict, total=False):
    """What ``duress run`` takes, by the names of its flags. What is left out is as there.

    ``on``           where nodes run: ``sim``, ``local``, ``docker``, ``ssh``.
    ``nodes``        how many.
    ``workload``     what clients do.
    ``nemesis``      the faults: ``"partition:3,kill"``, or several names or classes.
    ``phases``       faults that change: ``"5:none,20:partition+kill,5:none"``.
    ``time``         seconds of load and faults.
    ``rate``         operations a second in all; 0: no limit.
    ``concurrency``  client processes; ``"2n"``: twice the nodes.
    ``timeout``      seconds until an operation is unknown.
    ``interval``     mean seconds between faults.
    ``settle``       quiet seconds at the end.
    ``seed``         of every random choice; left out: a new one.
    ``mutant``       the planted bug.
    ``settings``     what ``--set`` says, by name.
    """

    on: Named
    nodes: int
    workload: Named
    nemesis: Named | Sequence[Named]
    phases: str
    time: float
    rate: float
    concurrency: int | str
    timeout: float
    interval: float
    settle: float
    seed: int
    mutant: str | None
    settings: Mapping[str, Setting]


class RunFlags(TrialFlags, total=False):
    """The same, and what else :func:`duress.run` takes."""

    trials: int
    schedule: str | Path | Sequence[PlannedFault] | None
    by_role: bool
    twice: bool
    store: str | Path


_PARAMETERS = {
    "on": "cluster",
    "time": "time_limit_s",
    "timeout": "timeout_s",
    "interval": "interval_s",
    "settle": "settle_s",
}
"""Where flags and the parameters of :func:`~..trial_flags.spec_of` differ in name."""

_NUMBERS = ("time", "rate", "timeout", "interval", "settle")
_WHOLE = ("nodes", "seed")


def given(flags: Mapping[str, Any], what: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """The flags that say something, as parameters; ``UserError`` for those that there are not.

    ``what``: the function, for the message; ``known``: further names that it takes.
    """
    names = sorted(TrialFlags.__annotations__)
    for name in flags:
        if name not in names:
            close = registry.did_you_mean(name, [*names, *known])
            raise UserError(f"{what}: no flag {name!r}{close}; there are: {', '.join(names)}")
    said = {name: value for name, value in flags.items() if value is not None}
    for name in _NUMBERS:
        if name in said:
            said[name] = _number(name, said[name])
    for name in _WHOLE:
        if name in said and (isinstance(said[name], bool) or not isinstance(said[name], int)):
            raise UserError(f"Invalid value for '--{name}': {said[name]!r} is not a valid integer.")
    if not 1 <= said.get("nodes", 1) <= NODES_MAX:
        raise UserError(
            f"Invalid value for '--nodes': {said['nodes']} is not in the range 1<=x<={NODES_MAX}."
        )
    if "concurrency" in said:
        said["concurrency"] = str(said["concurrency"])
    if "on" in said:
        said["on"] = registry.name_of("clusters", said["on"])
    if "workload" in said:
        said["workload"] = registry.name_of("workloads", said["workload"])
    if "nemesis" in said:
        said["nemesis"] = _nemeses(said["nemesis"])
    if "settings" in said:
        said["settings"] = pairs(said["settings"])
    return {_PARAMETERS.get(name, name): value for name, value in said.items()}


def spec_from(
    system: Named,
    flags: Mapping[str, Any],
    what: str = "run",
    schedule: str | Path | Sequence[PlannedFault] | None = None,
    by_role: bool = False,
) -> TrialSpec:
    """The trial that they describe."""
    said = given(flags, what, ("schedule", "by_role", "trials", "twice", "store"))
    faults = Path(schedule) if isinstance(schedule, str) else schedule
    whole = {**DEFAULTS, **said, "schedule": faults, "by_role": by_role}
    return spec_of(registry.name_of("systems", system), whole, set(said))


def pairs(settings: Mapping[str, Setting]) -> tuple[str, ...]:
    """Settings as ``--set`` takes them."""
    return tuple(f"{name}={_text(value)}" for name, value in settings.items())


def _text(value: Setting) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nemeses(wanted: Any) -> str:
    several = [wanted] if isinstance(wanted, str) or callable(wanted) else list(wanted)
    return ",".join(registry.name_of("nemeses", each) for each in several) or "none"


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"Invalid value for '--{name}': {value!r} is not a valid float.") from None
