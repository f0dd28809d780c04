"""Is every key where all say it is, does a change of the ring lose any, and does it move few?

The properties of consistent hashing: *balance* and *monotonicity* (only what must move moves) of
Karger et al., STOC 1997; agreement on the owners; and that what was acknowledged is found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .tally import Tally, shown, strange, who, wishes_of

MODELS = {"placement": "a store on a ring that changes: agreement, no lost key, movement, balance"}

MOVEMENT, BALANCE, REPLICAS = 1.6, 1.6, 2

CHANGES_NAMED = 3
"""So many changes of the ring, the last ones, are named beside a read that came too late."""

GETS, RINGS = ("get", "last-get"), ("ring", "last-ring")

_encode = msgspec.json.Encoder(order="deterministic").encode

Pair = tuple[Operation, Operation | None]


class Placement:
    """Judges ``put`` and ``get`` of numbers that only grow, and ``ring`` reads.

    A ``ring`` completes with ``{"epoch": n, "members": […], "owners": [[node, …], …]}``: who owns
    keys 0, 1, 2, … in the ring of that number. ``last-get`` and ``last-ring`` are the same after
    everything was healed and changes had ended.

    ``movement``  at most so many times K·R/n keys may move when one of n members joins or leaves
                  (K keys of R replicas); 0: any number. ``balance``  the member with most keys may
                  have at most so many times the mean. ``replicas``  owners of a key.

    Anomalies: ``stale-read`` (an older value than acknowledged before, or none), ``lost-key`` (a
    stale read at the end, when nothing is under way), ``garbage-read`` (never put, or not yet),
    ``ownership-disagreement`` (two answers about one epoch differ), ``under-replicated`` (a key
    without that many different owners), ``foreign-owner`` (an owner that is no member),
    ``excess-movement``, ``imbalance``, and ``unsettled`` (nodes in different epochs at the end).
    """

    def __init__(
        self, movement: float = MOVEMENT, balance: float = BALANCE, replicas: int = REPLICAS
    ) -> None:
        self.movement = movement
        self.balance = balance
        self.replicas = replicas

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge reads of keys and of rings."""
        keys: dict[bytes, list[Pair]] = {}
        rings: list[tuple[Operation, Operation]] = []
        changes: list[Pair] = []
        for invoked, completion in history.pairs():
            if invoked.f == "put" and type(invoked.value) is not int:
                return strange(f"operation {invoked.index}: a put needs a whole number")
            is_ok = completion is not None and completion.type == "ok"
            if invoked.f == "put" or (invoked.f in GETS and is_ok):
                keys.setdefault(_encode(invoked.key), []).append((invoked, completion))
            elif invoked.f in RINGS and is_ok and completion is not None:
                rings.append((invoked, completion))
            elif invoked.f == "change":
                changes.append((invoked, completion))
        tally = Tally()
        reads = sum(_judge_key(tally, pairs, changes) for pairs in keys.values())
        epochs = _epochs(tally, rings)
        for completion in epochs.values():
            self._judge_ring(tally, completion)
        moved = self._judge_movement(tally, epochs)
        _judge_end(tally, rings)
        statistics = {
            "keys": len(keys),
            "reads": reads,
            "changes": sum(c is not None and c.type == "ok" for _, c in changes),
            "epochs_seen": len(epochs),
            "rings_read": len(rings),
            **moved,
            "worst_balance": round(max(map(_balance, epochs.values()), default=0.0), 3),
        }
        vacuous = "" if reads else "no read of a key that was put was ever answered"
        if not epochs:
            vacuous = vacuous or "no node ever told its ring"
        return tally.verdict(statistics, vacuous=vacuous)

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Placement:
        """A checker with the usual bounds."""
        wishes_of(model, wishes)
        return cls()

    def _judge_ring(self, tally: Tally, told: Operation) -> None:
        """What one ring says on its own: enough owners, all members, evenly spread."""
        members, owners = told.value["members"], told.value["owners"]
        wanted = min(self.replicas, len(members))
        for key, mine in enumerate(owners):
            if len(set(mine)) < wanted:
                tally.add("under-replicated", partial(_under_replicated, told, key, wanted))
                break
        for key, mine in enumerate(owners):
            if not set(mine) <= set(members):
                tally.add("foreign-owner", partial(_foreign, told, key))
                break
        if len(members) > 1 and owners and _balance(told) > self.balance:
            tally.add("imbalance", partial(_imbalance, told, self.balance))

    def _judge_movement(self, tally: Tally, epochs: Mapping[int, Operation]) -> dict[str, Any]:
        """How many keys got a new owner between one epoch and the next, if both were seen."""
        judged, worst = 0, 0.0
        for epoch, after in sorted(epochs.items()):
            before = epochs.get(epoch - 1)
            if before is None or len(before.value["owners"]) != len(after.value["owners"]):
                continue
            members = [set(each.value["members"]) for each in (before, after)]
            if len(members[0] ^ members[1]) != 1:
                continue
            judged += 1
            moved = _moved(before, after)
            share = sum(len(set(o)) for o in after.value["owners"]) / max(map(len, members))
            worst = max(worst, moved / share if share else 0.0)
            if self.movement and moved > self.movement * share:
                bound = self.movement * share
                tally.add("excess-movement", partial(_excess, before, after, moved, bound))
        return {"changes_judged": judged, "worst_movement": round(worst, 3)}


def _judge_key(tally: Tally, pairs: Sequence[Pair], changes: Sequence[Pair]) -> int:
    """Every read of one key; how many there were. Of the same name, the first one counts."""
    puts = {invoked.value: (invoked, c) for invoked, c in pairs if invoked.f == "put"}
    events: list[tuple[int, Operation, Operation | None]] = []
    for invoked, completion in pairs:
        if invoked.f in GETS:
            events.append((invoked.index, invoked, completion))
        elif completion is not None and completion.type == "ok":
            events.append((completion.index, invoked, None))
    newest: Operation | None = None
    reads, told = 0, set()
    for _, invoked, completion in sorted(events, key=lambda event: event[0]):
        if completion is None:
            if newest is None or invoked.value > newest.value:
                newest = invoked
            continue
        reads += 1
        value = completion.value
        names = []
        if value is not None and _is_garbage(puts.get(value), completion):
            names = ["garbage-read"]
        elif newest is not None and (value is None or value < newest.value):
            names = ["stale-read"] + ["lost-key"] * (invoked.f == "last-get")
        for name in names:
            if name not in told:
                told.add(name)
                tally.add(name, partial(_wrong_read, name, invoked, completion, newest, changes))
    return reads


def _is_garbage(put: tuple[Operation, Operation | None] | None, read: Operation) -> bool:
    if put is None or put[0].index > read.index:
        return True
    return put[1] is not None and put[1].type == "fail"


def _epochs(tally: Tally, rings: Sequence[tuple[Operation, Operation]]) -> dict[int, Operation]:
    """The first answer about every epoch; another one about it must be the same."""
    epochs: dict[int, Operation] = {}
    disagreed = set()
    for _, completion in sorted(rings, key=lambda pair: pair[1].index):
        first = epochs.setdefault(completion.value["epoch"], completion)
        epoch = completion.value["epoch"]
        if epoch not in disagreed and first.value != completion.value:
            disagreed.add(epoch)
            tally.add("ownership-disagreement", partial(_disagreement, first, completion))
    return epochs


def _judge_end(tally: Tally, rings: Sequence[tuple[Operation, Operation]]) -> None:
    last = {c.node: c for i, c in rings if i.f == "last-ring"}
    if len({completion.value["epoch"] for completion in last.values()}) > 1:
        tally.add("unsettled", partial(_unsettled, list(last.values())))


def _moved(before: Operation, after: Operation) -> int:
    pairs = zip(before.value["owners"], after.value["owners"], strict=True)
    return sum(len(set(new) - set(old)) for old, new in pairs)


def _loads(told: Operation) -> Counter[str]:
    loads = Counter(dict.fromkeys(told.value["members"], 0))
    for owners in told.value["owners"]:
        loads.update(set(owners))
    return loads


def _balance(told: Operation) -> float:
    """The most keys that a member has, by the mean; 1 is perfect."""
    loads = _loads(told)
    total = sum(loads.values())
    return max(loads.values()) * len(loads) / total if total else 0.0


# -- in sentences ----------------------------------------------------------------------


def _said(told: Operation) -> str:
    return f"{told.node} ({told.time / 1e9:.3f} s, operation {told.index})"


def _wrong_read(
    name: str,
    invoked: Operation,
    completion: Operation,
    newest: Operation | None,
    changes: Sequence[Pair],
) -> Anomaly:
    got = f"key {shown(invoked.key)} through {completion.node} and got {shown(completion.value)}"
    text = f"{who(invoked.process)} read {got} ({completion.time / 1e9:.3f} s)"
    indices = [invoked.index]
    if name == "garbage-read":
        text += ", which nobody had put there."
    else:
        assert newest is not None
        indices.append(newest.index)
        text += (
            f", although {who(newest.process)}'s put of {newest.value} (operation {newest.index}) "
            "had been acknowledged before."
        )
        # What the ring went through in between is part of the story.
        between = [
            change
            for change, done in changes
            if newest.index < change.index < completion.index
            and (done is None or done.type != "fail")
        ]
        if between:
            number = "a change" if len(between) == 1 else f"{len(between)} changes"
            text += f" In between, clients asked for {number} of the ring."
            indices += [change.index for change in between[-CHANGES_NAMED:]]
    return Anomaly(name, text, sorted(indices), key=invoked.key)


def _disagreement(first: Operation, other: Operation) -> Anomaly:
    epoch = first.value["epoch"]
    text = f"{_said(first)} and {_said(other)} told different rings of epoch {epoch}"
    owners = first.value["owners"], other.value["owners"]
    different = [at for at, (a, b) in enumerate(zip(*owners, strict=False)) if a != b]
    if different:
        at = different[0]
        text += (
            f": key {at} belongs to {_names(owners[0][at])}, or to {_names(owners[1][at])}; "
            f"{len(different)} of {len(owners[0])} keys differ"
        )
    return Anomaly("ownership-disagreement", text + ".", [first.index, other.index])


def _under_replicated(told: Operation, key: int, wanted: int) -> Anomaly:
    text = (
        f"In epoch {told.value['epoch']} key {key} belongs to {_names(told.value['owners'][key])}; "
        f"expected {wanted} different owners. {_said(told)} said so."
    )
    return Anomaly("under-replicated", text, [told.index])


def _foreign(told: Operation, key: int) -> Anomaly:
    text = (
        f"In epoch {told.value['epoch']} key {key} belongs to {_names(told.value['owners'][key])}, "
        f"but the members are {_names(told.value['members'])}. {_said(told)} said so."
    )
    return Anomaly("foreign-owner", text, [told.index])


def _imbalance(told: Operation, bound: float) -> Anomaly:
    loads = ", ".join(f"{node} {count}" for node, count in sorted(_loads(told).items()))
    text = (
        f"In epoch {told.value['epoch']} {len(told.value['owners'])} keys are kept by: {loads}. "
        f"That is {_balance(told):.2f} times the mean for one of them, expected at most {bound:g}."
    )
    return Anomaly("imbalance", text, [told.index])


def _excess(before: Operation, after: Operation, moved: int, bound: float) -> Anomaly:
    members = [set(each.value["members"]) for each in (before, after)]
    joined, left = sorted(members[1] - members[0]), sorted(members[0] - members[1])
    what = f"{joined[0]} joined" if joined else f"{left[0]} left"
    text = (
        f"When {what} (epoch {after.value['epoch']}), {moved} keys got a new owner, counting each "
        f"replica; expected at most {bound:.0f} for {len(after.value['owners'])} keys on "
        f"{max(map(len, members))} nodes."
    )
    return Anomaly("excess-movement", text, sorted([before.index, after.index]))


def _unsettled(told: Sequence[Operation]) -> Anomaly:
    epochs = ", ".join(f"{each.node} {each.value['epoch']}" for each in told)
    text = f"After everything was healed and had settled, nodes were in different epochs: {epochs}."
    return Anomaly("unsettled", text, sorted(each.index for each in told))


def _names(nodes: Sequence[str]) -> str:
    return " and ".join(map(str, nodes)) or "nobody"
