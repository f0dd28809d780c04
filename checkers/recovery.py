"""After a crash: is what is left a prefix of what was written, with all that was promised?

Lists of numbers on nodes of their own, each number appended once. The promise is that of a
write-ahead log (Gray and Reuter, "Transaction Processing", 1993, ch. 9; for stores without
transactions as *prefix consistency*, see Chidambaram et al., "Optimistic Crash Consistency", SOSP
2013): a node's state after a crash is what the first so many of its writes lead to; an
acknowledgement, and a read that shows a write, promise that it is among those from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .tally import Tally, shown, strange, who, wishes_of

MODELS = {"recovery": "lists on single nodes that crash: a prefix is left, with all promised"}

READS = ("read", "recovered")


class Recovery:
    """Judges ``append`` of [n, …], acknowledged when durable, and ``read`` → elements, sum, last.

    An append of several enters its list at once and in order; ``recovered`` is a ``read`` after
    everything was healed. Each key of each node is a list of its own.

    Anomalies: ``lost-write`` (acknowledged, and missing from a later read), ``rolled-back-read``
    (shown by a read, missing from a later one), ``hole`` (an element without one of its append that
    comes before it), ``duplicate-write``, ``invented-value`` (nobody appended it there, or not
    yet), ``resurrected-write`` (an append was seen cut short, and later was not),
    ``reordered-write`` (against the order of before, of acknowledgements or of one append),
    ``inconsistent-state`` (sum or last element are not those of the list) and ``unrecovered`` (a
    node answered no read after everything was healed).
    """

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every list of every node."""
        lists: dict[tuple[Any, Any], List] = {}
        appended: dict[int, Operation] = {}
        homes: dict[int, Any] = {}
        failed: set[int] = set()
        last_reads: dict[str, list[tuple[Operation, Operation]]] = {}
        for invoked, completion in history.pairs():
            if invoked.f == "append":
                for element in invoked.value:
                    if element in appended:
                        return strange(f"operation {invoked.index}: {element} is appended twice")
                    appended[element] = invoked
                if completion is not None and completion.node is not None:
                    homes.update(dict.fromkeys(invoked.value, completion.node))
                if completion is not None and completion.type == "fail":
                    failed.update(invoked.value)
            if completion is None or invoked.f not in ("append", *READS):
                continue
            if invoked.f == "recovered" and completion.node:
                last_reads.setdefault(completion.node, []).append((invoked, completion))
            if invoked.f in READS and completion.type == "ok" and not _is_answer(completion.value):
                return strange(
                    f"operation {completion.index}: expected an answer with the list elements"
                )
            place = (completion.node, invoked.key)
            if place not in lists:
                lists[place] = List(*place, appended, homes, failed)
            lists[place].add(invoked, completion)
        tally = Tally()
        for each in lists.values():
            each.judge(tally)
        for node, pairs in last_reads.items():
            if not any(completion.type == "ok" for _, completion in pairs):
                tally.add("unrecovered", partial(_unrecovered, node, pairs))
        statistics = _statistics(lists.values())
        vacuous = "" if statistics["elements_read"] else "no read ever showed an element"
        return tally.verdict(statistics, vacuous=vacuous)

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Recovery:
        """A checker; it has no options."""
        wishes_of(model, wishes)
        return cls()


def _is_answer(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("elements"), list)


class Read:
    """An answered read: ``elements`` and the ``places`` of each in it."""

    def __init__(self, invoked: Operation, completion: Operation) -> None:
        self.invoked = invoked
        self.completion = completion
        self.elements: list[int] = completion.value["elements"]
        self.places: dict[int, int] = {}
        for place, element in enumerate(self.elements):
            self.places.setdefault(element, place)

    def __str__(self) -> str:
        return (
            f"{who(self.invoked.process)}'s read "
            f"({self.completion.time / 1e9:.3f} s, operation {self.completion.index})"
        )


class List:
    """What clients saw of one list of one node.

    ``appended`` has the invocation of every element of the history, ``homes`` the node that it
    was sent to, where that is known, ``failed`` the elements that definitely were not appended.
    """

    def __init__(
        self,
        node: Any,
        key: Any,
        appended: Mapping[int, Operation],
        homes: Mapping[int, Any],
        failed: set[int],
    ) -> None:
        self.node = node
        self.key = key
        self.reads: list[Read] = []
        self.acknowledged: list[tuple[Operation, Operation]] = []
        self.unknown: list[Operation] = []
        self._appended = appended
        self._homes = homes
        self._failed = failed
        self._reported: set[tuple[str, int]] = set()

    def add(self, invoked: Operation, completion: Operation) -> None:
        """One more operation, in the order of invocations."""
        if invoked.f == "append":
            if completion.type == "ok":
                self.acknowledged.append((invoked, completion))
            elif completion.type == "info":
                self.unknown.append(invoked)
        elif completion.type == "ok":
            self.reads.append(Read(invoked, completion))

    def judge(self, tally: Tally) -> None:
        """Add what is wrong to the tally; of each element every anomaly once."""
        for read in self.reads:
            self._judge_elements(tally, read)
            self._judge_order(tally, read)
        self._judge_losses(tally)
        self._judge_growth(tally)

    def _report(
        self,
        tally: Tally,
        name: str,
        element: int,
        text: str,
        operations: Iterable[Operation],
    ) -> None:
        if (name, element) in self._reported:
            return
        self._reported.add((name, element))
        indices = sorted({operation.index for operation in operations})
        where = f"List {shown(self.key)} of {self.node}: "
        tally.add(name, lambda: Anomaly(name, where + text, indices, key=self.key))

    # -- one read on its own ----------------------------------------------------------

    def _judge_elements(self, tally: Tally, read: Read) -> None:
        for place, element in enumerate(read.elements):
            origin = self._appended.get(element)
            # An append that never completed says nowhere which node it went to.
            mine = origin is not None and origin.key == self.key
            mine = mine and self._homes.get(element, self.node) == self.node
            early = origin is not None and origin.index > read.completion.index
            if not mine or early or element in self._failed:
                why = "which nobody had appended there"
                if element in self._failed:
                    why = "whose append had definitely failed"
                text = f"{read} showed {element}, {why}."
                self._report(tally, "invented-value", element, text, [read.invoked])
            elif place != read.places[element]:
                assert origin is not None
                text = (
                    f"{read} showed {element} twice, as elements {read.places[element] + 1} "
                    f"and {place + 1}; it was appended once, by {_append(origin)}."
                )
                self._report(tally, "duplicate-write", element, text, [origin, read.invoked])
        value = read.completion.value
        last = read.elements[-1] if read.elements else None
        if value["sum"] != sum(read.elements) or value["last"] != last:
            text = (
                f"{read} showed {len(read.elements)} elements whose sum is {sum(read.elements)} "
                f"and the last of which is {shown(last)}, but the sum {value['sum']} and "
                f"{shown(value['last'])} as the last one; each append changes all three together."
            )
            element = last if last is not None else -1
            self._report(tally, "inconsistent-state", element, text, [read.invoked])

    def _judge_order(self, tally: Tally, read: Read) -> None:
        """The parts of one append: the first few, in order and side by side."""
        seen: set[int] = set()
        for element in read.elements:
            origin = self._appended.get(element)
            if origin is None or origin.index in seen or len(origin.value) == 1:
                continue
            seen.add(origin.index)
            places = [read.places.get(each) for each in origin.value]
            known = [place for place in places if place is not None]
            if None in places[: len(known)]:
                missing = origin.value[places.index(None)]
                later = next(e for e in origin.value[places.index(None) :] if e in read.places)
                text = (
                    f"{read} showed {later} but not {missing}, which comes before it in the same "
                    f"append, {_append(origin)}: what is left of it is not a prefix."
                )
                self._report(tally, "hole", missing, text, [origin, read.invoked])
            elif known != list(range(known[0], known[0] + len(known))):
                text = (
                    f"{read} showed the elements of {_append(origin)} not side by side, but as "
                    f"elements {', '.join(str(place + 1) for place in known)}."
                )
                self._report(tally, "reordered-write", element, text, [origin, read.invoked])

    # -- reads and what was promised before ---------------------------------------------

    def _judge_losses(self, tally: Tally) -> None:
        promised: dict[int, tuple[str, Operation, str]] = {}
        events: list[tuple[int, int, Any]] = [(r.invoked.index, 1, r) for r in self.reads]
        events += [(r.completion.index, 0, r) for r in self.reads]
        events += [(c.index, 0, (i, c)) for i, c in self.acknowledged]
        for _, is_judged, what in sorted(events, key=lambda event: event[:2]):
            if is_judged:
                missing = [element for element in promised if element not in what.places]
                for element in missing:
                    name, by, how = promised.pop(element)
                    text = f"{element} {how}, but {what} did not show it."
                    self._report(tally, name, element, text, [by, what.invoked])
            elif isinstance(what, Read):
                for element in what.places:
                    how = f"was shown by {what}"
                    promised.setdefault(element, ("rolled-back-read", what.invoked, how))
            else:
                invoked, completion = what
                how = f"was acknowledged to {_append(invoked)} at {completion.time / 1e9:.3f} s"
                for element in invoked.value:
                    promised[element] = "lost-write", invoked, how

    def _judge_growth(self, tally: Tally) -> None:
        """Later elements come behind earlier ones, and what was cut off stays away."""
        acknowledged = {
            element: completion
            for invoked, completion in self.acknowledged
            for element in invoked.value
        }
        before: Read | None = None
        for read in sorted(self.reads, key=lambda each: each.completion.index):
            self._judge_real_time(tally, read, acknowledged)
            if before is not None and before.completion.index < read.invoked.index:
                self._judge_successor(tally, before, read)
            if before is None or len(read.elements) >= len(before.elements):
                before = read

    def _judge_real_time(
        self, tally: Tally, read: Read, acknowledged: Mapping[int, Operation]
    ) -> None:
        if len(read.places) < len(read.elements):
            return  # What is there twice is in the wrong place for that reason.
        earliest: Operation | None = None
        for element in reversed(read.elements):
            origin = self._appended.get(element)
            if origin is None:
                continue
            if earliest is not None and earliest.index < origin.index:
                text = (
                    f"{read} showed {element} in front of what had been acknowledged "
                    f"({earliest.time / 1e9:.3f} s) before {_append(origin)} began."
                )
                operations = [origin, read.invoked]
                self._report(tally, "reordered-write", element, text, operations)
            done = acknowledged.get(element)
            if done is not None and (earliest is None or done.index < earliest.index):
                earliest = done

    def _judge_successor(self, tally: Tally, before: Read, read: Read) -> None:
        if read.elements[: len(before.elements)] == before.elements:
            fresh = read.elements[len(before.elements) :]
        else:
            fresh = [element for element in read.places if element not in before.places]
            kept = [element for element in before.places if element in read.places]
            places = [read.places[element] for element in kept]
            moved = next((at for at in range(1, len(places)) if places[at] < places[at - 1]), None)
            if moved is not None:
                text = f"{before} showed {kept[moved]} behind {kept[moved - 1]}, {read} before it."
                operations = [before.invoked, read.invoked]
                self._report(tally, "reordered-write", kept[moved], text, operations)
        for element in fresh:
            origin = self._appended.get(element)
            if origin is None or element in before.places:
                continue
            mates = [each for each in origin.value if each in before.places]
            if mates:
                text = (
                    f"{before} showed {_append(origin)} cut short, with {mates[-1]} and without "
                    f"{element}; {read} showed {element} again."
                )
                operations = [origin, before.invoked, read.invoked]
                self._report(tally, "resurrected-write", element, text, operations)


def _append(invoked: Operation) -> str:
    return f"{who(invoked.process)}'s append of {shown(invoked.value)} (operation {invoked.index})"


def _unrecovered(node: str, pairs: Sequence[tuple[Operation, Operation]]) -> Anomaly:
    first, completion = pairs[0]
    text = (
        f"After everything was healed, {node} was read from {len(pairs)} times, first at "
        f"{first.time / 1e9:.3f} s, and never answered: {shown(completion.error)}."
    )
    return Anomaly("unrecovered", text, [invoked.index for invoked, _ in pairs[:5]])


def _statistics(lists: Iterable[List]) -> dict[str, Any]:
    """Counts; ``in_doubt`` elements had no acknowledgement, ``in_doubt_kept`` were seen after."""
    found = list(lists)
    in_doubt = kept = 0
    for each in found:
        seen = {element for read in each.reads for element in read.places}
        elements = [element for invoked in each.unknown for element in invoked.value]
        in_doubt += len(elements)
        kept += sum(element in seen for element in elements)
    return {
        "lists": len(found),
        "reads": sum(len(each.reads) for each in found),
        "acknowledged": sum(len(i.value) for each in found for i, _ in each.acknowledged),
        "in_doubt": in_doubt,
        "in_doubt_kept": kept,
        "elements_read": sum(len(read.elements) for each in found for read in each.reads),
    }
