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
