"""Where the hosts of an ssh cluster are and how to log in: by options, files, ssh's config."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..option_values import flag, one_of, whole

OPTIONS: Mapping[str, str] = {
    "hosts": "user@host:port,… or @FILE with one a line; =ADDRESS behind one: what others call it",
    "ssh-user": "who logs in, where neither hosts nor ssh's config says (this user)",
    "ssh-key": "a private key file (default: the agent's, ssh's config's and ~/.ssh/id_*)",
    "ssh-jump": "user@host:port to go through",
    "ssh-config": "ssh's config file; none: do not read one (~/.ssh/config)",
    "ssh-known-hosts": "known hosts beside the usual ~/.ssh/known_hosts",
    "ssh-accept-new": "true: log in to hosts whose key is not known (false)",
    "ssh-sudo": "become root by `sudo -n`: auto (unless root logs in), always, never (auto)",
    "ssh-connect-s": "seconds until a login must have worked (15)",
    "ssh-heal-after-s": "seconds without a harness after which a host ends and heals all (30)",
}

_HOST = re.compile(
    r"(?:(?P<user>[^@\s]+)@)?(?P<host>[^@:=\s\[\]]+|\[[0-9a-fA-F:]+\])"
    r"(?::(?P<port>\d{1,5}))?(?:=(?P<address>\S+))?"
)


@dataclass(frozen=True)
class Login:
    """How to log in to one host.

    ``given``    as the user named it; ``host`` what is dialled.
    ``keys``     private key files; empty for those that ssh tries by itself.
    ``jump``     the host to go through; ``proxy_command`` a program instead of a socket.
    ``address``  what the other nodes and the clients call it, where that is not ``host``.
    """

    given: str
    host: str
    port: int
    user: str
    keys: tuple[str, ...] = ()
    jump: Login | None = None
    proxy_command: str | None = None
    address: str | None = None
    known_hosts: str | None = None
    accept_new: bool = False
    sudo: str = "auto"
    connect_s: int = 15
    heal_after_s: int = 30


def logins(options: Mapping[str, Any], count: int | None) -> list[Login]:
    """The first ``count`` hosts (``None``: all); ``UserError`` if there are fewer."""
    given = _given(options)
    if count is not None and len(given) < count:
        raise UserError(
            f"ssh cluster: {count} nodes need as many hosts, but hosts names {len(given)}; "
            "add some or say --nodes"
        )
    doubled = {each for each in given if given.count(each) > 1}
    if doubled:
        raise UserError(f"ssh cluster: hosts names {sorted(doubled)[0]!r} twice")
    config = _config(options)
    return [_login(each, options, config) for each in given[:count]]


def _given(options: Mapping[str, Any]) -> list[str]:
    text = str(options.get("hosts", "")).strip()
    if not text:
        raise UserError(
            "ssh cluster: say which hosts: --set hosts=n1.example,n2.example,… or @FILE"
        )
    if not text.startswith("@"):
        return [each.strip() for each in text.split(",") if each.strip()]
    path = Path(text[1:]).expanduser()
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"hosts: cannot read {path}: {error}") from None
    stripped = (line.split("#", 1)[0].strip() for line in lines)
    return [line for line in stripped if line]


def _config(options: Mapping[str, Any]) -> Any:
    """What ssh's config file says, or ``None``. A default file that is not there is no mistake."""
    from paramiko import ConfigParseError, SSHConfig

    named = options.get("ssh-config")
    if named == "none":
        return None
    path = Path(str(named or "~/.ssh/config")).expanduser()
    try:
        return SSHConfig.from_path(str(path))
    except FileNotFoundError:
        if named is None:
            return None
        raise UserError(f"ssh-config: no file {path}") from None
    except (ConfigParseError, OSError, UnicodeDecodeError) as error:
        raise UserError(f"ssh-config: cannot read {path}: {error}") from None


def _login(given: str, options: Mapping[str, Any], config: Any, is_jump: bool = False) -> Login:
    found = _HOST.fullmatch(given)
    if found is None or not 0 < int(found["port"] or 22) < 65536:
        raise UserError(f"hosts: expected user@host:port or host, got {given!r}")
    host = found["host"].strip("[]")
    said: Mapping[str, Any] = config.lookup(host) if config is not None else {}
    key = options.get("ssh-key")
    if key is not None and not Path(str(key)).expanduser().is_file():
        raise UserError(f"ssh-key: no file {key}")
    keys: Sequence[str] = [str(key)] if key is not None else said.get("identityfile", [])
    login = Login(
        given=given,
        host=str(said.get("hostname", host)),
        port=int(found["port"] or said.get("port", 22)),
        user=str(found["user"] or options.get("ssh-user") or said.get("user") or _me()),
        keys=tuple(str(Path(each).expanduser()) for each in keys),
        address=found["address"],
        known_hosts=options.get("ssh-known-hosts"),
        accept_new=flag(options, "ssh-accept-new", False),
        sudo=one_of(options, "ssh-sudo", "auto", ("auto", "always", "never")),
        connect_s=whole(options, "ssh-connect-s", 15, 1, 600),
        heal_after_s=whole(options, "ssh-heal-after-s", 30, 2, 3600),
        proxy_command=said.get("proxycommand"),
    )
    jump = None if is_jump else options.get("ssh-jump") or said.get("proxyjump")
    if jump and jump != "none":
        first = str(jump).split(",")
        if len(first) > 1:
            raise UserError(f"ssh-jump: one host to go through at most, got {jump!r}")
        login = replace(login, jump=_login(first[0], options, config, True), proxy_command=None)
    return login


def _me() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "root"
