"""Our own protocols as Maelstrom itself would run them.

Maelstrom is not here: what stands in for it writes the lines that it writes (an ``id`` in each,
clients whose names begin with c, ``init`` before all else, nodes from ``n1`` on), passes messages
on, and takes no field of a reply that its documentation does not name.
"""

import asyncio
import itertools
import json
import subprocess

from .node_trials import EXAMPLES

NODES = ["n1", "n2", "n3"]

FIELDS = {
    "init_ok": set(),
    "read_ok": {"value"},
    "write_ok": set(),
    "cas_ok": set(),
    "txn_ok": {"txn"},
    "generate_ok": {"id"},
    "error": {"code", "text"},
}
"""By type, what a reply holds besides ``type``, ``msg_id`` and ``in_reply_to``."""


class Maelstrom:
    """Programs on pipes, and the messages between them."""

    def __init__(self):
        self._ids = itertools.count()
        self._numbers = itertools.count(2)
        self._programs = {}
        self._awaited = {}
        self._reading = []

    async def start(self, folder, *argv):
        for name in NODES:
            (folder / name).mkdir()
            program = await asyncio.create_subprocess_exec(
                *map(str, argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder / name
            )
            self._programs[name] = program
            self._reading.append(asyncio.create_task(self._read(name, program)))
        for number, name in enumerate(NODES):
            asked = self.ask(name, f"c{number}", type="init", node_id=name, node_ids=NODES)
            assert (await asked)["type"] == "init_ok"

    async def _read(self, name, program):
        try:
            async for line in program.stdout:
                self._take(name, line)
        except AssertionError as wrong:
            for answer in self._awaited.values():
                answer.set_exception(wrong)

    def _take(self, name, line):
        message = json.loads(line)  # nothing but messages, one a line
        assert message["src"] == name and message.keys() <= {"id", "src", "dest", "body"}
        dest, body = message["dest"], message["body"]
        if dest in self._programs:
            self._send(name, dest, body)
            return
        assert body.keys() - {"type", "msg_id", "in_reply_to"} == FIELDS[body["type"]], body
        answer = self._awaited.pop((dest, body["in_reply_to"]))
        if not answer.done():
            answer.set_result(body)

    def _send(self, src, dest, body):
        line = json.dumps({"id": next(self._ids), "src": src, "dest": dest, "body": body})
        self._programs[dest].stdin.write(line.encode() + b"\n")

    async def ask(self, node, client, **body):
        number = 1 if body["type"] == "init" else next(self._numbers)
        answer = self._awaited[client, number] = asyncio.get_running_loop().create_future()
        self._send(client, node, {**body, "msg_id": number})
        return await asyncio.wait_for(answer, 60)

    async def stop(self):
        for program in self._programs.values():
            program.stdin.close()
        ended = [program.wait() for program in self._programs.values()]
        statuses = await asyncio.wait_for(asyncio.gather(*ended), 60)
        await asyncio.gather(*self._reading)
        return statuses


async def done(ask, node, **body):
    """The reply, once the protocol is ready to do it."""
    while True:
        reply = await ask(node, "c7", **body)
        if reply["type"] != "error" or reply["code"] in (10, 12, 20, 22):
            return reply
        assert isinstance(reply["text"], str)
        await asyncio.sleep(0.05)


def test_raft_serves_every_workload_that_it_has(tmp_path):
    async def scene(ask):
        assert (await done(ask, "n1", type="read", key=1))["code"] == 20
        assert (await done(ask, "n2", type="write", key=1, value=5))["type"] == "write_ok"
        assert (await done(ask, "n3", type="read", key=1))["value"] == 5
        assert (await done(ask, "n1", type="cas", key=1, **{"from": 5, "to": 6}))[
            "type"
        ] == "cas_ok"
        assert (await done(ask, "n2", type="cas", key=1, **{"from": 5, "to": 7}))["code"] == 22
        assert (await done(ask, "n3", type="dance"))["code"] == 10
        reply = await done(ask, "n1", type="txn", txn=[["append", 9, 1], ["r", 9, None]])
        assert reply["txn"] == [["append", 9, 1], ["r", 9, [1]]]
        reply = await done(ask, "n2", type="txn", txn=[["r", 9, None], ["w", 8, 3], ["r", 8, None]])
        assert reply["txn"] == [["r", 9, [1]], ["w", 8, 3], ["r", 8, 3]]
        ids = [json.dumps((await done(ask, node, type="generate"))["id"]) for node in NODES * 2]
        assert len(set(ids)) == 6

    async def story():
        maelstrom = Maelstrom()
        await maelstrom.start(tmp_path, EXAMPLES / "ours.sh")
        await scene(maelstrom.ask)
        assert set(await maelstrom.stop()) == {0}

    asyncio.run(story())
    assert (tmp_path / "n1" / "n1").is_dir()  # its data
