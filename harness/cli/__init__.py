"""The command line. Subcommands are imported when they are called, so that ``--help`` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from ... import __version__
from ..errors import InfrastructureError, UserError

COMMANDS = {
    "run": "Run a system on a cluster under faults and judge what its clients saw.",
    "hunt": "Try seed after seed in virtual time until a promise is broken.",
    "prove": "Hunt every planted bug and try the right versions: the kill matrix.",
    "campaign": "Run many trials, overnight or in CI, and keep the failures.",
    "gate": "Try a change for some minutes, in CI: fail for what the baseline does not know.",
    "rediscover": "Show again what others found in real systems.",
    "replay": "Repeat a saved run: the same seed, or the same faults at the same times.",
    "shrink": "Reduce a saved failing run, on sim or of any programs, to its smallest.",
    "list": "List systems, workloads, nemeses, clusters, checkers or mutants.",
    "check": "Judge histories recorded by anyone.",
    "report": "Judge and render a saved run again.",
    "serve": "Browse runs in a browser: lists, reports, comparisons, live trials.",
    "convert": "Write a history in another format, such as Jepsen's EDN.",
    "init": "Make a suite for a system of your own.",
    "images": "Build the container images of systems.",
    "clean": "Remove what a killed harness left behind.",
    "doctor": "Say what this machine can do.",
}

EXIT_USER, EXIT_INFRASTRUCTURE = 2, 3


class _Lazy(click.Group):
    """A group that knows its commands' names and imports one module a call."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name}", __name__)
        return module.command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="duress")
def cli() -> None:
    """Put a distributed protocol under duress and see whether it keeps its promises.

    \b
    duress run raft                                   5 processes, partitions and kills
    duress run raft --mutant stale-read               a planted bug, found
    duress run etcd --on docker --time 60
    duress check history.edn --model cas-register

    Exit code: 0 valid, 1 a violation was found, 2 your mistake, 3 unknown or
    infrastructure failure.
    """


def main(arguments: list[str] | None = None) -> Any:
    """The console script."""
    if arguments is None:  # the process is ours
        from .interruption import listen

        listen()
    try:
        result = cli.main(arguments, prog_name="duress", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("duress: interrupted", err=True)
        status = EXIT_INFRASTRUCTURE
    except click.ClickException as error:
        error.show()
        status = EXIT_USER
    except UserError as error:
        click.echo(f"duress: {error}", err=True)
        status = EXIT_USER
    except InfrastructureError as error:
        click.echo(f"duress: {error}", err=True)
        status = EXIT_INFRASTRUCTURE
    except BrokenPipeError:
        status = 0
    except Exception:  # a mistake of ours: nobody may take it for a violation (1)
        import traceback

        traceback.print_exc()
        status = EXIT_INFRASTRUCTURE
    else:
        status = result if isinstance(result, int) else 0
    if arguments is None:  # the process is over
        from .interruption import ignore

        ignore()
    sys.exit(status)
