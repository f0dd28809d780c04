"""Short trials of programs on pipes, in this process."""

import asyncio
import shlex
import sys
import tempfile
from pathlib import Path

from duress.harness import registry, store, trial
from duress.harness.spec import TrialSpec

EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "maelstrom"


def run(tmp_path, workload, *program, **changes):
    """A trial with Maelstrom's name for a workload: its outcome."""
    return run_together(tmp_path, (workload, program, changes))[0]


def run_together(tmp_path, *trials):
    """Several at once, as ``(workload, program, changes)``: their outcomes."""

    async def story():
        return await asyncio.gather(
            *(
                trial.run(
                    spec_of(workload, program, dict(changes)),
                    store.create(Path(tempfile.mkdtemp(dir=tmp_path)), "test"),
                    [],
                    "test",
                )
                for workload, program, changes in trials
            )
        )

    return asyncio.run(story())


def spec_of(workload, program, changes):
    """A short trial."""
    ours, options = registry.load("systems", "maelstrom").dialects[workload]
    words = [str(word) for word in program]
    options = {**options, "node": shlex.join(words), **changes.pop("options", {})}
    count = changes.pop("nodes", 3)
    fields = {
        "system": "maelstrom",
        "workload": ours,
        "nemeses": [],
        "cluster": "stdio",
        "nodes": [f"n{i}" for i in range(count)],
        "seed": 1,
        "concurrency": 2 * count,
        "rate": 60.0,
        "time_limit_s": 1.5,
        "settle_s": 0.2,
        "timeout_s": 1.0,
        "interval_s": 0.7,
    }
    return TrialSpec(**{**fields, "options": options, **changes})


def python_program(tmp_path, code):
    """A program that runs this, with ``say(dest, body)`` and ``requests()`` at hand."""
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + code)
    return [sys.executable, path]


PRELUDE = '''
import json, os, sys, time

def say(dest, body, src=None):
    line = {"src": src or me, "dest": dest, "body": body}
    print(json.dumps(line), flush=True)

def answer(request, **body):
    say(request["src"], {"in_reply_to": request["body"]["msg_id"], **body})

me = ""

def requests():
    """All but init, which is answered."""
    global me
    for line in sys.stdin:
        request = json.loads(line)
        if request["body"]["type"] == "init":
            me = request["body"]["node_id"]
            answer(request, type="init_ok")
        else:
            yield request

'''
