"""Reads the history of a run folder for reports: quickly, and with values left as text.

A report shows a few values and packs the text of all the others, so that making objects of
them would cost most of its time and memory. Columns are built whole, by NumPy; values, keys and
errors stay JSON until someone asks for one.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..harness.formats.loaded import collector_paused
from ..harness.history import (
    INFO,
    INVOKE,
    NEMESIS_PROCESS,
    TYPE_CODES,
    UNPAIRED,
    Columns,
    History,
)
from ..harness.operation import NEMESIS, Operation, Type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK_BYTES = 1 << 20
LENGTH_SURELY_SOUND = 1000
"""Shorter texts are neither nested too deeply nor hold a whole number too long for a decoder."""

NULL = msgspec.Raw(b"null")
TEXTS = ("key", "value", "error")
KNOWN: dict[str, list[Any]] = {
    "process": [], "type": list(TYPE_CODES), "f": [None], "node": [None],
}  # fmt: skip
"""What has a number from the start; texts begin with null."""
CODED = ("process", "type", "f", "node", *TEXTS)


class _Line(msgspec.Struct, frozen=True):
    """A line of ``history.jsonl`` as :class:`Operation` writes it, plain data as text."""

    index: int
    time: int
    process: int | str
    type: Type
    f: str
    value: msgspec.Raw = NULL
    key: msgspec.Raw = NULL
    node: str | None = None
    error: msgspec.Raw = NULL


class Texts(Sequence[Any]):
    """Distinct plain values as JSON text, decoded when asked for. The first one is null."""

    def __init__(self, texts: list[bytes]) -> None:
        self.texts = texts
        self.table = self  # as an ``Intern`` has one

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return [msgspec.json.decode(text) for text in self.texts[at]]
        return msgspec.json.decode(self.texts[at])


class SavedHistory(History):
    """A history that was read by :func:`read`. It cannot be appended to."""

    def __init__(self, columns: Columns) -> None:
        super().__init__()
        self.__dict__["_columns"] = columns
        for name in ("time", "process", "type", "f", "key", "value", "node", "error", "pair"):
            column = getattr(self, f"_{name}")
            values = getattr(columns, name)
            setattr(self, f"_{name}", array(column.typecode, values.tobytes()))
        self._fs.table, self._nodes.table = columns.fs, columns.nodes
        self._keys, self._values, self._errors = columns.keys, columns.values, columns.errors  # type: ignore[assignment]

    def append(self, operation: Operation) -> None:
        """Refused: ``TypeError``."""
        raise TypeError("a saved history cannot be appended to")


def read(path: Path) -> SavedHistory | None:
    """A history that keeps all the rules; ``None`` for any other, which the general reader
    can say what is wrong with. ``OSError`` if the file cannot be read.
    """
    lines = _Lines()
    decode = msgspec.json.Decoder(_Line).decode_lines
    try:
        with path.open("rb") as file, collector_paused():
            rest = b""
            while block := file.read(BLOCK_BYTES):
                end = block.rfind(b"\n") + 1
                if end:
                    lines.add(decode(rest + block[:end]))
                    rest = block[end:]
                else:
                    rest += block
            if rest:
                return None
            columns = lines.columns()
    except (ValueError, OverflowError, RecursionError, TypeError):
        return None
    return None if columns is None else SavedHistory(columns)


class _Lines:
    """Columns in the making: a list of arrays, one a block, for each."""

    def __init__(self) -> None:
        self.parts: dict[str, list[NDArray[Any]]] = {name: [] for name in ("index", "time", *CODED)}
        self.tables: dict[str, defaultdict[Any, int]] = {
            name: _table(KNOWN.get(name, [b"null"])) for name in CODED
        }

    def add(self, lines: list[_Line]) -> None:
        """Take note of a block of lines."""
        import numpy as np

        for name in ("index", "time"):
            self.parts[name].append(np.array(list(map(attrgetter(name), lines)), np.int64))
        for name in CODED:
            data: Iterable[Any] = map(attrgetter(name), lines)
            if name in TEXTS:
                data = map(bytes, data)
            codes = list(map(self.tables[name].__getitem__, data))
            self.parts[name].append(np.array(codes, np.int32))

    def columns(self) -> Columns | None:
        """All of them; ``None`` if they break a rule of histories."""
        import numpy as np

        none = np.zeros(0, np.int32)
        of = {name: np.concatenate([none, *parts]) for name, parts in self.parts.items()}
        if ((of["index"] != np.arange(len(of["index"]))) & (of["index"] >= 0)).any():
            return None
        texts = {name: list(self.tables[name]) for name in TEXTS}
        if not all(_is_sound(text) for table in texts.values() for text in table):
            return None
        clients = [who for who in self.tables["process"] if who != NEMESIS]
        if any(type(who) is not int or who < 0 for who in clients):
            return None
        numbers = [NEMESIS_PROCESS if who == NEMESIS else who for who in self.tables["process"]]
        process = np.array(numbers, np.int32)[of["process"]]
        pair = _pairs(process, of["type"], of["f"])
        if pair is None or (np.diff(of["time"]) < 0).any():
            return None
        rest: dict[str, Any] = {name: of[name] for name in ("f", "key", "value", "node", "error")}
        rest |= {f"{name}s": Texts(table) for name, table in texts.items()}
        return Columns(
            time=of["time"].astype(np.int64),
            process=process,
            type=of["type"].astype(np.int8),
            pair=pair,
            fs=list(self.tables["f"]),
            nodes=list(self.tables["node"]),
            **rest,
        )


def _table(known: list[Any]) -> defaultdict[Any, int]:
    """Gives every new key the next number."""
    table: defaultdict[Any, int] = defaultdict()
    table.default_factory = table.__len__
    for each in known:
        table[each]
    return table


def _is_sound(text: bytes) -> bool:
    """Whether a value can be decoded when it is asked for.

    The decoder has checked its grammar, but not its depth, its UTF-8 and the size of its numbers.
    """
    if len(text) < LENGTH_SURELY_SOUND and text.isascii() and b"e" not in text and b"E" not in text:
        return True
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _pairs(
    process: NDArray[np.int32], kind: NDArray[np.int32], f: NDArray[np.int32]
) -> NDArray[np.int32] | None:
    """Where each invocation's completion stands and the reverse; ``None`` if a rule is broken."""
    import numpy as np

    order = np.argsort(process, kind="stable")
    who, what, named = process[order], kind[order], f[order]
    follows = np.zeros(len(order), dtype=bool)
    follows[1:] = who[1:] == who[:-1]
    before = np.roll(what, 1)
    is_client, begins = who != NEMESIS_PROCESS, what == INVOKE
    after_invocation = follows & (before == INVOKE)
    ends = ~begins & after_invocation
    broken = begins & (after_invocation | (follows & is_client & (before == INFO)))
    broken |= ~begins & is_client & ~after_invocation
    broken |= ends & (named != np.roll(named, 1))
    if broken.any():
        return None
    pair = np.full(len(order), UNPAIRED, dtype=np.int32)
    at = np.flatnonzero(ends)
    pair[order[at]] = order[at - 1]
    pair[order[at - 1]] = order[at]
    return pair
