#!/usr/bin/env python3
"""Unique ids without asking anybody: the node's name, when it was started, and a count.

With the argument --clock it makes a mistake: it takes the time of day in milliseconds, which two
nodes have at once.
"""

import json
import sys
import time

node_id = ""
began_ns = time.time_ns()
count = 0

for line in sys.stdin:
    request = json.loads(line)
    body = request["body"]
    if body["type"] == "init":
        node_id = body["node_id"]
        reply = {"type": "init_ok"}
    else:
        count += 1
        unique = f"{node_id}-{began_ns}-{count}"
        if "--clock" in sys.argv:
            unique = time.time_ns() // 1_000_000
        reply = {"type": "generate_ok", "id": unique}
    reply["in_reply_to"] = body["msg_id"]
    print(json.dumps({"src": node_id, "dest": request["src"], "body": reply}), flush=True)
