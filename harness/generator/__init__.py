"""Generators: what a trial does, as immutable values that are combined.

A dict is one operation, a function makes many, a list does one after another; everything
else is a combinator around these::

    from duress.harness.generator import clients, delay, mix, phases, stagger, time_limit

    read = lambda: {"f": "read"}
    write = lambda context: {"f": "write", "value": context.random.randrange(5)}

    phases(
        time_limit(60, clients(stagger(0.01, mix([read, write])), nemesis_generator=faults)),
        log("healed; waiting"),
        sleep(5),
        clients(each_thread({"f": "read"})),
    )

:mod:`.simulate` runs them without any system, for tests.
"""

from . import independent, simulate, values
from .checking import GeneratorError, friendly_exceptions, trace, validate
from .choosing import any_, mix, shortest_any
from .chosen import chosen
from .context import Context
from .core import PENDING, Answer, Generator, Log, Pending, Sleep
from .each import each_process, each_thread
from .lifting import lift
from .limits import concurrency_limit, limit, once, process_limit, until_ok
from .ordering import concat, cycle, flip_flop, phases, repeat, synchronize, then
from .rewriting import f_map, filter_, ignore_updates, map_, on_update
from .threads import clients, nemesis, on_threads, reserve
from .timing import cycle_times, delay, log, sleep, stagger, time_limit

__all__ = [
    "PENDING",
    "Answer",
    "Context",
    "Generator",
    "GeneratorError",
    "Log",
    "Pending",
    "Sleep",
    "any_",
    "chosen",
    "clients",
    "concat",
    "concurrency_limit",
    "cycle",
    "cycle_times",
    "delay",
    "each_process",
    "each_thread",
    "f_map",
    "filter_",
    "flip_flop",
    "friendly_exceptions",
    "ignore_updates",
    "independent",
    "lift",
    "limit",
    "log",
    "map_",
    "mix",
    "nemesis",
    "on_threads",
    "on_update",
    "once",
    "phases",
    "process_limit",
    "repeat",
    "reserve",
    "shortest_any",
    "simulate",
    "sleep",
    "stagger",
    "synchronize",
    "then",
    "time_limit",
    "trace",
    "until_ok",
    "validate",
    "values",
]
