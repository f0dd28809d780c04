"""IPv4 packets as bytes: which ports, and how to change a bit of one. Standard library only."""

from __future__ import annotations

import struct
from collections.abc import Callable

TCP, UDP = 6, 17

EXEMPT_TOS = 43 << 2
"""Type of service of packets that are let through as they are: probes of cuts, and copies that
were made here. DSCP 43 is of the pool for local use (RFC 2474, section 6)."""


def length_of(packet: bytes | memoryview) -> int:
    """Length of a whole packet, of which the first bytes are at hand."""
    return packet[2] << 8 | packet[3]


def has_port(packet: bytes | memoryview, ports: frozenset[int]) -> bool:
    """Whether a packet is of TCP or UDP and comes from or goes to one of the ports."""
    header = (packet[0] & 15) * 4
    if packet[9] not in (TCP, UDP) or len(packet) < header + 4:
        return False
    source, target = struct.unpack_from("!HH", packet, header)
    return source in ports or target in ports


def corrupted(packet: bytes, random: Callable[[], float]) -> bytes:
    """With one bit behind the IP header flipped: the checksum of TCP or UDP tells."""
    return _flipped(packet, (packet[0] & 15) * 4, random)


def garbled(packet: bytes, random: Callable[[], float]) -> bytes:
    """With one bit of its data flipped and the checksum put right; the same if it has no data."""
    header = (packet[0] & 15) * 4
    protocol = packet[9]
    if protocol == TCP and len(packet) >= header + 20:
        data, checksum_at = header + (packet[header + 12] >> 4) * 4, header + 16
    elif protocol == UDP and len(packet) >= header + 8:
        data, checksum_at = header + 8, header + 6
    else:
        return packet
    if len(packet) <= data:
        return packet
    changed = bytearray(_flipped(packet, data, random))
    struct.pack_into("!H", changed, checksum_at, 0)
    pseudo = bytes(changed[12:20]) + struct.pack("!BBH", 0, protocol, len(changed) - header)
    right = _checksum(pseudo + bytes(changed[header:]))
    struct.pack_into("!H", changed, checksum_at, right or 0xFFFF)
    return bytes(changed)


def exempt(packet: bytes) -> bytes:
    """Marked so that it is let through; whoever sends it sets the header's checksum."""
    return packet[:1] + bytes([EXEMPT_TOS]) + packet[2:]


def _flipped(packet: bytes, first: int, random: Callable[[], float]) -> bytes:
    if len(packet) <= first:
        return packet
    bit = int(random() * (len(packet) - first) * 8)
    changed = bytearray(packet)
    changed[first + bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _checksum(content: bytes) -> int:
    """The complement of the ones' complement sum of 16-bit words (RFC 1071)."""
    padded = content + b"\0" * (len(content) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
