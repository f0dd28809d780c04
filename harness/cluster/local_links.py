"""The bridge and the cables of a local cluster, made in the trial's own network namespace."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from ..errors import InfrastructureError
from .namespaces import bring_loopback_up
from .probe import run_in_netns

BRIDGE = "duress0"
SUBNET = IPv4Network("10.86.0.0/24")
"""Nobody else's: the trial's network namespace has no way out."""
HARNESS_ADDRESS = str(SUBNET[254])
MOST_NODES = 200

_NO_IPV6 = Path("/proc/sys/net/ipv6/conf/default/disable_ipv6")
_SET_ADDRESS, _SET_MASK, _SET_FLAGS, _UP = 0x8916, 0x891C, 0x8914, 0x1


def addresses(names: list[str]) -> dict[str, str]:
    """The address of each node, by its place in the list."""
    return {name: str(SUBNET[place]) for place, name in enumerate(names, start=1)}


def connect(ends: Mapping[str, tuple[str, int]]) -> None:
    """Make the bridge and a cable from it to ``eth0`` of each node (name → address, pid).

    Blocks for some ten milliseconds, in a thread without an event loop. Raises
    ``InfrastructureError``.
    """
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    if _NO_IPV6.exists():
        _NO_IPV6.write_text("1")  # a link-local address would be a way round a cut
    try:
        with IPRoute() as route:
            route.link("add", ifname=BRIDGE, kind="bridge")
            bridge = socket.if_nametoindex(BRIDGE)
            for place, (_, pid) in enumerate(ends.values(), start=1):
                cable = f"cable{place}"
                peer = {"ifname": "eth0", "net_ns_pid": pid}
                route.link("add", ifname=cable, kind="veth", peer=peer)
                index = socket.if_nametoindex(cable)
                route.link("set", index=index, master=bridge, state="up")
        _give_address(BRIDGE, HARNESS_ADDRESS)
        for address, pid in ends.values():
            run_in_netns(pid, lambda address=address: _furnish(address))
    except (NetlinkError, OSError) as error:
        raise InfrastructureError(f"local cluster: cannot build its network: {error}") from error


def disconnect(count: int) -> None:
    """Remove the bridge and the cables, those of them that are there."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as route:
        for name in (BRIDGE, *(f"cable{place}" for place in range(1, count + 1))):
            for index in route.link_lookup(ifname=name):
                # The kernel removes a cable by itself when the node at its end is gone.
                with contextlib.suppress(NetlinkError):
                    route.link("del", index=index)


def _furnish(address: str) -> None:
    bring_loopback_up()
    _give_address("eth0", address)


def _give_address(interface: str, address: str) -> None:
    """Give an interface of the current network namespace its address, and switch it on."""
    name = interface.encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for request, value in ((_SET_ADDRESS, IPv4Address(address)), (_SET_MASK, SUBNET.netmask)):
            place = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, value.packed)
            fcntl.ioctl(control, request, place)
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", name, _UP))
