"""Operations and updates changed on their way."""

import itertools

import msgspec
import pytest

from duress.harness.errors import UserError
from duress.harness.generator import (
    clients,
    concurrency_limit,
    f_map,
    filter_,
    ignore_updates,
    limit,
    map_,
    on_update,
    repeat,
    until_ok,
)
from duress.harness.generator.simulate import (
    imperfect,
    perfect,
    quick,
)

from .generated import READ, count_up, fs, values, write


def test_map_f_map_and_filter():
    doubled = map_(lambda op: msgspec.structs.replace(op, value=2 * op.value), count_up())
    assert values(quick(limit(3, doubled))) == [0, 2, 4]
    assert fs(quick(f_map({"read": "peek"}, [READ, write(1)]))) == ["peek", "write"]
    assert values(quick(limit(3, filter_(lambda op: op.value % 2, count_up())))) == [1, 3, 5]


def test_filter_gives_up_when_nothing_ever_passes():
    with pytest.raises(UserError, match="did not pass"):
        quick(filter_(lambda op: False, repeat(READ)))


def test_ignore_updates_is_told_of_nothing():
    assert len(fs(perfect(limit(30, ignore_updates(until_ok(repeat(READ))))))) == 30


def test_on_update_can_become_another_generator():
    def read_after_failure(this, context, event):
        return [{"f": "read"}, this] if event.type == "fail" else this

    history = imperfect(
        clients(concurrency_limit(1, limit(8, on_update(read_after_failure, count_up())))),
        concurrency=1,
    )
    for before, after in itertools.pairwise(history):
        if before.type == "fail":
            assert after.f == "read"


def test_on_update_can_pass_events_on():
    generator = on_update(
        lambda this, context, event: this.inform(context, event), until_ok(repeat(READ))
    )
    assert len(fs(imperfect(clients(generator), concurrency=1))) == 3
