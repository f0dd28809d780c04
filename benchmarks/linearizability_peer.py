"""A peer that judges the same histories: any program that speaks this protocol.

Standard input: JSON lines. First the model, what a register or key holds at first, how long it
may take::

    {"model": "cas-register", "initial": null, "time_limit_s": 60.0}

(or ``register``, ``kv-map``, ``queue``, ``stack``, ``priority-queue``, ``set``), then a line for
each call, in order of ``call``::

    {"key": null, "process": 0, "f": "cas", "input": [1, 2], "output": [1, 2], "ok": true,
     "call": 17, "return": 20}

``call`` and ``return`` are places in the history, all different. ``ok`` is true if the call
succeeded, false for a cas known to have found another value (only where that is an
observation; other failed calls are left out), null, as is ``return``, if nobody knows: it may take
effect at any time after ``call``, or never. Calls of different ``key`` are on independent objects.

Standard output: one line, ``{"valid": true, "seconds": 0.0123}``, with the time of the check
alone, splitting by key included, reading excluded. ``valid`` is ``"unknown"`` at the time limit.
"""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Iterator
from typing import Any

from duress.harness.history import History

MEMORY_LIMIT_BYTES = 16 << 30
"""Address space a peer may have: it must fail, not the machine."""


def judged(
    program: str, model: str, initial: Any, failed_cas: str, history: History, limit_s: float
) -> tuple[Any, float | str]:
    """The peer's verdict and its seconds, or ``None`` and why there are none."""
    head = {"model": model, "initial": initial, "time_limit_s": limit_s}
    text = "\n".join(json.dumps(each) for each in (head, *_calls(history, failed_cas))) + "\n"
    try:
        done = subprocess.run(
            [program], input=text, capture_output=True, text=True, check=True,
            timeout=3 * limit_s + 60, preexec_fn=_limit_memory,
        )  # fmt: skip
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return None, f"none in {limit_s:.0f} s"
    except subprocess.CalledProcessError as error:
        return None, "out of memory" if "out of memory" in error.stderr else "failed"
    except OSError as error:
        return None, str(error)
    if answer["valid"] == "unknown":
        return None, f"none in {limit_s:.0f} s"
    return answer["valid"], float(answer["seconds"])


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))


def _calls(history: History, failed_cas: str) -> Iterator[dict[str, Any]]:
    for invocation, completion in history.pairs():
        ended = completion.type if completion is not None else "info"
        if ended == "fail" and (invocation.f != "cas" or failed_cas == "drop"):
            continue
        known = completion is not None and ended != "info"
        yield {
            "key": invocation.key,
            "process": invocation.process,
            "f": invocation.f,
            "input": invocation.value,
            "output": completion.value if known and completion is not None else None,
            "ok": ended == "ok" if known else None,
            "call": invocation.index,
            "return": completion.index if known and completion is not None else None,
        }
