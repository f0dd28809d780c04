"""Tests of what only some machines can do."""

import os

import pytest


def needs(reason):
    """Skip where there is a ``reason`` why it cannot be had; in CI it must be there.

    A skip there would hide that nothing was tried.
    """
    absent = reason is not None and os.environ.get("CI") != "true"
    return pytest.mark.skipif(absent, reason=str(reason))
