"""What replicas of a set hold in the end, against all adds and removes.

An ``add`` may complete with ``{"element", "tag"}`` and a ``remove`` with ``{"element", "tags"}``:
which adds the node had observed that it removed (M. Shapiro et al., "A Comprehensive Study of
Convergent and Commutative Replicated Data Types", INRIA 2011, §3.3.5, the observed-remove set).
Then it is decided exactly what must be left. Without tags a remove may concern every add of the
element that had begun before it ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly
from .final_answers import FinalAnswers
from .tally import Tally, shown, who

Pair = tuple[Operation, Operation | None]


class Element:
    """All adds and removes of one element that did not definitely fail."""

    def __init__(self) -> None:
        self.adds: list[Pair] = []
        self.removes: list[Pair] = []

    def surviving(self) -> Pair | None:
        """An acknowledged add that no remove can have observed; so the element must be there."""
        return next((add for add in self.adds if _is_ok(add) and not self._ends(add, True)), None)

    def last_remove(self) -> Pair | None:
        """A remove, if every add was surely observed by one; so the element must be gone."""
        ends = [self._ends(add, False) for add in self.adds]
        return ends[-1] if ends and all(ends) else None

    def _ends(self, add: Pair, perhaps: bool) -> Pair | None:
        """A remove that observed an add, surely or perhaps."""
        tag = _tag(add)
        for remove in self.removes:
            tags = _tags(remove)
            if tags is not None and tag is not None:
                if tag in tags:
                    return remove
            elif perhaps:
                ended = remove[1]
                if ended is None or ended.type == "info" or add[0].index < ended.index:
                    return remove
        return None


def judge(tally: Tally, history: History, answers: FinalAnswers) -> dict[str, Any]:
    """Add what is wrong to the tally; returns statistics. ``UserError``: it cannot be judged."""
    elements: dict[Any, Element] = {}
    reads: list[Operation] = list(answers.by_node.values())
    for invoked, completion in history.pairs():
        if completion is not None and completion.type == "fail":
            continue
        if invoked.f in ("add", "remove"):
            element = elements.setdefault(_plain(invoked), Element())
            (element.adds if invoked.f == "add" else element.removes).append((invoked, completion))
        elif invoked.f == "read" and completion is not None and completion.type == "ok":
            reads.append(completion)
    for read in reads:
        if not isinstance(read.value, list):
            raise UserError(f"operation {read.index}: expected a list, got {shown(read.value)}")
        _phantoms(tally, elements, read)
    held: dict[Any, Operation] = {}
    for answer in answers.by_node.values():
        for value in answer.value:
            held.setdefault(value, answer)
    kept = 0
    for value, element in elements.items():
        survivor, remove = element.surviving(), element.last_remove()
        kept += survivor is not None
        lacking = [node for node, each in answers.by_node.items() if value not in each.value]
        if survivor is not None and lacking:
            others = [remove for remove in element.removes if _is_ok(remove)]
            tally.add("lost-element", partial(_lost, value, survivor, lacking, others))
        elif survivor is None and remove is not None and value in held:
            tally.add("resurrected-element", partial(_back, value, remove, held[value]))
    changes = sum(len(each.adds) + len(each.removes) for each in elements.values())
    return {
        "operations": changes,
        "elements": len(elements),
        "must_be_there": kept,
        "there": len(held),
    }


def _phantoms(tally: Tally, elements: dict[Any, Element], read: Operation) -> None:
    for value in read.value:
        element = elements.get(value)
        if element is None or not any(add[0].index < read.index for add in element.adds):
            tally.add("unadded-element", partial(_phantom, value, read))


def _plain(invoked: Operation) -> Any:
    if type(invoked.value) not in (int, str, float, bool):
        raise UserError(
            f"operation {invoked.index}: expected a plain element, got {shown(invoked.value)}"
        )
    return invoked.value


def _is_ok(pair: Pair) -> bool:
    return pair[1] is not None and pair[1].type == "ok"


def _tag(add: Pair) -> Any:
    value = add[1].value if add[1] is not None and add[1].type == "ok" else None
    return value.get("tag") if isinstance(value, dict) else None


def _tags(remove: Pair) -> Iterable[Any] | None:
    value = remove[1].value if remove[1] is not None and remove[1].type == "ok" else None
    return value.get("tags") if isinstance(value, dict) else None


def _told(pair: Pair) -> str:
    invoked, completion = pair
    node = completion.node if completion is not None else None
    return f"{who(invoked.process, node)} at {invoked.time / 1e9:.3f} s"


def _lost(value: Any, add: Pair, lacking: list[str], removes: list[Pair]) -> Anomaly:
    text = (
        f"Element {shown(value)}, whose add by {_told(add)} was acknowledged and which no remove "
        f"had observed, is missing in the end on {', '.join(lacking)}."
    )
    indices = [add[0].index]
    if removes:
        remove = removes[-1]
        seen = ", ".join(str(tag) for tag in _tags(remove) or ())
        text += f" The last remove of it, by {_told(remove)}, had seen {seen or 'no tags'}"
        text += f"; this add is {_tag(add)}." if _tag(add) else "."
        indices.append(remove[0].index)
    return Anomaly("lost-element", text, sorted(indices), details={"lacking": lacking})


def _back(value: Any, remove: Pair, answer: Operation) -> Anomaly:
    text = (
        f"Element {shown(value)} is there in the end on {answer.node}, although every add of it "
        f"was removed, the last one by {_told(remove)}."
    )
    return Anomaly("resurrected-element", text, sorted([remove[0].index, answer.index]))


def _phantom(value: Any, read: Operation) -> Anomaly:
    text = (
        f"{who(read.process, read.node).capitalize()} saw {shown(value)} at {read.time / 1e9:.3f} "
        "s, which nobody had added."
    )
    return Anomaly("unadded-element", text, [read.index])
