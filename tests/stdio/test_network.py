"""The router: who hears what, when, and what becomes of the rest."""

import asyncio
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.cluster.impairment import Impairment
from duress.harness.errors import InfrastructureError, UserError

from .node_trials import EXAMPLES, python_program, run, run_together
from .scenes import tell, with_cluster


def messages(tmp_path):
    return [json.loads(line) for line in (tmp_path / "messages.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("trace", ["true", "false"])
def test_messages_arrive_at_once_and_in_order_where_nothing_is_asked_for(tmp_path, trace):
    async def scene(cluster, programs):
        tell(cluster, programs, "n0", "n1", 1, 2, 3)
        tell(cluster, programs, "n2", "n2", 9)
        assert programs["n1"].heard == [1, 2, 3]
        assert programs["n2"].heard == [9]

    with_cluster(tmp_path, scene, trace=trace)
    counts = json.loads((tmp_path / "messages.json").read_text())
    assert (counts["sent"], counts["delivered"], counts["lost"]) == (4, 4, {})
    assert counts["types"]["servers"] == {"t": {"sent": 4, "received": 4, "dropped": 0}}
    assert (tmp_path / "messages.jsonl").exists() is (trace == "true")


def test_a_cut_is_directed_and_takes_effect_at_arrival(tmp_path):
    async def scene(cluster, programs):
        network = cluster.network
        await network.cut(frozenset({("n0", "n1")}))
        assert await network.probe() == {("n0", "n1")}
        tell(cluster, programs, "n0", "n1", 1)
        tell(cluster, programs, "n1", "n0", 2)
        tell(cluster, programs, "n0", "n2", 3)
        await network.cut(frozenset())
        tell(cluster, programs, "n0", "n1", 4)
        assert [p.heard for p in programs.values()] == [[2], [4], [3]]
        with pytest.raises(InfrastructureError, match=r"cannot cut links of \['n7'\]"):
            await network.cut(frozenset({("n7", "n1")}))

    with_cluster(tmp_path, scene)
    drops = [event for event in messages(tmp_path) if event["e"] == "drop"]
    assert [event["why"] for event in drops] == ["cut"]


@pytest.mark.parametrize("link", [("n0", "lin-kv"), ("lin-kv", "n0")])
def test_links_with_services_can_be_cut(tmp_path, link):
    async def scene(cluster, programs):
        body = {"type": "write", "key": 1, "value": 2, "msg_id": 1, "n": 0}
        line = json.dumps({"src": "n0", "dest": "lin-kv", "body": body}).encode() + b"\n"
        programs["n0"].put = lambda line: answers.append(json.loads(line)["body"]) or True
        answers = []
        await cluster.network.cut(frozenset({link}))
        cluster.router.heard(programs["n0"], line)
        await asyncio.sleep(0.02)
        assert not answers
        await cluster.network.cut(frozenset())
        cluster.router.heard(programs["n0"], line)
        await asyncio.sleep(0.02)
        assert answers == [{"type": "write_ok", "in_reply_to": 1}]

    with_cluster(tmp_path, scene)


@pytest.mark.parametrize(
    ("text", "low_s", "high_s"),
    [("constant:30", 0.03, 0.03), ("uniform:10:50", 0.01, 0.05), ("exponential:10", 0.0, 0.11)],
)
def test_each_message_is_as_late_as_the_distribution_says(tmp_path, text, low_s, high_s):
    async def scene(cluster, programs):
        tell(cluster, programs, "n0", "n1", *range(50))
        now = cluster.router.clock.now
        dues = [entry[0] - now for entry in cluster.router.heap]
        assert len(dues) == 50
        assert all(low_s - 0.1 <= due <= high_s + 0.001 for due in dues)
        await asyncio.sleep(high_s + 0.1)
        assert sorted(programs["n1"].heard) == list(range(50))

    with_cluster(tmp_path, scene, latency=text)


def test_the_schedule_of_a_link_follows_from_the_seed_alone(tmp_path):
    def fates(pause_s, seed):
        async def scene(cluster, programs):
            found = []
            cluster.router.clock = SimpleNamespace(now=0.0, began_s=asyncio.get_event_loop().time())
            for number in range(30):
                tell(cluster, programs, "n0", "n1", number)
                tell(cluster, programs, "n2", "n1", number)  # another link's chance is its own
                mine = [e for e in cluster.router.heap if e[2].place == ("n0", "n1")]
                found.append([e[0] for e in mine])
                cluster.router.heap.clear()
                if number == 10:
                    await asyncio.sleep(pause_s)
            return found

        options = {"latency": "uniform:0:1000000", "loss": "0.3", "duplicate": "0.3", "seed": seed}
        return with_cluster(tmp_path, scene, **options)

    assert fates(0, 1) == fates(0.05, 1)
    assert fates(0, 1) != fates(0, 2)


def test_one_link_may_be_slower_and_order_may_be_kept(tmp_path):
    async def scene(cluster, programs):
        tell(cluster, programs, "n0", "n1", *range(20))
        tell(cluster, programs, "n0", "n2", *range(20))
        assert programs["n2"].heard == list(range(20))
        assert programs["n1"].heard == []
        await asyncio.sleep(0.1)
        assert programs["n1"].heard == list(range(20))

    with_cluster(tmp_path, scene, order="fifo", **{"link-latency": "n0>n1=uniform:5:40"})


def test_impairments_of_nemeses_apply_to_every_link_by_name(tmp_path):
    async def scene(cluster, programs):
        packets = cluster.network.packets
        await packets.impair({("n0", "n1"): Impairment(loss=1.0)})
        tell(cluster, programs, "n0", "n1", 1)
        await packets.impair({("n0", "n1"): Impairment(duplicate=1.0)})
        tell(cluster, programs, "n0", "n1", 2)
        await packets.impair({("n0", "n1"): Impairment(delay_ms=30.0)})
        tell(cluster, programs, "n0", "n1", 3)
        assert programs["n1"].heard == [2, 2]
        await asyncio.sleep(0.06)
        assert programs["n1"].heard == [2, 2, 3]
        assert await packets.impair({}) == {"packets": 1, "lost": 0, "duplicated": 0, "changed": 0}
        tell(cluster, programs, "n0", "n1", 4)
        assert programs["n1"].heard[-1] == 4

    with_cluster(tmp_path, scene)
    counts = json.loads((tmp_path / "messages.json").read_text())
    assert (counts["copies"], counts["lost"]) == (1, {"loss": 1})


def test_what_clients_ask_comes_once_but_may_be_lost(tmp_path):
    async def scene(cluster, programs):
        client, packets = await cluster.connect("n0", 0), cluster.network.packets
        await packets.impair({("clients", "n0"): Impairment(duplicate=1.0)})
        client.ask("n0", {"type": "q", "n": 1})
        await packets.impair({("clients", "n0"): Impairment(loss=1.0)})
        client.ask("n0", {"type": "q", "n": 2})
        assert programs["n0"].heard == [1]
        client.close()

    with_cluster(tmp_path, scene)
    counts = json.loads((tmp_path / "messages.json").read_text())
    assert counts["types"]["clients"]["q"] == {"sent": 2, "received": 1, "dropped": 1}


def test_a_reset_loses_what_is_on_its_way(tmp_path):
    async def scene(cluster, programs):
        tell(cluster, programs, "n0", "n1", 1)
        tell(cluster, programs, "n0", "n2", 2)
        await cluster.network.packets.reset([("n0", "n1")])
        await asyncio.sleep(0.05)
        assert [p.heard for p in programs.values()] == [[], [], [2]]

    with_cluster(tmp_path, scene, latency="constant:20")


def test_what_a_program_cannot_take_is_lost_and_told_why(tmp_path):
    async def scene(cluster, programs):
        programs["n1"].is_full = True
        tell(cluster, programs, "n0", "n1", 1)
        programs["n2"].is_open = False
        tell(cluster, programs, "n0", "n2", 2)
        del cluster.router.lives["n2"]
        tell(cluster, programs, "n0", "n2", 3)

    with_cluster(tmp_path, scene)
    counts = json.loads((tmp_path / "messages.json").read_text())
    assert counts["lost"] == {"buffer-full": 1, "down": 2}
    assert counts["types"]["servers"]["t"] == {"sent": 3, "received": 0, "dropped": 3}


def test_clients_hear_their_replies_and_ignore_what_comes_late_or_twice(tmp_path):
    async def scene(cluster, programs):
        client = await cluster.connect("n0", 0)
        asked = client.ask("n0", {"type": "q", "n": 0})
        await asyncio.sleep(0.01)
        body = {"type": "q_ok", "in_reply_to": 1, "x": [1]}
        line = json.dumps({"src": "n0", "dest": client.name, "body": body}).encode() + b"\n"
        cluster.router.heard(programs["n0"], line + line)
        assert await asked == body
        await asyncio.sleep(0)
        client.close()
        cluster.router.heard(programs["n0"], line)
        assert cluster.complaints().valid is True

    with_cluster(tmp_path, scene)
    counts = json.loads((tmp_path / "messages.json").read_text())
    assert counts["types"]["clients"]["q_ok"] == {"sent": 3, "received": 2, "dropped": 1}
    events = messages(tmp_path)
    replies = [event for event in events if event["e"] == "send" and event["from"] == "n0"]
    assert {event["cause"] for event in replies} == {1}
    assert (events[1]["e"], events[1]["of"]) == ("deliver", 0)


ODD = [
    b'{"src":"n0","dest":"c1","body":{"in_reply_to":1,"x":"\xff\xfe"}}',
    b'{"src":"n0","dest":"lin-kv","body":{"type":"read","key":"\xff"}}',
    b'{"src":"n0","dest":"c1","body":{"in_reply_to":1,"x":%s}}' % (b"[" * 5000 + b"]" * 5000),
    b'{"src":"n0","dest":"c1","body":{"in_reply_to":%d}}' % 10**40,
    b'{"src":"n0","dest":"c1","body":{"in_reply_to":NaN}}',
    b'{"src":"n0","dest":"c1","body":[]}',
    b'{"src":"n0","dest":"c1","body":{"type":7}}',
    b'{"src":"n0","dest":["c1"],"body":{}}',
    b'{"src":"\xff","dest":"c1","body":{}}',
    b"null",
    b"\x00",
]


@given(st.lists(st.one_of(st.sampled_from(ODD), st.binary(max_size=30)), max_size=8))
@settings(max_examples=60, deadline=None)
def test_no_line_of_a_node_can_hurt_the_router(lines):
    async def scene(cluster, programs):
        client = await cluster.connect("n0", 0)
        asked = client.ask("n0", {"type": "q", "n": 0})
        cluster.router.heard(programs["n0"], b"\n".join([*lines, b""]) if lines else b"")
        tell(cluster, programs, "n0", "n1", 1)
        assert programs["n1"].heard == [1]
        await asyncio.sleep(0)
        asked.cancel()

    with tempfile.TemporaryDirectory() as name:
        with_cluster(Path(name), scene)


@pytest.mark.parametrize("line", ODD[:2])
def test_what_cannot_be_read_where_it_arrives_is_complained_of(tmp_path, line):
    async def scene(cluster, programs):
        asked = (await cluster.connect("n0", 0)).ask("n0", {"type": "q", "n": 0})
        cluster.router.heard(programs["n0"], line + b"\n")
        assert not asked.done()
        (anomaly,) = cluster.complaints().anomalies
        assert anomaly.name == "malformed-line"
        assert "its body cannot be read" in anomaly.explanation

    with_cluster(tmp_path, scene)


@pytest.mark.parametrize("options", [{"latency": "5"}, {"loss": "2"}, {"order": "lifo"}])
def test_options_that_make_no_sense_are_refused(tmp_path, options):
    with pytest.raises(UserError):
        with_cluster(tmp_path, None, **options)


def test_the_faults_of_nemeses_take_effect_on_programs(tmp_path):
    outcome = run(
        tmp_path,
        "broadcast",
        EXAMPLES / "python/broadcast.py",
        nemeses=["partition", "pause", "packets"],
        time_limit_s=5.0,
        options={
            "partition-shapes": "clients,services,one,one-way",
            "packets-links": "all,clients",
        },
    )
    # What was said to be safe is kept: a client that hears nothing does not know.
    assert (outcome.error, outcome.verdict.valid) == (None, True), outcome.verdict.reason
    assert outcome.verdict.parts["vacuity"].statistics["faults"] == [
        "packets",
        "partition",
        "pause",
    ]


def test_a_killed_program_gets_init_again_and_finds_its_folder(tmp_path):
    code = (
        "lives = len(os.listdir('.')); open(str(lives), 'w')\n"
        "for r in requests():\n  answer(r, type='echo_ok', echo=r['body']['echo'])"
    )
    program = python_program(tmp_path, code)
    usual = {"nemeses": ["kill"], "nodes": 1, "time_limit_s": 3.0, "timeout_s": 0.3}
    trials = (
        ("echo", program, {**usual, "options": {"data": data, "kill-lasts": "0.2"}})
        for data in ("kept", "lost")
    )
    lives = []
    for outcome in run_together(tmp_path, *trials):
        assert (outcome.error, outcome.verdict.valid) == (None, True), outcome.verdict.reason
        lives.append(len(list(Path(outcome.folder, "nodes", "n0", "data").iterdir())))
    assert lives[0] >= 2 and lives[1] == 1
