"""What stands before every page: which requests are answered at all, and what browsers may do."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Our own pages: scripts and styles from files of ours only, nothing from anywhere else."""

REPORT = (
    "sandbox allow-scripts allow-downloads allow-modals; default-src 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""A report is a file of a run folder, which somebody else may have made: it runs in an origin of
its own, where it can ask for nothing. Its own, narrower policy applies besides."""

FILE = "sandbox; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Anything else of a run folder: never more than bytes."""

HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/@\s]+)(?::(\d{1,5}))?")


class Shield:
    """Answers GET and HEAD for hosts that this server goes by, and nothing else.

    A page elsewhere can make a browser ask us under a name of its own that leads here ("DNS
    rebinding"); it cannot make it do so by address. So addresses are answered, and the names
    ``localhost`` and those in ``names``.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not self.knows(hosts[0].decode("latin-1")):
            await _refuse(send, 421, b"This server does not go by that name; see --allow-host.\n")
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, b"Only GET and HEAD: nothing can be changed here.\n")
        else:
            await self._app(scope, receive, _with_headers(send))

    def knows(self, host: str) -> bool:
        """Whether a ``Host`` header names this server."""
        parts = _HOST.fullmatch(host)
        if parts is None:
            return False
        name = parts[1].lower().rstrip(".")
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


def own_names(host: str) -> list[str]:
    """Names of this machine, if others may reach the server by them: it is bound to more than
    loopback."""
    if is_loopback(host):
        return [host]
    return [host, socket.gethostname(), socket.getfqdn()]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is bound there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            given = {name.lower() for name, _ in headers}
            for name, value in {**HEADERS, "content-security-policy": PAGE}.items():
                if name.encode() not in given:
                    headers.append((name.encode(), value.encode()))
            if b"cache-control" not in given:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, text: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"content-security-policy", FILE.encode()),
        *([(b"allow", b"GET, HEAD")] if status == 405 else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
