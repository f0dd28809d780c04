"""The plugin for pytest: trials as tests, by the fixture ``duress``. See ``docs/pytest.md``.

It is loaded by every session of an environment that has duress, so it imports nothing but pytest
until a test asks for the fixture.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .api.in_tests import PytestTrials

NAME = "duress"
RANDOM = "random"
KEEP = 10

RESULT: pytest.StashKey[str] = pytest.StashKey()
"""Of an item: ``passed`` or ``failed``, once its call is over."""

BASE: pytest.StashKey[str] = pytest.StashKey()
"""Of a session: what seeds are made of besides the names of tests."""

TOLD = ("duress_report", "duress_command")
"""Properties of a test, in the order in which a trial that was not valid leaves them."""

STATUSES = {
    "infrastructure": ("error", "E", ("INFRASTRUCTURE", {"red": True})),
    "undecided": ("failed", "U", ("UNDECIDED", {"red": True})),
}
"""By what a test ended with that is no failure of what it tests: how pytest counts and shows it."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The flags. What a test says itself goes before them."""
    group = parser.getgroup(NAME, "trials of distributed protocols (duress)")
    group.addoption(
        "--duress-on", metavar="CLUSTER", help="Where trials run: sim, local, docker or ssh."
    )
    group.addoption(
        "--duress-seed",
        metavar="N|random",
        help="Seed of trials (default: made of the test's name, so that it stays the same; "
        "random: other ones in every session).",
    )
    group.addoption(
        "--duress-trials",
        type=int,
        metavar="N",
        help="Run each trial with so many seeds, until one is not valid.",
    )
    group.addoption("--duress-time", type=float, metavar="S", help="Seconds of load and faults.")
    group.addoption(
        "--duress-store", metavar="FOLDER", help="Where run folders are made (default: runs)."
    )
    group.addoption(
        "--duress-keep",
        type=int,
        default=KEEP,
        metavar="N",
        help=f"So many run folders of tests that passed are kept (default: {KEEP}); those of "
        "failures all are.",
    )
    parser.addini("duress_store", "where run folders of trials are made", default="runs")


def pytest_configure(config: pytest.Config) -> None:
    """The marker, and what seeds are made of."""
    config.addinivalue_line(
        "markers",
        "duress(system=None, seeds=None, **flags): flags of the trials of a test, as "
        "duress.run takes them; seeds: a number or a list, to run the test with each.",
    )
    wanted = config.getoption("--duress-seed")
    if wanted not in (None, RANDOM) and not wanted.lstrip("-").isdigit():
        raise pytest.UsageError(f"--duress-seed: expected a number or random, got {wanted!r}")
    inherited = getattr(config, "workerinput", {}).get("duress_base")  # of a worker of xdist
    config.stash[BASE] = inherited or (secrets.token_hex(4) if wanted == RANDOM else "")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist what seeds are made of."""
    node.workerinput["duress_base"] = node.config.stash[BASE]


def store_of(config: pytest.Config) -> Path:
    """Where run folders are made: below the project's folder, unless the path is absolute."""
    return config.rootpath / str(
        config.getoption("--duress-store") or config.getini("duress_store")
    )


def _keep(config: pytest.Config) -> int:
    return int(str(config.getoption("--duress-keep")))


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The flags that were given, if any was."""
    names = ("on", "seed", "trials", "time", "store")
    said = {name: config.getoption(f"--duress-{name}") for name in names}
    words = [f"--duress-{name} {value}" for name, value in said.items() if value is not None]
    return [f"duress: {' '.join(words)}"] if words else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with ``seeds`` is one for each of them."""
    if NAME not in metafunc.fixturenames:
        return
    found = [
        each.kwargs["seeds"]
        for each in metafunc.definition.iter_markers(NAME)
        if "seeds" in each.kwargs
    ]
    if found:
        seeds = range(1, found[0] + 1) if isinstance(found[0], int) else list(found[0])
        metafunc.parametrize("duress_seed", seeds, ids=[f"seed-{seed}" for seed in seeds])


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let ``-m duress`` select the tests that hold trials."""
    for item in items:
        if NAME in getattr(item, "fixturenames", ()):
            item.add_marker(NAME)


def pytest_report_collectionfinish(
    config: pytest.Config, items: Sequence[pytest.Item]
) -> list[str]:
    """How many tests hold trials, if any does."""
    count = sum(NAME in getattr(item, "fixturenames", ()) for item in items)
    if not count:
        return []
    said = f"{count} test{'' if count == 1 else 's'} with trials"
    return [f"duress: {said}, run folders in {store_of(config)}"]


@pytest.fixture
def duress_seed() -> int | None:
    """The seed of the marker's ``seeds`` with which this test runs; ``None`` without them."""
    return None


@pytest.fixture
def duress(request: pytest.FixtureRequest, duress_seed: int | None) -> Iterator[PytestTrials]:
    """Runs trials: ``duress.run("raft", nemesis="partition", seed=7).assert_valid()``."""
    from .api.in_tests import PytestTrials

    config = request.config
    flags = {"on": config.getoption("--duress-on"), "time": config.getoption("--duress-time")}
    arguments: list[Any] = []
    for marker in reversed(list(request.node.iter_markers(NAME))):  # the closest comes last
        flags.update(marker.kwargs)
        arguments = list(marker.args) or arguments
    flags.pop("seeds", None)
    trials = PytestTrials(
        test=request.node.nodeid,
        store=store_of(config),
        system=arguments[0] if arguments else flags.pop("system", None),
        flags={name: value for name, value in flags.items() if value is not None},
        trials=config.getoption("--duress-trials"),
        first_seed=_first_seed(duress_seed, config.getoption("--duress-seed")),
        base=config.stash[BASE],
        properties=request.node.user_properties,
    )
    yield trials
    trials.end(request.node.stash.get(RESULT, "failed"), _keep(config))


def _first_seed(of_marker: int | None, flag: str | None) -> int | None:
    if of_marker is not None or flag in (None, RANDOM):
        return of_marker
    return int(str(flag))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember how the call ended, and tell what is no failure of what is tested."""
    done: Any = yield
    if call.when != "call" or NAME not in getattr(item, "fixturenames", ()):
        return
    report: Any = done.get_result()
    item.stash[RESULT] = "passed" if report.passed else "failed"
    if call.excinfo is not None and report.failed:
        report.duress = _kind(call.excinfo.value)


def _kind(error: BaseException) -> str:
    errors, trial = (sys.modules.get(f"{__package__}.{name}") for name in ("errors", "api.trial"))
    if errors is not None and isinstance(error, errors.InfrastructureError):
        return "infrastructure"
    return "undecided" if trial is not None and isinstance(error, trial.Undecided) else ""


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: Any) -> tuple[str, str, Any] | None:
    """A machine that failed is an error; a trial of which nobody knows fails by another letter."""
    return STATUSES.get(getattr(report, "duress", ""))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Where the reports of failing tests are, and how to run their trials again."""
    reports = [r for kind in ("failed", "error") for r in terminalreporter.stats.get(kind, [])]
    told = [
        (report.nodeid, name.removeprefix("duress_"), value)
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name in TOLD
    ]
    if told:
        terminalreporter.section("duress: trials of tests that failed", "-")
    for test, name, value in told:
        if name == "report":
            terminalreporter.line(test)
        terminalreporter.line(f"  {name:<8} {value}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Remove the older run folders of tests that passed, once for all workers of xdist."""
    used = sys.modules.get(f"{__package__}.api.in_tests")
    is_worker = hasattr(session.config, "workerinput")
    workers = session.config.pluginmanager.hasplugin("dsession")
    if is_worker or (used is None and not workers):
        return
    store = store_of(session.config)
    if store.is_dir():
        from .api.run_rotation import rotate

        rotate(store, _keep(session.config))
