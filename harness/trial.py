"""Runs one trial, from an empty folder to a verdict."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import PurePosixPath
from random import Random
from typing import Any

import msgspec

from .. import __version__
from . import fault_rhythm, message_counts, registry, schedule, signature
from .cluster import Cluster, Complaining, Node
from .errors import DuressError, InfrastructureError, UserError
from .events import (
    Event,
    FaultChanged,
    Listener,
    Logged,
    PhaseStarted,
    TrialEnded,
    TrialStarted,
    VerdictReached,
)
from .fault import Fault, Scene
from .fault_control import HEAL, FaultControl
from .formats.jsonl import HistoryWriter
from .generator import Generator, chosen, clients, nemesis, shortest_any, stagger, time_limit
from .generator.steady import steady
from .history import History
from .interpreter import Interpreter
from .judgement import availability_of, judge_history, those_of, workload_of
from .operation import NEMESIS, Operation
from .spared import Bounds
from .spec import TrialSpec
from .store import LineFile, RunFolder, clocks, host
from .system import Closable, System
from .title import title_of
from .verdict import Verdict, compose
from .workload import Workload

START_LIMIT_S = 120.0
COMPLAINTS = "protocol"
"""The part of a verdict that says what nodes did which none may do."""

LOG_LIMIT_BYTES = 64 << 20

_encode = msgspec.json.Encoder().encode


class Outcome(msgspec.Struct, frozen=True):
    """How a trial ended. ``outcome`` as in :class:`~.events.TrialEnded`; ``error`` is one line."""

    outcome: str
    verdict: Verdict
    folder: str
    error: str | None = None

    @property
    def exit_code(self) -> int:
        """0 valid, 1 invalid, 3 unknown, interrupted or infrastructure failure."""
        if self.verdict.valid is False:
            return 1
        return 0 if self.outcome == "valid" else 3


async def run(
    spec: TrialSpec, folder: RunFolder, listeners: Sequence[Listener], command: str
) -> Outcome:
    """The story of a trial. A second cancellation while it cleans up is the caller's risk.

    Raises ``UserError`` (an option that makes no sense), with everything removed.
    """
    with folder.being_written():
        return await _run(spec, folder, listeners, command)


async def _run(
    spec: TrialSpec, folder: RunFolder, listeners: Sequence[Listener], command: str
) -> Outcome:
    trial = Trial(spec, folder, listeners, command)
    interrupted, error, mistake = False, None, None
    try:
        async with (
            trial.cluster_up() as cluster,
            trial.system_up(cluster) as system,
            trial.interpreter(cluster, system) as interpreter,
        ):
            await trial.load(interpreter)
            await trial.settle(system)
            await trial.final_reads(interpreter)
    except asyncio.CancelledError:
        interrupted = True
    except UserError as problem:
        error, mistake = str(problem), problem
    except DuressError as problem:
        error = str(problem)
    except ExceptionGroup as group:
        error = "; ".join(f"{type(e).__name__}: {e}" for e in group.exceptions)
    except OSError as problem:
        error = f"{type(problem).__name__}: {problem}"
    finally:
        trial.close()
    outcome = trial.judge(interrupted, error)
    if mistake is not None:
        raise mistake
    return outcome


class Trial:
    """The parts of one trial and what was recorded of it."""

    def __init__(
        self, spec: TrialSpec, folder: RunFolder, listeners: Sequence[Listener], command: str
    ) -> None:
        self.spec = spec
        self.folder = folder
        self.history = History()
        self._listeners = listeners
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._now: Callable[[], int] = lambda: 0
        self._control: FaultControl | None = None
        self._problems: list[str] = []
        self._complaints: Verdict | None = None
        self._ledger: list[FaultChanged] = []
        self._phases: list[dict[str, Any]] = []
        self._info: dict[str, Any] = {
            "duress": __version__,
            "id": folder.id,
            **msgspec.to_builtins(spec),
            "title": title_of(spec),
            "started": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "command": command,
            "host": host(),
        }
        folder.write_json("trial.json", self._info)
        self._history_file = HistoryWriter(folder.file("history.jsonl"))
        self._faults_file = LineFile(folder.file("faults.jsonl"))
        self._bounds = Bounds.of(spec.options, len(spec.nodes))
        self._workload: Workload = workload_of(spec)
        availability_of(spec)  # thresholds that make no sense are told of before the trial
        self._publish(TrialStarted(self._info, str(folder.path)))

    # -- phases ----------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def cluster_up(self) -> AsyncIterator[Cluster]:
        """Nodes and network, removed on every way out."""
        kind = registry.load("clusters", self.spec.cluster)
        system_kind = registry.load("systems", self.spec.system)
        options = {**self.spec.options, "image": system_kind.image, "seed": self.spec.seed}
        for name in self.spec.nemeses:
            options.update(getattr(registry.load("nemeses", name), "needs", {}))
        cluster: Cluster = kind(self.folder.id, self.spec.nodes, self.folder.path, options)
        self._phase("cluster", f"{len(self.spec.nodes)} nodes, {self.spec.cluster}")
        try:
            await _bounded("bringing the cluster up", cluster.up(), START_LIMIT_S)
            yield cluster
        finally:
            self._phase("teardown")
            try:
                await _whole(cluster.down())
            except DuressError as error:
                self._problem(f"teardown: {error}")
            if isinstance(cluster, Complaining):
                origin_ns = self._info.get("history_origin_ns")
                self._complaints = cluster.complaints(origin_ns and origin_ns / 1e9)

    @contextlib.asynccontextmanager
    async def system_up(self, cluster: Cluster) -> AsyncIterator[System]:
        """The system installed, started and serving; its logs are collected afterwards."""
        kind = registry.load("systems", self.spec.system)
        system: System = kind(cluster, those_of(kind, self.spec.options))
        self._phase("system", title_of(self.spec))
        nodes = list(cluster.nodes.values())
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await asyncio.gather(*(system.install(node) for node in nodes))
                await asyncio.gather(*(system.start(node) for node in nodes))
                await system.ready()
        except TimeoutError:
            await self._collect_logs(system, nodes)
            raise InfrastructureError(
                f"{title_of(self.spec)} did not start within {START_LIMIT_S:g} s; see nodes/*/"
            ) from None
        except DuressError:
            await self._collect_logs(system, nodes)
            raise
        self._info["system_info"] = system.describe()
        try:
            yield system
        finally:
            await self._collect_logs(system, nodes)
            if isinstance(system, Closable):
                await system.close()

    @contextlib.asynccontextmanager
    async def interpreter(self, cluster: Cluster, system: System) -> AsyncIterator[Interpreter]:
        """What runs generators; on the way out every fault is healed and every client closed."""
        scene = Scene(
            cluster,
            system,
            self._random("nemesis"),
            {**self.spec.options, "interval_s": self.spec.interval_s},
        )
        nemeses = {name: registry.load("nemeses", name)(scene) for name in self.spec.nemeses}
        control = self._control = FaultControl(
            nemeses, self._record_fault, lambda: self._now(), self._allows
        )
        interpreter = Interpreter(
            nodes=self.spec.nodes,
            concurrency=self.spec.concurrency,
            client=lambda: system.client(self.spec.workload),
            invoke_nemesis=self._invoke_nemesis,
            record=self._record,
            log=lambda message: self._publish(Logged(message, "warning")),
            random=self._random("generator"),
            timeout_s=self.spec.timeout_s,
        )
        self._now = interpreter.now
        # Where the history's time begins, on the clock that a cluster's own records go by.
        made_s = getattr(cluster, "began_s", self._began)
        self._info["history_origin_ns"] = round((self._loop.time() - made_s) * 1e9)
        if self.spec.cluster != "sim":  # the logs of real nodes tell the time by real clocks
            self._info["history_clocks"] = clocks()
        try:
            await self._prepare(system)
            yield interpreter
        finally:
            await interpreter.close()
            for failure in await control.heal_all():
                self._problem(f"not healed: {failure}")

    async def load(self, interpreter: Interpreter) -> None:
        """The main phase: clients at the wanted rate, the nemeses beside them."""
        self._phase(self._load_phase(0), f"{self.spec.time_limit_s:g} s")
        operations = self._workload.generator()
        if self.spec.rate:
            operations = stagger(1 / self.spec.rate, operations)
        operations = steady(f"{self.spec.seed}/operations", operations)
        if self.spec.operations is not None:
            operations = chosen(self.spec.operations, operations)
        generator = time_limit(self.spec.time_limit_s, clients(operations))
        faults = self._faults()
        if faults is not None:
            # The clients' end is the end, not a fault that would come after it.
            generator = shortest_any(generator, nemesis(faults))
        await interpreter.run(generator)

    def _faults(self) -> Generator | None:
        """What the nemesis process does during the load."""
        assert self._control is not None
        if self.spec.schedule is not None:
            return fault_rhythm.of_schedule(self.spec.schedule)
        nemeses = self._control.nemeses
        if not self.spec.fault_phases:
            return fault_rhythm.together(nemeses, self.spec.weights, self._bounds)
        return fault_rhythm.in_phases(
            self.spec.fault_phases, nemeses, self._bounds, begin=self._now()
        )

    def _allows(self, faults: Sequence[Fault]) -> bool:
        """Whether these faults may be active together; a schedule was decided before."""
        return self.spec.schedule is not None or self._bounds.allow(self.spec.nodes, faults)

    async def _invoke_nemesis(self, operation: Operation) -> Any:
        assert self._control is not None
        done = await self._control.invoke(operation)
        phase = (operation.value or {}).get("phase")
        if phase is not None:
            self._phase(self._load_phase(phase))
        return done

    def _load_phase(self, number: int) -> str:
        phases = self.spec.fault_phases
        return f"load: {phases[number].label}" if phases else "load"

    async def settle(self, system: System) -> None:
        """Heal everything, see that the system serves again, and give it quiet time."""
        self._phase("settle")
        await self._heal_all()
        healed_at = self._loop.time()
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await system.ready()
        except (TimeoutError, InfrastructureError) as error:
            self._problem(
                f"{title_of(self.spec)} did not recover after everything was healed: {error}"
            )
            return
        self._info["recovered_s"] = round(self._loop.time() - healed_at, 3)
        await asyncio.sleep(self.spec.settle_s)

    async def _heal_all(self) -> None:
        """Heal as the nemesis would, so that the history tells when; no client runs meanwhile."""
        assert self._control is not None
        active = [msgspec.to_builtins(fault) for fault in self._control.active.values()]
        if active:
            self._record(Operation(-1, self._now(), NEMESIS, "invoke", HEAL, {}))
        failures = await self._control.heal_all()
        if active:
            error = failures or None
            self._record(Operation(-1, self._now(), NEMESIS, "info", HEAL, active, error=error))
        for failure in failures:
            raise InfrastructureError(f"not healed: {failure}")

    async def final_reads(self, interpreter: Interpreter) -> None:
        """What the workload wants to see once all is quiet."""
        final = self._workload.final_generator()
        if final is not None:
            self._phase("final")
            await interpreter.run(clients(final))

    def judge(self, interrupted: bool, error: str | None) -> Outcome:
        """The verdict on what was recorded, written to the folder."""
        self._phase("check")
        parts = dict(judge_history(self.spec, self._workload, self.history))
        if self._complaints is not None:
            parts[COMPLAINTS] = self._complaints
        problems = [*self._problems, *(self._control.problems if self._control else [])]
        if error:
            problems.insert(0, error)
        if interrupted:
            problems.insert(0, "interrupted before its end")
        if problems:
            parts["infrastructure"] = Verdict(valid="unknown", reason="; ".join(problems))
        counted = message_counts.of_trial(self.folder.path, self.history)
        verdict = msgspec.structs.replace(compose(parts), statistics=counted)
        verdict = signature.signed(verdict, self.spec, self.history)
        outcome = {True: "valid", False: "invalid"}.get(verdict.valid, "unknown")  # type: ignore[call-overload]
        if verdict.valid is not False and (interrupted or error):
            outcome = "interrupted" if interrupted else "error"
        self._info.update(outcome=outcome, error=error, phases=self._phases)
        faults = schedule.Schedule(schedule.of_ledger(self._ledger))
        for name, value in (
            ("verdict.json", verdict),
            (schedule.FILE, faults),
            ("trial.json", self._info),
        ):
            try:
                self.folder.write_json(name, value)
            except InfrastructureError as problem:
                outcome = "invalid" if verdict.valid is False else "error"
                error = error or str(problem)
                self._publish(Logged(str(problem), "warning"))
        self._publish(VerdictReached(verdict))
        self._publish(TrialEnded(outcome, str(self.folder.path), self._loop.time() - self._began))
        return Outcome(outcome, verdict, str(self.folder.path), error)

    def close(self) -> None:
        """Flush what is on its way to disk."""
        for file in (self._history_file, self._faults_file):
            try:
                file.close()
            except (DuressError, OSError) as error:
                self._problem(str(error))

    # -- recording -------------------------------------------------------------

    def _record(self, operation: Operation) -> Operation:
        # Not yet shared with anyone, so giving it its index breaks no promise.
        msgspec.structs.force_setattr(operation, "index", len(self.history))
        self._history_file.append(operation)
        self.history.append(operation)
        for listener in self._listeners:
            listener(operation)
        return operation

    def _record_fault(self, change: FaultChanged) -> None:
        line = {"time": change.time, "state": change.state, "fault": change.fault}
        if change.seen:
            line["seen"] = change.seen
        self._faults_file.write(_encode(line) + b"\n")
        self._ledger.append(change)
        self._publish(change)

    def _publish(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def _phase(self, name: str, note: str = "") -> None:
        self._phases.append({"name": name, "time": self._now()})
        self._publish(PhaseStarted(name, note))

    def _problem(self, text: str) -> None:
        self._problems.append(text)
        self._publish(Logged(text, "warning"))

    # -- pieces ----------------------------------------------------------------

    def _random(self, stream: str) -> Random:
        """Independent streams, so that one part's draws do not shift another's."""
        return Random(f"{self.spec.seed}/{stream}")

    async def _prepare(self, system: System) -> None:
        client = system.client(self.spec.workload)
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await client.open(self.spec.nodes[0])
                await client.setup()
        except Exception as error:
            why = f"the client could not set up: {type(error).__name__}: {error}"
            raise InfrastructureError(f"{title_of(self.spec)}: {why}") from error
        finally:
            await client.close()

    async def _collect_logs(self, system: System, nodes: Sequence[Node]) -> None:
        for node in nodes:
            for path in system.logs(node):
                target = self.folder.file(f"nodes/{node.name}/{PurePosixPath(path).name}")
                try:
                    content = await _bounded("collecting logs", node.get(path), 30)
                except (FileNotFoundError, DuressError, OSError):
                    continue
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content[-LOG_LIMIT_BYTES:])
                except OSError as error:
                    self._problem(f"{target}: cannot write: {error.strerror}")


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, also when it is cancelled meanwhile; its error comes first."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if (error := task.exception()) is not None:
            raise error from None
        raise


async def _bounded(what: str, awaitable: Any, limit_s: float) -> Any:
    try:
        async with asyncio.timeout(limit_s):
            return await awaitable
    except TimeoutError:
        raise InfrastructureError(f"{what} took more than {limit_s:g} s") from None
