"""What reading a history file gives, whatever its format."""

from __future__ import annotations

import gc
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..history import History


@dataclass(frozen=True)
class Loaded:
    """A history and what is known about where it came from.

    ``format``        the name of the format, a key of ``FORMATS``.
    ``metadata``      facts for whoever judges it: ``suggested`` (the model and options that
                      the format's own tools use), ``realtime`` (``False`` where the order of
                      operations of different processes means nothing), ``independent``.
    ``notes``         sentences on what was changed or left out to make it a history.
    ``torn``          1 if the last line was cut short and dropped, else 0.
    ``source_index``  the file's own index of every operation (-1: it had none), where it
                      differs from the position in the history; else ``None``.
    """

    history: History
    format: str
    metadata: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    torn: int = 0
    source_index: array[int] | None = None


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the cyclic garbage collector out of a bulk load: it finds nothing and walks it all."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
