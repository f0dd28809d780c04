"""duress: puts a distributed protocol under duress and tells whether it kept its promises.

``duress.run("raft", nemesis="partition", seed=7)`` runs a trial; ``docs/python.md`` shows all that
can be done from Python. Importing this package imports nothing heavy: its functions and the rooms
of the house (``duress.harness``, ``duress.checkers``, …) are imported when they are used.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .harness.api.campaigns import campaign as campaign
    from .harness.api.campaigns import gate as gate
    from .harness.api.execution import Interrupted as Interrupted
    from .harness.api.histories import check as check
    from .harness.api.histories import convert as convert
    from .harness.api.machine import clean as clean
    from .harness.api.machine import doctor as doctor
    from .harness.api.machine import fault_matrix as fault_matrix
    from .harness.api.machine import images as images
    from .harness.api.machine import init as init
    from .harness.api.machine import list as list
    from .harness.api.machine import register as register
    from .harness.api.machine import serve as serve
    from .harness.api.search import Hunted as Hunted
    from .harness.api.search import findings as findings
    from .harness.api.search import hunt as hunt
    from .harness.api.search import prove as prove
    from .harness.api.search import rediscover as rediscover
    from .harness.api.trial import NotValid as NotValid
    from .harness.api.trial import Trial as Trial
    from .harness.api.trial import Undecided as Undecided
    from .harness.api.trial import Violation as Violation
    from .harness.api.trials import replay as replay
    from .harness.api.trials import report as report
    from .harness.api.trials import run as run
    from .harness.api.trials import saved as saved
    from .harness.api.trials import shrink as shrink
    from .harness.campaign.plan import Matrix as Matrix
    from .harness.campaign.plan import Plan as Plan
    from .harness.errors import DuressError as DuressError
    from .harness.errors import InfrastructureError as InfrastructureError
    from .harness.errors import UserError as UserError
    from .harness.history import History as History
    from .harness.operation import Operation as Operation
    from .harness.verdict import Anomaly as Anomaly
    from .harness.verdict import Verdict as Verdict

_PLACES = {
    "harness.api.campaigns": ("campaign", "gate"),
    "harness.api.execution": ("Interrupted",),
    "harness.api.histories": ("check", "convert"),
    "harness.api.machine": (
        *("clean", "doctor", "fault_matrix", "images", "init", "list", "register", "serve"),
    ),
    "harness.api.search": ("Hunted", "findings", "hunt", "prove", "rediscover"),
    "harness.api.trial": ("NotValid", "Trial", "Undecided", "Violation"),
    "harness.api.trials": ("replay", "report", "run", "saved", "shrink"),
    "harness.campaign.plan": ("Matrix", "Plan"),
    "harness.errors": ("DuressError", "InfrastructureError", "UserError"),
    "harness.history": ("History",),
    "harness.operation": ("Operation",),
    "harness.verdict": ("Anomaly", "Verdict"),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}


def __getattr__(name: str) -> object:
    """What is imported when it is used."""
    place = _PLACE_OF.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f".{place}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> Iterable[str]:
    return sorted({*globals(), *_PLACE_OF})
