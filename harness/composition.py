"""Which faults a trial has, how often each comes, and when: as people write it, and as data.

``partition:3,kill`` are two nemeses, of which the first comes three times as often;
``5:none,20:partition+kill`` are five quiet seconds and then twenty with faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from .errors import UserError

NOTHING = "none"

SHORTEST_S = 0.001

Members = Callable[[str], list[str]]
"""The nemeses that a name stands for: of a package, or that one alone. ``UserError``: unknown."""


class FaultPhase(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A part of the load with its own faults; at its end all of them are healed.

    ``nemeses`` may be empty: a quiet time. ``weights`` as in :class:`~.spec.TrialSpec`.
    """

    lasts_s: float
    nemeses: list[str] = []
    weights: dict[str, float] = {}

    @property
    def label(self) -> str:
        """``partition:3+kill``, or ``quiet``."""
        return said(self.nemeses, self.weights, "+") if self.nemeses else "quiet"


def nemeses_of(
    text: str, members: Members, separator: str = ","
) -> tuple[list[str], dict[str, float]]:
    """Names, each once, and the weights if any was given (those without one have 1).

    ``-name`` takes one away. The weight of a package is shared out among its members.
    """
    names: list[str] = []
    weights: dict[str, float] = {}
    is_weighted = False
    for word in (part.strip() for part in text.split(separator)):
        if word in ("", NOTHING):
            continue
        if word.startswith("-"):
            gone = members(word[1:])
            names = [name for name in names if name not in gone]
            continue
        name, weight = _weighed(word)
        chosen = members(name)
        is_weighted |= weight is not None
        for each in chosen:
            if each not in names:
                names.append(each)
                weights[each] = (1.0 if weight is None else weight) / (
                    1 if weight is None else len(chosen)
                )
            elif weight is not None:
                weights[each] = weight / len(chosen)
    kept = {name: round(weights[name], 6) for name in names}
    return names, kept if is_weighted else {}


def _weighed(word: str) -> tuple[str, float | None]:
    """A name and its weight, if it has one. ``path.py:Name`` is a name too."""
    name, colon, tail = word.rpartition(":")
    if not colon or (name.endswith(".py") and not _is_number(tail)):
        return word, None
    if not _is_number(tail):
        raise UserError(f"{word}: expected a number as the weight of {name}, got {tail!r}")
    if not 0 < float(tail) < float("inf"):
        raise UserError(f"{word}: expected a weight of more than 0")
    return name, float(tail)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def phases_of(text: str, members: Members) -> list[FaultPhase]:
    """``5:none,20:partition:3+kill`` as data; ``UserError`` says which part is wrong."""
    phases = []
    for part in text.split(","):
        seconds, colon, words = part.strip().partition(":")
        if not colon or not _is_number(seconds) or not SHORTEST_S <= float(seconds) < float("inf"):
            raise UserError(
                f"--phases {part.strip()!r}: expected SECONDS:NEMESES, such as 20:partition+kill"
            )
        names, weights = nemeses_of(words, members, "+")
        phases.append(FaultPhase(float(seconds), names, weights))
    return phases


def repeated(phases: Sequence[FaultPhase], time_limit_s: float) -> list[FaultPhase]:
    """The phases over and over until the time is over; the last one may be cut short."""
    filled: list[FaultPhase] = []
    left_s = time_limit_s
    while left_s >= SHORTEST_S:
        phase = phases[len(filled) % len(phases)]
        lasts_s = min(phase.lasts_s, round(left_s, 9))
        filled.append(msgspec.structs.replace(phase, lasts_s=lasts_s))
        left_s -= lasts_s
    return filled


def every_nemesis(phases: Sequence[FaultPhase]) -> list[str]:
    """Those of all phases, each once, in order of appearance."""
    return list(dict.fromkeys(name for phase in phases for name in phase.nemeses))


def said(nemeses: Sequence[str], weights: Mapping[str, float], separator: str = ",") -> str:
    """What :func:`nemeses_of` reads: ``partition:3,kill:1``."""
    return separator.join(f"{n}:{weights[n]:g}" if n in weights else n for n in nemeses)


def phases_said(phases: Sequence[FaultPhase]) -> str:
    """What :func:`phases_of` reads."""
    return ",".join(
        f"{phase.lasts_s:g}:{said(phase.nemeses, phase.weights, '+') or NOTHING}"
        for phase in phases
    )
