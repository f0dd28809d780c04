"""Which format a file is in, by its content first and its name where that leaves a choice."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from ..errors import UserError
from ..operation import Operation
from .isolation import AWDIT_LINE, PLUME_LINE
from .porcupine import LOGGED
from .source import excerpt, head

_BY_SUFFIX = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jepsen-json",
    ".edn": "jepsen-edn",
    ".yaml": "dbcop",
    ".yml": "dbcop",
    ".log": "porcupine-etcd",
}
_BLANK_EDN = re.compile(r"(?:[\s,]|;[^\n]*(?:\n|$))*")
_EDN_MAP = re.compile(r"[\[(\s,]*(?:#[A-Za-z][\w.$/-]*\s*)?[\[(\s,]*(?:#[A-Za-z][\w.$/-]*\s*)?\{")
_KV_MAP = re.compile(r"\{[^{}]*:f\s+:(?:get|put|append)\b[^{}]*:key\s|"
                     r"\{[^{}]*:key\s[^{}]*:f\s+:(?:get|put|append)\b")  # fmt: skip
_JSON_OBJECT = re.compile(r'\{\s*"')
_CASE = re.compile(r'\{[^\n\[]*"(?:checker|history)"\s*:')
_JSON_ARRAY = re.compile(r'\[\s*\{\s*(?:"|\})')
_DBCOP = re.compile(r"(?:---\s*)?(?:#.*\n\s*)*(?:data:\s*)?(?:-\s+)*-?\s*events:", re.MULTILINE)


def detect(path: str | Path) -> str:
    """The name of the format. :class:`UserError` if the file is like none of them."""
    start = head(path)
    text = start.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    by_name = _BY_SUFFIX.get(_suffix(path))
    if not text.strip("\0\ufffd"):
        if by_name == "jsonl":
            return by_name  # killed before, or in the middle of, its first operation
        raise UserError(f"{path}: holds no history: it is {'not text' if text else 'empty'}")
    found = _by_content(text, by_name, path)
    if found is None:
        raise UserError(
            f"{path}:1: not a history in any format that is known here; it begins with "
            f"{excerpt(text, 40)!r}. Name one with --format if it is"
        )
    return found


def _suffix(path: str | Path) -> str:
    suffixes = [s.lower() for s in Path(path).suffixes]
    if suffixes and suffixes[-1] in (".gz", ".gzip"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _by_content(text: str, by_name: str | None, path: str | Path) -> str | None:
    if _JSON_OBJECT.match(text):
        if _CASE.match(text):
            raise UserError(
                f"{path}:1: every line holds a test case with its own history, not an operation"
            )
        return _json_lines(text, by_name)
    if by_name == "jsonl" and text.rstrip() == "{":
        return by_name
    if _JSON_ARRAY.match(text):
        return "jepsen-json"
    line = text.partition("\n")[0].strip()
    if PLUME_LINE.fullmatch(line):
        return "plume"
    if AWDIT_LINE.fullmatch(line) and line != "---":
        return "awdit"
    body = text[_BLANK_EDN.match(text).end() :]  # type: ignore[union-attr] - it always matches
    if _EDN_MAP.match(body):
        first = body[: body.find("}") + 1]
        return "porcupine-kv" if _KV_MAP.search(first) else "jepsen-edn"
    if _DBCOP.match(text):
        return "dbcop"
    if any(LOGGED.match(line) for line in text.split("\n")):
        return "porcupine-etcd"
    return by_name


def _json_lines(text: str, by_name: str | None) -> str:
    """Ours has index, time, process, type and f on every line; Elle's may miss some."""
    line, newline, _ = text.partition("\n")
    try:
        operation = msgspec.json.decode(line, type=Operation)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        only_torn = not newline and by_name == "jsonl"  # killed during its first operation
        return "jsonl" if only_torn else "jepsen-json"
    return "jsonl" if operation.index == 0 else "jepsen-json"
