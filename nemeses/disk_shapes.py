"""Kinds of trouble with disks, and how each is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple

from ..harness.cluster.disks import SURVIVES, DiskTrouble
from ..harness.errors import UserError
from ..harness.option_values import one_of, real, share, whole

DEFAULT = ("power-cut", "full", "errors", "slow", "stall")
"""What a correct system is expected to survive. The others lose or change what was synced, against
which few systems promise anything."""


class Limits(NamedTuple):
    """What the options say of sizes."""

    survives: tuple[str, ...]
    sector_bytes: int
    free_bytes: int
    delay_s: float
    error_share: float
    error_on: tuple[str, ...]
    failed_syncs_lose: bool
    age_s: float
    damaged: int


class Shape(NamedTuple):
    """One kind. ``draw`` gives its parameters; ``trouble`` what lasts until it is healed, if
    anything does; ``about`` says it to a person."""

    about: str
    draw: Callable[[Random, Limits], dict[str, Any]]
    trouble: Callable[[Mapping[str, Any]], DiskTrouble] | None = None


def _power_cut(random: Random, limits: Limits) -> dict[str, Any]:
    return {"survives": random.choice(limits.survives), "sector_bytes": limits.sector_bytes}


def _full(random: Random, limits: Limits) -> dict[str, Any]:
    return {"free_bytes": random.randrange(limits.free_bytes + 1)}


def _errors(random: Random, limits: Limits) -> dict[str, Any]:
    loses = {"failed_syncs_lose": True} if limits.failed_syncs_lose else {}
    return {"share": limits.error_share, "on": list(limits.error_on), **loses}


def _slow(random: Random, limits: Limits) -> dict[str, Any]:
    return {"delay_s": round(limits.delay_s * (0.2 + 0.8 * random.random()), 4)}


def _rollback(random: Random, limits: Limits) -> dict[str, Any]:
    return {"age_s": round(limits.age_s * (0.5 + random.random()), 3)}


def _damage(random: Random, limits: Limits) -> dict[str, Any]:
    return {"count": limits.damaged}


SHAPES: Mapping[str, Shape] = {
    "power-cut": Shape("killed, and what was not synced is lost", _power_cut),
    "full": Shape(
        "no room: writes that let a file grow fail (ENOSPC), the first one maybe in the middle",
        _full,
        lambda told: DiskTrouble(free_bytes=told["free_bytes"]),
    ),
    "errors": Shape(
        "some writes and syncs fail (EIO)",
        _errors,
        lambda told: DiskTrouble(
            error_share=told["share"],
            error_on=list(told["on"]),
            failed_syncs_lose=bool(told.get("failed_syncs_lose", False)),
        ),
    ),
    "slow": Shape(
        "each write and each sync takes longer",
        _slow,
        lambda told: DiskTrouble(delay_s=told["delay_s"]),
    ),
    "stall": Shape(
        "no write or sync comes to an end until it is healed",
        lambda random, limits: {},
        lambda told: DiskTrouble(stalled=True),
    ),
    "bit-flip": Shape("killed, and bits of what is stored are flipped (opt-in)", _damage),
    "truncate": Shape("killed, and the ends of some files are cut off (opt-in)", _damage),
    "rollback": Shape("killed, and all data is as it was a while before (opt-in)", _rollback),
}


def limits(options: Mapping[str, Any]) -> Limits:
    """From the options; ``UserError`` names the one that is wrong."""
    return Limits(
        survives=_some(options, "disk-survives", SURVIVES, SURVIVES),
        sector_bytes=whole(options, "disk-sector", 512, 1, 1 << 20),
        free_bytes=whole(options, "disk-free", 4096, 0, 1 << 16),
        delay_s=real(options, "disk-delay-ms", 100.0, 1.0, 60_000.0) / 1000,
        error_share=share(options, "disk-error-share", 0.5),
        error_on=_some(options, "disk-error-on", ("read", "write", "sync"), ("write", "sync")),
        failed_syncs_lose=one_of(options, "disk-failed-sync", "kept", ("kept", "lost")) == "lost",
        age_s=real(options, "disk-rollback-s", 1.0, 0.01, 3600.0),
        damaged=whole(options, "disk-damage", 1, 1, 1000),
    )


def wanted(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds that were asked for, checked."""
    return _some(options, "disk-faults", tuple(SHAPES), DEFAULT)


def trouble(parameters: Mapping[str, Any]) -> DiskTrouble | None:
    """What lasts until a fault is healed; ``UserError`` for parameters that say nothing."""
    shape = str(parameters.get("shape"))
    if shape not in SHAPES:
        raise UserError(
            f"disk: a planned one needs a `shape` of {', '.join(SHAPES)}; got {shape!r}"
        )
    make = SHAPES[shape].trouble
    if make is None:
        return None
    try:
        return make(parameters)
    except (KeyError, TypeError) as error:
        raise UserError(f"disk: a planned {shape} lacks a parameter: {error}") from None


def _some(
    options: Mapping[str, Any], name: str, known: tuple[str, ...], default: tuple[str, ...]
) -> tuple[str, ...]:
    text = str(options.get(name) or "")
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    for word in words:
        if word not in known:
            raise UserError(f"{name}: expected some of {', '.join(known)}; got {word!r}")
    return words or default
