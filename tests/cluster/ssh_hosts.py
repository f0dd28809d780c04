"""Real sshds in containers on an internal network, with keys and known hosts of their own."""

import asyncio
import io
import itertools
import secrets
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import paramiko

from duress.harness.cluster import images
from duress.harness.cluster.ssh import SshCluster

_trials = itertools.count(1)

_TAKE = """
set -e
mkdir -p /root/.ssh /home/alice/.ssh
cat /tmp/key.pub >/root/.ssh/authorized_keys
cp /root/.ssh/authorized_keys /home/alice/.ssh/
chown -R alice /home/alice/.ssh
"""


@dataclass
class Hosts:
    """Containers with the addresses of hosts; ``options`` with which an ssh cluster finds them."""

    containers: list[Any]
    addresses: list[str]
    folder: Path

    @property
    def options(self) -> dict[str, str]:
        return {
            "hosts": ",".join(self.addresses),
            "ssh-user": "root",
            "ssh-key": str(self.folder / "key"),
            "ssh-known-hosts": str(self.folder / "known_hosts"),
            "ssh-config": "none",
        }

    def flags(self, /, **changes: str) -> list[str]:
        """What the command needs to be told of them."""
        options = {**self.options, **changes}
        return [word for name, value in options.items() for word in ("--set", f"{name}={value}")]

    def on(self, number: int, command: str) -> str:
        """What a command prints on a host, run without ssh."""
        done = self.containers[number].exec_run(["sh", "-c", command])
        return done.output.decode(errors="replace")

    def leftovers(self, patience_s: float = 5) -> str:
        """What duress has left on the hosts: nothing, unless something is wrong."""
        deadline = time.monotonic() + patience_s
        while (left := self._left()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def _left(self) -> str:
        look = (
            "ls -A /run/duress /var/lib/duress /home/alice/.cache/duress 2>/dev/null "
            "| grep -v -e '^agent-' -e '^/' -e '^$';"
            "nft list tables | grep duress;"
            "ps ax -o args | grep -e node.pyz -e agent- -e sleep | grep -v -e grep"
        )
        return "".join(self.on(number, look) for number in range(len(self.containers)))

    def up(self, number: int) -> None:
        """Start a host's container again, after which sshd serves."""
        self.containers[number].start()


@contextmanager
def running(
    count: int, folder: Path, *, mount: bool = False, control_groups: bool = False
) -> Iterator[Hosts]:
    """Hosts that serve, removed afterwards. ``mount``: root may mount FUSE file systems there;
    ``control_groups``: it may make control groups, below those of the container.
    """
    tag = images.ensure("ssh-host")
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(folder / "key"))
    engine = docker.from_env()
    network = _network(engine)
    name, third = network.name, network.attrs["IPAM"]["Config"][0]["Subnet"].split(".")[2]
    hosts = Hosts([], [], folder)
    try:
        for number in range(1, count + 1):
            address = f"10.213.{third}.{10 + number}"
            config = engine.api.create_networking_config(
                {name: engine.api.create_endpoint_config(ipv4_address=address)}
            )
            made = engine.api.create_container(
                tag,
                ["/usr/sbin/sshd", "-D", "-e"],
                name=f"{name}-{number}",
                host_config=engine.api.create_host_config(
                    init=True,
                    network_mode=name,
                    cap_add=["NET_ADMIN", *(["SYS_ADMIN"] if mount else [])],
                    devices=["/dev/fuse:/dev/fuse:rwm"] if mount else None,
                    binds=["/sys/fs/cgroup:/sys/fs/cgroup:rw"] if control_groups else None,
                    security_opt=["apparmor=unconfined"] if mount else None,
                    sysctls={"net.ipv6.conf.all.disable_ipv6": "1"},
                ),
                networking_config=config,
            )
            container = engine.containers.get(made["Id"])
            hosts.containers.append(container)
            hosts.addresses.append(address)
            public = f"{key.get_name()} {key.get_base64()}"
            container.put_archive("/tmp", _archive("key.pub", public))
            container.start()
            hosts.on(number - 1, _TAKE)
        known = ""
        for number, address in enumerate(hosts.addresses):
            kind, content = hosts.on(number, "cat /etc/ssh/ssh_host_ed25519_key.pub").split()[:2]
            known += f"{address} {kind} {content}\n"
        (folder / "known_hosts").write_text(known)
        yield hosts
    finally:
        for container in hosts.containers:
            container.remove(force=True)
        network.remove()
        engine.close()


def _network(engine: Any) -> Any:
    for third in range(1, 255):
        pool = docker.types.IPAMPool(subnet=f"10.213.{third}.0/24")
        try:
            return engine.networks.create(
                f"duress-test-ssh-{secrets.token_hex(4)}",
                internal=True,
                ipam=docker.types.IPAMConfig(pool_configs=[pool]),
            )
        except docker.errors.APIError as taken:
            if "overlaps" not in str(taken):
                raise
    raise AssertionError("no network is free")


def _archive(name: str, text: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return content.getvalue()


def with_cluster(hosts: Hosts, folder: Path, story: Any, count: int = 3, /, **changes: str) -> Any:
    """What an async function of a cluster of the first ``count`` hosts, which is up, returns."""

    async def whole() -> Any:
        names = [f"n{number + 1}" for number in range(count)]
        cluster = SshCluster(
            f"ssh-test-{next(_trials)}", names, folder, {**hosts.options, **changes}
        )
        try:
            await cluster.up()
            return await story(cluster)
        finally:
            await cluster.down()

    return asyncio.run(whole())
