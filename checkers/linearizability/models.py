"""What an object promises when nobody else is using it.

A model is a sequential specification: an immutable ``initial`` state and
``step(state, operation)``, which gives the state after the operation or ``None``
where the operation could not have had that result. A user's own model needs
nothing else::

    class Counter:
        initial = 0

        def step(self, state, operation):
            if operation.f == "increment":
                return state + 1
            return state if operation.value == state else None

States must be hashable and must not be changed in place. ``operation`` has ``f``,
``value`` (the result where there is one, else the argument), ``process`` and ``type``:
``"ok"``, or ``"info"`` where the outcome is unknown. A model whose operation may lead
to several states defines ``steps(state, operation)`` instead, which yields all of them.

Optional attributes, each of which makes checking faster or finer:

``pure``         names of functions that never change the state.
``observers``    names of functions whose completion carries the value (default: all).
``owner_aware``  true if ``step`` looks at ``operation.process``.
``family``       which fast algorithms and encodings apply (see ``algorithms.py``).
``part(operation)``  the independent part of the state it touches, or ``None``:
                 the parts are checked one by one (P-compositionality, Horn & Kroening
                 2015, "Faster linearizability checking via P-compositionality").

**Unknown values.** An operation that never completed, or completed as ``info``, may have
had any result: a crashed read says nothing and is left out; a crashed dequeue, pop or
acquire may have taken whatever was there, or nothing. A read that completed ``ok`` with
``None`` read ``None``: the object must hold ``None`` (as in Porcupine's models; Knossos
takes it as "unknown"). Only in multi-register transactions a read of ``None`` is unknown,
as in Knossos, because there a client may leave out what it did not look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from ...harness.errors import UserError
from ...harness.operation import Operation
from .models_collections import (
    AppendLog,
    FifoQueue,
    GrowOnlySet,
    PriorityQueue,
    Set,
    Stack,
    UnorderedQueue,
)
from .models_locks import FencedMutex, Mutex, OwnerMutex, Semaphore
from .models_registers import CasRegister, Counter, KeyValueMap, MultiRegister, Register
from .values import freeze


class Model(Protocol):
    """A deterministic sequential specification."""

    initial: Any

    def step(self, state: Any, operation: Operation) -> Any:
        """The next state, or ``None`` if the operation is impossible in this one."""
        ...


MODELS: dict[str, Callable[..., Any]] = {
    "register": Register,
    "cas-register": CasRegister,
    "multi-register": MultiRegister,
    "mutex": Mutex,
    "owner-mutex": OwnerMutex,
    "fenced-mutex": FencedMutex,
    "semaphore": Semaphore,
    "counter": Counter,
    "set": Set,
    "g-set": GrowOnlySet,
    "queue": FifoQueue,
    "unordered-queue": UnorderedQueue,
    "stack": Stack,
    "priority-queue": PriorityQueue,
    "log": AppendLog,
    "kv-map": KeyValueMap,
}
"""Models by name; the first line of each one's docstring says what it is."""

ALIASES = {"fifo-queue": "queue", "append-log": "log", "kv": "kv-map", "map": "kv-map"}


def model_named(model: Any, initial: Any = None) -> Any:
    """The model of that name, or the user's own class or object, with its initial value.

    Raises :class:`UserError` for a name that is not in :data:`MODELS`.
    """
    if isinstance(model, str):
        made = MODELS.get(ALIASES.get(model, model))
        if made is None:
            known = ", ".join(sorted(MODELS))
            raise UserError(f"unknown model {model!r}; expected one of: {known}")
        return made() if initial is None else made(initial)
    made = model() if isinstance(model, type) else model
    if not hasattr(made, "initial") or not (hasattr(made, "step") or hasattr(made, "steps")):
        raise UserError(
            f"model {made!r} is not a model; expected an attribute 'initial' and a method "
            "'step(state, operation)' or 'steps(state, operation)'"
        )
    if initial is not None:
        made.initial = freeze(initial)
    return made


def successors(model: Any) -> Callable[[Any, Operation], Iterable[Any]]:
    """A function from a state and an operation to all next states (none: impossible)."""
    steps = getattr(model, "steps", None)
    if steps is not None:
        return steps
    step = model.step

    def only(state: Any, operation: Operation) -> Iterable[Any]:
        after = step(state, operation)
        return () if after is None else (after,)

    return only


def describe(model: str) -> str:
    """The model's one line of documentation."""
    return (MODELS[model].__doc__ or "").strip().splitlines()[0]
