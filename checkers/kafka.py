"""Do logs of messages keep what was acknowledged, in order, and show it to everybody?

Source of the anomalies: Jepsen's workload ``kafka`` (``jepsen.tests.kafka``), which Maelstrom uses
as well, and Jepsen's report on Redpanda 21.10.1, where they are told of. Linear but for sorting.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

from ..harness.errors import UserError
from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .elements import identity, seconds
from .kafka_logs import Consumer, Everything, Log, Poll, Send, read
from .one_model import OneModel
from .tally import Tally, shown, strange, who


class Kafka(OneModel):
    """Judges ``send`` of ``[key, message]`` → ``[key, message, offset]``, ``poll`` →
    ``{key: [[offset, message], …]}`` and ``assign`` of ``{"keys": […], "from": "beginning" or
    "committed"}``, after which a process polls from there. Messages of a key are sent once each.

    Anomalies: ``inconsistent-offset`` (two messages at one offset), ``duplicate`` (one message at
    two offsets), ``lost-write`` (acknowledged, and in no poll, although messages behind it are),
    ``unobserved`` (acknowledged, and not seen by a consumer that afterwards read the log from its
    beginning to its end), ``poll-skip`` and ``nonmonotonic-poll`` (from one poll of a consumer to
    its next, a message is left out, or comes again or too late), ``int-poll-skip`` and
    ``int-nonmonotonic-poll`` (within one poll), ``nonmonotonic-send`` (of two messages of one
    process the later one comes first), ``aborted-read`` (its send failed for certain),
    ``unsent-message`` (nobody sent it).
    """

    model: ClassVar[str] = "kafka-log"
    about: ClassVar[str] = (
        "logs with offsets, as of Kafka: what is sent is kept in order, polled once"
    )

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every log."""
        try:
            everything = read(history)
        except UserError as odd:
            return strange(str(odd))
        tally = Tally()
        for log in everything.logs.values():
            _Judge(history, log, tally).judge()
        for consumer in everything.consumers:
            if (log := everything.logs.get(consumer.key)) is not None:
                _judge_consumer(log, consumer, tally)
        return tally.verdict(_figures(everything), vacuous=_vacuous(everything))


def _figures(everything: Everything) -> dict[str, Any]:
    sends = [send for log in everything.logs.values() for send in log.sends]
    acknowledged = [send for send in sends if send.outcome == "ok"]
    return {
        "operations": len(sends) + everything.polls,
        "keys": len(everything.logs),
        "send-count": len(sends),
        "acknowledged-count": len(acknowledged),
        "poll-count": everything.polls,
        "polled-count": sum(len(log.seen) for log in everything.logs.values()),
        "highest-offsets": {key: log.offsets[-1] for key, log in everything.logs.items() if log.at},
    }


def _vacuous(everything: Everything) -> str:
    if not any(send.outcome == "ok" for log in everything.logs.values() for send in log.sends):
        return "no message was ever acknowledged"
    return "" if any(log.polled for log in everything.logs.values()) else "nothing was ever polled"


class _Judge:
    """One log."""

    def __init__(self, history: History, log: Log, tally: Tally) -> None:
        self._history, self._log, self._tally = history, log, tally

    def judge(self) -> None:
        """All but what concerns single consumers."""
        log, tally = self._log, self._tally
        for offset in log.offsets:
            if len(log.at[offset]) > 1:
                tally.add("inconsistent-offset", partial(self._inconsistent, offset))
        for message, places in log.where.items():
            if len(places) > 1:
                tally.add("duplicate", partial(self._duplicate, message))
        self._judge_sources()
        highest = max(log.polled, default=-1)
        for send in log.sends:
            is_below = send.offset is not None and send.offset < highest
            if is_below and identity(send.message) not in log.seen:
                tally.add("lost-write", partial(self._lost, send, highest))
        self._judge_order_of_sends()

    def _judge_sources(self) -> None:
        log = self._log
        outcomes: dict[Any, list[Send]] = {}
        for send in log.sends:
            outcomes.setdefault(identity(send.message), []).append(send)
        for message in log.where:
            if message not in log.seen:
                continue
            sends = outcomes.get(message, [])
            if not sends:
                self._tally.add("unsent-message", partial(self._unsent, message))
            elif all(send.outcome == "fail" for send in sends):
                self._tally.add("aborted-read", partial(self._aborted, message, sends[0]))

    def _judge_order_of_sends(self) -> None:
        last: dict[Any, Send] = {}
        for send in self._log.sends:
            if send.offset is None:
                continue
            before = last.get(send.invoked.process)
            if before is not None and before.offset is not None and send.offset <= before.offset:
                self._tally.add("nonmonotonic-send", partial(self._sent_back, before, send))
            last[send.invoked.process] = send

    def _anomaly(self, name: str, text: str, indices: list[int], **details: Any) -> Anomaly:
        return Anomaly(name, text, sorted(set(indices)), key=self._log.key, details=details)

    def _teller(self, index: int) -> str:
        operation = self._history[index]
        verb = "a send acknowledged to" if operation.f == "send" else "a poll of"
        return f"{verb} {_who_when(operation)}"

    def _inconsistent(self, offset: int) -> Anomaly:
        (one, first), (two, second) = list(self._log.at[offset].values())[:2]
        text = (
            f"At offset {offset} of key {self._log.key} is {shown(first)} according to "
            f"{self._teller(one)}, but {shown(second)} according to {self._teller(two)}."
        )
        return self._anomaly("inconsistent-offset", text, [one, two], offset=offset)

    def _duplicate(self, message: Any) -> Anomaly:
        (first, one), (second, two) = sorted(self._log.where[message].items())[:2]
        value = self._log.at[first][message][1]
        text = (
            f"Message {shown(value)} of key {self._log.key} is at offset {first} according to "
            f"{self._teller(one)}, and at offset {second} according to {self._teller(two)}."
        )
        return self._anomaly("duplicate", text, [one, two], offsets=[first, second])

    def _lost(self, send: Send, highest: int) -> Anomaly:
        poll = self._log.polled[highest]
        text = (
            f"{_sent(send)}, but it is in no poll at all, although {self._teller(poll)} saw "
            f"what is at offset {highest}, behind it."
        )
        return self._anomaly("lost-write", text, [send.evidence, poll], offset=send.offset)

    def _unsent(self, message: Any) -> Anomaly:
        offset, index = min(self._log.where[message].items())
        value = self._log.at[offset][message][1]
        text = (
            f"{self._teller(index).capitalize()} saw {shown(value)} at offset {offset} of key "
            f"{self._log.key}, which nobody ever sent there."
        )
        return self._anomaly("unsent-message", text, [index], offset=offset)

    def _aborted(self, message: Any, send: Send) -> Anomaly:
        offset, index = min(self._log.where[message].items())
        text = (
            f"{self._teller(index).capitalize()} saw {shown(send.message)} at offset {offset} of "
            f"key {self._log.key}, although its send by {_who_when(send.invoked)} had failed for "
            "certain."
        )
        return self._anomaly("aborted-read", text, [index, send.evidence], offset=offset)

    def _sent_back(self, before: Send, send: Send) -> Anomaly:
        text = (
            f"{who(send.invoked.process).capitalize()} sent {shown(before.message)} to key "
            f"{self._log.key}, acknowledged with offset {before.offset}, and afterwards "
            f"{shown(send.message)}, acknowledged with offset {send.offset}."
        )
        return self._anomaly("nonmonotonic-send", text, [before.evidence, send.evidence])


def _judge_consumer(log: Log, consumer: Consumer, tally: Tally) -> None:
    for poll in consumer.polls:
        for (one, _), (two, _) in pairwise(poll.pairs):
            if two <= one:
                tally.add("int-nonmonotonic-poll", partial(_within, log, poll, one, two))
            elif log.between(one, two):
                tally.add("int-poll-skip", partial(_within, log, poll, one, two))
    for before, after in pairwise(consumer.polls):
        one, two = before.pairs[-1][0], after.pairs[0][0]
        if two <= one:
            tally.add("nonmonotonic-poll", partial(_across, log, before, after))
        elif log.between(one, two):
            tally.add("poll-skip", partial(_across, log, before, after))
    if consumer.from_beginning_at is None or consumer.ended is None:
        return
    saw = {identity(message) for poll in consumer.polls for _, message in poll.pairs}
    for send in log.sends:
        was_before = send.completion is not None and send.evidence < consumer.from_beginning_at
        if send.outcome == "ok" and was_before and identity(send.message) not in saw:
            tally.add("unobserved", partial(_unobserved, log, send, consumer.ended))


def _within(log: Log, poll: Poll, one: int, two: int) -> Anomaly:
    skipped = log.between(one, two)
    name = "int-poll-skip" if skipped else "int-nonmonotonic-poll"
    text = f"One poll of {_who_when(poll.operation)} got offset {two} of key {log.key} right after "
    text += f"offset {one}" + (f"; {_known(log, skipped[0])} is between them." if skipped else ".")
    return Anomaly(name, text, [poll.operation.index], key=log.key)


def _across(log: Log, before: Poll, after: Poll) -> Anomaly:
    one, two = before.pairs[-1][0], after.pairs[0][0]
    skipped = log.between(one, two)
    text = (
        f"The poll of {_who_when(before.operation)} ended at offset {one} of key {log.key}, and "
        f"the next one, at {seconds(after.operation.time)}, went on at offset {two}"
    )
    indices = [before.operation.index, after.operation.index]
    if not skipped:
        return Anomaly("nonmonotonic-poll", f"{text}.", indices, key=log.key)
    text += f": it left out {_known(log, skipped[0])}."
    return Anomaly("poll-skip", text, indices, key=log.key, details={"skipped": skipped[:20]})


def _known(log: Log, offset: int) -> str:
    _, message = next(iter(log.at[offset].values()))
    return f"message {shown(message)} at offset {offset}"


def _unobserved(log: Log, send: Send, end: Operation) -> Anomaly:
    text = (
        f"{_sent(send)}, but {who(end.process, end.node)}, who afterwards read that log from its "
        f"beginning until at {seconds(end.time)} nothing more came, did not get it."
    )
    return Anomaly("unobserved", text, sorted([send.evidence, end.index]), key=log.key)


def _sent(send: Send) -> str:
    assert send.completion is not None
    key = send.invoked.value[0]
    return (
        f"Message {shown(send.message)} to key {key} was acknowledged to "
        f"{_who_when(send.completion)} with offset {send.offset}"
    )


def _who_when(operation: Operation) -> str:
    return f"{who(operation.process, operation.node)} at {seconds(operation.time)}"
