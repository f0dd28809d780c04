"""Loaded by a Python program at its start: chance and the wall clock are the same in every run.

Standard library only. ``random``, ``os.urandom`` (and so ``uuid.uuid4`` and ``secrets``) follow
from ``DURESS_SEED``; ``time.time`` and ``time.time_ns`` begin at a fixed moment. ``datetime.now``
and timers go by the true clock.
"""

import os
import random
import time

_BEGIN_NS = 1_700_000_000_000_000_000

_chance = random.Random(os.environ.get("DURESS_SEED", "") + "/urandom")
_began_ns = time.monotonic_ns()


def _urandom(size):
    return _chance.randbytes(size)


def _time_ns():
    return _BEGIN_NS + time.monotonic_ns() - _began_ns


def _time():
    return _time_ns() / 1e9


random.seed(os.environ.get("DURESS_SEED", ""))
os.urandom = _urandom
setattr(random, "_urandom", _urandom)  # noqa: B010 - where SystemRandom takes it from
time.time_ns = _time_ns
time.time = _time
