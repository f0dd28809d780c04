"""Impair packets of nodes by the kernel's own ``netem``, where it has it (tc-netem(8)).

What arrives at a node from another, and what leaves it for the harness, is led through a device
of type ``ifb``: its classes (HTB) choose by address, and each ends in a ``netem``. So the device
that is there keeps its own queueing, and the node's other packets pass it as before. Standard
library only: this is also run on hosts reached by ssh.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import InfrastructureError
from .packet_bytes import EXEMPT_TOS
from .packet_lane import BACKLOG_S
from .queue_control import Place
from .queue_shaper import Enter, PlaceRules, in_all_places

IN, OUT = "duress-in", "duress-out"
"""Devices of a node."""

HELD_MOST = 20_000
LEAST_HELD = 16
FASTEST = "32gbit"


class NetemShaper:
    """A ``netem`` for each rule. Blocks; not for two threads at once."""

    name = "netem"

    def __init__(self, places: Sequence[Place], enters: Sequence[Enter]) -> None:
        self._places = list(places)
        self._enters = list(enters)
        self._was = [PlaceRules({}, {})] * len(self._places)

    def become(self, rules: Sequence[PlaceRules]) -> dict[str, int]:
        """Exactly these rules, one entry for each place. Places change in parallel."""
        changed = [at for at, its in enumerate(rules) if its != self._was[at]]
        enters = [self._enters[at] for at in changed]
        works = [lambda at=at: apply(self._places[at], rules[at]) for at in changed]
        for at in changed:
            self._was[at] = PlaceRules({"?": {}}, {})  # unknown until it is done
        if changed:
            in_all_places(enters, works)
        self._was = list(rules)
        return {}

    def close(self, *, places_stay: bool) -> None:
        """Remove what was made from places that stay. Idempotent."""
        if places_stay:
            self.become([PlaceRules({}, {})] * len(self._places))


def is_here() -> bool:
    """Whether this network namespace can have ``netem`` and what leads packets to it."""
    try:
        _run("ip", "link add duress-try type ifb\n")
        _run("tc", "qdisc add dev duress-try root netem delay 1ms\nqdisc add dev lo clsact\n")
        _run("tc", "qdisc del dev lo clsact\n")
    except (InfrastructureError, OSError):
        return False
    finally:
        with contextlib.suppress(InfrastructureError, OSError):
            _run("ip", "link del duress-try\n")
    return True


def apply(place: Place, rules: PlaceRules) -> None:
    """Make it so in this network namespace; nothing of it is left where there are no rules."""
    clean()
    device = _device(place)
    sides = [(IN, rules.arriving), (OUT, rules.leaving)]
    devices = [name for name, its in sides if its]
    if not devices:
        return
    _run("ip", "".join(f"link add {name} type ifb\nlink set {name} up\n" for name in devices))
    _run("tc", "\n".join([*commands(device, place, rules), ""]))


def clean() -> None:
    """Remove all that was made in this network namespace: packets pass as ever. Idempotent."""
    for line in _said("tc", ["qdisc", "show"]).splitlines():
        words = line.split()
        if words[1] != "clsact":
            continue
        device = words[words.index("dev") + 1]
        sides = (_said("tc", ["filter", "show", "dev", device, s]) for s in ("ingress", "egress"))
        if any(f"device {name})" in side for side in sides for name in (IN, OUT)):
            # First of all, since what is led to a device that is gone is dropped.
            _run("tc", f"qdisc del dev {device} clsact\n")
    for name in (IN, OUT):
        with contextlib.suppress(InfrastructureError):  # it is not there
            _run("ip", f"link del {name}\n")


def commands(device: str, place: Place, rules: PlaceRules) -> list[str]:
    """Lines for ``tc -batch``."""
    lines = []
    for name, its in ((IN, rules.arriving), (OUT, rules.leaving)):
        if its:
            lines += [f"qdisc add dev {name} root handle 1: htb"]
        word = "src" if name == IN else "dst"
        for number, (address, rule) in enumerate(sorted(its.items()), 1):
            rate = f"{rule['rate_kbit']:g}kbit" if rule.get("rate_kbit") else FASTEST
            lines += [
                f"class add dev {name} parent 1: classid 1:{number:x} "
                f"htb rate {rate} quantum 60000",
                f"qdisc add dev {name} parent 1:{number:x} {netem(rule)}",
            ]
            begin = f"filter add dev {name} parent 1: protocol ip prio 1 u32"
            lines += [
                f"{begin} match ip {word} {address}/32{ports} flowid 1:{number:x}"
                for ports in _matches(rule)
            ]
    lines.append(f"qdisc add dev {device} clsact")
    for hook, name, word, port, its in (
        ("ingress", IN, "src", "dport", rules.arriving),
        ("egress", OUT, "dst", "sport", rules.leaving),
    ):
        begin = f"filter add dev {device} {hook} protocol ip"
        if its:
            lines.append(f"{begin} prio 1 u32 match ip tos {EXEMPT_TOS} 0xfc flowid 1:1")
        if its and place.open_port:
            lines.append(
                f"{begin} prio 2 u32 match ip protocol 6 0xff "
                f"match ip {port} {place.open_port} 0xffff flowid 1:1"
            )
        redirect = f"action mirred egress redirect dev {name}"
        lines += [
            f"{begin} prio 3 u32 match ip {word} {address}/32 {redirect}" for address in sorted(its)
        ]
    return lines


def netem(rule: Mapping[str, Any]) -> str:
    """The ``netem`` of a rule, without its bandwidth, which its class has."""
    words = [f"netem limit {_held(rule)}"]
    if rule.get("delay_ms"):
        words.append(f"delay {rule['delay_ms']:g}ms")
        if rule.get("jitter_ms"):
            words.append(f"{rule['jitter_ms']:g}ms")
            shape = rule.get("distribution", "normal")
            if shape != "uniform":
                words.append(f"distribution {shape}")
        if rule.get("reorder"):
            words.append(f"reorder {_percent(rule['reorder'])}")
    shares = [(name, rule.get(name)) for name in ("loss", "duplicate", "corrupt")]
    return " ".join([*words, *(f"{name} {_percent(share)}" for name, share in shares if share)])


def _held(rule: Mapping[str, Any]) -> int:
    if not rule.get("rate_kbit"):
        return HELD_MOST
    return max(LEAST_HELD, int(rule["rate_kbit"] * 125 * BACKLOG_S / 1500))


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"


def _matches(rule: Mapping[str, Any]) -> Iterator[str]:
    ports = rule.get("ports", ())
    if not ports:
        yield ""
    for port in ports:
        for side in ("sport", "dport"):
            yield f" match ip {side} {port} 0xffff"


def _device(place: Place) -> str:
    """The device by which packets for the first address leave."""
    address = next(iter([*place.sources, *place.targets]))
    done = _said("ip", ["route", "get", address])
    words = done.split()
    return words[words.index("dev") + 1]


def program(name: str) -> str | None:
    """Where a program is."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def _program(name: str) -> str:
    found = program(name)
    if found is None:
        raise InfrastructureError(f"packets: the program {name} is not here: install iproute2")
    return found


def _run(name: str, batch: str) -> None:
    _said(name, ["-batch", "-"], batch)


def _said(name: str, arguments: list[str], given: str = "") -> str:
    done = subprocess.run(
        [_program(name), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    if done.returncode != 0:
        said = next((line for line in done.stderr.splitlines() if line.strip()), "it said nothing")
        raise InfrastructureError(f"packets: {name}: {said.strip()}")
    return done.stdout
