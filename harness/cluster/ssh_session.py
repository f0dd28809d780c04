"""A channel to the agent of a host that is reached by ssh."""

from __future__ import annotations

import contextlib
import json
import shlex
import threading
from collections.abc import Callable
from typing import Any

from .ssh_host import SshHost, last_line
from .ssh_login import Login


class SshSession:
    """Lines to and from a host's agent. Blocking: made, written to and closed in threads.

    ``hear`` is called with every line, and ``lost`` once when there will be no more, both in a
    thread of this session. ``directory``: where the trial's files are on the host; ``ssh_port``:
    the one that must stay open.
    """

    def __init__(
        self, login: Login, trial_id: str, hear: Callable[[bytes], None], lost: Callable[[], None]
    ) -> None:
        self._host = host = SshHost(login)
        try:
            where = "/var/lib/duress" if host.root else f"{host.home}/.cache/duress"
            self.directory = f"{where}/{trial_id}"
            words = [*host.sudo, "python3", host.put_agent()]
            words += ["connect", trial_id, self.directory, str(login.heal_after_s)]
            self._channel = host.channel()
            self._channel.exec_command(shlex.join(words))
            lines = self._channel.makefile("rb")
            first = lines.readline()
            try:
                seen = json.loads(first)["connection"].split()
            except (ValueError, KeyError):
                said = first or self._channel.recv_stderr(4096)
                raise host.complaint(f"its agent did not start: {last_line(said)}") from None
            self.ssh_port = int(seen[3]) if len(seen) == 4 else login.port
        except BaseException:
            host.close()
            raise
        self._hear, self._lost = hear, lost
        threading.Thread(
            target=self._listen, args=(lines,), name=f"ssh-{login.given}", daemon=True
        ).start()

    def send(self, line: bytes) -> None:
        """Send one line; ``OSError`` if the connection is gone."""
        self._channel.sendall(line)

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._host.close()

    def _listen(self, lines: Any) -> None:
        with contextlib.suppress(OSError):
            while line := lines.readline():
                self._hear(line)
        self._lost()
