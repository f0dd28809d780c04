"""Traps as data: on which message to strike, and how. Drawing and varying them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from ..harness.errors import UserError

Kind = tuple[str, Mapping[str, bool]]
"""A kind of message: its type and the values of its fields that are true or false."""

DEEDS = {
    "kill-sender": "its sender dies right after it, in the middle of its handler",
    "kill-receiver": "the node that it is for dies before it arrives",
    "isolate-sender": "its sender is cut off from all other nodes; the message is lost",
    "isolate-receiver": "the node that it is for is cut off from all others",
    "isolate-pair": "both together are cut off from all others",
}

SHORTEST_S, LONGEST_S = 0.02, 2.0

MOST = (1, 1, 2, 4, 8, 16)
"""How often a trap may strike."""


class Trap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Strike when a message of this type is sent whose fields have these values.

    ``skip``     how many such messages to let pass first; ``most`` how often to strike then.
    ``deed``     one of ``DEEDS``.
    ``lasts_s``  after which a killed node is started again, or an isolated one let back.
    """

    type: str
    deed: str
    lasts_s: float
    fields: dict[str, bool] = {}
    skip: int = 0
    most: int = 1

    def fits(self, body: Mapping[str, Any]) -> bool:
        """Whether a message is one of those."""
        return body.get("type") == self.type and all(
            body.get(name) is value for name, value in self.fields.items()
        )


def read(parameters: Mapping[str, Any]) -> list[Trap]:
    """The traps of a planned fault; ``UserError`` says what is wrong with them."""
    try:
        traps = msgspec.convert(parameters.get("traps"), list[Trap])
    except msgspec.ValidationError as error:
        raise UserError(f"ambush: {error}") from None
    for trap in traps:
        if trap.deed not in DEEDS:
            raise UserError(f"ambush: no deed named {trap.deed!r}; there are: {', '.join(DEEDS)}")
        if trap.lasts_s < 0:
            raise UserError(f"ambush: lasts_s: expected 0 or more, got {trap.lasts_s:g}")
    return traps


def draw(random: Random, kinds: Sequence[Kind]) -> list[Trap]:
    """Traps for a protocol that sends these kinds of messages; each kind is as likely.

    Half the time one trap of any sort. Otherwise a pair that breaks promises: whoever makes one
    (an answer that says yes, where there are such) dies with it, and whoever acts on it (says
    something that is no yes or no) is cut off before others hear of it. In consensus those are
    voters and the one that they elected; in atomic commit, participants and the coordinator.
    """
    if random.random() < 0.5:
        return [one(random, kinds)]
    promises = [kind for kind in kinds if True in kind[1].values()] or kinds
    acts = [kind for kind in kinds if not kind[1]] or kinds
    promise, act = random.choice(promises), random.choice(acts)
    lasts_s = random.choice([0.0, 0.0, 0.05, 0.2])
    most = random.choice([4, 8, 16])
    return [
        Trap(promise[0], "kill-sender", lasts_s, dict(promise[1]), most=most),
        Trap(act[0], "isolate-sender", _time(random, 0.2), dict(act[1]), most=random.choice(MOST)),
    ]


def one(random: Random, kinds: Sequence[Kind]) -> Trap:
    """Any trap."""
    kind = random.choice(kinds)
    return Trap(
        kind[0],
        random.choice(list(DEEDS)),
        _time(random),
        dict(kind[1]),
        random.choice([0, 0, 0, 1, 2, 4, 16, 64]),
        random.choice(MOST),
    )


def vary(random: Random, traps: Sequence[Trap], kinds: Sequence[Kind]) -> list[Trap]:
    """The same with one change: a trap more or less, or another kind, deed, time or number."""
    changed = list(traps)
    at = random.randrange(len(changed))
    other = one(random, kinds) if kinds else changed[at]
    choice = random.randrange(6)
    if choice == 0 and len(changed) < 4:
        changed.append(other)
    elif choice == 1 and len(changed) > 1:
        del changed[at]
    elif choice == 2:
        changed[at] = msgspec.structs.replace(changed[at], type=other.type, fields=other.fields)
    elif choice == 3:
        changed[at] = msgspec.structs.replace(changed[at], deed=other.deed)
    elif choice == 4:
        changed[at] = msgspec.structs.replace(changed[at], lasts_s=_time(random))
    else:
        changed[at] = msgspec.structs.replace(changed[at], skip=other.skip, most=other.most)
    return changed


def _time(random: Random, shortest_s: float = SHORTEST_S) -> float:
    """Every order of magnitude is as likely (without logarithms: they differ between machines)."""
    longest_s = shortest_s
    while longest_s < LONGEST_S and random.random() < 0.8:
        longest_s *= 2
    return round(random.uniform(longest_s / 2, longest_s), 3)
