"""Loaded by a Python program at its start: chance and the wall clock are the same in every run.

Standard library only. ``random``, ``os.urandom`` (and so ``uuid.uuid4`` and ``secrets``) follow
from ``DURESS_SEED``; ``time.time``, ``time.time_ns``, ``datetime.now`` and the like begin at a
fixed moment. Timers go by the true clock.
"""

import datetime
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


class _InstancesOfBoth(type):
    def __instancecheck__(cls, value):
        return isinstance(value, _true_datetime)


_true_datetime = datetime.datetime
UTC = datetime.timezone.utc  # noqa: UP017 - programs may run on an older Python


class _Datetime(_true_datetime, metaclass=_InstancesOfBoth):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_time(), tz)

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(_time(), UTC).replace(tzinfo=None)

    @classmethod
    def today(cls):
        return cls.now()


_Datetime.__module__, _Datetime.__name__, _Datetime.__qualname__ = "datetime", *["datetime"] * 2
datetime.datetime = _Datetime
