"""Makes programs of some languages draw the same chance, and see the same time, in every run."""

from __future__ import annotations

import os
from pathlib import Path

_FOLDER = Path(__file__).with_name("pinned")


def environment(seed: str) -> dict[str, str]:
    """Variables for a program: Python and Node heed them, others do not know them."""
    paths = [str(_FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
    options = [
        f"--require={_FOLDER / 'preload.js'}",
        *filter(None, [os.environ.get("NODE_OPTIONS")]),
    ]
    return {
        "DURESS_SEED": seed,
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(paths),
        "NODE_OPTIONS": " ".join(options),
    }
