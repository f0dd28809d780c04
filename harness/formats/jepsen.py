"""Histories as Jepsen, Knossos, Elle and elle-cli keep them: op maps in EDN or JSON.

One op a line or all in one vector, as maps or as records (``#jepsen.history.Op{…}``)::

    {:process 3, :type :invoke, :f :write, :value 4, :time 1200, :index 0}

Keywords become strings. ``[k v]`` tuples of ``jepsen.independent`` become keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UserError
from ..operation import NEMESIS, Operation
from .builder import HistoryBuilder
from .edn import Plain, Reader
from .edn import write as write_edn
from .edn_types import Keyed, Keyword
from .loaded import Loaded, collector_paused
from .source import excerpt, read_bytes, read_text

KNOWN_FIELDS = frozenset(("process", "type", "f", "value", "time", "key", "node", "error", "index"))

_WORD = re.compile(r"[A-Za-z*+!_?<>=-][A-Za-z0-9*+!_?<>=-]*(?:[./][A-Za-z0-9*+!_?<>=-]+)*")
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")


# -- reading ---------------------------------------------------------------------------


def read(path: str | Path, *, independent: bool | None = None) -> Loaded:
    """Read an EDN history. :class:`UserError` ``file:line[:column]: …`` if it is not one.

    ``independent``: whether values are ``[key value]`` tuples; ``None`` finds out.
    """
    with collector_paused():
        reader = Reader(read_text(path), str(path), Plain)
        return from_operations(
            reader.forms(unwrap=True),
            lambda: f"{path}:{reader.line()}",
            independent=independent,
            format="jepsen-edn",
        )


def read_json(
    path: str | Path, *, independent: bool | None = None, orphans: str = "refuse"
) -> Loaded:
    """Read a JSON history: an array of op objects, or one object a line."""
    with collector_paused():
        reader = _JsonOperations(path)
        return from_operations(
            reader, reader.place, independent=independent, orphans=orphans, format="jepsen-json"
        )


def read_cases(
    path: str | Path, *, orphans: str = "invoke"
) -> Iterator[tuple[dict[str, Any], Loaded]]:
    """The cases of a file with one JSON object a line, each with its own ``history``.

    That is how Elle's unit tests are kept: the object also says what must come out.
    """
    for number, line in enumerate(read_bytes(path).split(b"\n"), 1):
        if not line.strip():
            continue
        case = _decode_json(line, path, number - 1)
        if type(case) is not dict or type(case.get("history")) is not list:
            raise UserError(f"{path}:{number}: an object with a history is expected")
        place = f"{path}:{number}"
        yield case, from_operations(case["history"], lambda place=place: place, orphans=orphans)


def from_operations(
    operations: Iterable[Any],
    place: Callable[[], str],
    *,
    independent: bool | None = None,
    orphans: str = "refuse",
    format: str = "jepsen-json",
) -> Loaded:
    """A history from op maps in plain data, for example one case of Elle's test suite.

    ``place`` tells where the current one stands (``file:line``). ``orphans="invoke"`` gives
    completions without an invocation one, instead of refusing them.
    """
    builder = HistoryBuilder(place, independent=independent, orphans=orphans)
    dropped: set[str] = set()
    known = KNOWN_FIELDS
    for op in operations:
        if type(op) is not dict:
            raise builder.refuse(f"an operation (a map) is expected here, not {excerpt(op)}")
        if not op.keys() <= known:
            dropped.update(op.keys() - known)
        get = op.get
        process, type_, f = get("process"), get("type"), get("f")
        if type(process) is str or type(f) is str:
            # JSON writers differ on whether a keyword keeps its colon.
            process, type_, f = bare(process), bare(type_), bare(f)
        if process is None:
            raise builder.refuse(f"an operation without a process: {excerpt(op)}")
        builder.add(
            process,
            type_,
            f,
            get("value"),
            time=get("time"),
            key=get("key"),
            node=get("node"),
            error=get("error"),
            index=get("index"),
        )
    notes = [f"fields left out: {', '.join(sorted(map(excerpt, dropped)))}"] if dropped else []
    return builder.finish(format, {}, notes)


def bare(word: Any) -> Any:
    """A keyword without its colon, anything else as it is."""
    return word[1:] if type(word) is str and word[:1] == ":" else word


class _JsonOperations:
    """The op objects of a JSON file, and on which line the current one stands."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
        self._current = -1
        self._line: int | None = None

    def __iter__(self) -> Iterator[Any]:
        if self._data.lstrip()[:1] == b"[":
            for self._current, op in enumerate(_decode_json(self._data, self._path, 0)):  # noqa: B020
                yield op
            return
        for number, line in enumerate(self._data.split(b"\n"), 1):
            if line.strip():
                self._line = number
                yield _decode_json(line, self._path, number - 1)

    def place(self) -> str:
        """``file:line`` of the operation that was last given."""
        if self._line is None:
            raws = msgspec.json.decode(self._data, type=list[msgspec.Raw])
            at = 0
            for raw in raws[: self._current + 1]:
                at = self._data.index(bytes(raw), at) + len(bytes(raw))
            line = self._data.count(b"\n", 0, max(at - 1, 0)) + 1
            return f"{self._path}:{line}"
        return f"{self._path}:{self._line}"


def _decode_json(data: bytes, path: str | Path, lines_before: int) -> Any:
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise UserError(f"{path}:{lines_before + 1}: nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as error:
        at = re.search(r"byte (\d+)", str(error))
        offset = int(at[1]) if at else len(data)
        line = lines_before + data.count(b"\n", 0, offset) + 1
        raise UserError(f"{path}:{line}: not JSON: {error}") from None


# -- writing ---------------------------------------------------------------------------


def write(history: Iterable[Operation], path: str | Path) -> None:
    """Write an EDN history, one op map a line, as Knossos and Elle read it."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines(history))


def lines(history: Iterable[Operation]) -> Iterator[str]:
    """The op maps of a history as EDN, without newlines.

    ``type``, ``f``, words of errors and the verbs of transactions are keywords; map keys are
    integers or keywords where they look like them; other strings stay strings. Keys are put
    back as ``[key value]``. Both ends of a nemesis's operation are ``:info``, as in Jepsen.
    """
    for operation in history:
        nemesis = operation.process == NEMESIS
        op = {
            _PROCESS: Keyword("nemesis") if nemesis else operation.process,
            _TYPE: Keyword("info") if nemesis else Keyword(operation.type),
            _F: _word(operation.f),
            _VALUE: _value(operation),
            _TIME: operation.time,
            _INDEX: operation.index,
        }
        if operation.node is not None:
            op[_NODE] = operation.node
        if operation.error is not None:
            op[_ERROR] = _error(operation.error)
        yield write_edn(op)


_PROCESS, _TYPE, _F, _VALUE, _TIME, _INDEX, _NODE, _ERROR = map(
    Keyword, ("process", "type", "f", "value", "time", "index", "node", "error")
)


def _word(text: Any) -> Any:
    return Keyword(text) if type(text) is str and _WORD.fullmatch(text) else text


def _error(error: Any) -> Any:
    if type(error) is list:
        return [_word(part) if type(part) is str else _plain(part) for part in error]
    return _word(error) if type(error) is str else _plain(error)


def _value(operation: Operation) -> Any:
    value = operation.value
    if operation.f == "txn" and type(value) is list:
        value = [
            [_word(step[0]), *map(_plain, step[1:])]
            if type(step) is list and step
            else _plain(step)
            for step in value
        ]
    else:
        value = _plain(value)
    return value if operation.key is None else Keyed([_plain(operation.key), value])


def _plain(value: Any) -> Any:
    if type(value) is dict:
        return {_map_key(k): _plain(v) for k, v in value.items()}
    if type(value) is list:
        return [_plain(item) for item in value]
    return value


def _map_key(key: Any) -> Any:
    if type(key) is str:
        return int(key) if _WHOLE.fullmatch(key) else _word(key)
    return key
