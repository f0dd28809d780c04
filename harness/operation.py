"""One call by a process, as an invocation or as its completion."""

from typing import Any, Literal

import msgspec

NEMESIS = "nemesis"
"""The name of the one process that is not a client."""

Type = Literal["invoke", "ok", "fail", "info"]


class Operation(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An entry of a history: an invocation, or the completion of one.

    ``index``    position in the history, from 0.
    ``time``     nanoseconds since the trial began; never decreases.
    ``process``  logical client thread (an integer, single-threaded, never reused after
                 an ``info``) or ``"nemesis"``.
    ``type``     ``invoke``; then ``ok`` (it happened), ``fail`` (it did not) or
                 ``info`` (nobody knows).
    ``f``        what was done: ``read``, ``write``, ``cas``, ``txn``, ``inject``, …
    ``value``    plain data: the argument, or on completion the result.
    ``key``      which of many independent objects it touched, or ``None``.
    ``node``     the node that the client spoke to, where it is known.
    ``error``    why it failed or is unknown, as plain data.
    """

    index: int
    time: int
    process: int | str
    type: Type
    f: str
    value: Any = None
    key: Any = None
    node: str | None = None
    error: Any = None
