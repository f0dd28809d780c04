"""Requests to the agent of a host, over a connection that is made anew when it is lost."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ..errors import InfrastructureError
from .ssh_login import Login
from .ssh_session import SshSession

RECONNECT_S = 20.0
"""How long a request that may be repeated waits for a lost host to come back."""

PAUSE_S = 0.3

GONE_S = 15.0
"""So long after it was waited for in vain, a host is not waited for again."""

BEAT_S, BEAT_ANSWER_S = 5.0, 10.0
"""How often at least a host hears from us, and how soon it must answer: a connection through which
nothing passes any more ends by itself only after many minutes."""

Restarted = Callable[[], Awaitable[None]]


class _Lost(Exception):
    """The connection ended before the answer came."""


class HostLink:
    """The harness's end. Used on the event loop only; errors are ``InfrastructureError``.

    ``restarted``: awaited when, after a loss, another server answers than before: the host was
    rebooted or the server killed, and what it knew and had cut is gone.
    """

    def __init__(self, login: Login, trial_id: str, restarted: Restarted) -> None:
        self.login = login
        self.directory = ""
        self.ssh_port = login.port
        self._trial_id = trial_id
        self._restarted = restarted
        self._loop = asyncio.get_running_loop()
        self._session: SshSession | None = None
        self._server = 0
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._opening = asyncio.Lock()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix=f"ssh-{login.given}")
        self._closed = False
        self._gone_until = 0.0
        self._beating: asyncio.Task[None] | None = None

    @property
    def is_known(self) -> bool:
        """Whether there was ever a server there: then there is something to be ended."""
        return bool(self._server)

    async def ask(
        self, do: str, *, again: bool = True, timeout_s: float = 30, **fields: Any
    ) -> Any:
        """What the agent answers. ``again``: whether doing it twice is as good as once."""
        ends = self._loop.time() + RECONNECT_S
        while True:
            try:
                await self._open()
                return await self._request(do, timeout_s, fields)
            except _Lost:
                if not again:
                    raise self._complaint(f"the connection was lost during {do!r}") from None
                if self._closed or self._loop.time() > ends:
                    raise self._given_up() from None
            except InfrastructureError:
                # Logging in failed: at the first time that is final, later it may come back.
                if self._session is not None or not self._server or self._is_gone():
                    raise
                if self._loop.time() > ends:
                    raise self._given_up() from None
            await asyncio.sleep(PAUSE_S)

    def _is_gone(self) -> bool:
        return self._loop.time() < self._gone_until

    def _given_up(self) -> InfrastructureError:
        self._gone_until = self._loop.time() + GONE_S
        return self._complaint(f"lost, and not back after {RECONNECT_S:g} s")

    async def _beat(self) -> None:
        """Say hello for ever, so that the host knows that we live, and we that it does."""
        while True:
            await asyncio.sleep(min(BEAT_S, self.login.heal_after_s / 4))
            if (session := self._session) is None:
                continue
            try:
                await self._request("hello", BEAT_ANSWER_S, {})
            except _Lost:
                continue
            except InfrastructureError:
                self._lost([session])

    async def close(self) -> None:
        """Hang up. Idempotent."""
        self._closed = True
        if self._beating is not None:
            self._beating.cancel()
        session, self._session = self._session, None
        if session is not None:
            await asyncio.to_thread(session.close)
        self._abandon()
        self._threads.shutdown(wait=False)

    async def _open(self) -> None:
        async with self._opening:
            if self._session is not None:
                return
            if self._is_gone():
                raise self._complaint("was lost, and is not back")
            session: SshSession | None = None

            def made() -> SshSession:
                return SshSession(
                    self.login,
                    self._trial_id,
                    lambda line: self._call(self._hear, line),
                    lambda: self._call(self._lost, made_here),
                )

            made_here: list[SshSession] = []
            session = await asyncio.to_thread(made)
            made_here.append(session)
            self._session = session
            self.directory, self.ssh_port = session.directory, session.ssh_port
            server = (await self._request("hello", 10, {}))["pid"]
            was, self._server = self._server, server
            if self._beating is None and not self._closed:
                self._beating = self._loop.create_task(self._beat())
        if was and was != server:
            await self._restarted()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """From a thread of the session; the loop may be closed by then."""
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            return

    async def _request(self, do: str, timeout_s: float, fields: dict[str, Any]) -> Any:
        session = self._session
        if session is None:
            raise _Lost
        number = next(self._numbers)
        line = json.dumps({"id": number, "do": do, **fields}).encode() + b"\n"
        answer = self._waiting[number] = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                try:
                    await self._loop.run_in_executor(self._threads, session.send, line)
                except (OSError, EOFError):
                    self._lost([session])
                    raise _Lost from None
                return await answer
        except TimeoutError:
            raise self._complaint(f"no answer to {do!r} after {timeout_s:g} s") from None
        finally:
            self._waiting.pop(number, None)

    def _hear(self, line: bytes) -> None:
        message = json.loads(line)
        answer = self._waiting.get(message["id"])
        if answer is None or answer.done():
            return
        if "ok" in message:
            answer.set_result(message["ok"])
        elif "missing" in message:
            answer.set_exception(FileNotFoundError(message["missing"]))
        else:
            answer.set_exception(self._complaint(message.get("failed", "an answer without sense")))

    def _lost(self, sessions: list[SshSession]) -> None:
        if self._session is not None and self._session in sessions:
            session, self._session = self._session, None
            self._loop.run_in_executor(None, session.close)
            self._abandon()

    def _abandon(self) -> None:
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(_Lost())

    def _complaint(self, what: str) -> InfrastructureError:
        return InfrastructureError(f"host {self.login.given}: {what}")


def text_of(content: bytes | None) -> str | None:
    """Bytes as they travel."""
    return None if content is None else base64.b64encode(content).decode()
