"""What a checker says of a history. Three-valued and honest."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

Valid = bool | Literal["unknown"]


class Anomaly(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way in which a history breaks a promise.

    ``name``         the field's standard name, hyphenated where it has words:
                     ``nonlinearizable``, ``lost-update``, ``G1c``, …
    ``explanation``  one or more sentences a person understands.
    ``operations``   indices into the history: the smallest evidence.
    ``key``          the independent object concerned, if there are many.
    ``details``      plain data for reports (a cycle's edges, final states, …).
    """

    name: str
    explanation: str
    operations: list[int] = []
    key: Any = None
    details: dict[str, Any] = {}


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """By which a violation is known again, whatever the seed (see :mod:`.signature`).

    ``id``      8 hexadecimal digits; equal for equal symptoms.
    ``name``    the symptom for a person: ``nonlinearizable: saw an older state``.
    ``faults``  the kinds of faults that it took, sorted, if that is known: of a trial that was
                shrunk. They tell some bugs of one symptom apart.
    """

    id: str
    name: str
    faults: list[str] | None = None


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """Valid, invalid or unknown, with the evidence.

    ``valid``       ``True``, ``False`` or ``"unknown"``.
    ``anomalies``   what was violated; empty unless invalid.
    ``reason``      why it is unknown (or, for a valid one, what was assumed).
    ``statistics``  plain data.
    ``parts``       the verdicts this one is composed of, by checker name.
    ``signature``   of a whole trial's verdict, if it is invalid.
    """

    valid: Valid
    anomalies: list[Anomaly] = []
    reason: str = ""
    statistics: dict[str, Any] = {}
    parts: dict[str, "Verdict"] = {}
    signature: Signature | None = None

    @property
    def exit_code(self) -> int:
        """0 valid, 1 invalid, 3 unknown."""
        return {True: 0, False: 1}.get(self.valid, 3)  # type: ignore[call-overload]


def merge_valid(values: Iterable[Valid]) -> Valid:
    """Invalid outweighs unknown, which outweighs valid."""
    result: Valid = True
    for value in values:
        if value is False:
            return False
        if value == "unknown":
            result = "unknown"
    return result


def compose(parts: dict[str, Verdict]) -> Verdict:
    """One verdict of several: anomalies of all, reasons of those that are unknown."""
    return Verdict(
        valid=merge_valid(part.valid for part in parts.values()),
        anomalies=[anomaly for part in parts.values() for anomaly in part.anomalies],
        reason="; ".join(
            f"{name}: {part.reason}"
            for name, part in parts.items()
            if part.valid == "unknown" and part.reason
        ),
        parts=parts,
    )
