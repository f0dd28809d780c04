"""Which nemeses can be had for a system on a kind of cluster, by name and in named groups.

A package is what nemeses name as their ``package``; ``default`` is what the system must survive,
``all`` whatever can be had, promised or not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import registry
from .errors import UserError

DEFAULT, ALL = "default", "all"

OTHER = "other"
"""The package of a nemesis that names none."""


def package_of(nemesis: Any) -> str:
    """The package to which a nemesis belongs."""
    return getattr(nemesis, "package", OTHER)


def packages() -> dict[str, list[str]]:
    """The registered nemeses by package."""
    found: dict[str, list[str]] = {}
    for name in registry.names("nemeses"):
        found.setdefault(package_of(registry.load("nemeses", name)), []).append(name)
    return dict(sorted(found.items()))


def reason_unusable(
    name: str, cluster: str, system: Any = None, options: Mapping[str, Any] | None = None
) -> str | None:
    """Why a nemesis cannot be had there (for that system), in a line, or ``None``."""
    nemesis = registry.load("nemeses", name)
    if cluster not in nemesis.clusters:
        return f"the nemesis {name!r} works on {', '.join(nemesis.clusters)}, not on {cluster}"
    unfit = getattr(nemesis, "reason_unfit", None)
    if system is not None and unfit is not None and (why := unfit(system, options or {})):
        return why
    unavailable = getattr(nemesis, "reason_unavailable", None)
    return None if unavailable is None else unavailable(cluster)


def members(
    name: str, cluster: str, system: Any, options: Mapping[str, Any] | None = None
) -> list[str]:
    """The nemeses that a name stands for; those that cannot be had are left out of packages.

    ``UserError``: there is no nemesis or package of that name, or nothing of it can be had.
    """
    known = registry.names("nemeses")
    if name in known or ".py:" in name:
        return [name]
    groups = packages()
    if name == DEFAULT:
        return list(system.nemeses)
    if name != ALL and name not in groups:
        every = [*known, DEFAULT, ALL, *(group for group in groups if group not in known)]
        raise UserError(
            f"no nemesis named {name!r}{registry.did_you_mean(name, every)}; there are: "
            f"{', '.join(known)}, the packages {', '.join(every[len(known) :])}, and path.py:Name"
        )
    wanted = known if name == ALL else groups[name]
    reasons = {each: reason_unusable(each, cluster, system, options) for each in wanted}
    usable = [each for each, why in reasons.items() if why is None]
    if not usable:
        why = next(iter(reasons.values()))
        raise UserError(f"{name}: none of its nemeses can be had for {system.name}: {why}")
    return usable
