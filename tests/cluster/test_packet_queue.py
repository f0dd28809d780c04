"""The process that holds packets back: its messages, and its decisions, without a kernel."""

import errno
import socket
import struct
from random import Random
from typing import Any

import pytest

from duress.harness.cluster import packet_bytes, queue_control
from duress.harness.cluster import queue_messages as messages
from duress.harness.cluster.packet_lane import Lane
from duress.harness.cluster.packet_queue import Later, QueueEnd
from duress.harness.cluster.queue_control import Place

QUEUE = 7


def checksum(content):
    content += b"\0" * (len(content) % 2)
    total = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(data, source=4000, target=7000, tos=0):
    body = struct.pack("!HHHH", source, target, 8 + len(data), 0) + data
    ends = socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2")
    right = checksum(ends + struct.pack("!BBH", 0, 17, len(body)) + body)
    body = body[:6] + struct.pack("!H", right) + body[8:]
    return struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(body), 1, 0, 64, 17, 0) + ends + body


def tcp(data, source=4000, target=7000):
    body = struct.pack("!HHIIBBHHH", source, target, 1, 1, 5 << 4, 0x18, 100, 0, 0) + data
    ends = socket.inet_aton("10.0.0.1") + socket.inet_aton("10.0.0.2")
    right = checksum(ends + struct.pack("!BBH", 0, 6, len(body)) + body)
    body = body[:16] + struct.pack("!H", right) + body[18:]
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, 6, 0) + ends + body


def is_right(packet):
    body = packet[20:]
    return checksum(packet[12:20] + struct.pack("!BBH", 0, packet[9], len(body)) + body) == 0


class Kernel:
    """A netlink socket that grants everything, and the verdicts that it was told."""

    def __init__(self):
        self.answers = []
        self.configured = []
        self.verdicts = []
        self.left, self.right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def fileno(self):
        return self.left.fileno()

    def setblocking(self, flag):
        self.left.setblocking(flag)

    def setsockopt(self, level, name, value):
        if level == socket.SOL_SOCKET and name == 33:
            raise OSError(errno.EPERM, "as in a user namespace")

    def recv_into(self, buffer):
        return self.left.recv_into(buffer)

    def send(self, content):
        at = 0
        while at < len(content):
            length, _, flags, sequence, _ = struct.unpack_from("=IHHII", content, at)
            queue = struct.unpack_from("!H", content, at + 18)[0]
            body = content[at + 20 : at + length]
            if flags & 4:
                self.configured.append((queue, body))
                self.right.send(struct.pack("=IHHIIi", 36, 2, 0, sequence, 0, 0) + b"\0" * 16)
            else:
                packet = body[16:] if len(body) > 12 else None
                self.verdicts.append((body[8:12], body[4:8], packet))
            at += (length + 3) & ~3
        return len(content)


class Raw:
    def __init__(self):
        self.sent = []

    def sendto(self, packet, address):
        self.sent.append((packet, address[0]))


class Bench:
    def __init__(self, **rule):
        self.kernel: Any = Kernel()
        self.raw: Any = Raw()
        self.later = Later("seed")
        self.end = QueueEnd(self.kernel, self.raw, self.later)
        self.become(**rule)

    def become(self, **rule):
        self.end.become({QUEUE: Lane(rule, Random(1).random)} if rule else {})

    def arrive(self, name, packet, now_s):
        self.end.settle(messages.Queued(QUEUE, name, packet), now_s)
        self.end.flush()

    def said(self):
        said, self.kernel.verdicts = self.kernel.verdicts, []
        return [(name, what) for name, what, _ in said]

    def close(self):
        self.kernel.left.close()
        self.kernel.right.close()


@pytest.fixture
def bench():
    made = []

    def make(**rule):
        made.append(Bench(**rule))
        return made[-1]

    yield make
    for each in made:
        each.close()


ONE, TWO = b"\0\0\0\1", b"\0\0\0\2"
PASS, LOSE = messages.ACCEPT, messages.DROP


def test_packets_are_held_until_their_time(bench):
    made = bench(delay_ms=10)
    made.arrive(ONE, udp(b"a"), 1.0)
    made.arrive(TWO, udp(b"b"), 1.004)
    assert made.said() == []
    assert made.later.next_s == pytest.approx(1.01)
    made.later.release_due(1.011)
    assert made.said() == [(ONE, PASS)]
    made.later.release_due(2)
    assert made.said() == [(TWO, PASS)]
    assert made.later.next_s is None


def test_lost_packets_are_dropped_at_once(bench):
    made = bench(loss=1.0)
    made.arrive(ONE, udp(b"a"), 1.0)
    assert made.said() == [(ONE, LOSE)]


def test_probes_of_cuts_and_other_ports_pass(bench):
    made = bench(loss=1.0, ports=[7000])
    made.arrive(ONE, udp(b"a", tos=packet_bytes.EXEMPT_TOS), 1.0)
    made.arrive(TWO, udp(b"a", target=7001), 1.0)
    assert made.said() == [(ONE, PASS), (TWO, PASS)]
    made.arrive(ONE, tcp(b"a", target=7000), 1.0)
    made.arrive(TWO, tcp(b"a", source=7000, target=9), 1.0)
    assert made.said() == [(ONE, LOSE), (TWO, LOSE)]


def test_a_copy_is_sent_marked_so_that_it_passes(bench):
    made = bench(duplicate=1.0, delay_ms=5)
    made.arrive(ONE, udp(b"a"), 1.0)
    made.later.release_due(2)
    assert made.said() == [(ONE, PASS)]
    ((copy, address),) = made.raw.sent
    assert (address, copy[1], copy[20:]) == ("10.0.0.2", packet_bytes.EXEMPT_TOS, udp(b"a")[20:])


def test_corrupt_and_garbled(bench):
    for rule, right in (({"corrupt": 1.0}, False), ({"garble": 1.0}, True)):
        made = bench(**rule)
        made.arrive(ONE, udp(b"some data"), 1.0)
        ((_, what, changed),) = made.kernel.verdicts
        assert (what, is_right(changed[: len(udp(b"some data"))])) == (PASS, right)


def test_when_healed_nothing_is_held_and_the_queue_is_given_back(bench):
    made = bench(delay_ms=1000)
    made.arrive(ONE, udp(b"a"), 1.0)
    made.arrive(TWO, udp(b"b"), 1.1)
    before = len(made.kernel.configured)
    made.become()
    assert made.said() == [(ONE, PASS), (TWO, PASS)]
    assert [queue for queue, _ in made.kernel.configured[before:]] == [QUEUE]
    assert made.kernel.configured[-1][1][4] == 2  # unbind
    made.arrive(ONE, udp(b"c"), 1.2)  # one that was on its way to us
    assert made.said() == [(ONE, PASS)]


def test_what_is_read_from_the_kernel(bench):
    made = bench(loss=1.0)
    packet = udp(b"hello")
    attributes = struct.pack("=HH4sHBB", 11, 1, ONE, 0, 1, 0)
    attributes += struct.pack("=HH", 4 + len(packet), 10) + packet
    attributes += b"\0" * (-len(attributes) % 4)
    body = struct.pack("!BBH", 2, 0, QUEUE) + attributes
    made.kernel.right.send(struct.pack("=IHHII", 16 + len(body), 3 << 8, 0, 0, 0) + body)
    made.end.read()
    assert made.said() == [(ONE, LOSE)]
    found = list(messages.parse(struct.pack("=IHHII", 16 + len(body), 3 << 8, 0, 0, 0) + body))
    assert found == [messages.Queued(QUEUE, ONE, packet)]


@pytest.mark.parametrize("make", [udp, tcp])
@pytest.mark.parametrize("size", [1, 2, 99])
def test_bits_that_are_flipped(make, size):
    packet, random = make(b"x" * size), Random(3).random
    assert is_right(packet)
    for _ in range(50):
        wrong, sly = packet_bytes.corrupted(packet, random), packet_bytes.garbled(packet, random)
        assert not is_right(wrong)
        assert wrong[:20] == packet[:20]
        assert is_right(sly)
        data = len(packet) - size
        bits = int.from_bytes(sly[data:], "big") ^ int.from_bytes(packet[data:], "big")
        assert bits.bit_count() == 1
        assert sly[: data - 4] == packet[: data - 4] or make is udp


def test_without_data_nothing_is_garbled():
    assert packet_bytes.garbled(tcp(b""), Random(1).random) == tcp(b"")


def test_rules_let_pass_what_nobody_serves_and_spare_ssh():
    place = Place(["10.0.0.1", "10.0.0.3"], ["10.0.0.254"], 22)
    text = queue_control.ruleset("trial", place)
    arriving, leaving = queue_control.chains("trial")
    queued = [line for line in text.splitlines() if "NFQUEUE" in line]
    assert all(line.endswith("--queue-bypass") for line in queued)
    assert [line.split()[1:4] for line in queued] == [
        [arriving, "-s", "10.0.0.1/32"],
        [arriving, "-s", "10.0.0.3/32"],
        [leaving, "-d", "10.0.0.254/32"],
    ]
    numbers = [line.split()[line.split().index("--queue-num") + 1] for line in queued]
    assert numbers == [
        str(place.queue_from("10.0.0.1")),
        str(place.queue_from("10.0.0.3")),
        str(place.queue_to("10.0.0.254")),
    ]
    assert len(set(numbers)) == 3
    spared = [line for line in text.splitlines() if line.endswith("RETURN")]
    assert f"-A {arriving} -p tcp --dport 22 -j RETURN" in spared
    assert text.index(spared[-1]) < text.index(queued[0])
