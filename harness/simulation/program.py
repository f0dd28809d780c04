"""What runs on simulated nodes: programs that are known by the name of their file.

The entry points of the group ``duress.programs`` map the name of an executable, as it stands
in a command line (``node.pyz``), to a function from its arguments to an object with the
attributes of a :class:`Program`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePosixPath
from typing import Any

from .. import registry
from ..cluster import Process
from ..errors import InfrastructureError, UserError


@dataclass(frozen=True)
class Program:
    """A parsed command line.

    ``protocol``   the class of a sans-IO protocol; made with its context.
    ``node_id``    who it is; ``peers`` the address (host, port) of every one, itself included.
    ``listen``     where it listens; ``data`` its folder for durable data.
    ``options``    of the protocol; ``seed`` of its random choices, empty if none was given.
    ``latency_s``  mean of the exponential delay that it adds to its messages to peers.
    """

    protocol: type[Any]
    node_id: str
    peers: Mapping[str, tuple[str, int]]
    listen: tuple[str, int]
    data: str
    options: Mapping[str, Any]
    seed: str
    latency_s: float


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
            parsed = registry.load("programs", name)(process.argv[at + 1 :])
        except ValueError as wrong:
            raise UserError(f"{process.name}: {name}: {wrong}") from None
        except SystemExit:
            raise UserError(f"{process.name}: {name} refused its arguments") from None
        return Program(**{field.name: getattr(parsed, field.name) for field in fields(Program)})
    raise InfrastructureError(
        f"{process.name}: `{' '.join(process.argv)[:200]}` cannot be simulated; expected one of "
        f"the programs {', '.join(known) or 'none'} (entry points duress.programs); run this "
        "system on local or docker"
    )
