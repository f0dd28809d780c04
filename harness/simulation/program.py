"""What runs on simulated nodes: programs that are known by the name of their file.

The entry points of the group ``duress.programs`` map the name of an executable, as it stands
in a command line (``node.pyz``), to a function from its arguments to a :class:`Program`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol

from .. import registry
from ..cluster import Process
from ..errors import InfrastructureError, UserError


class Program(Protocol):
    """A parsed command line.

    ``protocol``   the class of a sans-IO protocol; made with its context.
    ``node_id``    who it is; ``peers`` the address (host, port) of every one, itself included.
    ``listen``     where it listens; ``data`` its folder for durable data.
    ``options``    of the protocol; ``seed`` of its random choices, if one was given.
    ``latency_s``  mean of the exponential delay that it adds to its messages to peers.
    """

    @property
    def protocol(self) -> Any: ...
    @property
    def node_id(self) -> str: ...
    @property
    def peers(self) -> Mapping[str, tuple[str, int]]: ...
    @property
    def listen(self) -> tuple[str, int]: ...
    @property
    def data(self) -> str: ...
    @property
    def options(self) -> Mapping[str, str]: ...
    @property
    def seed(self) -> str: ...
    @property
    def latency_s(self) -> float: ...


def find(process: Process, files: Sequence[str]) -> Program:
    """The program of a command line, which must be one of the node's files.

    ``InfrastructureError`` if it is none that can be simulated, ``UserError`` if its arguments
    are wrong.
    """
    known = registry.names("programs")
    for at, word in enumerate(process.argv):
        name = PurePosixPath(word).name
        if name not in known:
            continue
        if word not in files:
            raise InfrastructureError(f"{process.name}: {word}: no such file on the node")
        try:
            return registry.load("programs", name)(process.argv[at + 1 :])
        except ValueError as wrong:
            raise UserError(f"{process.name}: {name}: {wrong}") from None
        except SystemExit:
            raise UserError(f"{process.name}: {name} refused its arguments") from None
    raise InfrastructureError(
        f"{process.name}: `{' '.join(process.argv)[:200]}` cannot be simulated; expected one of "
        f"the programs {', '.join(known) or 'none'} (entry points duress.programs); run this "
        "system on local or docker"
    )
