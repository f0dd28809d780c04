"""What replicas of registers hold in the end, against all that was written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from .final_answers import FinalAnswers
from .register_sessions import SIBLINGS, KeyStory, Write, key_stories
from .regular import wrote
from .tally import Tally, shown


def judge(
    tally: Tally, history: History, answers: FinalAnswers, conflicts: str, real_time: bool
) -> dict[str, Any]:
    """Add what is wrong to the tally; returns statistics. ``UserError``: it cannot be judged."""
    stories = key_stories(history)
    held = answers.by_key()
    writes, siblings = 0, 0
    for name, story in stories.items():
        if story.strange:
            raise UserError(story.strange)
        if name not in held:
            continue
        writes += len(story.updates)
        values: dict[Any, Operation] = {}
        for answer in held[name].values():
            for value in answer.value[name]:
                values.setdefault(value, answer)
            siblings = max(siblings, len(answer.value[name]))
        _unwritten(tally, story, values)
        if conflicts == SIBLINGS:
            _judge_siblings(tally, story, values)
        else:
            _judge_last(tally, story, list(values), real_time)
    return {"operations": writes, "keys": len(held), "writes": writes, "most_siblings": siblings}


def _unwritten(tally: Tally, story: KeyStory, values: dict[Any, Operation]) -> None:
    for value, answer in values.items():
        if value not in story.writes:
            tally.add("unwritten-value", partial(_never_written, story, value, answer))


def _judge_siblings(tally: Tally, story: KeyStory, values: dict[Any, Operation]) -> None:
    """Every acknowledged write is there, or something that knew of it; and then it is not."""
    reflected = story.reflected(list(values))
    there = [story.writes[value] for value in values if value in story.writes]
    for write in [*story.updates, *(each for each in there if not each.is_ok)]:
        if write.value is not None and write.value not in reflected:
            tally.add("lost-write", partial(_lost, story, write, list(values)))
        else:
            back = sorted(write.knew.intersection(values), key=str)
            if back:
                tally.add("resurrected-value", partial(_resurrected, story, write, back[0]))


def _judge_last(tally: Tally, story: KeyStory, values: Sequence[Any], real_time: bool) -> None:
    """What is there must be possible as the last write: nothing acknowledged came after it."""
    if values:
        last = [story.writes[value] for value in values if value in story.writes]
    else:
        last = story.deletes
        if not last:
            for write in story.updates[-1:]:
                tally.add("lost-write", partial(_lost, story, write, values))
            return
    newer = [[w for w in story.updates if _is_after(w, each, real_time)] for each in last]
    if not newer or not all(newer):
        return
    write = newer[0][-1]
    if write.value is None:
        tally.add("resurrected-value", partial(_resurrected, story, write, last[0].value))
    else:
        tally.add("lost-write", partial(_lost, story, write, values))


def _is_after(write: Write, other: Write, real_time: bool) -> bool:
    if write is other:
        return False
    if other.value is not None and other.value in write.knew:
        return True
    return real_time and other.precedes(write)


def _never_written(story: KeyStory, value: Any, answer: Operation) -> Anomaly:
    why = "its write had failed" if value in story.failed else "nobody wrote it"
    text = f"In the end {answer.node} holds {shown(value)} in key {shown(story.key)}, but {why}."
    return Anomaly("unwritten-value", text, [answer.index], key=story.key)


def _lost(story: KeyStory, write: Write, values: Sequence[Any]) -> Anomaly:
    left = ", ".join(shown(value) for value in values) or "nothing"
    text = (
        f"In the end key {shown(story.key)} is {left}: {wrote(write)} is lost, although nothing "
        "that is there, and no delete, can have overwritten it."
    )
    survivors = [story.writes[value].invoked.index for value in values if value in story.writes]
    indices = sorted({write.invoked.index, *survivors[:3]})
    return Anomaly("lost-write", text, indices, key=story.key)


def _resurrected(story: KeyStory, write: Write, value: Any) -> Anomaly:
    text = (
        f"In the end key {shown(story.key)} is {shown(value)} again, although {wrote(write)} had "
        "overwritten it."
    )
    indices = [write.invoked.index]
    if value in story.writes:
        indices.append(story.writes[value].invoked.index)
    return Anomaly("resurrected-value", text, sorted(indices), key=story.key)
