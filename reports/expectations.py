"""What should have happened instead, in a sentence, for the anomalies of which that can be said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..harness.history import History
from ..harness.verdict import Anomaly
from . import call_words, evidence, witnesses, words

STATES_MAX = 3


def instead(history: History, anomaly: Anomaly) -> str:
    """One sentence, or nothing where the explanation has said it all."""
    if evidence.dead_ends(anomaly.details, history):
        return _not_linearizable(history, anomaly)
    say = _SENTENCES.get(anomaly.name.lower())
    return say(history, anomaly) if say is not None else ""


def _not_linearizable(history: History, anomaly: Anomaly) -> str:
    """What the object held when the call that cannot be ended, and what that call had to do."""
    stuck = witnesses.stuck_call(history, anomaly)
    states = [state for state, _ in evidence.dead_ends(anomaly.details, history)]
    if stuck is None or not states or len(states) > STATES_MAX:
        return ""
    held = " or ".join(dict.fromkeys("nothing" if s in ("None", "null") else s for s in states))
    call, end = history[stuck], history.completion(stuck)
    got = end.value if end is not None else None
    if call.f == "read":
        return f"The read should have returned {held}, not {words.plain(got)}."
    if call.f == "cas" and isinstance(call.value, list | tuple) and len(call.value) == 2:
        wanted = words.plain(call.value[0])
        return f"It should have been refused: it expected {wanted}, and the value was {held}."
    return ""


def _key(anomaly: Anomaly) -> str:
    return words.plain(anomaly.key, 40)


def _elements(history: History, anomaly: Anomaly) -> str:
    evidence = witnesses.evidence_calls(history, anomaly)
    return words.names(call_words.About.of(anomaly, evidence).elements, 4) or "The element"


def _agreement(_: History, anomaly: Anomaly) -> str:
    return f"Whatever they decide on transaction {_key(anomaly)}, all nodes must decide the same."


def _stability(_: History, anomaly: Anomaly) -> str:
    return "What a node once decided, it must still answer ever after, crashes or not."


def _validity(_: History, anomaly: Anomaly) -> str:
    return f"Transaction {_key(anomaly)} should have been aborted: one vote against it is enough."


def _non_triviality(_: History, anomaly: Anomaly) -> str:
    return f"Transaction {_key(anomaly)} should have been committed: nothing was in its way."


def _termination(_: History, anomaly: Anomaly) -> str:
    return "With everything repaired, every node should have learned the decision."


def _two_holders(_: History, anomaly: Anomaly) -> str:
    return "The second client should have had to wait until the first one's hold was over."


def _stale_sequencer(_: History, anomaly: Anomaly) -> str:
    return "The resource should have refused the lower sequencer once it had seen the higher one."


def _regression(_: History, anomaly: Anomaly) -> str:
    return "Each grant should have come with a higher sequencer than all before it."


def _delay(_: History, anomaly: Anomaly) -> str:
    return "The lock should have stayed closed until the delay was over."


def _lost(history: History, anomaly: Anomaly) -> str:
    return (
        f"{_elements(history, anomaly)} was acknowledged, so it should have been there at the end."
    )


def _twice(history: History, anomaly: Anomaly) -> str:
    return f"{_elements(history, anomaly)} should have been given out once."


def _diverged(_: History, anomaly: Anomaly) -> str:
    return "After everything was healed, all nodes should have answered the same."


_SENTENCES: dict[str, Callable[[History, Anomaly], Any]] = {
    "ac1-agreement": _agreement,
    "ac2-stability": _stability,
    "ac3-validity": _validity,
    "ac4-non-triviality": _non_triviality,
    "ac5-termination": _termination,
    "two-holders": _two_holders,
    "stale-sequencer-accepted": _stale_sequencer,
    "sequencer-regression": _regression,
    "lock-delay-cut-short": _delay,
    "lost-element": _lost,
    "duplicated-element": _twice,
    "diverged-element": _diverged,
    "divergence": _diverged,
}
