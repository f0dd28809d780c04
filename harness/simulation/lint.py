"""Reads the source of a protocol for what the guard cannot catch at run time.

These are ``id()`` and ``hash()``, ``datetime.now()`` and its like, and loops over what is
plainly a set: their result differs between processes. A set that is held in a variable is not
recognised; running a trial twice finds that out.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from types import ModuleType

_CLOCKS = {"now", "utcnow", "today"}
_DATES = {"datetime", "date"}
_ORDERS = {"list", "tuple", "enumerate", "iter", "next", "zip", "map", "filter"}


def modules_of(kind: type) -> list[ModuleType]:
    """The modules of a protocol's classes and what these import from their own packages."""
    names = {base.__module__ for base in kind.__mro__ if base is not object}
    packages = {name.rpartition(".")[0] for name in names} - {""}
    found: dict[str, ModuleType] = {}
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if module is None or name in found:
            continue
        found[name] = module
        for value in list(vars(module).values()):
            other = value.__name__ if isinstance(value, ModuleType) else _home(value)
            if other and other.rpartition(".")[0] in packages:
                waiting.append(other)
    return [found[name] for name in sorted(found)]


def _home(value: object) -> str | None:
    home = getattr(value, "__module__", None)
    return home if isinstance(home, str) else None


@cache
def problems(module: ModuleType) -> tuple[str, ...]:
    """What is wrong with a module, each as ``file:line: what``; nothing if it has no source."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return ()
    file = (module.__file__ or module.__name__).rpartition("/")[2]
    return tuple(f"{file}:{line}: {what}" for line, what in _problems(tree))


def _problems(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                if called.id in ("id", "hash"):
                    yield node.lineno, f"{called.id}() differs from run to run"
                if called.id in _ORDERS and any(_is_set(argument) for argument in node.args):
                    yield node.lineno, f"{called.id}() of a set has no fixed order; use sorted()"
            elif isinstance(called, ast.Attribute):
                owner = called.value
                name = getattr(owner, "id", None) or getattr(owner, "attr", None)
                if called.attr in _CLOCKS and name in _DATES:
                    yield node.lineno, f"{name}.{called.attr}() reads the wall clock"
        elif isinstance(node, ast.For | ast.comprehension) and _is_set(node.iter):
            yield node.iter.lineno, "a loop over a set has no fixed order; use sorted()"


def _is_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("set", "frozenset")
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, ast.Sub | ast.BitOr | ast.BitAnd | ast.BitXor
    ):
        return _is_set(node.left) or _is_set(node.right)
    return False
