#!/usr/bin/env python3
"""Transactions on lists: the whole database is one value in the service lin-kv, changed by
compare-and-set. If somebody else was quicker, the transaction is refused (error 30, definite).
It trusts the network not to deliver a request twice: the second one would seem to be too late.

With the argument --overwrite it makes a mistake: it writes its new version without comparing, so
that two transactions at once may both succeed although only one of them lasts.
"""

import json
import sys

node_id = ""
next_id = 0
later = {}  # by msg_id of a request to the service: what to do with the answer


def send(dest, body):
    """A message to somebody."""
    print(json.dumps({"src": node_id, "dest": dest, "body": body}), flush=True)


def ask(body, then):
    """A request to the service; ``then`` is called with the answer."""
    global next_id
    next_id += 1
    later[next_id] = then
    send("lin-kv", {**body, "msg_id": next_id})


def reply(request, body):
    """The answer to a request."""
    send(request["src"], {**body, "in_reply_to": request["body"]["msg_id"]})


def transact(request):
    """Read the database, execute the transaction on it, and put it back."""

    def have_read(answer):
        if answer["type"] == "error" and answer["code"] != 20:  # 20: there is no such key yet
            reply(request, {"type": "error", "code": 11, "text": "the store is not there"})
            return
        before = answer.get("value", {})
        after, done = execute(before, request["body"]["txn"])
        result = {"type": "txn_ok", "txn": done}
        if "--overwrite" in sys.argv:
            change = {"type": "write", "key": "root", "value": after}
        else:
            change = {"type": "cas", "key": "root", "from": before, "to": after}
            change["create_if_not_exists"] = True
        ask(change, lambda answer: have_written(answer, result))

    def have_written(answer, result):
        if answer["type"] == "error":
            reply(request, {"type": "error", "code": 30, "text": "somebody else was quicker"})
        else:
            reply(request, result)

    ask({"type": "read", "key": "root"}, have_read)


def execute(database, transaction):
    """What the database is afterwards, and the transaction with its reads filled in."""
    database, done = dict(database), []
    for f, key, value in transaction:
        if f == "append":
            database[str(key)] = [*database.get(str(key), []), value]
            done.append([f, key, value])
        else:
            done.append([f, key, database.get(str(key))])
    return database, done


for line in sys.stdin:
    message = json.loads(line)
    body = message["body"]
    if body["type"] == "init":
        node_id = body["node_id"]
        reply(message, {"type": "init_ok"})
    elif body["type"] == "txn":
        transact(message)
    elif body.get("in_reply_to") in later:
        later.pop(body["in_reply_to"])(body)
