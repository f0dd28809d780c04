"""Faults of packets, said to a person."""

import pytest

from duress.reports.fault_words import fault

NODES = ["n1", "n2", "n3"]
ALL = [[a, b] for a in [*NODES, "clients"] for b in [*NODES, "clients"] if a != b]


@pytest.mark.parametrize(
    ("what", "links", "impairment", "said"),
    [
        ("loss", [["n1", "n2"]], {"loss": 0.25}, "packets: 0.25 of packets lost on n1→n2"),
        ("delay", ALL, {"delay_ms": 20}, "packets: 20 ms late everywhere"),
        (
            "jitter",
            [[a, b] for a, b in ALL if "clients" not in (a, b)],
            {"delay_ms": 20, "jitter_ms": 4.5, "distribution": "pareto"},
            "packets: 20 ± 4.5 (pareto) ms late between all nodes",
        ),
        (
            "reorder",
            [["n1", "n2"], ["n2", "n1"], ["clients", "n1"]],
            {"delay_ms": 20, "reorder": 0.1},
            "packets: 20 ms late but 0.1 of them on links of n1",
        ),
        (
            "cut",
            [["n1", "n2"], ["n1", "n3"], ["clients", "n3"]],
            {"loss": 1.0, "ports": [2380]},
            "packets: nothing passes, of ports 2380 alone from clients n1 to n2 n3",
        ),
        (
            "mixed",
            [["n1", "n2"], ["n2", "n3"], ["n3", "n1"]],
            {"loss": 0.1, "duplicate": 0.2, "corrupt": 0.3, "garble": 0.4, "rate_kbit": 256},
            "packets: 0.1 of packets lost, 0.2 of packets doubled, 0.3 of packets corrupted, "
            "0.4 of packets garbled unnoticed, 256 kbit/s on 3 links of n1 n2 n3",
        ),
        ("reset", [["n1", "n2"]], {}, "packets: connections reset on n1→n2"),
    ],
)
def test_words(what, links, impairment, said):
    parameters = {"fault": what, "shape": "x", "links": links, "impairment": impairment}
    assert fault("packets", ["n1"], parameters, NODES) == said


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"fault": "loss"},
        {"fault": "loss", "links": [["n1"]], "impairment": {}},
        {"fault": "loss", "links": [["n1", "n2"]], "impairment": {"loss": "much"}},
        {"fault": 3, "links": [["n1", "n2"]]},
    ],
)
def test_what_was_not_written_by_us_is_said_somehow(parameters):
    assert fault("packets", ["n1"], parameters, NODES).startswith("packets n1")
