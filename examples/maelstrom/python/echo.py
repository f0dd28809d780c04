#!/usr/bin/env python3
"""Says back what it is told: the smallest node there is.

With the argument --wrong it makes a mistake: it keeps the first thing it was told.
"""

import json
import sys

node_id = ""
first = None

for line in sys.stdin:
    request = json.loads(line)
    body = request["body"]
    if body["type"] == "init":
        node_id = body["node_id"]
        reply = {"type": "init_ok"}
    else:
        first = first or body["echo"]
        reply = {"type": "echo_ok", "echo": first if "--wrong" in sys.argv else body["echo"]}
    reply["in_reply_to"] = body["msg_id"]
    print(json.dumps({"src": node_id, "dest": request["src"], "body": reply}), flush=True)
