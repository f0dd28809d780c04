"""Filters find what they say, and mistakes are named."""

import time
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.errors import UserError
from duress.reports.serve import run_filter, run_queries
from duress.reports.serve.run_index import RunIndex

from . import run_folders

SYSTEMS, ANOMALIES, NEMESES = ("raft", "etcd"), ("G0", "G1c", "lost-update"), ("kill", "pause")
STATES = {True: "valid", False: "invalid", "unknown": "unknown"}


def runs():
    """Descriptions of 60 runs, as plain data."""
    found = []
    for number in range(60):
        valid = [True, True, False, "unknown"][number % 4]
        found.append(
            {
                "name": f"202603{number // 24 + 1:02}T{number % 24:02}0000-run-{number:04}",
                "system": SYSTEMS[number % 2],
                "mutant": "stale-read" if number % 3 == 0 else None,
                "seed": number % 10,
                "nemeses": [n for k, n in enumerate(NEMESES) if number >> k & 1],
                "valid": valid,
                "anomalies": [a for k, a in enumerate(ANOMALIES) if number >> k & 1]
                if valid is False
                else [],
            }
        )
    return found


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    for run in runs():
        spec = run_folders.spec(
            **{name: run[name] for name in ("system", "mutant", "seed", "nemeses")},
            started=None,
        )
        verdict = run_folders.verdict(run["valid"], run["anomalies"], calls=run["seed"] * 10)
        run_folders.write(store, run["name"], spec, verdict)
    index = RunIndex(store)
    index.refresh()
    yield index
    index.close()


def wanted(query):
    return run_filter.parse(parse_qsl(query), time.time())


def names(index, query):
    return [run["name"] for run in run_queries.page(index, wanted(query)).runs]


values = st.lists(
    st.tuples(st.just("system"), st.sampled_from((*SYSTEMS, "other")))
    | st.tuples(st.just("state"), st.sampled_from(tuple(STATES.values())))
    | st.tuples(st.just("anomaly"), st.sampled_from(ANOMALIES))
    | st.tuples(st.just("nemesis"), st.sampled_from((*NEMESES, "none")))
    | st.tuples(st.just("mutant"), st.sampled_from(("stale-read", "none"))),
    max_size=5,
)


def fits(run, chosen):
    has = {
        "system": {run["system"]},
        "state": {STATES[run["valid"]]},
        "anomaly": set(run["anomalies"]),
        "nemesis": set(run["nemeses"]) or {"none"},
        "mutant": {run["mutant"] or "none"},
    }
    asked = {}
    for name, value in chosen:
        asked.setdefault(name, set()).add(value)
    return all(has[name] & given for name, given in asked.items())


@settings(max_examples=80, deadline=None)
@given(chosen=values, seed=st.none() | st.integers(0, 10))
def test_filters_agree_with_a_plain_loop(index, chosen, seed):
    pairs = [*chosen, ("per_page", "1000")] + ([] if seed is None else [("seed", str(seed))])
    found = run_queries.page(index, run_filter.parse(pairs, time.time()))
    expected = [run["name"] for run in runs() if fits(run, chosen) and seed in (None, run["seed"])]
    assert [run["name"] for run in found.runs] == expected[::-1]
    assert found.total == len(expected) == sum(found.states.values())


def test_words_are_all_looked_for_anywhere(index):
    assert names(index, "q=RUN-0042") == ["20260302T180000-run-0042"]
    both = names(index, "q=lost-update+ETCD&per_page=1000")
    expected = [
        run["name"]
        for run in runs()
        if "lost-update" in run["anomalies"] and run["system"] == "etcd"
    ]
    assert sorted(both) == expected
    assert names(index, "q=%25") == []  # no wildcard


def test_times(index):
    assert len(names(index, "since=2026-03-02&until=2026-03-02")) == 24
    assert len(names(index, "since=2026-03-01T22:00&until=2026-03-02T02:00")) == 4
    assert len(names(index, "since=2026-03-01T22:00%2B02:00&per_page=100")) == 40
    assert names(index, "since=24h") == []


def test_sorting_and_pages(index):
    everything = [run["name"] for run in runs()]
    assert names(index, "sort=name&per_page=1000") == everything
    found = [names(index, f"sort=-name&per_page=7&page={page}") for page in range(1, 11)]
    assert [len(page) for page in found] == [7] * 8 + [4, 0]
    assert [name for page in found for name in page] == everything[::-1]
    by_calls = run_queries.page(index, wanted("sort=-calls&per_page=1000")).runs
    calls = [run["calls"] for run in by_calls]
    assert calls == sorted(calls, reverse=True)
    for sort in run_filter.SORTS:
        for way in ("", "-"):
            assert sorted(names(index, f"sort={way}{sort}&per_page=1000")) == everything


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("colour=red", "no filter is named"),
        ("state=good", "state: expected invalid, unknown"),
        ("sort=colour", "sort: expected one of"),
        ("page=0", "page: expected a whole number from 1"),
        ("page=x", "page: expected a whole number"),
        ("page=-1", "page: expected a whole number"),
        ("per_page=100000", "per_page: expected a whole number from 1 to 1000"),
        ("since=yesterday", "since: expected a date"),
        ("until=9999-12-31", "until: expected a date"),
        ("q=" + "x" * 500, "q: expected at most"),
        ("&".join(f"system={k}" for k in range(60)), "system: expected at most"),
    ],
)
def test_mistakes_are_named(query, said):
    with pytest.raises(UserError, match=f"^{said}"):
        wanted(query)


@settings(max_examples=50, deadline=None)
@given(chosen=values, page=st.integers(1, 5), sort=st.sampled_from(["name", "-seed", "-started"]))
def test_an_address_asks_for_the_same_again(chosen, page, sort):
    asked = run_filter.parse([*chosen, ("page", str(page)), ("sort", sort)], 0)
    assert wanted(asked.query()) == asked
    other = wanted(asked.query(system="x"))
    assert other.page == 1
    assert other.chosen["system"] == ("x",)


def test_equal_trouble_is_one_group(index):
    groups = run_queries.groups(index, wanted(""))
    failed = [run for run in runs() if run["valid"] is False]
    kinds = {(r["system"], r["mutant"], tuple(r["anomalies"])) for r in failed}
    assert sum(g["count"] for g in groups if g["state"] == "invalid") == len(failed)
    assert sum(g["state"] == "invalid" for g in groups) == len(kinds)
    order = [(g["state"] != "invalid", -g["count"]) for g in groups]
    assert order == sorted(order)
    for group in groups:
        page = run_queries.page(index, run_filter.parse([("signature", group["signature"])], 0))
        assert page.total == group["count"]


def test_the_timeline_counts_every_run_once(index):
    for query in ("", "state=invalid", "system=etcd&since=2026-03-02", "q=run-0042"):
        buckets = run_queries.timeline(index, wanted(query))
        assert len(buckets) <= run_queries.BUCKETS_MAX + 1
        total = run_queries.page(index, wanted(query)).total
        assert sum(sum(bucket.counts.values()) for bucket in buckets) == total
        starts = [bucket.start_s for bucket in buckets]
        assert starts == sorted(set(starts))
    assert run_queries.timeline(index, wanted("q=nothing")) == []


def test_choices_count_what_they_would_leave(index):
    asked = wanted("system=raft&anomaly=G0")
    for name, offered in run_queries.choices(index, asked).items():
        for value, count in offered:
            narrowed = asked.query(**{name: value})
            assert run_queries.page(index, wanted(narrowed)).total == count
