"""What can go wrong, by whose fault it is.

The command line maps them to exit codes: :class:`UserError` is 2,
:class:`InfrastructureError` is 3. :class:`Failed` and :class:`Indeterminate`
never leave the interpreter: they are how a client says what became of an
operation.
"""

from typing import Any


class DuressError(Exception):
    """Anything duress raises on purpose. The message is one line that names the place."""


class UserError(DuressError):
    """The user's mistake: a bad flag, configuration or file. Exit code 2."""


class InfrastructureError(DuressError):
    """The machine, the cluster or a fault did not do what it must. Exit code 3."""


class Failed(Exception):
    """The operation definitely did not happen (completion ``fail``).

    ``error`` is plain data for the history: a string or a list such as
    ``["not-leader", "n3"]``.
    """

    def __init__(self, error: Any = None) -> None:
        super().__init__(error)
        self.error = error


class Indeterminate(Exception):
    """Nobody knows whether the operation happened (completion ``info``)."""

    def __init__(self, error: Any = None) -> None:
        super().__init__(error)
        self.error = error
