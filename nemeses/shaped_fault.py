"""What faults of whole nodes have in common that come in several shapes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from ..harness.errors import UserError
from .process_fault import ProcessFault


class ShapedFault(ProcessFault):
    """Draws a shape, by name, with every wish."""

    shapes: ClassVar[Collection[str]]
    """All that there are."""
    _shapes: Sequence[str]
    """Those that are drawn from."""

    @classmethod
    def check_aim(cls, aim: Mapping[str, Any]) -> None:
        """``UserError`` for an aim of a schedule that :meth:`plan` would not understand."""
        super().check_aim(aim)
        if aim.get("shape") not in cls.shapes:
            raise UserError(
                f"expected an aim with one of the shapes {', '.join(cls.shapes)}; got {dict(aim)}"
            )

    def _wish(self, random: Random) -> dict[str, Any]:
        return {**super()._wish(random), "shape": random.choice(self._shapes)}
