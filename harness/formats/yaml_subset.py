"""Just enough YAML to read data that a serializer wrote in block style.

Sequences (``- ``, also nested on one line), mappings with plain keys, and plain scalars: integers,
floats, true/false, null/~, quoted or bare strings, ``[]`` and ``{}``. No anchors, tags, flow
collections or multi-line strings: these are refused, not guessed.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import UserError
from .source import excerpt

MAX_DEPTH = 100

_KEY = re.compile(r"""([A-Za-z_][\w.-]*|"[^"\\]*"|'[^']*'|-?\d+)\s*:(?:\s+(.*))?$""", re.DOTALL)
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None, "[]": [], "{}": {}}
_REFUSED = tuple("&*!|>%@`[{")


def parse(text: str, name: str) -> Any:
    """The document. :class:`UserError` ``name:line: …`` for what is not in the subset."""
    return _Parser(text, name).document()


class _Parser:
    def __init__(self, text: str, name: str) -> None:
        self._name = name
        self._lines: list[tuple[int, int, str]] = []  # number, indent, content
        self._at = 0
        for number, line in enumerate(text.split("\n"), 1):
            content = re.sub(r"(?:^|\s)#.*$", "", line).rstrip()
            bare = content.lstrip(" ")
            if not bare or bare in ("---", "..."):
                continue
            if bare[0] == "\t":
                raise UserError(f"{name}:{number}: a tab in the indentation")
            self._lines.append((number, len(content) - len(bare), bare))

    def document(self) -> Any:
        if not self._lines:
            return None
        value = self._block(self._lines[0][1], 0)
        if self._at < len(self._lines):
            raise self._error("indented unlike everything before")
        return value

    def _error(self, what: str) -> UserError:
        number, _, content = self._lines[min(self._at, len(self._lines) - 1)]
        return UserError(f"{self._name}:{number}: {what}: {excerpt(content)}")

    def _block(self, indent: int, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self._error(f"nested deeper than {MAX_DEPTH}")
        content = self._lines[self._at][2]
        if content == "-" or content.startswith("- "):
            return self._sequence(indent, depth)
        if _KEY.match(content):
            return self._mapping(indent, depth)
        self._at += 1
        return self._scalar(content)

    def _sequence(self, indent: int, depth: int) -> list[Any]:
        items = []
        while self._at < len(self._lines):
            number, at, content = self._lines[self._at]
            if at != indent or not (content == "-" or content.startswith("- ")):
                break
            rest = content[1:].lstrip(" ")
            if rest:  # the item begins on this line: read it as if on its own
                inner = at + len(content) - len(rest)
                self._lines[self._at] = (number, inner, rest)
                items.append(self._block(inner, depth + 1))
            else:
                self._at += 1
                items.append(self._deeper(indent, depth))
        return items

    def _mapping(self, indent: int, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while self._at < len(self._lines):
            _, at, content = self._lines[self._at]
            match = _KEY.match(content) if at == indent else None
            if not match or content.startswith("- "):
                break
            key, rest = match[1].strip("\"'"), match[2]
            if key in made:
                raise self._error("a key that stands twice")
            if rest:
                made[key] = self._scalar(rest.strip())
                self._at += 1
            else:
                self._at += 1
                made[key] = self._deeper(indent, depth, or_sequence=True)
        return made

    def _deeper(self, indent: int, depth: int, or_sequence: bool = False) -> Any:
        """The block below a line that ends in a colon or a dash."""
        if self._at >= len(self._lines):
            return None
        _, at, content = self._lines[self._at]
        listed = or_sequence and at == indent and (content == "-" or content.startswith("- "))
        return self._block(at, depth + 1) if at > indent or listed else None

    def _scalar(self, text: str) -> Any:
        if text in _WORDS:
            value = _WORDS[text]
            return value.copy() if isinstance(value, (list, dict)) else value
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            return text[1:-1]
        if text.startswith((*_REFUSED, '"', "'")):
            raise self._error("not in the subset of YAML that is read here")
        return text
