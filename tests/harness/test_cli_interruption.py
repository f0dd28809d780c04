"""Being asked to end before and after a trial's event loop runs."""

import os
import signal
import subprocess
import sys

import pytest

from duress.harness.cli import main

LISTENING = """
import os, signal, sys, time
from duress.harness.cli import interruption
interruption.listen()
print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)
try:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
except KeyboardInterrupt as error:
    print(error)
interruption.ignore()
os.kill(os.getpid(), signal.SIGTERM)
os.kill(os.getpid(), signal.SIGINT)
print("still here")
"""


def test_signals_interrupt_and_at_the_end_do_nothing_and_who_ignores_one_means_it():
    done = subprocess.run(
        [sys.executable, "-c", LISTENING],
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    assert done.stdout.splitlines() == ["True", "SIGTERM", "still here"], done.stderr


FROM_NOWHERE = """
import os, signal, sys, time
from duress.harness.cli import interruption
interruption.listen()

class Lock:
    def __del__(self):
        os.kill(os.getpid(), signal.Signals[sys.argv[1]])
        for _ in range(1000):
            pass

try:
    Lock()
    time.sleep(5)
except KeyboardInterrupt as error:
    print("interrupted", error)

class Odd:
    def __del__(self):
        raise ValueError("is told as ever")

Odd()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_where_nothing_can_be_raised_is_not_lost(name):
    done = subprocess.run(
        [sys.executable, "-c", FROM_NOWHERE, name],
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    told = "interrupted SIGTERM" if name == "SIGTERM" else "interrupted "
    assert done.stdout == told + "\n", done.stderr
    assert "KeyboardInterrupt" not in done.stderr
    assert "is told as ever" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_outside_of_a_trial_is_told_with_exit_code_3(number, monkeypatch, capsys):
    from duress.harness.cli import run

    before = signal.getsignal(signal.SIGTERM)

    def struck(*_):
        os.kill(os.getpid(), number)

    monkeypatch.setattr(run, "run_and_report", struck)
    try:
        with pytest.raises(SystemExit) as ended:
            main(["run", "raft", "--on", "sim"])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 3
    assert capsys.readouterr().err.strip() == "duress: interrupted"
