"""What checkers of one model each tell the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from .tally import wishes_of


class OneModel:
    """A checker known by one name. ``takes``: its options, which its constructor takes."""

    model: ClassVar[str]
    about: ClassVar[str]
    takes: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def models(cls) -> dict[str, str]:
        """The model by name, with a line on it."""
        return {cls.model: cls.about}

    @classmethod
    def for_model(cls, model: str, wishes: Mapping[str, Any]) -> Self:
        """A checker with options as the command line has them. ``UserError`` for others."""
        return cls(**wishes_of(model, wishes, cls.takes))
