"""Does everybody get back what they said? Source of the test: Maelstrom's ``echo``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import msgspec

from ..harness.history import History
from ..harness.operation import Operation
from ..harness.verdict import Anomaly, Verdict
from .elements import seconds
from .one_model import OneModel
from .tally import Tally, shown, who

_encode = msgspec.json.Encoder(order="deterministic").encode


class Echo(OneModel):
    """Judges ``echo`` of any value → the same. Linear. Anomaly: ``wrong-echo``."""

    model: ClassVar[str] = "echo"
    about: ClassVar[str] = "echoes: everybody gets back what they said"

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Compare every answer with its question."""
        tally, answered = Tally(), 0
        for invoked, completion in history.pairs():
            if invoked.f != "echo" or completion is None or completion.type != "ok":
                continue
            answered += 1
            if _encode(invoked.value) != _encode(completion.value):
                tally.add("wrong-echo", partial(_wrong, invoked, completion))
        vacuous = "" if answered else "nothing was ever echoed"
        return tally.verdict({"operations": answered}, vacuous=vacuous)


def _wrong(invoked: Operation, completion: Operation) -> Anomaly:
    text = (
        f"{who(invoked.process, completion.node).capitalize()} said {shown(invoked.value)} at "
        f"{seconds(invoked.time)}, and {shown(completion.value)} came back."
    )
    return Anomaly("wrong-echo", text, [invoked.index, completion.index])
