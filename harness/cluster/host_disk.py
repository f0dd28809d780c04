"""The disk of a host that is reached by ssh, for its agent. Standard library only."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from ..errors import InfrastructureError
from . import layer_process
from .layer_process import LayerProcess

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_SLAVE = 0x4000, 1 << 19
_MNT_DETACH = 2


class HostDisk:
    """The layer over the directory of the trial, seen by the agent and what it starts alone.

    The agent moves into a mount namespace of its own first: so the mount is gone with the agent,
    however that ends, and the host's other programs never see it.
    """

    def __init__(self, directory: str, commands: set[int]) -> None:
        self._directory = directory
        self._commands = commands
        self._layer: LayerProcess | None = None
        self._has_begun = False

    async def mount(self) -> None:
        """Mount it; ``InfrastructureError`` says what the host lacks. Idempotent."""
        if self._layer is not None:
            return
        if os.geteuid() != 0:
            raise InfrastructureError(
                "its disk can only be troubled by root: log in as root, or let sudo be allowed "
                "(ssh-sudo=always)"
            )
        if why := layer_process.reason_unavailable():
            raise InfrastructureError(why)
        library = ctypes.CDLL(None, use_errno=True)
        if library.unshare(_CLONE_NEWNS) != 0:
            raise InfrastructureError(f"unshare: {os.strerror(ctypes.get_errno())}")
        if library.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None) != 0:
            raise InfrastructureError(f"mount: {os.strerror(ctypes.get_errno())}")
        layer = LayerProcess("disk")
        await layer.start(0, self._directory)
        self._layer = layer
        self._commands.add(layer.pid)  # it is no program that a fault may hit

    async def order(self, order: dict[str, Any]) -> Any:
        """Have the layer carry out an order."""
        if self._layer is None:
            raise InfrastructureError("the disk's layer is not mounted: was the host restarted?")
        return await self._layer.ask(order)

    async def starting(self) -> None:
        """Make durable what was installed, when the first program is about to be started."""
        if self._layer is not None and not self._has_begun:
            self._has_begun = True
            await self.order({"do": "sync"})

    def end(self) -> None:
        """End and unmount it. Idempotent."""
        layer, self._layer = self._layer, None
        if layer is not None:
            layer.hang_up()
            ctypes.CDLL(None).umount2(self._directory.encode(), _MNT_DETACH)
            self._commands.discard(layer.pid)
            layer.close()
