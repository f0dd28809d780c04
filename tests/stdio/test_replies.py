"""Replies are checked field by field, and told what was wrong with which."""

import pytest

from duress.fixtures.systems import topologies
from duress.fixtures.systems.maelstrom_replies import REPLIES, wrong_in

TXN = {"type": "txn", "txn": [["r", 1, None], ["append", 1, 2]]}
POLL = {"type": "poll", "offsets": {"a": 0}}
LIST = {"type": "list_committed_offsets", "keys": ["a"]}

GOOD = [
    ("echo", {"type": "echo", "echo": 1}, {"echo": None}),
    ("generate", {"type": "generate"}, {"id": [1, "x"]}),
    ("read messages", {"type": "read"}, {"messages": [1, 2]}),
    ("read set", {"type": "read"}, {"value": []}),
    ("read counter", {"type": "read"}, {"value": -3}),
    ("read", {"type": "read", "key": 1}, {"value": None}),
    ("txn", TXN, {"txn": [["r", 1, [1]], ["append", 1, 2]], "msg_id": 7}),
    ("txn", TXN, {"txn": [["r", 1, None], ["append", 1, 2]]}),
    ("send", {"type": "send"}, {"offset": 0}),
    ("poll", POLL, {"msgs": {"a": [[0, "x"], [4, 1]]}}),
    ("poll", POLL, {"msgs": {}}),
    ("list_committed_offsets", LIST, {"offsets": {"a": 3}}),
]


@pytest.mark.parametrize(("name", "request_", "fields"), GOOD)
def test_right_replies(name, request_, fields):
    assert wrong_in(name, request_, {"type": REPLIES[name].type, **fields}) is None
    assert wrong_in(name, request_, {"type": "error", "code": 11, "text": "busy"}) is None


@pytest.mark.parametrize(
    ("name", "request_", "fields", "words"),
    [
        ("generate", {"type": "generate"}, {}, "body.id: expected any value, got nothing"),
        (
            "read messages",
            {"type": "read"},
            {"messages": {"1": 2}},
            "body.messages: expected a list",
        ),
        (
            "read counter",
            {"type": "read"},
            {"value": "3"},
            "body.value: expected a whole number, got '3'",
        ),
        ("read counter", {"type": "read"}, {"value": True}, "got True"),
        ("txn", TXN, {"txn": [["r", 1, []]]}, "as many micro-operations as were asked for, 2"),
        (
            "txn",
            TXN,
            {"txn": [["r", 1, []], ["w", 1, 2]]},
            "body.txn[1]: expected the 'append' of key 1",
        ),
        (
            "txn",
            TXN,
            {"txn": [["r", 1, []], ["append", 1, 3]]},
            "body.txn[1][2]: expected the value",
        ),
        ("txn", TXN, {"txn": [["r", "1", []], ["append", 1, 2]]}, "body.txn[0]: expected"),
        ("txn", TXN, {"txn": [["r", 1, 5], ["append", 1, 2]]}, "body.txn[0][2]: expected a list"),
        ("txn", TXN, {"txn": [["r", 1], ["append", 1, 2]]}, "a micro-operation like"),
        (
            "send",
            {"type": "send"},
            {"offset": -1},
            "body.offset: expected a whole number from 0 on",
        ),
        ("poll", POLL, {"msgs": [[0, 1]]}, "body.msgs: expected an object"),
        ("poll", POLL, {"msgs": {"b": []}}, "body.msgs.b: expected only keys that were asked for"),
        ("poll", POLL, {"msgs": {"a": [[0]]}}, "body.msgs.a[0]: expected a pair"),
        ("poll", POLL, {"msgs": {"a": [["0", 1]]}}, "body.msgs.a[0][0]: expected a whole number"),
        (
            "list_committed_offsets",
            LIST,
            {"offsets": {"z": 1}},
            "body.offsets.z: expected only keys",
        ),
        ("list_committed_offsets", LIST, {"offsets": None}, "body.offsets: expected an object"),
    ],
)
def test_wrong_replies(name, request_, fields, words):
    said = wrong_in(name, request_, {"type": REPLIES[name].type, **fields})
    assert words in said
    assert "The request was" in said and "docs/maelstrom.md" in said


@pytest.mark.parametrize("reply", [{}, {"type": None}, {"type": "ok"}, {"type": "error"}])
def test_replies_of_the_wrong_type(reply):
    assert "body." in wrong_in("echo", {"type": "echo"}, reply)


@pytest.mark.parametrize("name", topologies.NAMES)
@pytest.mark.parametrize("count", [1, 2, 5, 9, 25])
def test_topologies_are_connected_and_go_both_ways(name, count):
    nodes = [f"n{i}" for i in range(count)]
    neighbours = topologies.make({"topology": name}, nodes)
    assert all(node in neighbours[other] for node in nodes for other in neighbours[node])
    assert all(node not in neighbours[node] for node in nodes)
    reached, fresh = {"n0"}, ["n0"]
    while fresh:
        fresh = [other for node in fresh for other in neighbours[node] if other not in reached]
        reached.update(fresh)
    assert reached == set(nodes)


def test_a_grid_of_nine():
    grid = topologies.make({}, [f"n{i}" for i in range(9)])
    assert grid["n4"] == ["n1", "n3", "n5", "n7"]
    assert grid["n0"] == ["n1", "n3"]
