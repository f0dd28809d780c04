"""The flags of the commands that run many trials with a ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..campaign.session import DEFAULT_FOLDER

_OPTIONS = (
    click.option(
        "--folder",
        default=DEFAULT_FOLDER,
        show_default=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="Where campaigns are: in NAME/TIME, each with its ledger, runs and reports.",
    ),
    click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Most minutes in all."),
    click.option("--parallel", type=click.IntRange(1, 512), help="Trials at once."),
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Run trials on the workers of this Dask scheduler (tcp://…), or of a 'local' one.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end."),
    click.option("--quiet", is_flag=True, help="Print only the summary."),
)


def campaign_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a command with them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
