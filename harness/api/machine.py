"""What there is and what this machine can do; suites, images, and what was left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import abilities, inventory, leftovers, new_suite
from .. import registry as _registry
from ..campaign.session import DEFAULT_FOLDER
from ..errors import InfrastructureError, UserError
from ..fault_matrix import Cell
from ..store import DEFAULT_STORE
from .execution import beside_loop
from .flags import Setting, pairs


@dataclass(frozen=True)
class Ability:
    """Something that this machine can do, or the reason why it cannot."""

    name: str
    usable: bool
    reason: str | None


def list(kind: str) -> Sequence[dict[str, Any]]:
    """What there is of a kind (``systems``, ``workloads``, ``nemeses``, ``clusters``, ``checkers``,
    ``mutants``), each as an object with ``name``, ``doc`` and more: ``duress list``."""
    return inventory.rows(kind)


def register(kind: str, name: str, thing: object) -> None:
    """Let a name stand for a class in this process, as an entry point does for good.

    ``kind`` as for :func:`list`, or ``programs`` (what simulated nodes run). Call it at the top of
    the file that defines the class: processes that run trials execute that file too.
    """
    _registry.register(kind, name, thing)


def doctor() -> Sequence[Ability]:
    """Which kinds of cluster and which ways of disturbing nodes work here: ``duress doctor``."""
    return [Ability(**row) for row in abilities.rows()]


def fault_matrix(
    on: Sequence[str] = ("sim",),
    *,
    settings: Mapping[str, Setting] | None = None,
    progress: Callable[[str], object] | None = None,
) -> Sequence[Cell]:
    """Try every fault on kinds of clusters: ``duress doctor --faults``."""
    from ..cli import fault_trials

    def say(line: str) -> None:
        if progress is not None:
            progress(line)

    return fault_trials.matrix(on, pairs(settings or {}), say)


def clean(
    all: bool = False,
    *,
    on: Sequence[str] = (),
    settings: Mapping[str, Setting] | None = None,
) -> Sequence[str]:
    """Remove what killed harnesses left behind; a line for each thing: ``duress clean``.

    ``all``: what belongs to trials that run, too, be they whose they may. ``on``: of these kinds
    of cluster only.
    """
    options = {name: str(value) for name, value in (settings or {}).items()}
    removed, failures = beside_loop(lambda: leftovers.remove(all, options, on), lambda _: None)
    if failures:
        raise InfrastructureError("; ".join(failures))
    return removed


def images(*names: str) -> Sequence[str]:
    """Build the container images of systems (all if none is named): ``duress images``."""
    from ..cluster.images import build_all

    return build_all(names or None)


def init(name: str, into: str | Path | None = None) -> Path:
    """Make a suite for a system of one's own, in a new folder: ``duress init``."""
    return new_suite.make(name, None if into is None else Path(into))


@contextmanager
def serve(
    *,
    store: str | Path = DEFAULT_STORE,
    campaigns: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    allow_host: Sequence[str] = (),
) -> Iterator[str]:
    """Pages to browse runs, for the time of a ``with`` block, which gets their address: ``duress
    serve``. ``port`` 0 picks a free one."""
    serving = _registry.load("reports", "serving")
    folder = Path(DEFAULT_FOLDER if campaigns is None else campaigns)
    if campaigns is not None and not folder.is_dir():
        raise UserError(f"--campaigns {folder}: no such folder")
    with serving(Path(store), host, port, allow_host, folder) as address:
        yield address
