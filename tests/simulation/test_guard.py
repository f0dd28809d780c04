"""Protocols that ask the machine for time or chance are caught, by name and line."""

import os
import random
import secrets
import time
import types
import uuid
from time import monotonic

import pytest
from small_world import Silent, simulate

from duress.harness.simulation import guard
from duress.harness.simulation.guard import Nondeterminism
from duress.harness.simulation.loop import VirtualLoop

MISDEEDS = {
    "time.time": lambda: time.time(),
    "time.monotonic": lambda: time.monotonic(),
    "time.sleep": lambda: time.sleep(0),
    "random.random": lambda: random.random(),
    "random.shuffle": lambda: random.shuffle([1, 2]),
    "Random.seed": lambda: random.Random(),
    "SystemRandom.random": lambda: random.SystemRandom().random(),
    "os.urandom": lambda: os.urandom(4),
    "uuid.uuid4": lambda: uuid.uuid4(),
    "secrets.token_hex": lambda: secrets.token_hex(2),
}


class Misbehaves(Silent):
    misdeed = staticmethod(lambda: None)
    handler = "start"

    def on_start(self):
        self.context.set_timer("t", 0.01)
        if self.handler == "start":
            self.misdeed()

    def on_timer(self, name):
        self.context.send("n2", {"type": "x"})
        if self.handler == "timer":
            self.misdeed()

    def on_message(self, message):
        if self.handler == "message":
            self.misdeed()


def kind(misdeed, handler="message"):
    return type("Misbehaves", (Misbehaves,), {"misdeed": staticmethod(misdeed), "handler": handler})


async def story(world):
    import asyncio

    await world.start()
    await asyncio.sleep(1)


@pytest.mark.parametrize("name", MISDEEDS)
def test_the_call_is_named_with_its_line(name, tmp_path):
    # The misdeed stands in this file, as a protocol's would; the line is the lambda's.
    __import__("sys").modules["__guarded"] = types.ModuleType("__guarded")
    protocol = kind(MISDEEDS[name])
    protocol.__module__ = "__guarded"
    Misbehaves.__module__ = "__guarded"
    line = MISDEEDS[name].__code__.co_firstlineno
    with pytest.raises(Nondeterminism, match=rf"{name}\(\) at test_guard.py:{line};.*context.now"):
        simulate(story, tmp_path, protocol)


@pytest.mark.parametrize("handler", ["start", "timer", "message"])
def test_every_handler_is_guarded(handler, tmp_path):
    protocol = kind(lambda: time.time(), handler)
    protocol.__module__ = Misbehaves.__module__ = "__guarded"
    with pytest.raises(Nondeterminism, match=r"time\.time"):
        simulate(story, tmp_path, protocol)


def test_names_imported_beforehand_are_found_at_the_start(tmp_path):
    assert monotonic() > 0
    protocol = type("ImportsMonotonic", (Silent,), {"__module__": __name__})
    with pytest.raises(Nondeterminism, match=r"ImportsMonotonic, imports time.monotonic as"):
        simulate(story, tmp_path, protocol)


def test_what_is_seeded_is_allowed_and_so_is_the_harness(tmp_path):
    protocol = kind(lambda: (random.Random(5).random(), random.Random("x").shuffle([1, 2])))
    protocol.__module__ = Misbehaves.__module__ = "__guarded"

    async def and_more(world):
        await story(world)
        assert time.time() > 0
        assert os.urandom(1)

    simulate(and_more, tmp_path, protocol)


def test_afterwards_all_is_as_before(tmp_path):
    before = (time.time, random.random, random.Random.seed, os.urandom, uuid.uuid4)
    simulate(story, tmp_path)
    assert (time.time, random.random, random.Random.seed, os.urandom, uuid.uuid4) == before


def test_with_the_last_loop_the_guard_goes_even_if_no_cluster_came_down():
    one, other = VirtualLoop(), VirtualLoop()
    guard.install(one)
    guard.install(one)
    guard.install(other)
    one.close()
    assert time.time.__module__ != "time"
    other.close()
    assert time.time.__module__ == "time"
