"""What it means that nothing failed.

If each of n independent trials fails with the probability p, none of them does with (1-p)^n. The
largest p for which that is still 5 % is 1 - 0.05^(1/n): with 95 % confidence, p is below it. For
many trials it is a little less than 3/n (the rule of three: Hanley and Lippman-Hand, "If nothing
goes wrong, is everything all right?", JAMA 249, 1983).
"""

from __future__ import annotations

SMALL = 30
"""From so many trials on 3/n is said, which is then at most 6 % too much."""


def bound(trials: int) -> float | None:
    """Below which the chance of a failure a trial is, after so many without one; ``None``: none."""
    if trials <= 0:
        return None
    return 1 - 0.05 ** (1 / trials) if trials < SMALL else 3 / trials


def rule(trials: int) -> str:
    """How :func:`bound` comes about."""
    return f"1 - 0.05^(1/{trials})" if trials < SMALL else f"3/{trials}"
