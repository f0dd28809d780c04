"""Is a history linearizable: did every operation seem to take effect at one instant?

>>> verdict = Linearizable("cas-register").check(history, {})

The history is split into independent objects, each is put to the fastest procedure that
decides it, and whatever fails is reduced to the few operations that show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...harness.history import History
    from ...harness.verdict import Verdict

__all__ = ["Linearizable"]


class Linearizable:
    """Judges by a model: a name (``models.MODELS``) or a user's own class or object.

    ``initial``     what the object holds at first (the model's own default if ``None``).
    ``failed_cas``  ``"drop"``: a failed cas did not happen (as Jepsen and Knossos);
                    ``"observe"``: it tells that the value differed (as Porcupine).
    ``algorithm``   ``"auto"``, or ``"search"`` to do without the special procedures.
    ``none_reads``  whether a read that answered ``None`` saw that ``"value"`` or is
                    ``"unknown"`` (as Knossos); ``"auto"``: unknown if the register neither
                    began as ``None`` nor was ever set to it.
    ``first``       stop at the first object that fails.
    """

    def __init__(
        self,
        model: Any = "cas-register",
        initial: Any = None,
        failed_cas: str = "drop",
        algorithm: str = "auto",
        first: bool = False,
        none_reads: str = "auto",
    ) -> None:
        self.model = model
        self.initial = initial
        self.failed_cas = failed_cas
        self.algorithm = algorithm
        self.first = first
        self.none_reads = none_reads

    def check(self, history: History, options: Mapping[str, Any]) -> Verdict:
        """Judge. Options: ``time_limit_s``, ``memory_limit_bytes``, ``clock``, ``first``.

        ``clock`` is a function giving seconds (default ``time.monotonic``), asked only if
        there is a time limit. Raises :class:`UserError` for a model that does not exist.
        """
        from .judgement import judge

        return judge(self, history, options)

    @classmethod
    def models(cls) -> dict[str, str]:
        """Every name and alias of a model, with a line on each."""
        from .models import ALIASES, MODELS, describe

        names = {name: describe(name).replace("``", "") for name in MODELS}
        return names | {alias: f"The same as {name}." for alias, name in ALIASES.items()}

    @classmethod
    def for_model(cls, model: Any, wishes: Mapping[str, Any]) -> Linearizable:
        """A checker with options as the command line has them. :class:`UserError` for others."""
        from .models import model_named
        from .settings import from_wishes

        options = from_wishes(wishes)
        model_named(model, options.get("initial"))
        return cls(model, **options)
