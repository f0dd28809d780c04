"""How durations, values, faults and operations are said to a person.

Everything returned is safe to show: control and direction-changing characters
are replaced, long values are cut with a note of what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode

# C0 controls have printable pictures in Unicode; C1 controls, line separators, and the marks
# that reorder or hide text are shown as "�" so that a log cannot lie about what it says.
_NAME = re.compile(r"[a-z]+[-_]?\d")

_UNPRINTABLE = {code: chr(0x2400 + code) for code in range(0x20) if code not in (0x09, 0x0A)}
_UNPRINTABLE[0x7F] = "␡"
for _first, _last in (
    (0x80, 0x9F),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0xD800, 0xDFFF),
    (0xFEFF, 0xFEFF),
    (0xFFFE, 0xFFFF),
):
    _UNPRINTABLE |= dict.fromkeys(range(_first, _last + 1), "�")


def printable(text: str, limit: int | None = None) -> str:
    """The text without characters that act on a terminal or a page; tab and newline stay."""
    if limit is not None and len(text) > limit:
        cut = len(text) - limit
        return f"{text[:limit].translate(_UNPRINTABLE)}… ({cut:,} more characters)"
    return text.translate(_UNPRINTABLE)


def line(text: str, limit: int | None = None) -> str:
    """Like :func:`printable`, on one line."""
    return " ".join(printable(text, limit).split())


def value(data: Any, limit: int = 60) -> str:
    """Plain data as compact JSON, cut at ``limit`` characters."""
    try:
        text = _encode(data).decode()
    except (TypeError, ValueError, msgspec.MsgspecError):
        text = repr(data)
    return printable(text, limit)


def plain(data: Any, limit: int = 60) -> str:
    """Plain data as a person would say it: ``txn 1, outcome committed``; lists as JSON."""
    if isinstance(data, str):
        return line(data, limit)
    if data is None:
        return "nothing"
    if isinstance(data, Mapping):
        parts = (f"{name} {plain(each, limit)}" for name, each in data.items())
        return line(", ".join(parts) or "nothing", limit)
    if isinstance(data, list | tuple) and data and isinstance(data[0], str):
        return line(": ".join(plain(each, limit) for each in data), limit)
    return value(data, limit)


def plain_list(values: Sequence[Any], limit: int = 8) -> str:
    """``6, 8 and 2 more``; ``nothing`` if it is empty."""
    return names([plain(each, 20) for each in values], limit) or "nothing"


def fresh(asked: Any, answered: Any) -> Any:
    """What an answer says beyond the question: of an object the fields that are new and hold
    something."""
    if isinstance(asked, Mapping) and isinstance(answered, Mapping):
        return {k: v for k, v in answered.items() if v not in ([], {}) and asked.get(k) != v}
    return answered


def duration(ns: float | None) -> str:
    """``1.53 s``, ``12 ms``, ``87 µs``; a dash where there is none."""
    if ns is None:
        return "–"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if abs(ns) >= size:
            amount = ns / size
            if unit == "s" and amount >= 120:
                return f"{int(amount // 60)} min {int(amount % 60):02d} s"
            digits = 2 if amount < 10 else 1 if amount < 100 else 0
            return f"{amount:.{digits}f} {unit}"
    return f"{ns:.0f} ns"


def moment(ns: float) -> str:
    """A point on the trial's time axis: ``4.512 s``; ``45 ns`` where times are mere counters."""
    if 0 < ns < 100_000:
        return duration(ns)
    return f"{ns / 1e9:.3f} s"


def span(start: float, end: float) -> str:
    """Two points on the trial's time axis: ``0.161 – 1.125 s``; of one ms or less, one moment."""
    if 0 < end < 100_000:
        return f"{start:.0f} – {end:.0f} ns"
    first, last = f"{start / 1e9:.3f}", f"{end / 1e9:.3f}"
    return f"{last} s" if first == last else f"{first} – {last} s"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 fault``, ``12,345 operations``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, …"""
    last = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else last}"


def share(part: float | None) -> str:
    """A fraction as a percentage that never rounds up to 100."""
    if part is None:
        return "–"
    percent = part * 100
    if percent in (0.0, 100.0):
        return f"{percent:.0f} %"
    text = f"{percent:.2f}" if percent > 99 or percent < 1 else f"{percent:.1f}"
    return "99.99 %" if text == "100.00" else f"{text} %"


def names(items: Sequence[Any], limit: int = 8) -> str:
    """``n1, n2 and n3``."""
    shown = [line(str(item), 60) for item in items[:limit]]
    if len(items) > limit:
        shown.append(f"{len(items) - limit} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def fault(
    kind: str, targets: Sequence[str], parameters: Mapping[str, Any], nodes: Sequence[str]
) -> str:
    """``partition halves: n1 n2 | n3 n4 n5``, ``kill n2``."""
    cut = _links(parameters.get("cut"))
    shape = parameters.get("shape")
    title = f"{kind} {shape}" if isinstance(shape, str) and shape else kind
    if cut:
        return printable(
            f"{title}: {_cut(cut, nodes or sorted({n for link in cut for n in link}))}"
        )
    extra = ", ".join(
        f"{name} {value(given, 30)}"
        for name, given in sorted(parameters.items())
        if name not in ("cut", "shape", "choice")
    )
    text = f"{title} {' '.join(map(str, targets))}".rstrip()
    return printable(f"{text} ({extra})" if extra else text, 200)


def _links(cut: Any) -> set[tuple[str, str]]:
    """The directed links of a partition; what is no pair of names is left out."""
    if not isinstance(cut, list | tuple):
        return set()
    return {
        (str(link[0]), str(link[1]))
        for link in cut
        if isinstance(link, list | tuple) and len(link) == 2
    }


def _cut(cut: set[tuple[str, str]], nodes: Sequence[str]) -> str:
    """Groups that cannot reach each other; where there are none, the links that are cut."""
    groups: list[list[str]] = []
    left = list(nodes)
    while left:
        group, frontier = [], [left[0]]
        while frontier:
            at = frontier.pop()
            if at not in left:
                continue
            left.remove(at)
            group.append(at)
            frontier += [n for n in left if (at, n) not in cut or (n, at) not in cut]
        groups.append(sorted(group, key=list(nodes).index))
    if len(groups) > 1:
        return " | ".join(" ".join(group) for group in groups)
    both = sorted({tuple(sorted(link)) for link in cut if (link[1], link[0]) in cut})
    one_way = sorted(link for link in cut if (link[1], link[0]) not in cut)
    shown = [f"{a}–{b}" for a, b in both] + [f"{a}→{b}" for a, b in one_way]
    rest = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
    return f"cut {', '.join(shown[:8])}{rest}"


_VERBS = {
    "read": "read",
    "write": "write",
    "cas": "compare-and-set",
    "txn": "run the transaction",
    "enqueue": "enqueue",
    "dequeue": "dequeue",
    "add": "add",
    "acquire": "acquire",
    "release": "release",
}


def call(
    process: int | str,
    f: str,
    asked: Any,
    answered: Any,
    outcome: str,
    key: Any = None,
    node: str | None = None,
    error: Any = None,
    took_ns: int | None = None,
) -> str:
    """One call in a sentence: ``process 3 wrote …``, with what became of it."""
    who = f"process {process}" + (f" on {line(str(node), 60)}" if node else "")
    where = f" key {value(key, 30)}" if key is not None else ""
    took = f" after {duration(took_ns)}" if took_ns is not None else ""
    verb = _VERBS.get(f, line(f, 30))
    argument = "" if asked is None else f" {_argument(asked)}"
    if f == "read":
        if outcome == "ok":
            return f"{who} read{where} and got {_answered(answered)}"
        what = f"tried to read{where}"
    elif f == "cas" and isinstance(asked, list | tuple) and len(asked) == 2:
        what = f"asked to change{where or ' the value'} from {value(asked[0])} to {value(asked[1])}"
    elif f == "write":
        what = f"asked to write{argument}{' to' + where if where else ''}"
    else:
        # A name that is no verb would not read as what was asked for.
        how = "asked to" if f in _VERBS else "called"
        what = f"{how} {verb}{argument}{' on' + where if where else ''}"
    why = f" ({plain(error, 80)})" if error is not None else ""
    if outcome == "ok":
        new = fresh(asked, answered)
        is_told = new not in (None, {}, asked, [asked])
        result = f", answer {_answered(new, 80)}" if is_told else ""
        return f"{who} {what}: acknowledged{took}{result}"
    if outcome == "fail":
        return f"{who} {what}: refused{took}{why}"
    return f"{who} {what}: outcome unknown{why}"


def _answered(data: Any, limit: int = 60) -> str:
    """An answer as a person would say it: a list of plain values by these."""
    if data is None:
        return "nothing"
    if isinstance(data, list) and not any(isinstance(each, list | Mapping) for each in data):
        return plain_list(data)
    return _argument(data, limit)


def _argument(data: Any, limit: int = 60) -> str:
    """A value that was given to a function; only objects lose their braces."""
    return f"({plain(data, limit)})" if isinstance(data, Mapping) else value(data, limit)


def sentence(text: str) -> str:
    """With a capital at the beginning, unless a name such as ``n1`` stands there."""
    return text if _NAME.match(text) else text[:1].upper() + text[1:]
