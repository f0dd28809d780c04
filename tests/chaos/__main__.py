"""Strike duress at random moments and tell what was left: ``python -m tests.chaos``.

    .venv/bin/python -m tests.chaos [--on local,docker,ssh,engine,room] [--tries 10] [--seed 1]

``local``, ``docker``, ``ssh``: ``--tries`` trials for each blow and moment (see ``blows.py``).
``engine``: the Docker engine (a second one, in a network namespace of its own) restarted or
stopped for good. ``room``: disks full. ``ssh-links``: connections cut, hosts killed.
Exit code 0 if nothing was left behind anywhere, everything could be read, and every harness that
lived ended with 3 and a reason.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from . import blows
from .blows import Struck
from .disasters import DISASTERS
from .grounds import GROUNDS, opened


def table(results: Iterable[Struck]) -> Table:
    """One line for each ground and blow."""
    shown = Table(title="duress struck in the midst of trials")
    for name in ("where", "blow and moment", "tried", "struck in", "half done", "left at first",
                 "left in the end", "otherwise wrong"):  # fmt: skip
        shown.add_column(name, justify="right" if name[:4] in ("trie", "left", "othe") else "left")
    groups: dict[tuple[str, str], list[Struck]] = {}
    for each in results:
        groups.setdefault((each.ground, each.blow), []).append(each)
    for (ground, blow), mine in groups.items():
        phases = Counter(each.phase for each in mine)
        half = Counter(each.half_done for each in mine if each.half_done)
        shown.add_row(
            ground,
            blow,
            str(len(mine)),
            ", ".join(f"{name} {count}" for name, count in phases.most_common()),
            ", ".join(f"{name} {count}" for name, count in half.most_common()),
            str(sum(bool(each.before_clean) for each in mine)),
            str(sum(bool(each.left) for each in mine)),
            str(sum(bool(each.wrong) for each in mine)),
        )
    return shown


def main() -> int:
    """Print each bad case as it comes, and the table at the end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--on", default="local,docker,ssh,engine,room,ssh-links")
    parser.add_argument("--tries", type=int, default=10, help="for each blow and moment")
    parser.add_argument("--blows", default=",".join(blows.BLOWS))
    parser.add_argument("--moments", default=",".join(blows.MOMENTS))
    parser.add_argument("--nemesis", default="", help="default: all that there are")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))  # and so remove what was made
    random, results, console = Random(arguments.seed), [], Console(width=160)
    with tempfile.TemporaryDirectory(prefix="duress-chaos-") as name:
        for where in arguments.on.split(","):
            folder = Path(name)
            if where in DISASTERS:
                tries = DISASTERS[where](arguments, random, folder)
            else:
                tries = _struck(where, arguments, random, folder)
            for struck in tries:
                results.append(struck)
                mark = "ok " if struck.is_right else "BAD"
                console.print(
                    f"{mark} {struck.ground}: {struck.blow}: in {struck.phase} "
                    f"{struck.half_done}: exit {struck.code}: {struck.reason[:120]}",
                    *struck.left,
                    *struck.wrong,
                    sep="\n      ",
                    markup=False,
                    highlight=False,
                )
            console.print(table(results))
    return 0 if all(each.is_right for each in results) else 1


def _struck(
    where: str, arguments: argparse.Namespace, random: Random, folder: Path
) -> Iterator[Struck]:
    assert where in GROUNDS, f"--on {where}: expected {', '.join([*GROUNDS, *DISASTERS])}"
    with opened(where, folder, arguments.nemesis) as ground:
        took_s = blows.whole_s(ground, folder)
        for blow in arguments.blows.split(","):
            for moment in arguments.moments.split(","):
                for _ in range(arguments.tries):
                    yield blows.strike(ground, blow, moment, random, took_s, folder)


if __name__ == "__main__":
    sys.exit(main())
