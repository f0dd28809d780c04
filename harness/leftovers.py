"""What killed harnesses left behind, of every kind of cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from . import registry
from .errors import InfrastructureError, UserError


def remove(
    running_too: bool = False,
    options: Mapping[str, Any] | None = None,
    on: Sequence[str] = (),
) -> tuple[list[str], list[str]]:
    """Heal and remove it; a line for each thing removed, and one for each kind that failed.

    ``running_too``: also what belongs to trials that run, and on the hosts of ``options``. ``on``:
    of these kinds of cluster only; ``UserError`` for one that there is not, and for options that
    none of them has a use for; nothing is done then.
    """
    kinds = [registry.load("clusters", name) for name in on or registry.names("clusters")]
    if options and not (running_too and any(hasattr(kind, "sweep") for kind in kinds)):
        raise UserError(
            f"{next(iter(options))}: is of use only to end what runs on hosts: with --all, and "
            "with ssh among the kinds of cluster"
        )
    removed: list[str] = []
    failures: list[str] = []
    for kind in kinds:
        clean, sweep = getattr(kind, "clean", None), getattr(kind, "sweep", None)
        try:
            if clean is not None:
                removed += clean(running_too)
            if sweep is not None and running_too:
                removed += sweep(options or {})
        except InfrastructureError as error:  # the other kinds are cleaned all the same
            failures.append(str(error))
    return removed, failures
