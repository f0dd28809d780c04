"""Where trials are struck: namespaces, containers, hosts; made for it and removed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from ..cluster import ssh_hosts
from .blows import Ground, arguments

SOCKET = "unix:///var/run/docker.sock"
HEAL_AFTER_S = 6


@contextmanager
def local(folder: Path, nemeses: str = "") -> Iterator[Ground]:
    """Namespaces, which die with the harness; ``duress clean`` removes empty control groups."""
    yield Ground("local", arguments("local", nemeses=nemeses), needs_clean=True)


@contextmanager
def containers(folder: Path, nemeses: str = "") -> Iterator[Ground]:
    """Containers, which ``duress clean`` removes."""
    yield Ground("docker", arguments("docker", nemeses=nemeses), needs_clean=True, docker=SOCKET)


@contextmanager
def hosts(folder: Path, nemeses: str = "") -> Iterator[Ground]:
    """Hosts, which heal themselves when the harness is gone."""
    keys = folder / "keys"
    keys.mkdir()
    with ssh_hosts.running(3, keys, mount=True, control_groups=True) as found:
        yield ground_of(found, nemeses)


def ground_of(found: ssh_hosts.Hosts, nemeses: str = "") -> Ground:
    """The same for hosts that there are already."""
    options = {**found.options, "ssh-heal-after-s": str(HEAL_AFTER_S)}
    settings = [word for pair in options.items() for word in ("--set", "=".join(pair))]

    def elsewhere(patience_s: float) -> list[str]:
        deadline = time.monotonic() + patience_s
        while (left := found.leftovers(0).splitlines()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left

    words = arguments("ssh", "--nodes", "3", *settings, nemeses=nemeses)
    return Ground("ssh", words, elsewhere=elsewhere)


GROUNDS = {"local": local, "docker": containers, "ssh": hosts}


def opened(name: str, folder: Path, nemeses: str = "") -> AbstractContextManager[Ground]:
    """The ground of a name, for the time of a ``with`` block."""
    return GROUNDS[name](folder, nemeses)
