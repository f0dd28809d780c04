"""Blows against a harness in the middle of its work, and what must be true afterwards."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from duress.harness import registry

from .harness import Harness
from .machine import wait_for

LOAD_S = 3.0
NOT_BEGUN = (-signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT, 3)
"""Exit codes of a harness that was struck before it had made its run folder."""


def nothing(patience_s: float) -> list[str]:
    """What is left on machines besides this one, where there are none."""
    return []


@dataclass(frozen=True)
class Ground:
    """Where trials are run that are to be struck.

    ``needs_clean``  whether ``duress clean`` is what removes the leavings of a dead harness.
    ``elsewhere``    what is left on other machines, asked for so many seconds until it is nothing.
    """

    name: str
    arguments: Sequence[str]
    needs_clean: bool = False
    docker: str | None = None
    prefix: tuple[str, ...] = ()
    elsewhere: Callable[[float], list[str]] = nothing

    def begin(self, folder: Path, seed: int, *more: str, store: Path | None = None) -> Harness:
        """Start a trial; the last words win over those before them."""
        words = [*self.arguments, "--seed", str(seed), *more]
        return Harness(words, folder, self.prefix, self.docker, store=store)


def arguments(cluster: str, *more: str, nemeses: str = "", system: str = "raft") -> list[str]:
    """A short trial with every fault that there is for it, a new one about every moment."""
    return [
        *(system, "--on", cluster, "--time", str(LOAD_S), "--interval", "0.4", "--settle", "0.3"),
        *("--nemesis", nemeses or ",".join(nemeses_for(cluster)), *more),
    ]


def nemeses_for(cluster: str, system: str = "raft") -> list[str]:
    """Every registered nemesis that works there on this system without further options."""
    kind = registry.load("systems", system)
    fit = []
    for name in registry.names("nemeses"):
        nemesis = registry.load("nemeses", name)
        unfit = getattr(nemesis, "reason_unfit", None)
        if cluster in nemesis.clusters and (unfit is None or unfit(kind, {}) is None):
            fit.append(name)
    return fit


@dataclass
class Struck:
    """What became of one harness that was struck."""

    ground: str
    blow: str
    phase: str = ""
    half_done: str = ""
    active: list[str] = field(default_factory=list)
    code: int | None = None
    reason: str = ""
    seconds: float = 0.0
    before_clean: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Nothing is left, all can be read, and the exit code tells the truth."""
        return not self.left and not self.wrong


# -- the moment ------------------------------------------------------------------------

Moment = Callable[[Harness, Random, float], None]
"""Waits for it; the last argument is how long a trial takes that nobody strikes."""


def anywhere(harness: Harness, random: Random, whole_s: float) -> None:
    """Any moment from the first to the last."""
    time.sleep(random.uniform(0, 0.9 * whole_s))


def bring_up(harness: Harness, random: Random, whole_s: float) -> None:
    """While cluster and system come up."""
    wait_for(lambda: harness.phase != "start" or _ended(harness), 30, 0.002)
    time.sleep(random.uniform(0, 1.5))


def injection(harness: Harness, random: Random, whole_s: float) -> None:
    """Right after a ledger entry, when its effect is being made."""
    count = random.randint(1, 8)
    wait_for(lambda: _announced(harness, "injecting") >= count or _ended(harness), 60, 0.001)


def healing(harness: Harness, random: Random, whole_s: float) -> None:
    """When a fault is being healed."""
    count = random.randint(1, 6)
    wait_for(lambda: _announced(harness, "healing") >= count or _ended(harness), 60, 0.001)


def teardown(harness: Harness, random: Random, whole_s: float) -> None:
    """While the cluster is taken down."""
    wait_for(lambda: harness.phase in ("teardown", "check", "report") or _ended(harness), 60, 0.002)
    time.sleep(random.uniform(0, 0.6))


MOMENTS: dict[str, Moment] = {
    "anywhere": anywhere,
    "bring-up": bring_up,
    "injection": injection,
    "healing": healing,
    "teardown": teardown,
}


def _announced(harness: Harness, state: str) -> int:
    folder = harness.run_folder
    path = folder / "faults.jsonl" if folder else None
    if path is None or not path.is_file():
        return 0
    return path.read_bytes().count(b'"state":"' + state.encode() + b'"')


def _ended(harness: Harness) -> bool:
    return harness.process.poll() is not None


# -- the blow --------------------------------------------------------------------------

Blow = Callable[[Harness, Random], None]


def kill(harness: Harness, random: Random) -> None:
    """SIGKILL to one of duress's own processes."""
    pids = harness.pids()
    harness.strike(signal.SIGKILL, random.choice(pids) if pids else None)


def terminate(harness: Harness, random: Random) -> None:
    """SIGTERM."""
    harness.strike(signal.SIGTERM)


def interrupt(harness: Harness, random: Random) -> None:
    """Ctrl-C."""
    harness.strike(signal.SIGINT)


def interrupt_twice(harness: Harness, random: Random) -> None:
    """Ctrl-C, and again by somebody who cannot wait."""
    harness.strike(signal.SIGINT)
    time.sleep(random.choice([0.0, 0.05, random.uniform(0, 1)]))
    harness.strike(signal.SIGINT)


BLOWS: dict[str, Blow] = {
    "kill -9": kill,
    "SIGTERM": terminate,
    "Ctrl-C": interrupt,
    "Ctrl-C twice": interrupt_twice,
}


# -- one attempt -----------------------------------------------------------------------


def whole_s(ground: Ground, folder: Path) -> float:
    """How long a trial takes that nobody strikes; it must leave nothing either."""
    harness = ground.begin(folder, 1)
    code = harness.wait()
    took_s = time.monotonic() - harness.began
    # 3: some kind of fault never struck, or one that was struck by another was not as it should be.
    began = any(line["state"] == "injected" for line in harness.ledger())
    assert code in (0, 3) and began, harness.said
    left = [*harness.machine.left(harness.trial, 5), *ground.elsewhere(5)]
    assert left == [], left
    harness.forget()
    return took_s


def strike(
    ground: Ground, blow: str, moment: str, random: Random, took_s: float, folder: Path
) -> Struck:
    """Run a trial, strike it, and look at everything afterwards."""
    harness = ground.begin(folder, random.randrange(1 << 30))
    MOMENTS[moment](harness, random, took_s)
    struck = Struck(ground.name, f"{blow}, {moment}")
    was_over = _ended(harness)
    struck.phase, struck.half_done = harness.phase, harness.half_done()
    BLOWS[blow](harness, random)
    struck.code = harness.wait()
    struck.seconds = time.monotonic() - harness.began
    examine(struck, harness, ground, killed=blow == "kill -9", was_over=was_over)
    if struck.code == 0 and struck.phase in ("cluster", "system", "load"):
        struck.wrong.append("it took no notice")
    if struck.is_right:
        harness.forget()
    else:
        struck.wrong.append(f"see {harness.store}")
    return struck


def examine(
    struck: Struck, harness: Harness, ground: Ground, killed: bool, was_over: bool = False
) -> None:
    """Fill in what is left, what cannot be read, and whether the exit code is right."""
    trial = harness.trial
    if killed:  # it may have gone on a little after it was looked at
        struck.phase, struck.half_done = harness.phase, harness.half_done()
    struck.phase = "over" if was_over else struck.phase
    struck.active = harness.active()
    struck.reason = harness.reason()
    if killed and ground.needs_clean:
        struck.before_clean = harness.machine.left(trial)
        for _ in range(2):
            done = harness.command("clean")
            if done.returncode != 0:
                struck.wrong.append(f"clean: exit {done.returncode}: {done.stderr[-300:]}")
        if trial and trial in done.stdout:
            struck.wrong.append(f"the second clean found something: {done.stdout[-300:]}")
    elif killed:
        struck.before_clean = [*harness.machine.left(trial), *ground.elsewhere(0)]
    struck.left = [*harness.machine.left(trial, 8), *ground.elsewhere(20)]
    if unreadable := harness.unreadable():
        struck.wrong.append(unreadable)
    if not killed and not was_over:
        struck.wrong += _about_exit(struck, harness)


def _about_exit(struck: Struck, harness: Harness) -> list[str]:
    """What is wrong with how a harness ended that was asked to, or that lost what it needs."""
    if struck.code is None:
        return ["it did not end"]
    folder = harness.run_folder
    if folder is None:
        return [] if struck.code in NOT_BEGUN else [f"exit {struck.code}: {harness.said[-300:]}"]
    if "Traceback" in harness.said:
        return [f"a traceback: {harness.said[-600:]}"]
    if struck.code in (0, 1):
        info = json.loads((folder / "trial.json").read_text())
        ended = info.get("outcome") in ("valid", "invalid")
        return [] if ended else [f"exit {struck.code}, but its trial was {info.get('outcome')}"]
    if struck.code != 3:
        return [f"exit {struck.code} instead of 3: {harness.said[-300:]}"]
    return _about_reason(struck.reason)


def _about_reason(reason: str) -> list[str]:
    if not reason:
        return ["exit 3 without a reason"]
    return ["a reason of several lines"] if "\n" in reason.strip() else []
