"""Run a piece of a trial in namespaces of its own, with pytest itself staying outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import traceback
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from duress.harness.cluster import namespaces

Inside = Callable[..., Any]


@pytest.fixture(scope="session")
def _local_usable() -> None:
    if reason := namespaces.reason_unavailable():
        # In CI it must be there: a skip would hide that nothing was tried.
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@pytest.fixture
def inside(_local_usable: None) -> Inside:
    """``inside(function, *arguments)``: what the async function returns, by way of JSON.

    It runs in a forked child that called ``enter()``; an exception fails the test with its
    traceback.
    """
    return _run_inside


def _run_inside(function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    told, tell = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child only runs this one trial
        child = os.fork()
    if child == 0:
        os.close(told)
        _answer(tell, function, arguments)
    os.close(tell)
    try:
        with os.fdopen(told, "rb") as answer:
            text = answer.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(child, 0)
    if not text:
        pytest.fail(f"the trial said nothing, status {os.waitstatus_to_exitcode(status)}")
    kind, content = json.loads(text)
    if kind == "raised":
        pytest.fail(content, pytrace=False)
    return content


def _answer(tell: int, function: Callable[..., Awaitable[Any]], arguments: tuple[Any, ...]) -> None:
    status = 1
    try:
        for number in (signal.SIGALRM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # pytest's handlers are not for the trial
        namespaces.enter()

        async def main() -> Any:
            return await function(*arguments)

        answer = ["returned", asyncio.run(main())]
        status = 0
    except BaseException:
        answer = ["raised", traceback.format_exc()]
    os.write(tell, json.dumps(answer).encode())
    os._exit(status)
