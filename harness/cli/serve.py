"""``duress serve``: pages to browse runs, compare them, and watch a trial as it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .. import registry
from ..errors import UserError
from . import interruption
from .trial_options import STORE

PORT = 8707
CAMPAIGNS = "campaigns"


@click.command(
    epilog="""\b
What there is:
  /                  runs with filters, failures grouped, outcomes over time
  /runs/NAME         a run's report; while the trial runs, a live view of it
  /live              the trial that runs now, or the next one
  /compare?run=A&run=B
                     two runs side by side, what differs in them first
  /campaigns         campaigns, also while they run
  /api/runs?…        the same as JSON; see docs/serve.md

\b
Examples:
  duress serve
  duress serve --store nightly/runs --port 0
  duress serve --host 0.0.0.0 --allow-host build7.example
  curl 'localhost:8707/api/runs?state=invalid&since=24h'

It only reads: GET and HEAD are all that is answered, and the one file that is written is the
index (.runs-index.sqlite in the folder of runs), which may be deleted at any time. Whoever can
reach it can read every run: it binds to loopback unless --host says otherwise. Ctrl-C ends it."""
)
@STORE
@click.option(
    "--campaigns",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where campaigns are.  [default: campaigns, if there is such a folder by then]",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for all of this machine's.",
)
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    help="A name that browsers may reach it by, besides localhost, addresses, and this machine's "
    "own names with --host. May be given several times.",
)
@click.option("--quiet", is_flag=True, help="Print only the address.")
def command(
    store_path: Path,
    campaigns: Path | None,
    host: str,
    port: int,
    names: tuple[str, ...],
    quiet: bool,
) -> int:
    """Browse the runs in a folder, compare two, or watch one as it runs, in a browser."""
    if campaigns is not None and not campaigns.is_dir():
        raise UserError(f"--campaigns {campaigns}: no such folder")
    served = registry.load("reports", "serve")
    interruption.listen()

    def ready(address: str, application: Any) -> None:
        click.echo(address if quiet else f"duress serve: {address} shows the runs in {store_path}")
        if quiet:
            return
        if not application.is_private(host):
            click.echo(f"whoever can reach {address} can read them", err=True)
        if application.keeper.index.is_temporary:
            click.echo(
                f"{store_path} cannot be written: the index is made anew each time", err=True
            )
        click.echo("Ctrl-C ends it")

    try:
        served(store_path, host, port, names, ready, campaigns or Path(CAMPAIGNS))
    except KeyboardInterrupt:
        click.echo("", err=True)
    return 0
