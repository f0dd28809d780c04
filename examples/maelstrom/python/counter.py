#!/usr/bin/env python3
"""A counter that only grows (g-counter), in the service seq-kv: each node has a key of its own
there, to which only it writes; the counter is the sum of all.

The service may answer with an old state, but never an older one than the asker has seen. So before
it reads a node writes something: what it sees then is at least as new as that.

With the argument --shared it makes a mistake: all nodes read one key, and write back more.
"""

import asyncio
import json
import sys

PATIENCE_S = 0.3

node_id = ""
nodes = []
mine = 0  # what was added through this node
writes = 0
next_id = 0
later = {}  # by msg_id of a request to the service: who waits for the answer
turn = asyncio.Lock()  # to change our own key


def send(dest, body):
    """A message to somebody."""
    print(json.dumps({"src": node_id, "dest": dest, "body": body}), flush=True)


async def ask(body):
    """The answer of the service; it is asked again until there is one, for both may get lost."""
    global next_id
    while True:
        next_id += 1
        later[next_id] = answer = asyncio.get_running_loop().create_future()
        send("seq-kv", {**body, "msg_id": next_id})
        try:
            return await asyncio.wait_for(answer, PATIENCE_S)
        except asyncio.TimeoutError:  # noqa: UP041 - the same, but before Python 3.11
            continue


async def value_of(key):
    """What is there, 0 if nothing is."""
    return (await ask({"type": "read", "key": key})).get("value", 0)


async def add(delta):
    """Let the counter grow."""
    global mine
    if "--shared" in sys.argv:
        await ask({"type": "write", "key": "all", "value": await value_of("all") + delta})
        return
    async with turn:
        mine += delta
        await ask({"type": "write", "key": node_id, "value": mine})


async def read():
    """The counter, as new as it can be had."""
    global writes
    writes += 1
    await ask({"type": "write", "key": f"seen by {node_id}", "value": writes})
    if "--shared" in sys.argv:
        return await value_of("all")
    return sum([await value_of(node) for node in nodes])


async def handle(request):
    """Answer a client."""
    body = request["body"]
    if body["type"] == "add":
        await add(body["delta"])
        reply = {"type": "add_ok"}
    else:
        reply = {"type": "read_ok", "value": await read()}
    send(request["src"], {**reply, "in_reply_to": body["msg_id"]})


async def main():
    """Read line after line."""
    global node_id, nodes
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    tasks = set()
    async for line in reader:
        message = json.loads(line)
        body = message["body"]
        if body["type"] == "init":
            node_id, nodes = body["node_id"], body["node_ids"]
            send(message["src"], {"type": "init_ok", "in_reply_to": body["msg_id"]})
        elif "in_reply_to" in body:
            answer = later.pop(body["in_reply_to"], None)
            if answer is not None and not answer.done():
                answer.set_result(body)
        else:
            task = asyncio.create_task(handle(message))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


asyncio.run(main())
