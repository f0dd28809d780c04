"""The services that nodes may use keep the promises that they are named after, and no more."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.stdio.services import SERVICES, services

READ = {"type": "read", "key": "x"}


def write(value, key="x"):
    return {"type": "write", "key": key, "value": value}


def cas(old, new, **more):
    return {"type": "cas", "key": "x", "from": old, "to": new, **more}


def code(reply):
    return reply["code"] if reply["type"] == "error" else reply["type"]


STORES = ("lin-kv", "seq-kv", "lww-kv")


@pytest.mark.parametrize("name", ["lin-kv", "seq-kv"])
def test_what_compare_and_set_says(name):
    store = SERVICES[name](Random(1))
    ask = lambda body: store.answer("n1", body)  # noqa: E731
    assert code(ask(cas(1, 2))) == 20
    assert code(ask(cas(1, 2, create_if_not_exists=True))) == "cas_ok"
    assert ask(READ) == {"type": "read_ok", "value": 2}
    assert code(ask(cas(1, 3))) == 22
    assert code(ask(cas(2, {"a": [1]}))) == "cas_ok"
    assert ask(READ)["value"] == {"a": [1]}


def test_values_are_compared_as_json():
    store = SERVICES["lin-kv"](Random(1))
    store.answer("n1", write({"a": 1, "b": 2}))
    assert code(store.answer("n1", cas({"b": 2, "a": 1}, True))) == "cas_ok"
    assert code(store.answer("n1", cas(1, 2))) == 22  # though in Python, 1 == True


def test_keys_are_any_json():
    store = SERVICES["lin-kv"](Random(1))
    store.answer("n1", write("number", 1))
    store.answer("n1", write("text", "1"))
    assert store.answer("n1", {"type": "read", "key": 1})["value"] == "number"
    assert store.answer("n1", {"type": "read", "key": "1"})["value"] == "text"


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"type": "delete", "key": 1}, 10),
        ({"type": "write", "key": 1}, 12),
        ({"type": "read"}, 12),
        ({}, 10),
        ({"type": ["read"], "key": 1}, 10),
        (READ, 20),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_definite_error(name, body, expected):
    reply = SERVICES[name](Random(1)).answer("n1", body)
    assert code(reply) == expected
    assert reply["text"]


def test_a_last_write_store_does_not_create_by_compare_and_set():
    store = SERVICES["lww-kv"](Random(1))
    assert code(store.answer("n1", cas(1, 2, create_if_not_exists=True))) == 20


def test_timestamps_grow():
    oracle = SERVICES["lin-tso"](Random(1))
    given_out = [oracle.answer("n1", {"type": "ts"})["ts"] for _ in range(100)]
    assert given_out == sorted(set(given_out))
    assert code(oracle.answer("n1", READ)) == 10


clients = st.sampled_from(["n1", "n2", "n3"])


@given(st.lists(st.tuples(clients, st.booleans()), max_size=60), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_a_sequential_store_goes_forward_for_each_client(steps, seed):
    store, newest, seen = SERVICES["seq-kv"](Random(seed)), 0, {}
    for client, writes in steps:
        if writes:
            newest += 1
            assert store.answer(client, write(newest))["type"] == "write_ok"
            seen[client] = newest
        else:
            reply = store.answer(client, READ)
            value = reply.get("value", 0)
            assert seen.get(client, 0) <= value <= newest
            seen[client] = value


def test_a_sequential_store_is_stale_for_others_at_times():
    store = SERVICES["seq-kv"](Random(3))
    for value in range(10):
        store.answer("n1", write(value))
    assert {store.answer(f"n{i}", READ).get("value") for i in range(2, 40)} != {9}


def test_a_last_write_store_loses_writes_and_forgets_in_between():
    lost = 0
    for seed in range(50):
        store = SERVICES["lww-kv"](Random(seed))
        for value in range(4):
            store.answer("n1", write(value))
        lost += any(store.answer("n1", READ).get("value") != 3 for _ in range(10))
    assert lost > 10


def test_a_linearizable_store_is_what_a_dictionary_is():
    random, store, model = Random(7), SERVICES["lin-kv"](Random(1)), {}
    for number in range(500):
        key = random.randrange(3)
        if random.random() < 0.5:
            store.answer(f"n{number % 3}", write(number, key))
            model[key] = number
        else:
            reply = store.answer(f"n{number % 3}", {"type": "read", "key": key})
            assert reply.get("value") == model.get(key)


def test_the_same_seed_gives_the_same_answers():
    def answers():
        store = services("5")["lww-kv"]
        return [store.answer("n1", READ if i % 3 else write(i)) for i in range(90)]

    assert answers() == answers()
