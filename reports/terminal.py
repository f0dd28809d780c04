"""The terminal: a live view of a running trial, and its closing summary.

Operations come by the ten thousand a second, so an event only counts; what is
shown is put together by a timer, a few times a second.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from ..harness.events import (
    Event,
    FaultChanged,
    Listener,
    Logged,
    PhaseStarted,
    TrialEnded,
    TrialStarted,
    VerdictReached,
)
from ..harness.operation import NEMESIS, Operation
from ..harness.spec import TrialSpec
from ..harness.title import title_of
from . import fault_words, words
from .closing_summary import summarise as summarise  # the command line finds it here
from .console import BAD as BAD
from .console import GOOD as GOOD
from .console import VERDICTS as VERDICTS
from .console import console_for, is_terminal
from .console import say as say
from .judged_file import tell as tell_file  # noqa: F401  (the command line finds it here)
from .judged_file import tell_row as tell_row
from .judged_file import tell_total as tell_total
from .progress_line import ProgressLine as ProgressLine

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

REFRESHES_PER_SECOND = 4
HEARTBEAT_S = 30.0
LOG_LINES = 4

PHASES = {
    "cluster": "bringing the cluster up",
    "system": "starting the system",
    "load": "running the workload",
    "settle": "healed; waiting for the system to settle",
    "final": "final reads",
    "teardown": "taking the cluster down",
    "check": "checking the history",
    "report": "writing the report",
}


@contextmanager
def listen(spec: TrialSpec, stream: TextIO, quiet: bool = False) -> Iterator[Listener]:
    """A listener that shows the trial on a stream, for the time of the ``with`` block."""
    with LiveView(spec, stream, quiet=quiet) as view:
        yield view


class LiveView:
    """Shows a trial while it runs: a panel on a terminal, plain lines elsewhere.

    Call it with every event; use it as a context manager. ``now`` is a clock in seconds, for
    what the person sees only: rates and the time elapsed.
    """

    def __init__(
        self,
        spec: TrialSpec,
        stream: TextIO,
        *,
        quiet: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._stream = stream
        self._quiet = quiet
        self._now = now
        self._began = now()
        self._phase = ""
        self._counts = {"ok": 0, "fail": 0, "info": 0}
        self._trial_ns = 0
        self._load_began_ns: int | None = None
        self._faults: dict[int, str] = {}
        self._faults_injected = 0
        self._log: list[str] = []
        self._rate_before = (self._began, 0, 0.0)
        self._live: Live | None = None
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None
        self._lock = threading.Lock()

    # -- life ------------------------------------------------------------------

    def __enter__(self) -> LiveView:
        if self._quiet:
            return self
        if is_terminal(self._stream):
            from rich.live import Live

            self._live = Live(
                get_renderable=self._panel,
                console=console_for(self._stream),
                refresh_per_second=REFRESHES_PER_SECOND,
                transient=True,
            )
            self._live.start()
        else:
            self._heart = threading.Thread(target=self._beat, name="duress-progress", daemon=True)
            self._heart.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._heart is not None:
            self._heart.join()
            self._heart = None

    # -- events ----------------------------------------------------------------

    def __call__(self, event: Event) -> None:
        """Take note of an event. Quick; never raises."""
        if isinstance(event, Operation):
            if event.type != "invoke" and event.process != NEMESIS:
                self._counts[event.type] += 1
            self._trial_ns = event.time
        else:
            self._note(event)

    def _note(self, event: Event) -> None:
        match event:
            case TrialStarted():
                self._say(f"trial: {trial_in_words(self._spec)}; run folder {event.folder}")
            case PhaseStarted():
                self._phase = event.name
                if is_load(event.name) and self._load_began_ns is None:
                    self._load_began_ns = self._trial_ns
                said = PHASES.get(event.name, event.name)
                self._say(f"{said}{f' ({words.line(event.note, 200)})' if event.note else ''}")
            case FaultChanged():
                self._fault(event)
            case Logged():
                text = words.line(event.message, 400)
                self._say(f"warning: {text}" if event.level == "warning" else text)
            case VerdictReached():
                self._say(f"verdict: {VERDICTS[event.verdict.valid][0]}")
            case TrialEnded():
                self._say(f"ended after {event.seconds:.1f} s: {event.outcome}; {self._tally()}")

    def _fault(self, event: FaultChanged) -> None:
        fault = event.fault
        said = fault_words.fault(fault.kind, fault.targets, fault.parameters, self._spec.nodes)
        if event.state == "injected":
            self._faults_injected += 1
        if event.state in ("injecting", "injected", "healing"):
            self._faults[fault.id] = said if event.state == "injected" else f"{said} …"
        else:
            self._faults.pop(fault.id, None)
        if event.state in ("injected", "healed", "failed"):
            self._say(f"{event.state} at {event.time / 1e9:.2f} s: {said}")

    def _say(self, text: str) -> None:
        line = f"{self._clock()}  {text}"
        if self._live is not None:
            self._log = [*self._log, line][-LOG_LINES:]
        elif not self._quiet:
            self._write(line)

    def _write(self, line: str) -> None:
        """A closed pipe or a full disk must not end a trial."""
        with self._lock:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):
                self._quiet = True

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            if not self._quiet:
                self._write(f"{self._clock()}  {self._tally()}")

    # -- what is shown ---------------------------------------------------------

    def _clock(self) -> str:
        return f"{self._now() - self._began:7.1f} s"

    def _tally(self) -> str:
        counts = self._counts
        return (
            f"{counts['ok']:,} ok, {counts['fail']:,} failed, {counts['info']:,} unknown; "
            f"{words.count(self._faults_injected, 'fault')}"
        )

    def _rate(self) -> float:
        """Completions a second, over at least the last half second."""
        now, done = self._now(), sum(self._counts.values())
        since, before, rate = self._rate_before
        if now - since >= 0.5:
            rate = (done - before) / (now - since)
            self._rate_before = (now, done, rate)
        return rate

    def _panel(self) -> RenderableType:
        from rich.console import Group
        from rich.panel import Panel
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        limit_s = self._spec.time_limit_s
        began = self._load_began_ns
        loaded_s = 0.0 if began is None else min((self._trial_ns - began) / 1e9, limit_s)
        head = Table.grid(expand=True, padding=(0, 1))
        head.add_column(ratio=1)
        head.add_column(justify="right")
        said = PHASES.get(self._phase, self._phase)
        head.add_row(
            Text(said, style="bold"), Text(f"{self._now() - self._began:.0f} s", style="dim")
        )
        facts = Text()
        for name, said, style in (
            ("ok", "ok", "blue"),
            ("fail", "failed", "yellow"),
            ("info", "unknown", "magenta"),
        ):
            facts.append(f"{self._counts[name]:,}", style=f"bold {style}")
            facts.append(f" {said}   ", style="dim")
        facts.append(f"{self._rate():,.0f}/s", style="bold")
        faults = Text()
        for at, fault in enumerate(list(self._faults.values())):
            faults.append(f"{'' if at == 0 else chr(10)}⚡ {fault}", style="bold yellow")
        if not self._faults:
            faults.append(f"no fault active ({self._faults_injected} injected so far)", style="dim")
        rows: list[RenderableType] = [head]
        if is_load(self._phase):
            bar = Table.grid(expand=True)  # a bar alone does not end its line
            bar.add_row(ProgressBar(total=limit_s, completed=loaded_s, width=None))
            rows.append(bar)
        rows += [facts, faults]
        rows += [
            Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in list(self._log)
        ]
        return Panel(
            Group(*rows),
            title=Text(trial_in_words(self._spec)),
            title_align="left",
            border_style="dim",
        )


def is_load(phase: str) -> bool:
    """Whether clients run: ``load``, or ``load: kill`` where a trial has phases of faults."""
    return phase.partition(":")[0] == "load"


def trial_in_words(spec: TrialSpec) -> str:
    """``raft (mutant stale-read) · register · partition, kill · 5 nodes local · seed 42``."""
    parts = [
        title_of(spec) + (f" (mutant {spec.mutant})" if spec.mutant else ""),
        spec.workload,
        ", ".join(spec.nemeses) or "no faults",
        f"{words.count(len(spec.nodes), 'node')} {spec.cluster}",
        f"seed {spec.seed}",
    ]
    return words.line(" · ".join(parts), 300)
