"""Runs the server until somebody ends it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from ...harness.errors import InfrastructureError, UserError
from . import shield
from .app import Application
from .index_keeper import IndexKeeper
from .run_index import FILE, RunIndex

GRACE_S = 3
BACKLOG = 128


class _Server(uvicorn.Server):
    """Tells open streams of events to end as soon as it is to end itself."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: Any) -> None:
        self._ending()
        super().handle_exit(sig, frame)


def serve(
    store: Path,
    host: str,
    port: int,
    names: Sequence[str],
    ready: Callable[[str, Application], None],
    campaigns: Path | None = None,
) -> None:
    """Answer until SIGINT or SIGTERM. ``ready`` is called with the address once it is bound.

    ``names`` are further names that the server goes by; ``campaigns`` is the folder of campaigns,
    which need not be there yet. Raises ``UserError`` if the store is no folder, or if the address
    cannot be had; and ``KeyboardInterrupt`` when it was ended.
    """
    _check(store)
    listening = bound(host, port)
    try:
        with application_of(store, campaigns) as application:
            server = server_of(application, [*shield.own_names(host), *names])
            ready(address(listening), application)
            asyncio.run(server.serve([listening]))
    finally:
        listening.close()


@contextlib.contextmanager
def serving(
    store: Path, host: str, port: int, names: Sequence[str], campaigns: Path | None = None
) -> Iterator[str]:
    """The same for the time of the block, in a thread; yields the address."""
    _check(store)
    listening = bound(host, port)
    try:
        with application_of(store, campaigns) as application:
            server = server_of(application, [*shield.own_names(host), *names])
            thread = threading.Thread(target=server.run, args=([listening],), name="duress-serve")
            thread.start()
            try:
                yield address(listening)
            finally:
                application.end()
                server.should_exit = True
                thread.join()
    finally:
        listening.close()


def _check(store: Path) -> None:
    if not store.is_dir():
        raise UserError(
            f"{store}: no such folder; run something first (duress run raft), or name another "
            "one with --store"
        )
    if (store / "trial.json").is_file():
        raise UserError(
            f"{store}: a run folder; expected the folder it is in: --store {store.parent}"
        )


@contextlib.contextmanager
def application_of(store: Path, campaigns: Path | None = None) -> Iterator[Application]:
    """The pages of a store and of campaigns, with an index that follows the store meanwhile.

    Raises ``InfrastructureError`` if the index cannot be opened, as another process holds it.
    """
    try:
        index = RunIndex(store.resolve(), campaigns=campaigns and campaigns.resolve())
        keeper = IndexKeeper(index)
    except sqlite3.Error as error:
        raise InfrastructureError(f"{store / FILE}: {error}; it may be deleted") from None
    try:
        keeper.start()
        yield Application(store.resolve(), keeper, campaigns and campaigns.resolve())
    finally:
        keeper.stop()
        keeper.index.close()


def server_of(application: Application, names: Sequence[str]) -> uvicorn.Server:
    """What answers requests to those pages; ``names`` as in :class:`.shield.Shield`."""
    config = uvicorn.Config(
        shield.Shield(application.app, names),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=30,
    )
    return _Server(config, application.end)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; ``UserError`` says why there is none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host}: {getattr(error, 'strerror', error)}") from None
    family, kind, protocol, _, place = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise UserError(
            f"{host}:{port}: {error.strerror}; try another --port (0 picks a free one)"
        ) from None
    return listening


def address(listening: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = listening.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
