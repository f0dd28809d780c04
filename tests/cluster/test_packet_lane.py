"""What becomes of packets on an impaired link: with a clock that is only a number."""

import statistics
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.cluster.impairment import Impairment, checked
from duress.harness.cluster.link_rules import plain
from duress.harness.cluster.packet_lane import BACKLOG_S, CORRUPT, GARBLE, Lane, standard
from duress.harness.errors import UserError

PACKETS = 4000


def lane(**rule):
    return Lane(plain(checked(Impairment(**rule))), Random(7).random)


def passed(made, count=PACKETS, length=100, gap_s=0.001):
    """By the number of each packet, its passages."""
    return [made.passages(number * gap_s, length) for number in range(count)]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("name", ["loss", "duplicate", "corrupt", "garble"])
def test_shares(name, share):
    found = passed(lane(**{name: share}))
    seen = {
        "loss": sum(not each for each in found),
        "duplicate": sum(len(each) == 2 for each in found),
        "corrupt": sum(p.change == CORRUPT for each in found for p in each),
        "garble": sum(p.change == GARBLE for each in found for p in each),
    }
    within = 5 * (share * (1 - share) / PACKETS) ** 0.5
    assert abs(seen[name] / PACKETS - share) < within
    assert all(not count for other, count in seen.items() if other != name)


def test_all_lost_is_a_cut():
    assert lane(loss=1).is_cut
    assert not any(passed(lane(loss=1)))


def test_a_delay_is_the_same_for_all():
    assert {
        round(each[0].due_s - number * 0.001, 9)
        for number, each in enumerate(passed(lane(delay_ms=20)))
    } == {0.02}


@pytest.mark.parametrize("distribution", ["normal", "uniform", "pareto"])
def test_jitter_has_its_distribution(distribution):
    found = passed(lane(delay_ms=100, jitter_ms=10, distribution=distribution))
    late_ms = [(each[0].due_s - number * 0.001) * 1000 for number, each in enumerate(found)]
    assert abs(statistics.mean(late_ms) - 100) < 1
    spread = {"uniform": 10 / 3**0.5}.get(distribution, 10)
    within = 0.3 if distribution == "pareto" else 0.05  # of a heavy tail, samples tell less
    assert abs(statistics.pstdev(late_ms) / spread - 1) < within
    if distribution == "uniform":
        assert 90 <= min(late_ms) < max(late_ms) <= 110
    if distribution == "pareto":
        assert max(late_ms) > 150  # a heavy tail, on one side
        assert min(late_ms) > 90


@pytest.mark.parametrize("distribution", ["normal", "uniform", "pareto"])
def test_what_delays_are_drawn_from_is_the_same_everywhere(distribution):
    table = standard(distribution)
    assert table == tuple(sorted(table))
    assert abs(statistics.mean(table)) < 0.01


def test_some_overtake():
    found = passed(lane(delay_ms=50, reorder=0.2))
    at_once = sum(each[0].due_s == number * 0.001 for number, each in enumerate(found))
    assert abs(at_once / PACKETS - 0.2) < 0.04


def test_bandwidth():
    slow = lane(rate_kbit=1000)
    found = passed(slow, count=100, length=1250, gap_s=0)
    dues = [each[0].due_s for each in found]
    assert dues[0] == 0.01
    assert dues[-1] == pytest.approx(1.0)  # 100 packets of 10,000 bits in a second
    assert [slow.passages(0, 1250), slow.counts["lost"]] == [[], 1]  # no longer queue than a second
    assert slow.passages(0.5, 1250)[0].due_s == pytest.approx(1.01)
    assert slow.passages(5, 1250)[0].due_s == pytest.approx(5.01)


def test_a_packet_that_takes_longer_than_the_queue_still_passes():
    assert lane(rate_kbit=1).passages(0, 1500)[0].due_s == 12 > BACKLOG_S


@settings(max_examples=60, deadline=None)
@given(
    rule=st.fixed_dictionaries(
        {
            "loss": st.sampled_from([0.0, 0.2, 1.0]),
            "duplicate": st.sampled_from([0.0, 0.5, 1.0]),
            "delay_ms": st.sampled_from([1.0, 30.0]),
            "jitter_ms": st.sampled_from([0.0, 40.0]),
            "reorder": st.sampled_from([0.0, 0.5]),
            "rate_kbit": st.sampled_from([0.0, 64.0]),
            "distribution": st.sampled_from(["normal", "uniform", "pareto"]),
        }
    ),
    gaps=st.lists(st.floats(0, 0.1), max_size=40),
)
def test_nothing_arrives_before_it_was_sent_and_all_is_counted(rule, gaps):
    made, now_s, arrived = lane(**rule), 0.0, 0
    for gap_s in gaps:
        now_s += gap_s
        found = made.passages(now_s, 500)
        assert len(found) <= 2
        assert all(each.due_s >= now_s for each in found)
        arrived += len(found)
    counts = made.counts
    assert counts["packets"] == len(gaps)
    assert arrived == counts["packets"] + counts["duplicated"] - counts["lost"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"loss": 1.5}, "loss: expected a share from 0 to 1, got 1.5"),
        ({"delay_ms": -1}, "delay_ms: expected 0 to 60000 ms, got -1"),
        ({"distribution": "flat"}, "distribution: expected normal, uniform, pareto, got 'flat'"),
        ({"reorder": 0.5}, "reorder: packets overtake only those that are delayed; set delay_ms"),
        ({"jitter_ms": 5}, "jitter_ms: is around a delay"),
        ({"ports": (70_000,)}, r"ports: expected 1 to 65535, got \[70000\]"),
        ({"rate_kbit": -1}, "rate_kbit: expected 0 to"),
    ],
)
def test_values_without_sense_are_refused(wrong, said):
    with pytest.raises(UserError, match=said):
        checked(Impairment(**wrong))
