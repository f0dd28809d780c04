"""Which procedure decides which calls, in order of preference.

A procedure is offered the calls of one object if its model's family names it in
:data:`FAMILIES` and ``applies`` says yes; one that cannot tell answers
``Decision(valid=None)`` and the next is asked. The configuration search stands last and
decides everything, given time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import over_cores
from .calls import ALL, CRASHED, DIFFERS, HAS, LACKS, READ, TAKE, Calls
from .decision import Decision
from .encoding import OTHER
from .preparation import Problem, Problems
from .search import NODE_BYTES, Budget, Outcome, Search, Stepper

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEAM = 64
"""Configurations of the first, narrow search; most valid histories need no more."""

SMALL, LARGE = 16, 1_500
"""Calls from which arrays pay: once numba is there anyway, or to load it for them."""

APPENDED = 100
"""The same for maps with append: more are open to choice there."""

ROW_BYTES = 16 * 6 * 200
"""Memory for one configuration of the frontier over arrays, with the lists it passes through."""

PLAIN, PLAIN_LOADED = 50_000, 3_000
"""Configurations that the search in plain Python may look at in a history of less than ``LARGE``
calls before the compiled one takes over; fewer once numba is there."""

WHOLE = 200
"""Up to so many calls the search is exact from the start."""


class Algorithm(NamedTuple):
    """A named decision procedure."""

    name: str
    applies: Callable[[Calls], bool]
    decide: Callable[[Calls], Decision]


FAMILIES: dict[str, tuple[tuple[str, str], ...]] = {
    "register": (("unique-value zones", "zones"),),
    "map": (("unique-value zones", "zones"),),
    "queue": (("queue monitor", "containers_queue"),),
    "stack": (("stack monitor", "containers_stack"),),
    "priority-queue": (("priority-queue monitor", "containers_priority_queue"),),
    "set": (("set by element", "containers_set"),),
}
"""For each family of models the names and modules (``applies``, ``decide``) to try first."""


PURE_CODES = {
    **dict.fromkeys(("register", "map"), (READ, DIFFERS)),
    **dict.fromkeys(("queue", "stack", "priority-queue", "set"), (HAS, LACKS, ALL)),
}
"""Functions of which an unfinished call says nothing, by family."""

TAKES_UNKNOWN = frozenset({"queue", "stack", "priority-queue"})
"""Families where an unfinished ``TAKE`` may yet give anything."""


class Judged(NamedTuple):
    """What was found out about one object.

    ``position``: index in the history of the completion at which it failed (or stopped).
    ``final``: the configurations before it, where the search tells them.
    """

    problem: Problem
    valid: bool | None
    algorithm: str
    witness: Sequence[int] | NDArray[Any] | None = None
    certificate: Sequence[int] | None = None
    position: int = -1
    note: str = ""
    frontier: int = 0
    explored: int = 0
    final: Outcome | None = None


def algorithms_for(problem: Problem) -> list[Algorithm]:
    """The special procedures for a problem, best first; imported when asked for."""
    family = getattr(problem.model, "family", None)
    if family not in FAMILIES or not len(problem) or (problem.calls.f == OTHER).any():
        return []
    found = []
    for name, module in FAMILIES[family]:
        procedure = import_module(f".{module}", __package__)
        if procedure.applies(problem.calls):
            found.append(Algorithm(name, procedure.applies, procedure.decide))
    return found


def decide(
    problems: Sequence[Problem], algorithm: str, budget: Budget, first: bool = False
) -> Iterator[Judged]:
    """Decide the problems in order; ``first`` stops after one that fails."""
    together: Sequence[Any] = ()
    explored = 0
    if algorithm == "auto" and isinstance(problems, Problems) and _batchable(problems):
        from .registers_batch import explained

        together, explored = explained(problems.calls, problems.starts, lambda: budget.exhausted(0))
    workers = 0 if together else min(over_cores.cores(), _large(problems))

    def each() -> Iterator[Judged]:
        nonlocal explored
        for at, problem in enumerate(problems):
            if together and together[at] is not None:
                name = "frontier search, all keys at once"
                yield Judged(problem, True, name, together[at], explored=explored)
                explored = 0
            else:
                yield decide_one(problem, algorithm, budget)

    def one(problem: Problem, budget: Budget) -> Judged:
        return decide_one(problem, algorithm, budget)

    found = over_cores.in_order(one, problems, budget, workers) if workers > 1 else each()
    for judged in found:
        yield judged
        if first and judged.valid is False:
            return


def _large(problems: Sequence[Problem]) -> int:
    """How many objects are worth a thread of their own."""
    if isinstance(problems, Problems):
        return int((np.diff(problems.starts) >= LARGE).sum())
    return sum(len(problem) >= LARGE for problem in problems)


def _batchable(problems: Problems) -> bool:
    """Many small registers, together worth the compiled search."""
    if len(problems) < 8 or getattr(problems.model, "family", None) not in ("register", "map"):
        return False
    sizes, total = np.diff(problems.starts), len(problems.calls)
    if sizes.max() > LARGE or total < (WHOLE if "numba" in sys.modules else LARGE):
        return False
    return not (problems.calls.f == OTHER).any()


def decide_one(problem: Problem, algorithm: str, budget: Budget) -> Judged:
    """One object: special procedures first, then the search."""
    if algorithm == "auto":
        for special in algorithms_for(problem):
            decision = special.decide(problem.calls)
            if decision.valid is None:
                continue
            return Judged(
                problem,
                decision.valid,
                special.name,
                decision.witness,
                decision.certificate,
                -1 if decision.valid else _failing_position(problem, special, decision),
                decision.note,
            )
    return search(problem, budget)


def search(problem: Problem, budget: Budget) -> Judged:
    """The configuration search: over arrays for registers with many calls."""
    size = len(problem)
    family = getattr(problem.model, "family", None)
    worth = size >= LARGE or (size >= SMALL and "numba" in sys.modules)
    if worth and family in ("register", "map") and not (problem.calls.f == OTHER).any():
        return _search_register(problem, budget)
    if family == "map" and (size >= APPENDED or (size >= SMALL and "numba" in sys.modules)):
        from .appends import encoded

        made = encoded(problem)
        if made is not None:
            return _search_register(problem, budget, *made)
    if size < LARGE:
        loaded = "numba" in sys.modules
        limit = PLAIN_LOADED if loaded and size >= SMALL else PLAIN
        few = replace(budget, explored=0, limit=min(limit, budget.limit or limit))
        few._deadline = budget._deadline  # it runs already
        judged = search_any(problem, few)
        budget.explored += few.explored
        if judged.valid is not None:
            return judged
        why = budget.exhausted(0)
        if why:  # not the small share that this search was given, but the whole
            return judged._replace(note=_how_far(why, judged.position, judged.frontier))
    return search_table(problem, budget)


def _how_far(why: str, position: int, frontier: int) -> str:
    return f"{why} at index {position}, with {frontier} configurations still possible before it"


def search_table(problem: Problem, budget: Budget) -> Judged:
    """The search over the model's transition table, compiled."""
    from .table_decide import decide

    found = decide(
        problem,
        budget.memory_limit_bytes or 1 << 31,
        lambda size: budget.exhausted(size // NODE_BYTES),
        compiled=True,
    )
    budget.explored += found.explored
    return Judged(
        problem, found.valid, found.algorithm, found.witness, found.certificate,
        found.position, found.note, found.frontier, found.explored, found.final,
    )  # fmt: skip


def _search_register(
    problem: Problem, budget: Budget, calls: Calls | None = None, after: Any = None
) -> Judged:
    from . import registers

    memory = budget.memory_limit_bytes or 1 << 31
    rows = max(1024, min(1 << 20, memory // ROW_BYTES))
    found = registers.decide(
        problem.calls if calls is None else calls, rows, lambda: budget.exhausted(0), after
    )
    return Judged(
        problem, found.valid, found.algorithm, found.witness, found.certificate,
        found.position, found.note, found.frontier, found.explored,
    )  # fmt: skip


def search_any(problem: Problem, budget: Budget) -> Judged:
    """The search over any model: narrow first where the history is long, then exact."""
    kinds, operations = problem.kinds
    stepper = Stepper(problem.model, operations)
    invoked, returned = problem.calls.invoked.tolist(), problem.calls.returned.tolist()
    beams = (None,) if len(invoked) <= WHOLE else (BEAM, 16 * BEAM, None)
    outcome = None
    for beam in beams:
        run = Search(stepper, invoked, returned, kinds, beam=beam, budget=budget)
        outcome = run.run((problem.model.initial,))
        if outcome.valid is not None:
            break
    assert outcome is not None
    note = outcome.note
    if outcome.valid is None:
        note = _how_far(outcome.note, outcome.position, outcome.frontier)
    return Judged(
        problem,
        outcome.valid,
        "configuration search",
        outcome.witness if outcome.valid else None,
        None,
        outcome.position,
        note,
        outcome.frontier,
        outcome.explored,
    )


def prefix(problem: Problem, position: int) -> Calls:
    """The calls as far as they were known just after the event at ``position``."""
    calls, family = problem.calls, getattr(problem.model, "family", None)
    count = int(calls.invoked.searchsorted(position, side="right"))
    returned, f, a = calls.returned[:count].copy(), calls.f[:count], calls.a[:count].copy()
    crashed = returned > position
    returned[crashed] = CRASHED
    keep = ~(crashed & np.isin(f, PURE_CODES[family or ""]))
    if family in TAKES_UNKNOWN:
        a[crashed & (f == TAKE)] = 0
    return replace(
        calls,
        invoked=calls.invoked[:count][keep],
        returned=returned[keep],
        f=f[keep],
        a=a[keep],
        b=calls.b[:count][keep],
    )


def _failing_position(problem: Problem, special: Algorithm, decision: Decision) -> int:
    """Index of the first completion up to which the calls have no explanation (bisection)."""
    calls = problem.calls
    ends = np.sort(calls.returned[calls.returned != CRASHED])
    bad = len(ends) - 1
    if decision.certificate:
        last = max(int(calls.returned[at]) for at in decision.certificate)
        bad = min(bad, int(np.searchsorted(ends, last)))
    good, step = bad - 1, 1
    while good >= 0 and _fails(problem, special, int(ends[good])):
        bad, step = good, 2 * step
        good = bad - step
    good = max(good, -1)
    while bad - good > 1:
        middle = (good + bad) // 2
        if _fails(problem, special, int(ends[middle])):
            bad = middle
        else:
            good = middle
    return int(ends[bad])


def _fails(problem: Problem, special: Algorithm, position: int) -> bool:
    return special.decide(prefix(problem, position)).valid is False
