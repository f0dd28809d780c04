"""Does a generator of ids ever give one twice? Source of the test: Jepsen's ``unique-ids``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..harness.calls import Calls, calls
from ..harness.history import OK, History
from ..harness.verdict import Anomaly, Verdict
from .elements import Witnesses, in_order
from .tally import Tally, shown, strange, wishes_of

MODELS = {"unique-ids": "ids given out by generate: none is given twice"}

MOST_DUPLICATED = 48
"""How many of the ids that were given several times are listed."""


class UniqueIds:
    """Judges ``generate`` → an id, any plain value. Linear.

    An answer that was lost may have carried any id, so only those that arrived count.

    Anomalies: ``duplicated-id``; ``missing-id``, an answer without one. Statistics as Jepsen
    names them: ``attempted-count``, ``acknowledged-count``, ``duplicated-count``,
    ``duplicated`` (``[id, times]``, those given most often first), ``range``.
    """

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge every id that was given out."""
        columns = history.columns()
        asked = calls(columns).named("generate")
        tally = Tally()
        figures: dict[str, Any] = {"operations": len(asked), "attempted-count": len(asked)}
        duplicated: list[tuple[Any, int]] = []
        answered = asked.ended(OK)
        for key, mine in answered.by_key():
            duplicated += self._judge(history, mine, key, tally)
        duplicated.sort(key=lambda pair: -pair[1])
        figures |= {
            "acknowledged-count": len(answered),
            "duplicated-count": len(duplicated),
            "duplicated": [list(pair) for pair in duplicated[:MOST_DUPLICATED]],
            "range": _range(answered),
        }
        if not len(answered):
            return strange("no id was ever given out", figures)
        return tally.verdict(figures)

    @staticmethod
    def _judge(history: History, answered: Calls, key: Any, tally: Tally) -> list[tuple[Any, int]]:
        import numpy as np

        codes = answered.columns.value[answered.completion]
        for at in np.flatnonzero(codes == 0):
            tally.add("missing-id", partial(_missing, history, int(answered.position[at]), key))
        counts = np.bincount(codes)
        counts[0] = 0
        twice = np.flatnonzero(counts > 1)
        if not len(twice):
            return []
        # Givers of the same id stand together, in the order of their answers.
        order = np.lexsort((answered.completion, codes))
        starts = np.searchsorted(codes[order], twice)
        table = answered.columns.values
        found = []
        for code, start in zip(twice.tolist(), starts.tolist(), strict=True):
            times = int(counts[code])
            givers = answered.position[order[start : start + 2]].tolist()
            tally.add("duplicated-id", partial(_twice, history, givers, table[code], times, key))
            found.append((table[code] if key is None else [key, table[code]], times))
        return found

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return dict(MODELS)

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> UniqueIds:
        """A checker; it has no options."""
        wishes_of(model, wishes)
        return cls()


def _range(answered: Calls) -> list[Any]:
    """The lowest and the highest id, if they can be compared."""
    import numpy as np

    codes = np.flatnonzero(np.bincount(answered.columns.value[answered.completion]))
    ids = [answered.columns.values[code] for code in codes.tolist() if code]
    kinds = set(map(type, ids))
    if kinds and (kinds <= {int, float} or kinds == {str}):
        return [min(ids), max(ids)]
    ordered = in_order(ids)
    return [ordered[0], ordered[-1]] if ordered else []


def _twice(history: History, givers: list[int], value: Any, times: int, key: Any) -> Anomaly:
    tells = Witnesses(history)
    first, second = givers
    text = (
        f"The id {shown(value)} was given to {tells.ended(first)} and again to "
        f"{tells.ended(second)}"
    )
    text += f"; {times} times in all." if times > 2 else "."
    details = {"id": value, "times": times}
    return Anomaly("duplicated-id", text, sorted(givers), key=key, details=details)


def _missing(history: History, position: int, key: Any) -> Anomaly:
    text = f"The answer to {Witnesses(history).ended(position)} holds no id."
    return Anomaly("missing-id", text, [position], key=key)
