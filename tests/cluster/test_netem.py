"""Commands that make the kernel's own netem impair packets. They are only generated here."""

import pytest

from duress.harness.cluster import netem
from duress.harness.cluster.queue_control import Place
from duress.harness.cluster.queue_shaper import PlaceRules

PLACE = Place(["10.0.0.1", "10.0.0.3"], ["10.0.0.254"], 22)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"loss": 0.25}, "netem limit 20000 loss 25%"),
        ({"delay_ms": 10.0}, "netem limit 20000 delay 10ms"),
        (
            {"delay_ms": 50.0, "jitter_ms": 12.5},
            "netem limit 20000 delay 50ms 12.5ms distribution normal",
        ),
        (
            {"delay_ms": 50.0, "jitter_ms": 5.0, "distribution": "pareto"},
            "netem limit 20000 delay 50ms 5ms distribution pareto",
        ),
        (
            {"delay_ms": 50.0, "jitter_ms": 5.0, "distribution": "uniform"},
            "netem limit 20000 delay 50ms 5ms",
        ),
        ({"delay_ms": 5.0, "reorder": 0.1}, "netem limit 20000 delay 5ms reorder 10%"),
        (
            {"duplicate": 0.05, "corrupt": 0.001},
            "netem limit 20000 duplicate 5% corrupt 0.1%",
        ),
        ({"rate_kbit": 1200.0}, "netem limit 100"),
        ({"rate_kbit": 8.0}, "netem limit 16"),
    ],
)
def test_words_of_netem(rule, words):
    assert netem.netem(rule) == words


def test_a_node_that_hears_and_speaks_badly():
    rules = PlaceRules({"10.0.0.1": {"loss": 0.5}}, {"10.0.0.254": {"rate_kbit": 64.0}})
    assert netem.commands("eth0", PLACE, rules) == [
        "qdisc add dev duress-in root handle 1: htb",
        "class add dev duress-in parent 1: classid 1:1 htb rate 32gbit quantum 60000",
        "qdisc add dev duress-in parent 1:1 netem limit 20000 loss 50%",
        "filter add dev duress-in parent 1: protocol ip prio 1 u32 match ip src 10.0.0.1/32 "
        "flowid 1:1",
        "qdisc add dev duress-out root handle 1: htb",
        "class add dev duress-out parent 1: classid 1:1 htb rate 64kbit quantum 60000",
        "qdisc add dev duress-out parent 1:1 netem limit 16",
        "filter add dev duress-out parent 1: protocol ip prio 1 u32 match ip dst 10.0.0.254/32 "
        "flowid 1:1",
        "qdisc add dev eth0 clsact",
        "filter add dev eth0 ingress protocol ip prio 1 u32 match ip tos 172 0xfc flowid 1:1",
        "filter add dev eth0 ingress protocol ip prio 2 u32 match ip protocol 6 0xff "
        "match ip dport 22 0xffff flowid 1:1",
        "filter add dev eth0 ingress protocol ip prio 3 u32 match ip src 10.0.0.1/32 "
        "action mirred egress redirect dev duress-in",
        "filter add dev eth0 egress protocol ip prio 1 u32 match ip tos 172 0xfc flowid 1:1",
        "filter add dev eth0 egress protocol ip prio 2 u32 match ip protocol 6 0xff "
        "match ip sport 22 0xffff flowid 1:1",
        "filter add dev eth0 egress protocol ip prio 3 u32 match ip dst 10.0.0.254/32 "
        "action mirred egress redirect dev duress-out",
    ]


def test_other_ports_are_not_led_to_it():
    place = Place(["10.0.0.1"], ["10.0.0.254"])
    lines = netem.commands("eth0", place, PlaceRules({"10.0.0.1": {"loss": 1, "ports": [80]}}, {}))
    chosen = [line for line in lines if "flowid 1:1" in line and "duress-in" in line]
    assert [line.split("32", 2)[-1].strip() for line in chosen] == [
        "match ip sport 80 0xffff flowid 1:1",
        "match ip dport 80 0xffff flowid 1:1",
    ]
    assert not any("egress protocol" in line or "22" in line for line in lines)
