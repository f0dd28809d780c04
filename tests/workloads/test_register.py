"""What clients ask of registers."""

from collections import Counter
from random import Random

import pytest

from duress.harness.errors import UserError
from duress.harness.generator import clients, limit, simulate
from duress.workloads.register import RegisterWorkload


def asked(**options):
    settings = {name.replace("_", "-"): value for name, value in options.items()}
    workload = RegisterWorkload(settings, 4, Random(1))
    history = simulate.quick(clients(limit(600, workload.generator())), concurrency=4, seed=3)
    return [operation for operation in history if operation.type == "invoke"]


def test_every_value_is_written_once():
    written = Counter(
        (each.key, each.value if each.f == "write" else each.value[1])
        for each in asked()
        if each.f != "read"
    )
    assert set(written.values()) == {1}


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({}, {"read", "write", "cas"}),
        ({"cas_share": "0"}, {"read", "write"}),
        ({"read_share": "0"}, {"write", "cas"}),
    ],
)
def test_shares_say_what_is_asked(options, kinds):
    assert {each.f for each in asked(**options)} == kinds


def test_a_share_is_at_most_everything():
    with pytest.raises(UserError, match="cas-share"):
        asked(cas_share="1.5")
