"""Whatever a program does wrong, there is a clear finding: no hang, no stack trace."""

import time
from pathlib import Path

import pytest

from .node_trials import python_program, run, run_together

ECHO = 'answer(r, type="echo_ok", echo=r["body"]["echo"])'


BRIEF = {"nodes": 1, "time_limit_s": 0.5, "settle_s": 0.0, "timeout_s": 0.4}


def outcome_of(tmp_path, code, **changes):
    return run(tmp_path, "echo", *python_program(tmp_path, code), **{**BRIEF, **changes})


def told(outcome):
    """The anomalies by name, each with its first explanation."""
    found = {}
    for anomaly in outcome.verdict.anomalies:
        found.setdefault(anomaly.name, anomaly.explanation)
    return found


BAD = [
    (
        f'for r in requests():\n  print("DEBUG: hello")\n  {ECHO}',
        "malformed-line",
        "standard error",
    ),
    (
        f'for r in requests():\n  os.write(1, b"\\xff\\xfe{{[[\\n")\n  {ECHO}',
        "malformed-line",
        "no JSON",
    ),
    (
        f'for r in requests():\n  print(json.dumps({{"src": me, "dest": "c1"}}))\n  {ECHO}',
        "malformed-line",
        "body",
    ),
    (f'for r in requests():\n  print("[" * 50000)\n  {ECHO}', "malformed-line", "object"),
    (
        f'for r in requests():\n  print("x" * 9_000_000)\n  {ECHO}',
        "huge-line",
        "more than 8 MiB",
    ),
    (
        f'for r in requests():\n  say("n77", {{"type": "hi"}})\n  {ECHO}',
        "unknown-destination",
        "'n77', whom there is not; there are: n0, lin-kv",
    ),
    (
        f'for r in requests():\n  say("c9999", {{"type": "hi"}})\n  {ECHO}',
        "unknown-destination",
        "'c9999'",
    ),
    (
        'for r in requests():\n  say(r["src"], {"type": "echo_ok", "echo": "x"})',
        "unasked-reply",
        "expected in_reply_to",
    ),
    (
        'for r in requests():\n  say(r["src"], {"type": "echo_ok", "in_reply_to": 10**6})',
        "unasked-reply",
        "got 1000000",
    ),
    (
        'for r in requests():\n  answer(r, type="echo", echo=1)',
        "malformed-reply",
        "body.type: expected 'echo_ok' or 'error', got 'echo'",
    ),
    (
        'for r in requests():\n  answer(r, type="echo_ok")',
        "malformed-reply",
        "body.echo: expected any value, got nothing",
    ),
    (
        'for r in requests():\n  answer(r, type="error", code="busy")',
        "malformed-reply",
        "body.code: expected an error code",
    ),
    (
        'for r in requests():\n  me, was = "n9", me\n  ' + ECHO + "\n  me = was",
        "wrong-source",
        "expected 'n0'",
    ),
    (
        'for r in requests():\n  sys.stderr.write("panic: no luck\\n"); os._exit(7)',
        "crashed-node",
        "with exit status 7; the end of its standard error: panic: no luck",
    ),
    (
        'sys.stderr.write("cannot open config\\n"); sys.exit(4)',
        "crashed-node",
        "with exit status 4; the end of its standard error: cannot open config",
    ),
    (
        "for r in requests():\n  os.kill(os.getpid(), 11)",
        "crashed-node",
        "by SIGSEGV",
    ),
    (
        f'for r in requests():\n  {ECHO}\n  answer(r, type="error", code=11)',
        "contradictory-reply",
        "expected one reply, got first",
    ),
    (
        f"for r in requests():\n  {ECHO}\n  os.close(1)\n  time.sleep(1000)",
        "closed-output",
        "closed its standard output but goes on",
    ),
    (
        "import subprocess\nfor r in requests():\n"
        '  subprocess.Popen(["sleep", "1000"]); os._exit(3)',
        "crashed-node",
        "with exit status 3",
    ),
]
"""What a program does, what that is called, and words that tell of it."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """All of them, at the same time."""
    trials = []
    for code, _, _ in BAD:
        folder = tmp_path_factory.mktemp("bad")
        trials.append(("echo", python_program(folder, code), {**BRIEF, "time_limit_s": 3.0}))
    return run_together(tmp_path_factory.mktemp("runs"), *trials)


@pytest.mark.parametrize("number", range(len(BAD)), ids=[f"{b[1]}-{b[2]}" for b in BAD])
def test_it_is_told_what_was_expected_and_what_was_there(outcomes, number):
    _, name, words = BAD[number]
    outcome = outcomes[number]
    assert outcome.verdict.valid is False
    assert words in told(outcome)[name]
    assert "Node n0" in told(outcome)[name]
    assert "Traceback" not in told(outcome)[name]


def test_when_it_was_is_told_on_the_clock_of_the_history(outcomes):
    for outcome in outcomes:
        if outcome.error is not None:
            continue  # it never came to a history
        made = {a.name: a for a in outcome.verdict.parts["protocol"].anomalies}
        for anomaly in made.values():
            moment_s = anomaly.details["moment"] / 1e9
            when = f"at {moment_s:.3f} s" if moment_s >= 0 else f"{-moment_s:.3f} s before"
            assert when in anomaly.explanation
            assert moment_s < 60


def test_one_reply_that_comes_twice_is_only_counted(tmp_path):
    outcome = outcome_of(tmp_path, f"for r in requests():\n  {ECHO}\n  {ECHO}")
    assert outcome.verdict.valid is True
    assert outcome.verdict.parts["protocol"].statistics["doubled-replies"] > 0


def test_who_does_not_end_when_asked_to_is_killed(tmp_path):
    code = f"import signal\nsignal.signal(15, signal.SIG_IGN)\nfor r in requests():\n  {ECHO}"
    outcome = outcome_of(
        tmp_path,
        code,
        nemeses=["stop"],
        interval_s=0.2,
        time_limit_s=1.5,
        options={"stop-grace": "0.1", "stop-lasts": "0.1"},
    )
    assert (outcome.error, outcome.verdict.valid) == (None, True), outcome.verdict.reason
    ledger = Path(outcome.folder, "faults.jsonl").read_text()
    assert '"n0":"killed"' in ledger


def test_a_refused_init_is_told(tmp_path):
    code = (
        "for line in sys.stdin:\n"
        "  r = json.loads(line); me = r['body']['node_id']\n"
        "  answer(r, type='error', code=13, text='no disk')"
    )
    outcome = outcome_of(tmp_path, code)
    assert outcome.verdict.valid is False
    assert "refused 'init': error 13, 'no disk'" in told(outcome)["malformed-reply"]


def test_silence_is_unknown_with_what_was_expected(tmp_path):
    outcome = outcome_of(tmp_path, "time.sleep(1000)", options={"init-timeout": "0.5"})
    assert (outcome.verdict.valid, outcome.outcome) == ("unknown", "error")
    assert "n0: did not answer init within 0.5 s: expected a line" in outcome.error


def test_a_flood_neither_hangs_nor_fills_the_disk(tmp_path):
    code = (
        "for r in requests():\n"
        '  line = json.dumps({"src": me, "dest": "n0", "body": {"type": "x"}}) + "\\n"\n'
        "  while True: sys.stdout.write(line * 1000)"
    )
    began = time.monotonic()
    outcome = outcome_of(tmp_path, code, options={"latency": "constant:100000"})
    assert time.monotonic() - began < 60
    assert outcome.verdict.valid is not True
    size = sum(f.stat().st_size for f in tmp_path.rglob("*") if f.is_file())
    assert size < 2 << 30


def test_a_program_that_does_not_read_is_no_reason_to_wait(tmp_path):
    code = "for r in requests():\n  time.sleep(1000)"
    outcome = outcome_of(tmp_path, code)
    assert outcome.verdict.valid == "unknown"  # nothing was ever echoed
    assert "echo" in outcome.verdict.reason


def test_empty_lines_and_odd_fields_are_nothing_to_complain_of(tmp_path):
    code = (
        "for r in requests():\n"
        '  print(); print("  "); sys.stdout.flush()\n'
        '  print(json.dumps({"id": 3, "src": me, "dest": r["src"], "more": [1], "body": '
        '{"type": "echo_ok", "echo": r["body"]["echo"], "msg_id": "uuid-1", '
        '"in_reply_to": r["body"]["msg_id"], "extra": {}}}) + "\\r", flush=True)'
    )
    outcome = outcome_of(tmp_path, code)
    assert (outcome.verdict.valid, outcome.verdict.reason) == (True, "")


def test_a_program_that_cannot_be_executed_is_an_error_in_one_line(tmp_path):
    path = tmp_path / "text"
    path.write_text("no program")
    path.chmod(0o755)
    outcome = run(tmp_path, "echo", path)
    assert outcome.outcome == "error"
    assert "cannot start" in outcome.error and "Exec format error" in outcome.error
    assert "\n" not in outcome.error


def test_an_output_that_is_closed_at_the_very_end_is_told_too(tmp_path):
    """The trial is over before it is certain that the program goes on."""
    code = f"for r in requests():\n  {ECHO}\n  os.close(1)\n  time.sleep(1000)"
    outcome = outcome_of(tmp_path, code, time_limit_s=0.05, timeout_s=0.1)
    assert "goes on" in told(outcome)["closed-output"]
