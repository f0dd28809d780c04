"""Where a trial runs that a program asks for: here, beside a running event loop, or in a process.

Trials on sim, docker, ssh and stdio run in the calling thread, on an event loop of their own; if a
loop runs there already, as in a notebook, in a thread for the purpose, while the caller waits.
Those of kinds of cluster that take a process over (``local``) run in one of their own.

The first Ctrl-C ends a trial as it ends ``duress run``: faults are healed, everything is removed,
what was recorded is judged and kept. Then :class:`Interrupted`, a ``KeyboardInterrupt``, is raised.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from .. import one_trial, registry, trial
from ..errors import InfrastructureError, UserError
from ..spec import TrialSpec
from ..store import RunFolder
from ..trial import Outcome
from ..verdict import Verdict

S = TypeVar("S")
T = TypeVar("T")

_REPORTS = ("html", "junit")

_one_simulation = threading.Lock()
"""Simulations take turns: each replaces functions of the standard library while it runs."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came while a trial ran. ``folder``: its run folder, judged as far as it went."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"the trial was interrupted; what it recorded is in {folder}")
        self.folder = folder


class _Asked:
    """Being asked to end: the first time cancels, later ones change nothing."""

    def __init__(self) -> None:
        self.by: int | None = None
        self._cancel: Callable[[], object] = lambda: None

    def cancels(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        """What to cancel, now if need be."""
        virtual = hasattr(loop, "turns")  # never asleep, and one append to its queue is atomic
        call = loop.call_soon if virtual else loop.call_soon_threadsafe
        self._cancel = lambda: call(task.cancel)
        if self.by is not None:
            task.cancel()

    def __call__(self, number: int, _frame: FrameType | None = None) -> None:
        if self.by is None:
            self.by = number
            self._cancel()

    @contextlib.contextmanager
    def by_signals(self) -> Iterator[None]:
        """Hear them for the time of the block, if this is the thread that can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        heard = [n for n in one_trial.ENDING if signal.getsignal(n) == signal.SIG_DFL]
        if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
            heard.append(signal.SIGINT)
        before = {number: signal.signal(number, self) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def follow(self, folder: Path | None = None, last: Callable[[], object] = lambda: None) -> None:
        """Do what was asked for, now that all is healed and kept."""
        if self.by == signal.SIGINT:
            raise KeyboardInterrupt if folder is None else Interrupted(folder)
        if self.by is not None:
            last()
            os.kill(os.getpid(), self.by)


class Stop:
    """Lets Ctrl-C end work of many trials that has a thread of its own: at the next news of it."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, _: int) -> None:
        """End it."""
        self._asked = True

    def heard_by(self, progress: Callable[[S], object] | None) -> Callable[[S], None]:
        """What to call with news of the work, instead of ``progress``."""

        def told(state: S) -> None:
            if self._asked:
                raise KeyboardInterrupt
            if progress is not None:
                progress(state)

        return told


def beside_loop(work: Callable[[], T], interrupted: Callable[[int], object]) -> T:
    """Do something that may run an event loop, in a thread of its own if one runs in this one.

    ``interrupted``: told of Ctrl-C meanwhile, so that the work comes to its end.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    done: Future[T] = Future()

    def do() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    thread = threading.Thread(target=do, name="duress", daemon=True)
    thread.start()
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt:
            interrupted(signal.SIGINT)
    return done.result()


def run_in_store(spec: TrialSpec, store: Path) -> RunFolder:
    """Run a trial in a new folder of the store, with its reports."""
    folder = None

    def made() -> RunFolder:
        nonlocal folder
        folder = one_trial.new_folder(spec, store)
        return folder

    asked = _Asked()
    run_to_its_end(spec, made, asked)
    assert folder is not None
    render(folder)
    asked.follow(folder.path)
    return folder


def render(folder: RunFolder) -> None:
    """Write the reports of a run, and say nothing."""
    one_trial.render(folder, io.StringIO(), lambda _: None, _REPORTS)


def run_in_folder(_: object, spec: TrialSpec, folder: RunFolder, __: object) -> Outcome:
    """Run a trial in a folder, without reports; as :func:`..one_trial.run_to_its_end` is called."""
    asked = _Asked()
    outcome = run_to_its_end(spec, lambda: folder, asked)
    asked.follow(folder.path)
    return outcome


def run_to_its_end(spec: TrialSpec, made: Callable[[], RunFolder], asked: _Asked) -> Outcome:
    """Run a trial where its kind of cluster wants it; ``made`` makes its folder once it can run."""
    if registry.executing:
        raise UserError(
            f"{registry.executing[-1]}: runs a trial while it is loaded for another one; put that "
            'below if __name__ == "__main__":'
        )
    kind = registry.load("clusters", spec.cluster)
    apart = getattr(kind, "takes_process", False)
    if apart and (why := kind.reason_unavailable()):
        raise InfrastructureError(why)
    if apart:
        _check_found_elsewhere(spec)
    else:
        with contextlib.redirect_stderr(io.StringIO()):  # says that it builds an image
            one_trial.prepare(spec)
    folder = made()
    run = _in_its_process if apart else _here

    def work() -> Outcome:
        return run(spec, folder, asked)

    with asked.by_signals():
        return beside_loop(work, asked)


def run_story(
    story: Callable[[], Coroutine[Any, Any, T]], last: Callable[[], object] = lambda: None
) -> T:
    """Run something on an event loop of its own; Ctrl-C cancels it, and is then raised.

    Another signal that ends the program does so once the story is over and ``last`` was called.
    """
    asked = _Asked()

    async def told() -> T:
        _let_cancel(asked)
        return await story()

    try:
        with asked.by_signals():
            return beside_loop(lambda: _on_loop(told, None), asked)
    except asyncio.CancelledError:
        asked.follow(last=last)
        raise


def _check_found_elsewhere(spec: TrialSpec) -> None:
    for name in (spec.system, spec.workload, *spec.nemeses):
        if registry.is_only_here(name):
            raise UserError(
                f"{name}: trials on {spec.cluster} run in a process of their own, which cannot "
                "find it; define it at the top of a file"
            )


def _here(spec: TrialSpec, folder: RunFolder, asked: _Asked) -> Outcome:
    async def story() -> Outcome:
        _let_cancel(asked)
        return await trial.run(spec, folder, [], one_trial.command_again(spec, folder))

    make_loop = getattr(registry.load("clusters", spec.cluster), "event_loop", None)
    if make_loop is None:
        return _on_loop(story, None)
    with _one_simulation:
        return _on_loop(story, make_loop)


def _in_its_process(spec: TrialSpec, folder: RunFolder, asked: _Asked) -> Outcome:
    from ..campaign.plan import Limits
    from ..campaign.workers import Worker

    (folder.path / "nodes").rmdir()  # the process makes it, in a folder where nothing is yet
    image = getattr(registry.load("systems", spec.system), "image", None) or ""
    unlimited = Limits(minutes=float("inf"), memory_mb=float("inf"))

    async def story() -> str:
        _let_cancel(asked)
        worker = Worker(spec.cluster, image)
        try:
            return (await worker.run(spec, folder.path, unlimited)).error
        except asyncio.CancelledError:
            return "interrupted"
        finally:
            await worker.end()

    error = _on_loop(story, None)
    if not folder.file("verdict.json").is_file():
        if asked.by is not None:
            return Outcome("interrupted", Verdict(valid="unknown"), str(folder.path), error)
        raise InfrastructureError(error)
    info = folder.read_json("trial.json")
    verdict = folder.read_json("verdict.json", Verdict)
    return Outcome(str(info.get("outcome")), verdict, str(folder.path), info.get("error"))


def _let_cancel(asked: _Asked) -> None:
    task = asyncio.current_task()
    assert task is not None
    asked.cancels(task, asyncio.get_running_loop())


def _on_loop(
    story: Callable[[], Coroutine[Any, Any, T]],
    make_loop: Callable[[], asyncio.AbstractEventLoop] | None,
) -> T:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(story())
