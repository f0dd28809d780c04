"""Where text goes: a terminal that redraws itself, or a plain stream; and how words look there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

Piece = str | tuple[str, str]
"""Text, or text with its rich style."""

VERDICTS: dict[Any, tuple[str, str]] = {
    True: ("✓ VALID", "bold green"),
    False: ("✗ INVALID", "bold red"),
    "unknown": ("? UNKNOWN", "bold yellow"),
    None: ("? NO VERDICT", "bold yellow"),
}
"""The sign, word and style of a verdict, the same in every command."""

GOOD, BAD = ("✓", "bold green"), ("✗", "bold red")
"""Before a line on something that is, or is not, as it should be."""


class Whole(str):
    """Text that people copy, such as a command: a terminal may wrap it, but nobody breaks it."""


NARROW = 30
"""Columns that must be left for a text to hang beside what stands before it."""


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream can show a panel that redraws itself."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except (ValueError, AttributeError):
        return False


def is_coloured(stream: TextIO) -> bool:
    """Whether a stream takes colours (https://no-color.org: set and not empty means no)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def width_of(stream: TextIO) -> int:
    """Columns of a terminal."""
    return console_for(stream).width


def console_for(stream: TextIO) -> Console:
    """A console that honours ``NO_COLOR`` and writes nothing but text where no terminal is."""
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=is_terminal(stream),
        no_color=not is_coloured(stream),
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not is_terminal(stream),
    )


def say(stream: TextIO, *pieces: Piece) -> None:
    """Print a line: coloured on a terminal, plain elsewhere."""
    show([list(pieces)], stream)


def show(lines: Sequence[Sequence[Piece]], stream: TextIO) -> None:
    """Print lines of pieces: plain, or on a terminal wrapped so that the last piece of each hangs
    beside those before it, unless it is :class:`Whole`. A closed stream is no one's fault.
    """
    told = [[(p, "") if isinstance(p, str) else p for p in line] for line in lines]
    try:
        if not is_terminal(stream):
            stream.write("".join(_plain(line, stream) for line in told))
            stream.flush()
            return
        console = console_for(stream)
        for line in told:
            _show(console, line)
    except (OSError, ValueError):
        return


def _plain(pieces: Sequence[tuple[str, str]], stream: TextIO) -> str:
    """The text alone, as far as the stream's encoding can hold it."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    text = "".join(text for text, _ in pieces)
    return text.encode(encoding, "replace").decode(encoding) + "\n"


def _show(console: Console, pieces: Sequence[tuple[str, str]]) -> None:
    from rich.text import Text

    whole = Text()
    for text, style in pieces:
        whole.append(text, style=style)
    if not pieces or isinstance(pieces[-1][0], Whole):
        console.print(whole, soft_wrap=True)
        return
    first, before_last = len(pieces[0][0]), sum(len(text) for text, _ in pieces[:-1])
    blanks = len(whole.plain) - len(whole.plain.lstrip())
    hangs = (before_last or blanks, first if len(pieces) > 1 else blanks, blanks)
    indent = next((hang for hang in hangs if console.width - hang >= NARROW), 0)
    head, told = whole[:indent], whole[indent:]
    for number, part in enumerate(told.wrap(console, console.width - indent)):
        part.rstrip()
        console.print(head + part if number == 0 else Text(" " * indent) + part)
