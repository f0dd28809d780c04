#!/usr/bin/env python3
"""Broadcast by gossip: tells each neighbour what is new, and again what that does not acknowledge.

With the argument --hub nodes do not talk to the neighbours that they are given, but all to the
first node: fewer messages and two hops at most.

With the argument --once it makes a mistake: it tells each neighbour everything once, and never
again. What is lost on the way is lost for good.
"""

import json
import sys
import threading
import time

GOSSIP_EVERY_S = 0.1
AGAIN_AFTER_S = 0.5

lock = threading.Lock()
node_id = ""
messages = {}  # a set that keeps its order
unacknowledged = {}  # by neighbour: what it may not know, and when to tell it that


def send(dest, body):
    """A message to somebody."""
    print(json.dumps({"src": node_id, "dest": dest, "body": body}), flush=True)


def learn(values, source):
    """Keep what is new, and mean to tell everybody but whom it came from."""
    for value in values:
        if value not in messages:
            messages[value] = True
            for neighbour, waiting in unacknowledged.items():
                if neighbour != source:
                    waiting[value] = 0


def gossip():
    """Tell every neighbour what is due."""
    while True:
        time.sleep(GOSSIP_EVERY_S)
        now = time.monotonic()
        with lock:
            for neighbour, waiting in unacknowledged.items():
                due = [value for value, when in waiting.items() if when <= now]
                if due:
                    send(neighbour, {"type": "gossip", "messages": due})
                    waiting.update(dict.fromkeys(due, now + AGAIN_AFTER_S))
                    if "--once" in sys.argv:
                        waiting.clear()


def handle(source, body):
    """What a message changes, and the reply to it, if it is a request."""
    global node_id
    kind = body["type"]
    if kind == "init":
        node_id = body["node_id"]
        unacknowledged.update((other, {}) for other in body["node_ids"] if other != node_id)
        threading.Thread(target=gossip, daemon=True).start()
        return {"type": "init_ok"}
    if kind == "topology":
        nodes = sorted(body["topology"])
        wanted = body["topology"][node_id]
        if "--hub" in sys.argv:
            wanted = nodes if node_id == nodes[0] else nodes[:1]
        for other in set(unacknowledged) - set(wanted):
            del unacknowledged[other]
        return {"type": "topology_ok"}
    if kind == "broadcast":
        learn([body["message"]], source)
        return {"type": "broadcast_ok"}
    if kind == "read":
        return {"type": "read_ok", "messages": list(messages)}
    if kind == "gossip":
        learn(body["messages"], source)
        send(source, {"type": "gossip_ok", "messages": body["messages"]})
    if kind == "gossip_ok" and source in unacknowledged:
        for value in body["messages"]:
            unacknowledged[source].pop(value, None)
    return None


for line in sys.stdin:
    request = json.loads(line)
    with lock:
        reply = handle(request["src"], request["body"])
        if reply is not None:
            reply["in_reply_to"] = request["body"]["msg_id"]
            send(request["src"], reply)
