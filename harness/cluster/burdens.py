"""Runs :mod:`.burden` beside the programs of a node, in their control groups or outside.

Standard library only: this runs on hosts reached by ssh, too.
"""

from __future__ import annotations

import asyncio
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

from ..errors import InfrastructureError
from .control_groups import Group

TIMEOUT_S = 20.0
POLL_S = 0.005


class Burden:
    """One such process. ``spared``: pids that no fault may hit, to which its own is added."""

    def __init__(
        self, word: str, groups: Iterable[Group], amount: float, spared: set[int] | None = None
    ) -> None:
        joined = ":".join(str(group.folder / "cgroup.procs") for group in groups)
        self._spared = set() if spared is None else spared
        self._word = word
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _program(), word, joined, str(amount)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._spared.add(self._child.pid)

    @property
    def pid(self) -> int:
        """Its pid as we see it."""
        return self._child.pid

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more."""
        return self._child.poll() is not None

    def told(self, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """What it says at its end; blocks."""
        try:
            out, err = self._child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise InfrastructureError(
                f"the probe `{self._word}` did not end in {timeout_s:g} s"
            ) from None
        finally:
            self.end()
        try:
            return json.loads(out)
        except ValueError:
            said = (err.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
            raise InfrastructureError(f"the probe `{self._word}` failed; it said: {said}") from None

    def end(self) -> None:
        """Kill it, if it runs. Idempotent."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()
        self._spared.discard(self._child.pid)


async def weigh(
    word: str, groups: Iterable[Group], amount: float, spared: set[int] | None = None
) -> dict[str, Any]:
    """Let it do its work to the end; what it says."""
    burden = Burden(word, groups, amount, spared)
    try:
        deadline = asyncio.get_running_loop().time() + TIMEOUT_S
        while not burden.has_ended:
            if asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(POLL_S)  # and not in a thread: an agent forks, which needs none
        return burden.told(0.1)
    finally:
        burden.end()


@cache
def _program() -> str:
    text = pkgutil.get_data(__name__.rpartition(".")[0], "burden.py")
    assert text is not None, "it is beside this file, in an archive or not"
    return text.decode()
