"""Workloads of which there is no example: each right program passes, each wrong one does not."""

import pytest

from .node_trials import python_program, run_together

G_SET = """
kept = []
for r in requests():
    body = r["body"]
    if body["type"] == "add":
        if not (%s and body["element"] %% 10 == 7):
            kept.append(body["element"])
        answer(r, type="add_ok")
    else:
        answer(r, type="read_ok", value=kept)
"""

IDS = """
number = 0
for r in requests():
    number += 1
    answer(r, type="generate_ok", id=number if %s else f"{me}-{number}")
"""

LIN_KV = """
store = {}
for r in requests():
    body = r["body"]
    kind, key = body["type"], body["key"]
    if kind == "write":
        store[key] = body["value"]
        answer(r, type="write_ok")
    elif key not in store:
        answer(r, type="error", code=20, text="there is no such key")
    elif kind == "read":
        answer(r, type="read_ok", value=store[key])
    elif store[key] == body["from"]:
        store[key] = body["to"]
        answer(r, type="cas_ok")
    else:
        if %s:
            store[key] = body["to"]
        answer(r, type="error", code=22, text="it is something else")
"""

REGISTERS = """
store = {}
for r in requests():
    done = []
    for f, key, value in r["body"]["txn"]:
        if f == "w":
            store[key] = value
        done.append([f, key, store.get(key)])
    if %s:
        done = done[:-1]
    answer(r, type="txn_ok", txn=done)
"""

CASES = [
    ("g-set", G_SET, 1, "lost-element"),
    ("unique-ids", IDS, 3, "duplicated-id"),
    ("lin-kv", LIN_KV, 1, "nonlinearizable"),
    ("txn-rw-register", REGISTERS, 1, "malformed-reply"),
]


@pytest.mark.parametrize(("workload", "code", "nodes", "anomaly"), CASES)
def test_a_right_program_passes_and_a_wrong_one_is_found(tmp_path, workload, code, nodes, anomaly):
    trials = []
    for name, is_wrong in (("right", False), ("wrong", True)):
        (tmp_path / name).mkdir()
        program = python_program(tmp_path / name, code % is_wrong)
        trials.append((workload, program, {"nodes": nodes, "concurrency": 4}))
    right, wrong = run_together(tmp_path, *trials)
    assert (right.error, right.verdict.valid) == (None, True), right.verdict
    assert anomaly in {each.name for each in wrong.verdict.anomalies}
