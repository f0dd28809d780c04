"""Does each session see a world that agrees with what it did and saw before?

Source: D. Terry, A. Demers, K. Petersen, M. Spreitzer, M. Theimer and B. Welch, "Session
Guarantees for Weakly Consistent Replicated Data", PDIS 1994, for each key on its own. A session is
a process: it ends when an operation of it is of unknown fate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import permutations
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly, Verdict
from .final_answers import final_answers
from .register_sessions import LAST_WRITE, SIBLINGS, KeyStory, Read, Write, key_stories
from .regular import evidence, told, wrote
from .tally import Tally, shown, strange, who, wishes_of

MODELS = {
    "sessions": "session guarantees of registers, of which the last write stays",
    "sessions-siblings": "the same, but writes that did not know of each other stay side by side",
}

MEANING = {
    "read-your-writes": "a session must see its own writes",
    "monotonic-reads": "a session must go on seeing what it has seen",
    "monotonic-writes": "a session's writes must be put in its order",
    "writes-follow-reads": "a write must come after what its session had read",
}
"""The four guarantees, which are the names of what breaks them."""


class Sessions:
    """Judges ``write``, ``delete`` and ``read`` of registers by key; a process is a session.

    ``conflicts``  as for :class:`~.regular.Regular`.

    Anomalies: :data:`MEANING`.
    """

    def __init__(self, conflicts: str = LAST_WRITE) -> None:
        self.conflicts = conflicts

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every session."""
        stories = key_stories(history)
        tally, sessions, steps = Tally(), set(), 0
        for story in stories.values():
            if story.strange:
                return strange(story.strange)
            for process, mine in story.steps.items():
                sessions.add(process)
                steps += len(mine)
                Session(story, self.conflicts, tally).follow(mine)
        if self.conflicts == LAST_WRITE:
            self._judge_final(tally, history, stories)
        statistics = {"operations": steps, "keys": len(stories), "sessions": len(sessions)}
        return tally.verdict(statistics, vacuous="" if steps else "no session did anything")

    def _judge_final(self, tally: Tally, history: History, stories: Mapping[str, KeyStory]) -> None:
        """When all is exchanged, no write may have lost to one that it knew of."""
        for name, values in final_answers(history).agreed().items():
            story = stories.get(name)
            for write in story.updates if story is not None else ():
                lost_to = write.knew.intersection(values)
                if story is not None and lost_to:
                    tally.add(*_order(story, write, min(lost_to, key=str)))
                    break

    @classmethod
    def models(cls) -> dict[str, str]:
        """The models by name, with a line on each."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Sessions:
        """A checker; it has no options."""
        wishes_of(model, wishes)
        return cls(SIBLINGS if model == "sessions-siblings" else LAST_WRITE)


class Session:
    """One session's view of one key.

    ``current``  what it must go on seeing, or something newer, and since when.
    ``gone``     what it must not see any more, and which step of it made that sure.
    """

    def __init__(self, story: KeyStory, conflicts: str, tally: Tally) -> None:
        self._story = story
        self._conflicts = conflicts
        self._tally = tally
        self.current: dict[Any, Read] = {}
        self.gone: dict[Any, Read] = {}

    def follow(self, steps: Iterable[Read]) -> None:
        """Judge what it did, step by step; each kind of anomaly once for a step."""
        for step in steps:
            if step.write is None:
                self._judge(step)
            self._remember(step)

    def _judge(self, read: Read) -> None:
        for value in read.values:
            if value in self.gone:
                since = self.gone[value]
                name = "monotonic-reads" if since.write is None else "read-your-writes"
                self._tally.add(name, partial(_came_back, value, self._story, name, since, read))
                break
        reflected = self._story.reflected(read.values, read.completion)
        for value, since in self.current.items():
            if self._must_stay(read) and value not in reflected:
                is_own = since.write is not None and since.write.value == value
                name = "read-your-writes" if is_own else "monotonic-reads"
                self._tally.add(name, partial(_missing, value, self._story, name, since, read))
                break
        if self._conflicts == SIBLINGS:
            self._judge_order(read)

    def _must_stay(self, read: Read) -> bool:
        """Whether what was seen must still be reflected.

        Of the last write, any other write or delete may be why a value is not there any more.
        """
        if self._conflicts == SIBLINGS:
            return True
        ended = read.completion.index
        return not read.values and not any(d.invoked.index < ended for d in self._story.deletes)

    def _judge_order(self, read: Read) -> None:
        for older, newer in permutations(read.values, 2):
            write = self._story.writes.get(newer)
            if write is not None and older in write.knew:
                text = partial(_side_by_side, self._story, read, write, older)
                self._tally.add(_order_name(self._story, write, older), text)
                return

    def _remember(self, step: Read) -> None:
        story, gone = self._story, set(self.current)
        if step.write is not None:
            gone |= step.write.knew
        for value in step.values:
            gone |= story.knew(value)
        for value in gone.difference(step.values):
            self.gone.setdefault(value, step)
        # What is seen again, wrongly or after a violation, is not an anomaly each time.
        for value in step.values:
            self.gone.pop(value, None)
        before, self.current = self.current, {}
        for value in step.values:
            self.current[value] = before.get(value, step)


def _came_back(value: Any, story: KeyStory, name: str, since: Read, read: Read) -> Anomaly:
    text = (
        f"Of key {shown(story.key)}, {told(read)}: {shown(value)}, although {_then(since)}, which "
        f"is newer; {MEANING[name]}."
    )
    indices = sorted({since.invoked.index, *evidence(read, story.writes.get(value))})
    return Anomaly(name, text, indices, key=story.key)


def _missing(value: Any, story: KeyStory, name: str, since: Read, read: Read) -> Anomaly:
    text = (
        f"Of key {shown(story.key)}, {told(read)}, without {shown(value)} or anything newer, "
        f"although {_then(since)}; {MEANING[name]}."
    )
    indices = sorted({since.invoked.index, *evidence(read, story.writes.get(value))})
    return Anomaly(name, text, indices, key=story.key)


def _then(step: Read) -> str:
    values = ", ".join(shown(value) for value in step.values) or "nothing"
    at = f"{step.completion.time / 1e9:.3f} s, through {step.completion.node or 'some node'}"
    if step.write is None:
        return f"the same session had read {values} ({at})"
    if step.write.value is None:
        return f"the same session had deleted the key ({at})"
    beside = [shown(value) for value in step.values if value != step.write.value]
    beside_it = f" and seen {', '.join(beside)} beside it" if beside else ""
    return f"the same session had written {shown(step.write.value)}{beside_it} ({at})"


def _order_name(story: KeyStory, write: Write, older: Any) -> str:
    before = story.writes.get(older)
    is_own = before is not None and before.invoked.process == write.invoked.process
    return "monotonic-writes" if is_own else "writes-follow-reads"


def _side_by_side(story: KeyStory, read: Read, write: Write, older: Any) -> Anomaly:
    name = _order_name(story, write, older)
    text = (
        f"Of key {shown(story.key)}, {told(read)}: {shown(older)} stands beside {wrote(write)}, "
        f"whose session knew it; {MEANING[name]}."
    )
    return Anomaly(name, text, evidence(read, write, story.writes.get(older)), key=story.key)


def _order(story: KeyStory, write: Write, older: Any) -> tuple[str, Any]:
    name = _order_name(story, write, older)

    def explain() -> Anomaly:
        text = (
            f"In the end key {shown(story.key)} is {shown(older)} everywhere, although "
            f"{who(write.invoked.process)} knew that when it made {wrote(write)}; {MEANING[name]}."
        )
        indices = {write.invoked.index}
        if older in story.writes:
            indices.add(story.writes[older].invoked.index)
        return Anomaly(name, text, sorted(indices), key=story.key)

    return name, explain
