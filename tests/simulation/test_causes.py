import asyncio
import json

import pytest
from small_world import PORT, Silent, simulate

from duress.harness.cluster.connection import connect
from duress.harness.errors import UserError
from duress.harness.simulation import causes


class Flood(Silent):
    """Asks both others before it answers, after a pause; greets them unasked at its start."""

    def on_start(self):
        self.others = [n for n in self.context.node_ids if n != self.context.node_id]
        self.asked = []
        self.context.set_timer("greet", 0.5)

    def on_timer(self, name):
        for other in self.others:
            self.context.send(other, {"type": name})

    def on_message(self, message):
        if message["body"]["type"] == "ask":
            self.asked.append(message)
            self.context.set_timer("wonder", 0.01)
        elif message["body"]["type"] == "wonder":
            self.context.reply(message, {"type": "known"})
        elif message["body"]["type"] == "known" and self.asked:
            self.context.reply(self.asked.pop(), {"type": "answer"})


def test_messages_are_counted_for_the_request_that_caused_them(tmp_path):
    async def story(world):
        await world.start()
        connection = await connect(world.cluster, "n1", PORT)
        for _ in range(3):
            assert (await connection.request("c1", "n1", {"type": "ask"}))["type"] == "answer"
            await asyncio.sleep(0.3)  # the other node's answer comes late
        return world.network.counts()

    counts = simulate(story, tmp_path, Flood, trace=True)
    assert counts["requests"] == {"ask": 3}
    assert counts["answers"] == 3
    assert counts["sent"] == 3 * 4 + 3 * 2
    found = causes.messages_per_request(causes.read(tmp_path / "messages.jsonl"))
    assert found == {
        "ask": {"requests": 3, "mean": 4.0, "max": 4},
        "": {"requests": 0, "mean": 0.0, "max": 6},
    }
    events = list(causes.read(tmp_path / "messages.jsonl"))
    timer = next(e for e in events if e["e"] == "timer" and e["name"] == "wonder")
    assert events[timer["cause"]]["e"] == "deliver"
    assert events[events[timer["cause"]]["of"]]["from"] == "c1"


def test_a_damaged_trace_is_named_by_line(tmp_path):
    path = tmp_path / "messages.jsonl"
    path.write_text(json.dumps({"id": 0, "t": 0, "e": "cut"}) + "\n{broken\n")
    with pytest.raises(UserError, match=r"messages.jsonl:2: "):
        list(causes.read(path))
