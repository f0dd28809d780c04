"""The live view and the closing summary, as text."""

import io
import re

import msgspec
import pytest

from duress.harness.events import (
    FaultChanged,
    Logged,
    PhaseStarted,
    TrialEnded,
    TrialStarted,
    VerdictReached,
)
from duress.harness.fault import Fault
from duress.harness.operation import Operation
from duress.harness.spec import TrialSpec
from duress.harness.verdict import Signature, Verdict
from duress.reports import html, terminal

from . import synthetic

SPEC = TrialSpec(
    system="raft",
    workload="register",
    nemeses=["partition"],
    cluster="local",
    nodes=["n1", "n2", "n3"],
    seed=42,
    concurrency=6,
)
CUT = [["n1", "n2"], ["n2", "n1"], ["n1", "n3"], ["n3", "n1"]]
FAULT = Fault(1, "partition", ["n1", "n2", "n3"], {"shape": "one", "cut": CUT})


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def story(view):
    view(TrialStarted({}, "runs/x"))
    view(PhaseStarted("load"))
    for at in range(0, 40, 2):
        view(Operation(at, at, 0, "invoke", "read"))
        view(Operation(at + 1, at + 1, 0, "ok", "read"))
    view(Operation(40, 41, "nemesis", "info", "inject"))
    view(FaultChanged(FAULT, "injecting", 2_000_000_000))
    view(FaultChanged(FAULT, "injected", 2_100_000_000))
    view(Logged("careful\x1b[2J\nnow", "warning"))


def finish(view):
    view(FaultChanged(FAULT, "healed", 3_000_000_000))
    view(VerdictReached(Verdict(False)))
    view(TrialEnded("invalid", "runs/x", 4.0))


def test_plain_lines_where_no_terminal_is():
    out = io.StringIO()
    with terminal.listen(SPEC, out) as view:
        story(view)
        finish(view)
    text = out.getvalue()
    assert "trial: raft · register · partition · 3 nodes local · seed 42; run folder runs/x" in text
    assert "running the workload" in text
    assert "injected at 2.10 s: partition one: n1 | n2 n3" in text
    assert "healed at 3.00 s: partition one" in text
    assert "warning: careful␛[2J now" in text
    assert "verdict: ✗ INVALID" in text
    assert "20 ok, 0 failed, 0 unknown; 1 fault" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)


def test_quiet_says_nothing():
    out = io.StringIO()
    with terminal.listen(SPEC, out, quiet=True) as view:
        story(view)
        finish(view)
    assert out.getvalue() == ""


def test_the_panel_shows_counts_and_the_active_fault(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Screen()
    clock = iter(range(1000))
    with terminal.LiveView(SPEC, out, now=lambda: next(clock) * 0.25) as view:
        story(view)
        panel = terminal.console_for(io.StringIO())
        panel.width = 90
        with panel.capture() as captured:
            panel.print(view._panel())
        finish(view)
    shown = captured.get()
    assert "20 ok" in shown
    assert "⚡ partition one: n1 | n2 n3" in shown
    assert "running the workload" in shown
    assert "warning: careful␛[2J now" in shown


def test_colours_are_off_with_no_color(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Screen()
    console = terminal.console_for(out)
    console.print("x", style="red")
    assert "\x1b[31m" not in out.getvalue()


def test_a_closed_stream_does_not_end_the_trial():
    out = io.StringIO()
    with terminal.listen(SPEC, out) as view:
        out.close()
        story(view)
        finish(view)


@pytest.fixture
def summary(tmp_path):
    def of(verdict=None, stale=False, **changes):
        run = synthetic.generate(seed=3, calls=1500, seconds=15.0, stale=stale)
        folder = synthetic.write_folder(tmp_path / "run", run, verdict)
        html.render(folder)
        for name in changes.get("without", []):
            (folder / name).unlink()
        out = io.StringIO()
        terminal.summarise(folder, out)
        return out.getvalue()

    return of


def test_the_summary_of_a_violation_tells_what_broke(summary):
    text = summary(stale=True)
    assert "✗ INVALID  raft (mutant stale-read) broke linearizability." in text
    assert "the network was cut: n1 n2 | n3 n4 n5" in text
    assert re.search(r"∴ Process \d+ read \d+ from key \d+, although", text)
    assert "report.html" in text
    assert "duress run raft --seed 42" in text
    assert "\x1b" not in text


def test_the_summary_of_a_valid_trial(summary):
    text = summary()
    assert "✓ VALID  raft kept its promises in this trial." in text
    assert "2 partition, 2 kill, 1 pause; all healed" in text
    assert "of calls served" in text


def test_the_summary_of_an_unknown_verdict_gives_the_reason(summary):
    text = summary(Verdict("unknown", reason="no 'read' ever succeeded"))
    assert "? UNKNOWN" in text
    assert "VALID" not in text.replace("UNKNOWN", "")
    assert "no 'read' ever succeeded" in text


def test_the_summary_without_a_verdict_or_a_history(summary):
    text = summary(without=["verdict.json", "history.jsonl", "report.html"])
    assert "? NO VERDICT" in text
    assert "no report" in text


def test_the_panel_shows_outcomes_rate_faults_and_log(monkeypatch):
    from rich.console import Console

    from duress.harness.events import FaultChanged, PhaseStarted
    from duress.harness.fault import Fault
    from duress.harness.operation import Operation
    from duress.harness.spec import TrialSpec
    from duress.reports.terminal import LiveView

    spec = TrialSpec(
        system="raft",
        workload="register",
        nemeses=["kill"],
        cluster="local",
        nodes=["n1", "n2"],
        seed=1,
        concurrency=2,
    )
    stream = io.StringIO()
    view = LiveView(spec, stream, quiet=True)
    view(PhaseStarted("load"))
    view(Operation(0, 0, 0, "invoke", "read"))
    view(Operation(1, 5, 0, "ok", "read", 1))
    view(FaultChanged(Fault(1, "kill", ["n1"]), "injected", 5))
    console = Console(file=stream, width=100)
    console.print(view._panel())
    shown = stream.getvalue()
    for part in ("1 ok", "0 failed", "0 unknown", "/s", "kill n1"):
        assert part in shown


@pytest.mark.parametrize("columns", [24, 40, 60, 100])
def test_the_panel_fits_any_width(columns):
    from rich.console import Console

    view = terminal.LiveView(SPEC, io.StringIO(), quiet=True)
    story(view)
    out = io.StringIO()
    console = Console(file=out, width=columns)
    console.print(view._panel())
    lines = out.getvalue().splitlines()
    assert all(len(line) <= columns for line in lines)
    assert "20 ok" in " ".join(out.getvalue().split())


@pytest.mark.parametrize("columns", ["40", "80"])
def test_the_summary_of_a_violation_on_a_narrow_terminal(tmp_path, monkeypatch, columns):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    run = synthetic.generate(seed=3, calls=1500, seconds=15.0, stale=True)
    folder = synthetic.write_folder(tmp_path / "run", run)
    out = Screen()
    terminal.summarise(folder, out)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", out.getvalue())
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    whole = ("  report ", "  run it again ")  # to be copied
    assert all(len(line) <= int(columns) for line in lines if not line.startswith(whole))
    assert "  run it again  duress run raft --seed 42 --nemesis partition,kill,pause" in lines
    assert any(line.lstrip().startswith("∴ ") for line in lines)


def test_a_call_is_told_with_both_of_its_times(summary):
    text = summary(stale=True)
    assert re.search(r"^    +\d+\. +\d\.\d{3} – \d\.\d{3} s  process \d+ on n\d", text, re.M)


def test_summary_and_page_give_the_signature(tmp_path):
    run = synthetic.generate(seed=3, calls=1500, seconds=15.0, stale=True)
    signature = Signature("0123abcd", "nonlinearizable: saw an older state", [])
    judged = msgspec.structs.replace(synthetic.verdict(run), signature=signature)
    folder = synthetic.write_folder(tmp_path / "run", run, judged)
    out = io.StringIO()
    terminal.summarise(folder, out)
    said = "0123abcd (nonlinearizable: saw an older state), without a fault"
    assert f"  signature     {said}\n" in out.getvalue()
    page = html.render(folder).read_text()
    assert "<dt>Signature</dt><dd>0123abcd</dd>" in page
    assert said in page
