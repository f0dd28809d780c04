"""Finding systems, workloads, nemeses, clusters, … by entry point or as ``path.py:Name``.

A program that uses duress as a library may also pass a class (:func:`name_of` gives it a name) or
:func:`register` one under a name of its choice, for as long as its process lives.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import UserError

KINDS = ("systems", "workloads", "nemeses", "clusters", "checkers", "mutants")
"""Each is the entry-point group ``duress.<kind>``."""


def names(kind: str) -> list[str]:
    """The registered names of a kind, sorted."""
    return sorted({entry.name for entry in _entries(kind)} | set(_registered.get(kind, ())))


def load(kind: str, name: str) -> Any:
    """The registered object of a name, or the one that ``path.py:Name`` names.

    Raises ``UserError`` that names the known ones.
    """
    if (found := _registered.get(kind, {}).get(name)) is not None:
        return found
    if ".py:" in name:
        return _passed[name] if name in _passed else _from_file(name)
    for entry in _entries(kind):
        if entry.name == name:
            return _loaded(kind, entry)
    known = names(kind)
    raise UserError(
        f"no {_singular(kind)} named {name!r}{did_you_mean(name, known)}; there are: "
        f"{', '.join(known) or 'none'} (or path.py:Name)"
    )


def register(kind: str, name: str, thing: Any) -> None:
    """Let a name stand for something in this process, in front of what is installed."""
    _registered.setdefault(kind, {})[name] = thing


def name_of(kind: str, thing: Any) -> str:
    """By what :func:`load` finds it: a name stays as it is, a class gets one if it has none.

    That is ``path.py:Name``, so that other processes find it too if it is at the top of a file.
    """
    if isinstance(thing, str):
        return thing
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    value = f"{named.__module__}:{named.__qualname__}"
    for entry in _entries(kind):
        if entry.value == value:
            return entry.name
    file = getattr(sys.modules.get(named.__module__), "__file__", None)
    name = f"{file or f'{named.__module__}.py'}:{named.__qualname__}"
    _passed[name] = thing
    return name


def is_only_here(name: str) -> bool:
    """Whether only this process can load it: it was passed, and is not at the top of a file."""
    if name not in _passed:
        return False
    path, _, attribute = name.rpartition(":")
    return not (attribute.isidentifier() and Path(path).is_file())


_registered: dict[str, dict[str, Any]] = {}
_passed: dict[str, Any] = {}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'kill'?)``, or nothing where no known word is like it."""
    import difflib

    close = difflib.get_close_matches(word, list(known), 1, 0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def mutants() -> list[Any]:
    """Every registered mutant of every system, sorted by system and name."""
    found = [mutant for entry in _entries("mutants") for mutant in _loaded("mutants", entry)]
    return sorted(found, key=lambda mutant: (mutant.system, mutant.name))


def findings() -> list[Any]:
    """Every registered finding about a real system, sorted by system, in their order."""
    found = [each for entry in _entries("findings") for each in _loaded("findings", entry)]
    return sorted(found, key=lambda finding: finding.system)


def doc_line(thing: Any) -> str:
    """The first line of a thing's documentation."""
    text = getattr(thing, "doc", None) or thing.__doc__ or ""
    return text.strip().splitlines()[0].strip() if text.strip() else ""


@cache
def _entries(kind: str) -> tuple[EntryPoint, ...]:
    """Read once a process: each time costs milliseconds, for all that is installed is looked at."""
    return tuple(entry_points(group=f"duress.{kind}"))


def _loaded(kind: str, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise UserError(
            f"the {_singular(kind)} {entry.name!r} is registered as {entry.value} but cannot be "
            f"loaded: {type(error).__name__}: {error}; mend or remove the package that has it"
        ) from error


def _singular(kind: str) -> str:
    return "nemesis" if kind == "nemeses" else kind.removesuffix("s")


def _from_file(name: str) -> Any:
    path_text, _, attribute = name.rpartition(":")
    path = Path(path_text).resolve()
    if not path.is_file():
        raise UserError(f"{path_text}: no such file")
    module = _user_modules.get(path)
    if module is None:
        module = _user_modules[path] = _execute(path, path_text)
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise UserError(f"{path_text}: defines no {attribute!r}") from None


_user_modules: dict[Path, ModuleType] = {}
"""Each file is executed once a process, so that its classes are the same everywhere."""

executing: list[str] = []
"""Files of users that are executed at this moment: no place to run a trial."""


def _execute(path: Path, path_text: str) -> ModuleType:
    module_name = f"duress_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path_text}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    sys.path.insert(0, str(path.parent))
    executing.append(path_text)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(
            f"{path_text}: cannot be imported: {type(error).__name__}: {error}"
        ) from error
    finally:
        executing.pop()
        sys.path.remove(str(path.parent))
    return module
