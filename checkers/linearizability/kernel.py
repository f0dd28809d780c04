"""Loops over arrays that run compiled on long inputs and as plain Python on short ones.

Importing numba takes longer than checking a few thousand calls without it, so
it is imported by the first long input only. Compiled code is cached on disk.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORTH_CALLING = 16
"""Calls from which compiled code pays, once it is there."""

WORTH_LOADING = 8_192
"""Calls from which it pays to import numba and to load the code."""

_compiling = threading.RLock()
_inlined: set[Callable[..., Any]] = set()


class Kernel:
    """A function over arrays and numbers, with the functions it calls.

    ``counted``: whether arrays are reference-counted; without, it is quicker (every call of a
    helper costs two atomic steps an array otherwise) and cannot allocate. It lets other threads
    run. ``loading``: calls from which it pays to import numba for it.

    >>> solve = Kernel(_solve, _scan)
    >>> solve.for_size(len(calls))(array, 3)
    """

    __slots__ = ("_compiled", "counted", "function", "helpers", "loading")

    def __init__(
        self,
        function: Callable[..., Any],
        *helpers: Callable[..., Any],
        counted: bool = True,
        loading: int = WORTH_LOADING,
    ) -> None:
        self.function = function
        self.helpers = helpers
        self.counted = counted
        self.loading = loading
        self._compiled: Callable[..., Any] | None = None

    def for_size(self, calls: int) -> Callable[..., Any]:
        """What to run for so many calls: the plain function or the compiled one."""
        if calls < WORTH_CALLING:
            return self.function
        if self._compiled is None and calls < self.loading and "numba" not in sys.modules:
            return self.function
        return self.compiled()

    def compiled(self) -> Callable[..., Any]:
        """The compiled function (lazily: each signature is compiled when first called)."""
        with _compiling:
            return self._made()

    def _made(self) -> Callable[..., Any]:
        if self._compiled is None:
            import numba
            from numba.extending import register_jitable

            for helper in self.helpers:
                if helper not in _inlined:
                    _inlined.add(helper)
                    register_jitable(_nrt=self.counted)(helper)
            options: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": self.counted}
            self._compiled = numba.njit(**options)(self.function)
            _watch(self._compiled, (self.function, *self.helpers))
        assert self._compiled is not None
        return self._compiled


def _watch(compiled: Any, functions: tuple[Callable[..., Any], ...]) -> None:
    """Make cached code depend on the files of all the functions in it.

    Numba looks at the outermost one's only: what it inlined could be outdated, and wrong.
    """
    file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if file is not None:
        sources = sorted({Path(function.__code__.co_filename) for function in functions})
        times = [(source.name, source.stat().st_mtime_ns) for source in sources if source.exists()]
        file._source_stamp = (file._source_stamp, *times)
