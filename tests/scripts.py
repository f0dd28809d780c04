"""The programs in ``scripts/``, as modules: they are no part of the package."""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def script(name):
    """``script("pictures")``: what ``scripts/pictures.py`` defines."""
    folder = str(ROOT / "scripts")
    if folder not in sys.path:
        sys.path.append(folder)  # they import each other
    return importlib.import_module(name)
