"""What is known about a system from elsewhere, as trials that show it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """A published finding, or a control: settings under which it must not show.

    ``name``      unique; ``system`` as in ``duress list systems``.
    ``claim``     what was found, in a sentence.
    ``source``    who published it where.
    ``flags``     of ``duress run``, by parameter (``nemesis``, ``time_limit_s``, …); a ``schedule``
                  as the path of its file.
    ``settings``  of ``--set``, as text.
    ``shows``     anomalies of which one must be reported; empty: a control, which must be valid.
    ``trials``    at most so many, until it shows; a control is tried so often.
    ``controls``  of a control: the findings whose anomaly must not show under its settings.
    """

    name: str
    system: str
    claim: str
    source: str
    flags: Mapping[str, Any] = {}
    settings: Sequence[str] = ()
    shows: Sequence[str] = ()
    trials: int = 3
    controls: Sequence[str] = ()

    @property
    def is_control(self) -> bool:
        """Whether nothing must be found."""
        return not self.shows
