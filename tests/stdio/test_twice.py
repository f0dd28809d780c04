"""Programs hear the same once more: do they say the same?"""

import asyncio
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from duress.harness import registry
from duress.harness.errors import UserError
from duress.harness.stdio import pin, twice

from ..ability import needs
from .node_trials import EXAMPLES, python_program, run


def hear_again(outcome, *program, **options):
    kind = registry.load("systems", "maelstrom")
    options["node"] = shlex.join(str(word) for word in program)
    before = twice.transcripts(Path(outcome.folder) / "messages.jsonl", ["n0", "n1", "n2"])
    programs = {node: kind.program(options, 1, node) for node in before}
    assert all(each.heard and each.said for each in before.values())
    environments = {node: env for node, (_, env) in programs.items()}
    return asyncio.run(twice.compare(before, programs["n0"][0], environments))


def test_a_program_that_only_reacts_is_deterministic(tmp_path):
    program = EXAMPLES / "python/lists.py"
    outcome = run(tmp_path, "txn-list-append", program, rate=20.0, time_limit_s=1.0)
    assert hear_again(outcome, program) == []


IDS = """
import random, uuid
for r in requests():
    drawn = str(uuid.uuid4()), random.random()
    answer(r, type="generate_ok", id=[drawn, r["body"]["msg_id"], me, r["src"]])
"""


def test_chance_is_found_out_unless_it_is_pinned(tmp_path):
    program = python_program(tmp_path, IDS)
    for pinned in ("true", "false"):
        outcome = run(tmp_path, "unique-ids", *program, time_limit_s=0.5, options={"pin": pinned})
        found = hear_again(outcome, *program, pin=pinned)
        if pinned == "true":
            assert found == []
        else:
            assert {each.node for each in found} == {"n0", "n1", "n2"}
            assert "message 2: first" in str(found[0])


def printed(*command, seed):
    environment = {**os.environ, **pin.environment(seed)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


@needs(None if shutil.which("node") else "there is no node")
def test_what_is_pinned_for_node():
    code = (
        "const c = require('node:crypto'); console.log(c.randomUUID(), Math.random(), "
        "c.randomBytes(8).toString('hex'), c.randomInt(100), c.randomInt(5, 10), "
        "Math.floor(Date.now() / 1e5), new Date().getUTCFullYear())"
    )
    assert printed("node", "-e", code, seed="1") == printed("node", "-e", code, seed="1")
    assert printed("node", "-e", code, seed="1")[:3] != printed("node", "-e", code, seed="2")[:3]
    assert printed("node", "-e", code, seed="1")[5:] == ["17000000", "2023"]
    assert 5 <= int(printed("node", "-e", code, seed="1")[4]) < 10


def test_what_is_pinned_for_python():
    code = (
        "import os, pickle, random, secrets, time, uuid\nfrom datetime import datetime, timedelta\n"
        "now, old = datetime.now(), datetime(2023, 1, 1) + timedelta(1)\n"
        "assert isinstance(pickle.loads(pickle.dumps(now)), datetime)\n"
        "assert isinstance(old, datetime) and now > old\n"
        "assert datetime.utcnow().year == datetime.today().year\n"
        "print(uuid.uuid4(), random.random(), secrets.token_hex(8), os.urandom(4).hex(), "
        "hash('x'), int(time.time() / 100), now.strftime('%Y-%m'))"
    )
    command = (sys.executable, "-c", code)
    assert printed(*command, seed="1") == printed(*command, seed="1")
    assert printed(*command, seed="1")[:4] != printed(*command, seed="2")[:4]
    assert printed(*command, seed="1")[5:] == ["17000000", "2023-11"]


def test_a_run_without_messages_cannot_be_compared(tmp_path):
    with pytest.raises(UserError, match="trace=false"):
        twice.transcripts(tmp_path / "messages.jsonl", ["n0"])
