"""Watchers: every anomaly by name, and stories in which nothing is wrong."""

import pytest

from duress.checkers.watch_order import WatchOrder

from .lock_oracle import history, names


def check(*calls):
    rows = [row for call in calls for row in call]
    return WatchOrder().check(history(*rows), {})


def write(process, value, revision, kind="ok"):
    done = {"value": value, "revision": revision} if kind == "ok" else {"value": value}
    return [
        (process, "invoke", "write", None, {"value": value}),
        (process, kind, "write", None, done),
    ]


def watch(process, after, *events, f="watch"):
    value = {"after": after, "events": [list(event) for event in events]}
    return [(process, "invoke", f, None, None), (process, "ok", f, None, value)]


WRITES = write(0, 1, 5), write(0, 2, 7), write(0, 3, 8)
ALL = (5, 1), (7, 2), (8, 3)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ((*WRITES, watch(1, 0, *ALL)), set()),
        # A watch that ends early has not missed anything.
        ((*WRITES, watch(1, 0, ALL[0]), watch(1, 5, *ALL[1:]), watch(1, 8)), set()),
        ((*WRITES, watch(1, 0, ALL[0], ALL[2])), {"missed-event"}),
        # Neither may it begin too late.
        ((*WRITES, watch(1, 5, ALL[2])), {"missed-event"}),
        ((*WRITES, watch(1, 0, *ALL, f="catch-up")), set()),
        ((*WRITES, watch(1, 0, *ALL[:2], f="catch-up")), {"missed-event"}),
        ((*WRITES, watch(1, 8, f="catch-up")), set()),
        ((*WRITES, watch(1, 7, f="catch-up")), {"missed-event"}),
        ((watch(1, 0, f="catch-up"), *WRITES, watch(2, 0, *ALL)), set()),
        # What was not acknowledged happened if anybody was told of it.
        (
            (write(0, 1, 5), write(2, 2, 7, "info"), write(3, 3, 8), watch(1, 0, *ALL)),
            set(),
        ),
        (
            (
                *(write(0, 1, 5), write(2, 2, 7, "info"), write(3, 3, 8)),
                *(watch(1, 0, *ALL), watch(4, 0, ALL[0], ALL[2])),
            ),
            {"missed-event"},
        ),
        ((*WRITES, watch(1, 0, ALL[0], ALL[0], *ALL[1:])), {"unordered-event"}),
        ((*WRITES, watch(1, 0, *ALL), watch(1, 8, ALL[2])), {"unordered-event"}),
        ((*WRITES, watch(1, 0, *ALL, (9, 4))), {"invented-event"}),
        ((write(0, 1, 5, "fail"), watch(1, 0, (5, 1))), {"invented-event"}),
        ((watch(1, 0, (5, 1)), write(0, 1, 5)), {"invented-event"}),
        ((*WRITES, watch(1, 0, ALL[0], (7, 3))), {"differing-event"}),
        ((*WRITES, write(2, 4, 7), watch(1, 0, *ALL)), {"differing-event"}),
    ],
)
def test_what_is_wrong_has_a_name(calls, expected):
    verdict = check(*calls)
    assert names(verdict) == expected
    assert verdict.valid is not bool(expected)


def test_who_tells_nothing_is_not_judged():
    assert check(*WRITES).valid == "unknown"
    assert check(*WRITES, watch(1, 0)).valid == "unknown"
    odd = [(0, "invoke", "write", None, {"value": 1}), (0, "ok", "write", None, {"value": 1})]
    assert check(odd, watch(1, 0, (5, 1))).valid == "unknown"
    odd = [(0, "invoke", "watch", None, None), (0, "ok", "watch", None, [1])]
    assert check(odd).valid == "unknown"
    assert check([(0, "invoke", "write", None, 5)]).valid == "unknown"


def test_the_missing_change_and_its_watcher_are_named():
    (anomaly,) = check(*WRITES, watch(1, 0, ALL[0], ALL[2])).anomalies
    assert anomaly.operations == [3, 6]
    assert "change to 2 (revision 7) was acknowledged to process 0" in anomaly.explanation
