"""Where text goes: a terminal that redraws itself, or a plain stream."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream can show a panel that redraws itself."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (ValueError, AttributeError):
        return False


def console_for(stream: TextIO) -> Console:
    """A console that honours ``NO_COLOR`` and writes nothing but text where no terminal is."""
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=is_terminal(stream),
        no_color="NO_COLOR" in os.environ or None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not is_terminal(stream),
    )
