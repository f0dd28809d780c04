"""How stale reads are: counted by versions and by time, and bounded if asked."""

import pytest

from duress.checkers.register_sessions import SIBLINGS
from duress.checkers.staleness import Staleness
from duress.harness.errors import UserError

from .register_session_histories import history

THREE = ((0, "write", 1, [1]), (0, "write", 2, [2]), (0, "write", 3, [3]))


def figures(recorded, **bounds):
    verdict = Staleness(**bounds).check(recorded, {})
    return verdict, verdict.statistics


def test_versions_and_time_are_counted():
    verdict, found = figures(
        history(*THREE, (1, "read", None, [1]), (1, "read", None, [3]), (2, "read", None, [2]))
    )
    assert verdict.valid is True
    assert (found["reads"], found["stale_reads"], found["stale_share"]) == (3, 2, 0.666667)
    assert (found["versions_p50"], found["versions_most"]) == (2, 2)
    # Events are a millisecond apart: 2 was complete at 3 ms, and 3 at 5 ms.
    assert found["late_ms_most"] == 5.0
    assert found["visible_by_age"] == {"<=1ms": 0.0, "<=3ms": 1.0, "<=10ms": 0.0}


def test_without_bounds_nothing_is_wrong_and_with_bounds_it_is_named():
    recorded = history(*THREE, (1, "read", None, [1]), (1, "read", None, [3]))
    assert figures(recorded)[0].valid is True
    assert figures(recorded, most_versions=2, most_s=0.003, most_share=0.5)[0].valid is True
    for bound in ({"most_versions": 1}, {"most_s": 0.002}, {"most_share": 0.4}):
        verdict, _ = figures(recorded, **bound)
        assert [anomaly.name for anomaly in verdict.anomalies] == ["too-stale"], bound
    text = figures(recorded, most_versions=1)[0].anomalies[0].explanation
    assert "2 versions and 0.003 s behind, beyond the bound of 1 versions" in text


def test_siblings_miss_what_they_neither_show_nor_knew():
    blind = history((0, "write", 1, [1]), (1, "write", 2, [2]), (2, "read", None, [2]))
    assert figures(blind)[1]["stale_reads"] == 0
    assert figures(blind, conflicts=SIBLINGS)[1]["stale_reads"] == 1


def test_nothing_to_measure_is_unknown():
    assert figures(history((0, "read", None, [])))[0].valid == "unknown"
    assert figures(history((0, "write", 1, "info"), (1, "read", None, [])))[0].valid == "unknown"


def test_models_take_bounds():
    checker = Staleness.for_model("staleness-siblings", {"most_versions": "3", "first": None})
    assert (checker.conflicts, checker.most_versions) == (SIBLINGS, 3.0)
    with pytest.raises(UserError, match="most-s: expected a number, got 'soon'"):
        Staleness.for_model("staleness", {"most_s": "soon"})
