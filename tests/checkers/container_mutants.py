"""Every branch of a kernel forced both ways: does any small history notice?"""

from __future__ import annotations

import ast
import inspect
import signal
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any

from duress.checkers.linearizability.kernel import Kernel

from .container_oracle import explain, linearizable, needless, subset

LIMIT_S = 0.5
"""Processor time for one mutant on one history; endless loops count as noticed."""


def kernels(*modules: ModuleType) -> dict[str, FunctionType]:
    """The plain functions of the kernels that the modules define, by name."""
    found: dict[str, FunctionType] = {}
    for module in modules:
        for kernel in vars(module).values():
            if isinstance(kernel, Kernel):
                for function in (kernel.function, *kernel.helpers):
                    assert isinstance(function, FunctionType)
                    if function.__module__ == module.__name__:
                        found[function.__name__] = function
    return found


def mutants(function: FunctionType) -> Iterator[tuple[str, CodeType]]:
    """(description, code) with one condition of an ``if`` replaced by True or False."""
    source = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(source)
    conditions = [n for n in ast.walk(tree) if isinstance(n, ast.If | ast.IfExp)]
    for node in conditions:
        original = node.test
        for forced in (True, False):
            node.test = ast.copy_location(ast.Constant(forced), original)
            scope: dict[str, Any] = dict(function.__globals__)
            exec(compile(tree, function.__code__.co_filename, "exec"), scope)
            yield f"{ast.unparse(original)} := {forced}", scope[function.__name__].__code__
        node.test = original


@contextmanager
def mutated(function: FunctionType, code: CodeType) -> Iterator[None]:
    original = function.__code__
    function.__code__ = code
    try:
        yield
    finally:
        function.__code__ = original


def _too_long(*_: Any) -> None:
    raise TimeoutError


def notices(
    decide: Callable[[Any], Any], kind: str, corpus: Iterable[tuple[Any, bool | None, str, bool]]
) -> bool:
    """Whether a history of the corpus shows a wrong or worse answer.

    Its rows: calls, and what is answered without the mutation: valid, note, has evidence.
    """
    before = signal.signal(signal.SIGVTALRM, _too_long)
    try:
        for calls, valid, note, has_certificate in corpus:
            signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
            try:
                got = decide(calls)
            except Exception:
                return True
            finally:
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            if (got.valid, got.note) != (valid, note):
                return True
            if valid and (
                explain(calls, kind, got.witness)
                or (kind != "register" and needless(calls, got.witness))
            ):
                return True
            if valid is False and (got.certificate is not None) != has_certificate:
                return True
            if got.certificate is not None and linearizable(subset(calls, got.certificate), kind):
                return True
    finally:
        signal.signal(signal.SIGVTALRM, before)
    return False
