"""A Raft whose first node has a disk with hardly any room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from duress.fixtures.systems.raft import RaftSystem

_MOUNT = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"room", sys.argv[1].encode(), b"tmpfs", ctypes.c_ulong(0), sys.argv[2].encode()):
    sys.exit(os.strerror(ctypes.get_errno()))
"""  # an image need not have mount(8)


class CrampedRaft(RaftSystem):
    """Raft; ``--set room=64k`` is the size of the disk of n1."""

    def __init__(self, cluster: Any, options: Mapping[str, Any]) -> None:
        own = dict(options)
        self._room = own.pop("room", "64k")
        super().__init__(cluster, own)

    async def install(self, node: Any) -> None:
        """Put the node's files where there is hardly any room for more."""
        await super().install(node)
        if node.name == "n1":
            data = f"{node.directory}/data"
            await node.run("mkdir", "-p", data)
            await node.run("python3", "-c", _MOUNT, data, f"size={self._room}")


CrampedRaft.options = {**RaftSystem.options, "room": "size of n1's disk"}
