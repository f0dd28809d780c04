"""Two runs side by side, and the numbers behind drawings."""

import math

import pytest

from duress.reports.serve import comparison, drawings
from duress.reports.serve.drawings import Curves
from duress.reports.serve.run_queries import Bucket

from ..reports import synthetic
from . import run_folders


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    good = synthetic.write_folder(store / "good", synthetic.generate(seed=3))
    bad = synthetic.write_folder(store / "bad", synthetic.generate(seed=3, stale=True))
    more = synthetic.write_folder(store / "more", synthetic.generate(seed=4, calls=6000))
    return good, bad, more


def test_what_was_run_differently_comes_first(folders):
    good, bad, _ = folders
    found = comparison.compare(good, bad)
    assert [(row.name, row.first, row.second) for row in found.differences] == [
        ("mutant", "–", "stale-read")
    ]
    same = [row.is_same for row in found.specification]
    assert same == sorted(same)
    assert not {row.name for row in found.specification} & comparison.LEFT_OUT


def test_options_are_compared_one_by_one(tmp_path):
    a = run_folders.spec(options={"loss": "0.1", "spare": 3}, weights={})
    b = run_folders.spec(options={"loss": "0.2", "spare": 3, "flag": True}, seed=8)
    first = run_folders.write(tmp_path, "a", a, run_folders.verdict())
    second = run_folders.write(tmp_path, "b", b, run_folders.verdict())
    rows = {r.name: (r.first, r.second) for r in comparison.compare(first, second).differences}
    assert rows == {
        "options.loss": ("0.1", "0.2"),
        "options.flag": ("–", "true"),
        "seed": ("7", "8"),
    }


def test_verdicts_anomalies_and_figures(folders):
    good, bad, more = folders
    found = comparison.compare(good, bad)
    assert (found.checkers[0].first, found.checkers[0].second) == ("valid", "invalid")
    assert found.anomalies[0].first == "none"
    assert found.anomalies[0].second.startswith("1: Process")
    figures = {row.name: row for row in comparison.compare(good, more).figures}
    assert figures["Calls"].change == "+100 %" or figures["Calls"].change.startswith("+")
    assert figures["Trial time"].change in ("", "+0 %", "−0 %")
    back = {row.name: row for row in comparison.compare(more, good).figures}
    assert back["Calls"].change.startswith("−")
    assert back["Calls"].first == figures["Calls"].second


def test_both_sides_have_the_same_axes(folders):
    good, _, more = folders
    found = comparison.compare(good, more)
    charts = drawings.lines(found.rates, str)
    assert charts[0].times == charts[1].times
    assert charts[0].levels == charts[1].levels
    assert charts[0].path != charts[1].path
    assert all(len(chart.shades) == 5 for chart in charts)


@pytest.mark.parametrize("missing", ["trial.json", "history.jsonl", "verdict.json", "faults.jsonl"])
def test_damaged_runs_are_compared_as_far_as_they_go(folders, tmp_path, missing):
    _, bad, _ = folders
    broken = synthetic.write_folder(tmp_path / "broken", synthetic.generate(seed=3))
    (broken / missing).unlink()
    found = comparison.compare(broken, bad)
    assert any(missing in problem for problem in found.sides[0].run.problems)
    drawings.lines(found.rates, str)
    drawings.lines(found.latencies, str, logarithmic=True)


# -- drawings ------------------------------------------------------------------


def test_one_failure_among_thousands_is_seen():
    chart = drawings.bars([Bucket(0, 60, {"valid": 3000, "invalid": 1})], str)
    pieces = {piece.state: piece for piece in chart.bars[0].pieces}
    assert pieces["invalid"].height >= drawings.LEAST_HEIGHT * 0.9
    assert chart.bars[0].said == "1 invalid, 3,000 valid"


@pytest.mark.parametrize("count", [1, 2, 48])
def test_bars_stay_within_the_chart(count):
    states = drawings.STACKED
    buckets = [
        Bucket(k, 1, {s: (k * 7 + n) % 5 for n, s in enumerate(states)}) for k in range(count)
    ]
    chart = drawings.bars(buckets, str)
    for bar in chart.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= chart.width
        for piece in bar.pieces:
            assert piece.y >= drawings.TOP - 0.1
            assert piece.y + piece.height <= chart.bottom + len(states) * drawings.LEAST_HEIGHT


def test_a_curve_has_gaps_where_there_is_nothing():
    nan = math.nan
    curves = Curves(100, [[1.0, 2.0, nan, 3.0], [nan, nan, nan, nan]], [[], [(10, 20)]])
    first, second = drawings.lines(curves, lambda value: f"{value:g}")
    assert first.path.count("M") == 2
    assert first.path.count("L") == 1
    assert first.said == "from 1 to 3"
    assert (second.path, second.said) == ("", "no call was ok")
    assert len(second.shades) == 1
