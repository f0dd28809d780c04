"""A host that is logged in to by ssh (paramiko): keys checked, commands run, agent put there."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shlex
import socket
from pathlib import Path
from typing import Any

from ..errors import InfrastructureError, UserError
from .host_bundle import agent_bundle
from .ssh_login import Login

KEEPALIVE_S = 5
COMMAND_S = 30


class SshHost:
    """A login. Blocking: made, used and closed in threads. Errors are ``InfrastructureError``.

    ``root``   whether what runs there is root's, by itself or by ``sudo`` (words before a command).
    ``home``   the home directory of who logged in.
    """

    def __init__(self, login: Login) -> None:
        self.login = login
        self._clients: list[Any] = []
        # It would write to the terminal what is raised here as well.
        logging.getLogger("paramiko").addHandler(logging.NullHandler())
        try:
            self._client = self._logged_in(login)
            self.sudo = self._becomes_root()
            self.root = bool(self.sudo) or login.user == "root"
            self.home = self.command('printf %s "$HOME"').decode().strip()
        except BaseException:
            self.close()
            raise

    def channel(self) -> Any:
        """A new channel of the connection."""
        return self._transport(self._client).open_session(timeout=self.login.connect_s)

    def close(self) -> None:
        """Hang up. Idempotent."""
        for client in reversed(self._clients):
            with contextlib.suppress(Exception):
                client.close()
        self._clients.clear()

    # -- logging in ----------------------------------------------------------------

    def _logged_in(self, login: Login) -> Any:
        import paramiko

        through = None
        if login.jump is not None:
            hop = self._transport(self._logged_in(login.jump))
            try:
                through = hop.open_channel(
                    "direct-tcpip", (login.host, login.port), ("", 0), timeout=login.connect_s
                )
            except (paramiko.SSHException, OSError) as error:
                raise self.complaint(
                    f"not to be reached from {login.jump.given}: {error}"
                ) from None
        elif login.proxy_command:
            through = paramiko.ProxyCommand(login.proxy_command)
        client = paramiko.SSHClient()
        self._clients.append(client)
        client.load_system_host_keys()
        if login.known_hosts is not None:
            path = Path(login.known_hosts).expanduser()
            try:
                client.load_host_keys(str(path))
            except OSError as error:
                raise UserError(f"ssh-known-hosts: cannot read {path}: {error.strerror}") from None
        if login.accept_new:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        else:
            client.set_missing_host_key_policy(_refusing())
        try:
            self._authenticate(client, login, through)
        except paramiko.BadHostKeyException as error:
            raise self.complaint(
                f"its key is another than the known one ({_fingerprint(error.key)}): "
                "is it the same machine?"
            ) from None
        except paramiko.AuthenticationException as error:
            keys = ", ".join(login.keys) or "those of the agent and ~/.ssh"
            raise self.complaint(f"refuses {login.user} with the keys {keys}: {error}") from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            reason = str(error) or type(error).__name__
            raise self.complaint(f"no login as {login.user}, port {login.port}: {reason}") from None
        transport = self._transport(client)
        transport.set_keepalive(KEEPALIVE_S)
        with contextlib.suppress(OSError, AttributeError):
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def _authenticate(self, client: Any, login: Login, through: Any) -> None:
        """Try the agent and the usual keys, or one after another those that were named."""
        import paramiko

        usual = {"allow_agent": True, "look_for_keys": True}
        ways = [
            {"allow_agent": False, "look_for_keys": False, "pkey": self._key(path)}
            for path in login.keys
            if Path(path).is_file()
        ] or [usual]
        for left, way in reversed(list(enumerate(reversed(ways)))):
            try:
                client.connect(
                    login.host,
                    login.port,
                    login.user,
                    timeout=login.connect_s,
                    banner_timeout=login.connect_s,
                    auth_timeout=login.connect_s,
                    sock=through,
                    **way,
                )
                return
            except paramiko.AuthenticationException:
                if left == 0 or through is not None:
                    raise

    def _key(self, path: str) -> Any:
        import paramiko

        try:
            return paramiko.PKey.from_path(path)
        except (paramiko.SSHException, ValueError, TypeError, OSError) as error:
            raise self.complaint(
                f"cannot use the key {path}: {error}; if it has a passphrase, give it to ssh-agent"
            ) from None

    @staticmethod
    def _transport(client: Any) -> Any:
        transport = client.get_transport()
        assert transport is not None, "a client that is logged in has one"
        return transport

    def _becomes_root(self) -> list[str]:
        if self.login.sudo == "never" or (self.login.sudo == "auto" and self.login.user == "root"):
            return []
        try:
            self.command("sudo -n true")
        except InfrastructureError as error:
            if self.login.sudo == "always":
                raise
            raise InfrastructureError(
                f"{error}; faults need root: allow sudo without a password, log in as root, or "
                "say ssh-sudo=never to go on without partitions"
            ) from None
        return ["sudo", "-n"]

    # -- the agent -----------------------------------------------------------------

    def put_agent(self) -> str:
        """Put the agent into the home directory, if need be; its path."""
        content = agent_bundle()
        name = f"agent-{hashlib.sha256(content).hexdigest()[:16]}.pyz"
        folder = f"{self.home}/.cache/duress"
        path = shlex.quote(f"{folder}/{name}")
        script = (
            "python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' || "
            "{ echo 'needs python3, 3.9 or later' >&2; exit 1; }; "
            f"mkdir -p {shlex.quote(folder)} && cat >{path}.$$ && mv -f {path}.$$ {path}"
        )
        self.command(script, content)
        return f"{folder}/{name}"

    def command(self, command: str, content: bytes = b"") -> bytes:
        """What a command of the login shell prints; an error if its status is not zero."""
        import paramiko

        try:
            given, out, err = self._client.exec_command(command, timeout=COMMAND_S)
            given.write(content)
            given.flush()
            given.channel.shutdown_write()
            printed, complaint = out.read(), err.read()
            status = out.channel.recv_exit_status()
        except (paramiko.SSHException, OSError) as error:
            raise self.complaint(f"`{command[:60]}`: {error}") from None
        if status != 0:
            raise self.complaint(f"`{command[:60]}` ended with {status}: {last_line(complaint)}")
        return printed

    def complaint(self, what: str) -> InfrastructureError:
        """An error that names the host."""
        return InfrastructureError(f"host {self.login.given}: {what}")


def last_line(printed: bytes) -> str:
    """The last line of what a program printed, as what it has to say."""
    lines = printed.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _refusing() -> Any:
    """The policy on hosts whose key is not known; made late, since paramiko loads slowly."""
    import paramiko

    class Refuse(paramiko.MissingHostKeyPolicy):
        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            raise paramiko.SSHException(
                f"its key {_fingerprint(key)} is not known: compare it and add it to known_hosts "
                "(ssh-keyscan), name a file by ssh-known-hosts, or say ssh-accept-new=true"
            )

    return Refuse()


def _fingerprint(key: Any) -> str:
    import base64

    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"
