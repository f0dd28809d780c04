"""The faults that a story tells: those nearest to its calls, and of the others how many."""

from __future__ import annotations

from collections.abc import Sequence

from . import fault_sentences, words
from .statistics import FaultWindow, Statistics
from .steps import Step

STEPS_MAX, STRIKES_MAX = 9, 4
LOOK_BACK_NS, JUST_BEFORE_NS = 2_000_000_000, 200_000_000


def of_story(statistics: Statistics, moments: Sequence[int], nodes: Sequence[str]) -> list[Step]:
    """Faults that were active at some time between the first and the last of these moments (ns,
    when calls of the story began and ended), or the last one before them.

    Of too many those nearest to a moment are told, each with its end; a step of kind ``more`` says
    how many others there are.
    """
    last = statistics.duration_ns
    begin, end = min(moments), max(moments)
    active = _active(statistics.faults, begin, end, last)
    if not active:
        return []
    ranked = sorted(active, key=lambda w: (_distance(w, moments, last), -w.start))
    told: list[Step] = []
    left_out: list[FaultWindow] = []
    for window in ranked:
        steps = _of_fault(window, moments, end, nodes)
        if left_out or (told and len(told) + len(steps) > STEPS_MAX):
            left_out.append(window)
        else:
            told += steps
    if len(left_out) == 1:  # to say that there is one more would be as long
        told += _of_fault(left_out[0], moments, end, nodes)
    elif left_out:
        more = f"… and {len(left_out)} more faults"
        told.append(Step(min(window.start for window in left_out), "more", more))
    return told


def _active(
    faults: Sequence[FaultWindow], begin: int, end: int, last: int
) -> Sequence[FaultWindow]:
    active = [w for w in faults if w.injecting <= end and w.end(last) >= begin]
    if not active:
        before = [w for w in faults if w.injecting <= end]
        active = before[-1:]
    # Others that came and went since the first of these struck belong to the story, too.
    since = max(min([begin, *(w.start for w in active)]), begin - LOOK_BACK_NS) - JUST_BEFORE_NS
    return [w for w in faults if w in active or (w.injecting <= end and w.end(last) >= since)]


def _distance(window: FaultWindow, moments: Sequence[int], last: int) -> int:
    """How long before or after it the nearest moment is; 0 if one is within it."""
    end = window.end(last)
    return min(max(window.start - moment, moment - end, 0) for moment in moments)


def _of_fault(
    window: FaultWindow, moments: Sequence[int], end: int, nodes: Sequence[str]
) -> list[Step]:
    steps = [Step(window.start, "fault", fault_sentences.struck(window, nodes))]
    struck = [each for each in fault_sentences.strikes(window) if each[0] <= end]
    near = sorted(struck, key=lambda each: min(abs(each[0] - moment) for moment in moments))
    told = sorted(near[:STRIKES_MAX])
    steps += [Step(time, "fault", text) for time, text in told]
    if len(struck) > len(told):
        text = f"… and {words.count(len(struck) - len(told), 'more time')} it struck"
        steps.append(Step(told[-1][0] + 1, "fault", text))
    moved = [each for each in fault_sentences.moves(window, nodes) if each[0] <= end]
    steps += [Step(time, "fault", text) for time, text in fault_sentences.in_short(moved)]
    if window.healed is not None and window.healed <= end:
        steps.append(Step(window.healed, "heal", fault_sentences.healed(window, nodes)))
    return steps
