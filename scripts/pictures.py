"""Takes the pictures of failing trials that ``docs/`` shows: each from the report of a real trial.

    .venv/bin/python scripts/pictures.py                    # all of them, some minutes
    .venv/bin/python scripts/pictures.py raft-votes-twice   # some, by name
    .venv/bin/python scripts/pictures.py --commands         # how a reader repeats each trial
    .venv/bin/python scripts/pictures.py --runs FOLDER      # of trials that were run before

A planted bug is hunted for in simulation from a fixed seed, the trial is shrunk, and its report is
opened in headless Chromium. The picture holds the verdict, the story and the evidence; controls are
left out, for they do nothing on a picture, and kinds of message that say nothing of the story.
The same commands give the same trial each time, as long as the code is the same and shrinking takes
less than its three minutes. Of Raft and of two-phase commit there is a picture of each planted bug.
With ``--runs`` nothing is run: ``FOLDER/<name of the picture>`` is the store in which the trial
lies, and its newest run is photographed. Pictures of real systems are taken by ``findings.py``.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from photograph import WITHOUT_CONTROLS, browsing, shown, taken

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "pictures"
LARGEST_BYTES = 150_000


@dataclass(frozen=True)
class Picture:
    """One picture: which trial, and what of its report is shown.

    ``hunt``    flags of ``duress hunt`` beside ``--mutant``; always with a seed.
    ``hidden``  types of message that the space-time diagram does not draw.
    ``view``    what of the trial the diagram shows: ``focus`` (the calls of the story) or ``all``.
    """

    system: str
    mutant: str | None
    hunt: str
    hidden: tuple[str, ...] = ()
    view: str = "focus"

    @property
    def name(self) -> str:
        """Of the file, too."""
        return f"{self.system}-{self.mutant or 'itself'}"

    def commands(self) -> list[str]:
        """What a reader types to see the same report."""
        mutant = f" --mutant {self.mutant}" if self.mutant else ""
        return [f"duress hunt {self.system}{mutant} {self.hunt}", "duress shrink latest"]


PICTURES = (
    Picture("raft", "stale-read", "--seed 0 --time 12"),
    Picture("raft", "votes-twice", "--seed 0 --time 12"),
    Picture("paxos", "forgets-accepted", "--seed 0 --time 12"),
    Picture("multi-paxos", "leader-reads", "--seed 0 --time 12"),
    Picture("two-phase-commit", "no-coordinator-log", "--seed 0 --time 12"),
    Picture("three-phase-commit", None, "--seed 0 --time 12 --nemesis partition"),
    Picture("primary-backup", "answers-early", "--seed 0 --time 12"),
    Picture("chain-replication", "reads-anywhere", "--seed 0 --time 12"),
    Picture("lock-service", "unfenced-resource", "--seed 0 --time 12"),
    Picture("fixed-timeout", "never-checks", "--seed 0 --time 12", view="all"),
    Picture("causal-broadcast", "no-dependencies", "--seed 0 --time 12"),
    Picture("quorum-replication", "miscounts-quorum", "--seed 0 --time 12"),
    Picture("crdt", "removes-unseen", "--seed 0 --time 12", view="all"),
    Picture("consistent-hashing", "no-hand-off", "--seed 0 --time 12", hidden=("ping",)),
    Picture("wal-store", "no-fsync", "--seed 0 --time 12"),
)


EVERY_MUTANT_OF = ("raft", "two-phase-commit")


def pictures() -> dict[str, Picture]:
    """All of them by name."""
    from duress.harness import registry

    found: dict[str, Picture] = {picture.name: picture for picture in PICTURES}
    for mutant in registry.mutants():
        if mutant.system in EVERY_MUTANT_OF:
            picture = Picture(mutant.system, mutant.name, "--seed 0 --time 12")
            found.setdefault(picture.name, picture)
    return found


def main(arguments: Sequence[str]) -> int:
    """Exit code 0, or 1 if a trial did not fail or a picture is too large."""
    parser = argparse.ArgumentParser(description="Takes the pictures of docs/.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--commands", action="store_true", help="print how to repeat each trial")
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="run nothing, see above")
    asked = parser.parse_args(arguments)
    known = pictures()
    if unknown := [name for name in asked.names if name not in known]:
        parser.error(f"expected names of {', '.join(known)}, got {', '.join(unknown)}")
    chosen = [known[name] for name in asked.names or known]
    if asked.commands:
        for picture in chosen:
            print(f"{picture.name}:", *picture.commands(), sep="\n    ")
        return 0
    return max(take(picture, asked.runs) for picture in chosen)


def take(picture: Picture, runs: Path | None) -> int:
    """Run, shrink, photograph, write; one line on each."""
    with tempfile.TemporaryDirectory(prefix="duress-pictures-") as folder:
        report = None if runs is None else newest(runs / picture.name)
        for command in picture.commands() if runs is None else ():
            report = report_of(command, Path(folder))
            if report is None:
                print(f"{picture.name}: {command}: expected an invalid trial, got none")
                return 1
        if report is None:
            print(f"{picture.name}: expected a run in {runs}/{picture.name}, got none")
            return 1
        png = photograph(report, picture)
    if len(png) > LARGEST_BYTES:
        print(f"{picture.name}: expected at most {LARGEST_BYTES} bytes, got {len(png)}")
        return 1
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{picture.name}.png").write_bytes(png)
    print(f"{picture.name}: {len(png):,} bytes", flush=True)
    return 0


def newest(store: Path) -> Path | None:
    """The report of the newest run of a store, made again with the code of today."""
    from duress.reports import html

    found = sorted(path.parent for path in store.glob("2*/trial.json"))
    return html.render(found[-1]) if found else None


def report_of(command: str, store: Path) -> Path | None:
    """Run a command of duress; the report of the run it ended with, if that is invalid."""
    program = Path(sys.executable).with_name("duress")
    words = shlex.split(command)[1:]
    done = subprocess.run(
        [program, *words, "--store", store, "--json", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode != 1:
        print(done.stderr.strip(), file=sys.stderr)
        return None
    return store / "latest" / "report.html"


def photograph(report: Path, picture: Picture) -> bytes:
    """A PNG of the report from its verdict to the end of its first anomaly."""
    with browsing() as browser, shown(browser, report) as page:
        anomaly = page.locator("div.anomaly").first
        for kind in picture.hidden:
            anomaly.locator(".types label", has_text=f"{kind} (").first.locator("input").uncheck()
        moves = anomaly.locator(f"[data-move={picture.view}]")
        if moves.count():
            moves.click()
        page.add_style_tag(content=WITHOUT_CONTROLS)
        return taken(page, "div.anomaly")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
