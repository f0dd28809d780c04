"""Trials of programs in real time, several at once, of which those that failed are kept.

They need not fail again: what was recorded of one that did is the evidence, and is not made anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from . import one_trial, store
from .attempts import Attempt, AttemptPool, attempted
from .errors import UserError
from .spec import TrialSpec

CLUSTERS = ("stdio",)
"""The kinds of cluster of which there may be many on one machine."""


@contextlib.contextmanager
def pool_for(spec: TrialSpec, jobs: int | None, store_path: Path) -> Iterator[AttemptPool]:
    """What runs attempts of a trial and the like, for the time of the block."""
    if spec.cluster == "sim":
        with AttemptPool(jobs) as pool:
            yield pool
        return
    one_trial.prepare(spec)
    try:
        store_path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{store_path}: cannot make the store: {error.strerror}") from None
    with (
        tempfile.TemporaryDirectory(prefix=".attempts-", dir=store_path) as name,
        AttemptPool(jobs, partial(real_attempt, keep=Path(name))) as pool,
    ):
        yield pool


def real_attempt(spec: TrialSpec, watched: bool = False, *, keep: Path) -> Attempt:
    """Run one trial in real time; its folder is removed unless it failed."""
    from . import trial

    folder = one_trial.new_folder(spec, keep)
    command = one_trial.command_again(spec, folder)
    with asyncio.Runner() as runner:
        result = attempted(spec, folder, lambda: runner.run(trial.run(spec, folder, [], command)))
    if result.failed:
        return msgspec.structs.replace(result, folder=str(folder.path))
    shutil.rmtree(folder.path, ignore_errors=True)
    return result


def in_store(attempt: Attempt, store_path: Path) -> Attempt:
    """The same with its folder, if it has one, moved into the store, within the block of
    :func:`pool_for`."""
    if not attempt.folder:
        return attempt
    folder = store.adopt(Path(attempt.folder), store_path)
    again = one_trial.command_again(attempt.spec, folder)
    told = {**folder.read_json("trial.json"), "command": again}
    folder.write_json("trial.json", told)
    return msgspec.structs.replace(attempt, folder=str(folder.path))
