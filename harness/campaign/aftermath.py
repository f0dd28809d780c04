"""What is done about new failures: the smallest run of each is looked for, and somebody is told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..cluster.in_thread import in_thread
from ..errors import UserError
from ..store import RunFolder
from .ledger import Failure, Ledger
from .plan import Hooks, Plan
from .results import NOT_FOR_TRIALS

DURESS = [
    *(sys.executable, "-c"),
    "from duress.harness.cli.trial_worker import end_with_parent; end_with_parent(); "
    "from duress.harness.cli import main; main()",
]
TELL_TIMEOUT_S = 30.0
END_TIMEOUT_S = 20.0


class Notice(msgspec.Struct, frozen=True):
    """A new failure, as hooks are told of it, once, after it was shrunk.

    ``signature``, ``failure``  by which it is known, and its name.
    ``cells``                   of the campaign in which it was seen so far.
    ``seed``, ``command``       of the first trial that showed it, and that runs it again.
    ``run``, ``shrunk``         folders of that trial and of the smallest one (on sim).
    ``report``                  of the smallest one there is.
    """

    campaign: str
    signature: str
    failure: str
    cells: list[str]
    run: str
    report: str
    shrunk: str | None = None
    system: str | None = None
    mutant: str | None = None
    seed: int | None = None
    command: str | None = None


class Care:
    """Shrinks each new failure on sim once, and then tells the hooks of it, once.

    ``complain``: is told what went wrong with that, which is no reason to stop a campaign.
    ``known``: about which failures nothing is done; ``shrink_most``: how many are shrunk.
    """

    def __init__(
        self,
        plan: Plan,
        complain: Callable[[str], None],
        known: Callable[[Failure], bool] = lambda failure: False,
        shrink_most: int | None = None,
    ) -> None:
        self._plan = plan
        self._complain = complain
        self._known = known
        self._shrink_left = shrink_most

    async def found(self, ledger: Ledger, runs: Path) -> None:
        """As in ``Aftermath``. A failure that is found meanwhile is taken care of, too."""
        tried: set[str] = set()
        while fresh := [each for each in ledger.failures() if each.signature not in tried]:
            for each in fresh:
                tried.add(each.signature)
                if not self._known(each):
                    await self._one(ledger, runs, each)

    async def _one(self, ledger: Ledger, runs: Path, failure: Failure) -> None:
        shrunk = failure.shrunk
        if shrunk is None and self._plan.shrink and self._shrink_left != 0:
            if self._shrink_left is not None:
                self._shrink_left -= 1
            shrunk = await self._shrink(runs, failure)
            ledger.shrunk(failure.signature, shrunk)
        hooks = self._plan.hooks
        if failure.told or not (hooks.command or hooks.webhook):
            return
        if await self._tell(hooks, notice(self._plan.name, runs, failure, shrunk or "")):
            ledger.told(failure.signature)

    async def _shrink(self, runs: Path, failure: Failure) -> str:
        """The name of the smallest run's folder; empty if there is none."""
        spec = _spec(runs, failure.run)
        if spec.get("cluster") != "sim":
            return ""
        words = ["shrink", failure.run, "--store", str(runs), "--jobs", "1", "--json"]
        words += ["--minutes", f"{self._plan.shrink_minutes:g}"]
        silent = {k: v for k, v in os.environ.items() if k not in NOT_FOR_TRIALS}
        status, said, error = await _run([*DURESS, *words], b"", None, silent)
        try:
            return Path(json.loads(said)["run"]).name
        except (ValueError, KeyError, TypeError):
            self._complain(f"shrinking {failure.run} ended with status {status}: {_last(error)}")
            return ""

    async def _tell(self, hooks: Hooks, told: Notice) -> bool:
        content = msgspec.json.encode(told)
        done = True
        if hooks.command:
            try:
                status, _, error = await _run(hooks.command, content, TELL_TIMEOUT_S)
            except OSError as problem:
                status, error = -1, str(problem).encode()
            if status != 0:
                self._complain(f"the hook's command ended with status {status}: {_last(error)}")
                done = False
        if hooks.webhook and (why := await in_thread(_post, hooks.webhook, content)):
            self._complain(f"the webhook {hooks.webhook}: {why}")
            done = False
        return done


def notice(campaign: str, runs: Path, failure: Failure, shrunk: str) -> Notice:
    """What hooks are told of a failure."""
    spec = _spec(runs, failure.run)
    run = runs / (shrunk or failure.run)
    return Notice(
        campaign=campaign,
        signature=failure.signature,
        failure=failure.name,
        system=spec.get("system"),
        mutant=spec.get("mutant"),
        cells=failure.cells,
        seed=spec.get("seed"),
        run=str(runs / failure.run),
        shrunk=str(runs / shrunk) if shrunk else None,
        report=str(run / "report.html"),
        command=spec.get("command"),
    )


def _spec(runs: Path, run: str) -> dict[str, Any]:
    try:
        found = RunFolder(runs / run).read_json("trial.json")
    except UserError:
        return {}
    return found if isinstance(found, dict) else {}


async def _run(
    words: list[str],
    content: bytes,
    timeout_s: float | None,
    environment: Mapping[str, str] | None = None,
) -> tuple[int, bytes, bytes]:
    """Exit status and what a command said; it is killed when time is up or we are cancelled."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )
    try:
        said, error = await asyncio.wait_for(process.communicate(content), timeout_s)
    except TimeoutError:
        process.kill()
        await process.wait()
        return -1, b"", f"not done after {timeout_s:g} s".encode()
    except BaseException:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        raise
    return process.returncode or 0, said, error


def _last(error: bytes) -> str:
    lines = [line for line in error.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it said nothing"


def _post(url: str, content: bytes) -> str | None:
    """Why it was not taken."""
    headers = {"Content-Type": "application/json", "User-Agent": "duress"}
    try:
        request = urllib.request.Request(url, content, headers)
        with urllib.request.urlopen(request, timeout=TELL_TIMEOUT_S) as answer:
            answer.read(1000)
    except urllib.error.HTTPError as error:
        return f"answered {error.code}"
    except (OSError, ValueError) as error:
        return str(error)
    return None
