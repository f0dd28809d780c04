#!/usr/bin/env python3
"""Broadcast by gossip: tells each neighbour what that has not acknowledged, until it has.

With the argument --once it makes a mistake: it tells each neighbour everything once, and never
again. What is lost on the way is lost for good.
"""

import json
import sys
import threading
import time

GOSSIP_EVERY_S = 0.1

lock = threading.Lock()
node_id = ""
messages = []
unacknowledged = {}  # by neighbour: what it may not know yet


def send(dest, body):
    """A message to somebody."""
    print(json.dumps({"src": node_id, "dest": dest, "body": body}), flush=True)


def learn(values, source):
    """Keep what is new, and mean to tell everybody but whom it came from."""
    known = set(messages)
    for value in values:
        if value not in known:
            messages.append(value)
            for neighbour, waiting in unacknowledged.items():
                if neighbour != source:
                    waiting.append(value)


def gossip():
    """Tell every neighbour, again and again, what it has not acknowledged."""
    while True:
        time.sleep(GOSSIP_EVERY_S)
        with lock:
            for neighbour, waiting in unacknowledged.items():
                if waiting:
                    send(neighbour, {"type": "gossip", "messages": waiting})
                    if "--once" in sys.argv:
                        waiting.clear()


def handle(source, body):
    """What a message changes, and the reply to it, if it is a request."""
    global node_id
    kind = body["type"]
    if kind == "init":
        node_id = body["node_id"]
        for other in body["node_ids"]:
            if other != node_id:
                unacknowledged[other] = []
        threading.Thread(target=gossip, daemon=True).start()
        return {"type": "init_ok"}
    if kind == "topology":
        wanted = body["topology"][node_id]
        for other in list(unacknowledged):
            if other not in wanted:
                del unacknowledged[other]
        return {"type": "topology_ok"}
    if kind == "broadcast":
        learn([body["message"]], source)
        return {"type": "broadcast_ok"}
    if kind == "read":
        return {"type": "read_ok", "messages": messages}
    if kind == "gossip":
        learn(body["messages"], source)
        send(source, {"type": "gossip_ok", "messages": body["messages"]})
    if kind == "gossip_ok" and source in unacknowledged:
        told = set(body["messages"])
        unacknowledged[source] = [v for v in unacknowledged[source] if v not in told]
    return None


for line in sys.stdin:
    request = json.loads(line)
    with lock:
        reply = handle(request["src"], request["body"])
        if reply is not None:
            reply["in_reply_to"] = request["body"]["msg_id"]
            send(request["src"], reply)
