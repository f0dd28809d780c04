"""A fast reader of EDN, the text that Clojure programs such as Jepsen write.

The format: https://github.com/edn-format/edn, and what Clojure's printer adds to it in
practice: ``##NaN``, ratios, ``#:ns{…}``, ``#object[…]``, ``#<…>``, hexadecimal, ``^meta``.

One compiled expression cuts a window of text into token strings (``re.findall``, so no match
objects); words are looked up in a memo, and only brackets and new words cost Python code.
Positions are not kept: an error cuts its window again and counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ..errors import UserError
from .edn_types import MAX_DEPTH, UNREADABLE, Exact, Plain
from .edn_writer import write
from .source import excerpt

__all__ = ["Exact", "Plain", "Reader", "loads", "write"]

_TOKEN = re.compile(
    r"""[\s,]*+(?:;[^\n]*+[\s,]*+)*+      # blank, commas, comments
    ( [\[\](){}]
    | "[^"\\]*+(?:\\.[^"\\]*+)*+"         # a whole string
    | "[\s\S]*+                           # a string without its end
    | \\(?:[^\s\w]|\w+)                   # a character
    | \#\{ | \#_
    | \#<(?:[^<>\n]|<[^<>\n]*>)*>
    | [^\s,()\[\]{}";]+                   # a word: number, keyword, symbol, tag
    | \Z )""",
    re.VERBOSE | re.DOTALL,
)
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[0-3]?[0-7]{1,2}|.)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)N?")
_FLOAT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_RATIO = re.compile(r"([+-]?[0-9]+)/([0-9]+)")
_RADIX = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]+)N?|([0-9]{1,2})[rR]([0-9a-zA-Z]+)|0([0-7]+)N?)")
_NAME = re.compile(r"[^\W\d]|[.*+!\-_?$%&=<>|/]")
_BAD_IN_NAME = re.compile(r"[\\@^`~\"]")

_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\", '"': '"', "b": "\b", "f": "\f"}
_CHARACTERS = {"newline": "\n", "return": "\r", "space": " ", "tab": "\t",
               "backspace": "\b", "formfeed": "\f"}  # fmt: skip
_SPECIAL_FLOATS = {"##Inf": "inf", "##-Inf": "-inf", "##NaN": "nan"}

_CLOSED_BY = {"{": "}", "[": "]", "(": ")", "#{": "}"}
_CLOSERS = frozenset("})]")
_MISSING: Any = object()

WINDOW_CHARS = 1 << 16
MEMO_WORDS = 50_000
MEMO_LENGTH = 24
MAX_DIGITS = 4000


class _Marker:
    """A prefix that waits in the list for the form after it: a tag, a namespace, ``#_``."""

    __slots__ = ("kind", "name")

    def __init__(self, kind: str, name: str = "") -> None:
        self.kind = kind
        self.name = name


class _Bad(ValueError):
    """What is wrong with the token at hand."""


class Reader:
    """The forms of an EDN text, one after the other.

    ``name`` stands in errors (:class:`UserError`, ``name:line:column: …``). ``types`` is
    :class:`Exact` or :class:`Plain`.
    """

    def __init__(self, text: str, name: str = "EDN", types: Any = Exact) -> None:
        self._text = text
        self._name = name
        self._types = types
        self._build = {
            "{": self._map, "[": types.of_vector, "(": types.of_list, "#{": types.of_set,
        }  # fmt: skip
        self._memo: dict[str, Any] = {"nil": None, "true": True, "false": False}
        self._window = (0, 0)
        self._cursor: Any = iter(())
        self._count = 0
        self._form_start = (0, 0, 0)
        self._form_end = (0, 0, -1)

    def forms(self, unwrap: bool = False) -> Iterator[Any]:
        """Every form at the top level; with ``unwrap``, the elements of a lone vector or list."""
        stack: list[tuple[list[Any], str, bool]] = []
        items: list[Any] = []
        opener, marked, base = "", False, 0
        memo, missing, closed_by, closers = self._memo, _MISSING, _CLOSED_BY, _CLOSERS
        build = self._build
        try:
            for cursor in self._windows():
                for token in cursor:
                    value = memo.get(token, missing)
                    if value is not missing:
                        items.append(value)
                    elif token in closed_by:
                        if len(stack) == base:
                            yield from self._words(items)
                            self._form_start = self._here()
                            if unwrap:
                                unwrap = False
                                if token in "([" and _only_tags(items):
                                    base, marked = 1, False
                                    items.clear()
                                    self._form_end = self._form_start
                        if len(stack) >= MAX_DEPTH:
                            raise _Bad(f"nested deeper than {MAX_DEPTH}")
                        stack.append((items, opener, marked))
                        items, opener, marked = [], token, False
                    elif token in closers:
                        if closed_by.get(opener) != token:
                            expected = closed_by.get(opener)
                            raise _Bad(f"{token} where {expected or 'a form'} is expected")
                        if marked:
                            self._resolve(items)
                        if len(stack) == base:  # the wrapping vector itself
                            yield from self._words(items)
                            items, opener, marked = stack.pop()
                            base = -1
                            continue
                        value = build[opener](items)
                        items, opener, marked = stack.pop()
                        items.append(value)
                        if len(stack) == base:
                            self._form_end = self._here()
                            if marked:
                                self._resolve(items)
                                marked = False
                            yield from items
                            items.clear()
                    elif token:
                        value = self._word(token)
                        marked = marked or type(value) is _Marker
                        items.append(value)
                    if base < 0 and (stack or items):
                        raise _Bad("more after the end of the vector that held everything")
            if stack:
                raise _Bad(
                    f"{opener} is never closed; the last form at the top began on line "
                    f"{self.line()}"
                )
            self._resolve(items)
            yield from self._words(items)
        except (_Bad, ValueError) as error:
            raise UserError(f"{self._place()}: {error}") from None

    def line(self) -> int:
        """The line, from 1, where the form that was last given began."""
        return self._position(*self._form_start)[0]

    # -- tokens and where they stand ---------------------------------------------

    def _windows(self) -> Iterator[Iterator[str]]:
        text, start, size = self._text, 0, WINDOW_CHARS
        while start < len(text):
            end = len(text)
            if start + size < end:
                newline = text.find("\n", start + size)
                end = newline + 1 if newline >= 0 else end
            tokens = _TOKEN.findall(text, start, end)
            if end < len(text) and _cut_in_string(tokens):
                size *= 4
                continue
            self._window, self._count = (start, end), len(tokens)
            self._cursor = iter(tokens)
            yield self._cursor
            start, size = end, WINDOW_CHARS

    def _here(self) -> tuple[int, int, int]:
        start, end = self._window
        return start, end, self._count - self._cursor.__length_hint__() - 1

    def _words(self, items: list[Any]) -> list[Any]:
        """Take out the words that stand at the top level after the last form."""
        if not items or type(items[0]) is _Marker:
            return []
        start, _, ordinal = self._form_end
        self._form_start = (start, len(self._text), ordinal + 1)
        end = next((n for n, item in enumerate(items) if type(item) is _Marker), len(items))
        words = items[:end]
        del items[:end]
        return words

    def _position(self, start: int, end: int, ordinal: int) -> tuple[int, int]:
        at = start
        for n, match in enumerate(_TOKEN.finditer(self._text, start, end)):
            at = match.start(1)
            if n >= ordinal:
                break
        return self._text.count("\n", 0, at) + 1, at - self._text.rfind("\n", 0, at)

    def _place(self) -> str:
        line, column = self._position(*self._here())
        return f"{self._name}:{line}:{column}"

    # -- words ---------------------------------------------------------------------

    def _word(self, token: str) -> Any:
        first = token[0]
        if token.isdecimal() and token.isascii() and first != "0" and len(token) < MAX_DIGITS:
            value: Any = int(token)
            if len(token) > 6:  # times: every one is new
                return value
        elif first == ":":
            value = self._types.keyword(self._name_of(token.lstrip(":") if token[1:2] == ":"
                                                      else token[1:], token))  # fmt: skip
        elif first == '"':
            value = self._string(token)
        elif first in "+-0123456789" and (first.isdigit() or token[1:2].isdigit()):
            value = self._number(token)
        elif first == "\\":
            value = self._types.char(_character(token))
        elif first == "#":
            return self._dispatch(token)  # markers must come here every time
        elif token == "^":  # metadata, a form to skip
            return _Marker("discard")
        else:
            if not _NAME.match(token):
                raise _Bad(f"{excerpt(token)} is not EDN")
            value = self._types.symbol(self._name_of(token, token))
        if len(token) <= MEMO_LENGTH and len(self._memo) < MEMO_WORDS:
            self._memo[token] = value
        return value

    @staticmethod
    def _name_of(name: str, token: str) -> str:
        if not name or _BAD_IN_NAME.search(name):
            raise _Bad(f"{excerpt(token)} is not EDN")
        return name

    def _number(self, token: str) -> Any:
        if len(token) > MAX_DIGITS:
            raise _Bad(f"a number of {len(token)} digits")
        if _INTEGER.fullmatch(token):
            return int(token.rstrip("N"))
        if _FLOAT.fullmatch(token) and not token.lstrip("+-").isdecimal():
            return self._types.number(float(token))
        if token[-1] == "M" and _FLOAT.fullmatch(token, 0, len(token) - 1):
            return self._types.decimal(token[:-1])
        if match := _RATIO.fullmatch(token):
            if not int(match[2]):
                raise _Bad(f"{excerpt(token)} divides by zero")
            return self._types.ratio(Fraction(int(match[1]), int(match[2])))
        if match := _RADIX.fullmatch(token):
            sign, hexadecimal, radix, digits, octal = match.groups()
            text, base = (
                (hexadecimal, 16) if hexadecimal else (octal, 8) if octal else (digits, radix)
            )
            if 2 <= int(base) <= 36:
                return int(sign + text, int(base))
        raise _Bad(f"{excerpt(token)} is not a number")

    def _string(self, token: str) -> str:
        if not _STRING.fullmatch(token):
            raise _Bad("a string is never closed")
        text = token[1:-1]
        if "\\" in text:
            text = _ESCAPE.sub(_unescape, text)
            if not text.isascii():
                text = _paired(text)
        return text

    def _dispatch(self, token: str) -> Any:
        if token == "#_":
            return _Marker("discard")
        if token in _SPECIAL_FLOATS:
            return self._types.number(float(_SPECIAL_FLOATS[token]))
        if token.startswith("#:"):
            return _Marker("namespace", self._name_of(token.lstrip("#:") or "user", token))
        if token.startswith("#<"):
            return self._types.tagged(UNREADABLE, token)
        if token.startswith("#'"):
            return self._types.symbol(self._name_of(token[2:], token))
        if token == "#":
            return _Marker("tag")
        if not _NAME.match(token[1:]):
            raise _Bad(f"{excerpt(token)} is not EDN")
        return _Marker("tag", self._name_of(token[1:], token))

    # -- collections -----------------------------------------------------------------

    def _map(self, items: list[Any]) -> Any:
        if len(items) % 2:
            raise _Bad("a map with a key and no value")
        return self._types.of_map(items)

    def _resolve(self, items: list[Any]) -> None:
        """Apply the markers in a list to the forms after them, from the right."""
        done: list[Any] = []
        for item in reversed(items):
            if type(item) is not _Marker:
                done.append(item)
                continue
            if not done:
                raise _Bad(f"{'#_' if item.kind == 'discard' else '#' + item.name} is followed "
                           "by nothing")  # fmt: skip
            value = done.pop()
            if item.kind == "tag":
                done.append(self._types.tagged(item.name, value))
            elif item.kind == "namespace":
                if type(value) is not dict:
                    raise _Bad(f"#:{item.name} is not followed by a map")
                done.append(self._types.in_namespace(item.name, value))
        items[:] = reversed(done)


def loads(text: str, name: str = "EDN", types: Any = Exact) -> Any:
    """The one form that a text holds. :class:`UserError` with line and column otherwise."""
    forms = list(Reader(text, name, types).forms())
    if len(forms) != 1:
        raise UserError(f"{name}: one form expected, {len(forms)} found")
    return forms[0]


def _only_tags(items: list[Any]) -> bool:
    return all(type(item) is _Marker and item.kind == "tag" for item in items)


def _cut_in_string(tokens: list[str]) -> bool:
    last = next((token for token in reversed(tokens) if token), "")
    return last[:1] == '"' and not _STRING.fullmatch(last)


def _character(token: str) -> str:
    name = token[1:]
    if len(name) == 1:
        return name
    if not name:
        raise _Bad("\\ without a character")
    if name in _CHARACTERS:
        return _CHARACTERS[name]
    try:
        if name[0] == "u" and len(name) == 5:
            return _paired(chr(int(name[1:], 16)))
        if name[0] == "o" and name[1:].isdecimal():
            return chr(int(name[1:], 8))
    except ValueError:
        pass
    raise _Bad(f"{excerpt(token)} is not a character")


def _unescape(match: re.Match[str]) -> str:
    name = match[1]
    if name in _ESCAPES:
        return _ESCAPES[name]
    if len(name) == 5:
        return chr(int(name[1:], 16))
    if name.isdecimal() and name.isascii():
        return chr(int(name, 8))
    raise _Bad(f"\\{excerpt(name)} is not an escape of a string")


def _paired(text: str) -> str:
    """Join the halves that Java writes for characters beyond U+FFFF; a lone half is refused."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _Bad("half a surrogate pair") from None
