"""Takes the pictures of failing trials that ``docs/`` shows: each from the report of a real trial.

    .venv/bin/python scripts/pictures.py                    # all of them, some minutes
    .venv/bin/python scripts/pictures.py raft-votes-twice   # some, by name
    .venv/bin/python scripts/pictures.py --commands         # how a reader repeats each trial
    .venv/bin/python scripts/pictures.py --runs FOLDER      # of trials that were run before

A planted bug is hunted for in simulation from a fixed seed, the trial is shrunk, and its report is
opened in headless Chromium. The picture holds the verdict, the story and the evidence; controls are
left out, for they do nothing on a picture, and kinds of message that say nothing of the story.
The same commands give the same trial each time, as long as the code is the same and shrinking takes
less than its three minutes. What is known of real systems is found again instead, by ``duress
rediscover``; that is another trial each time. Of Raft and of two-phase commit there is a picture of
each planted bug. With ``--runs`` nothing is run: ``FOLDER/<name of the picture>`` is the store in
which the trial lies, and its newest run is photographed.
"""

from __future__ import annotations

import argparse
import base64
import shlex
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "pictures"
CHROMIUM = "/usr/bin/chromium"
WIDTH = 1000
TALLEST = 2000
LARGEST_BYTES = 150_000

WITHOUT_CONTROLS = """
  .overline, nav.contents, .facts, .tools, .types, .hint, details, .said, .skip, .buttons,
  figcaption {
    display: none !important
  }
"""

IN_FEW_COLOURS = """async png => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height), context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, image.width, image.height).data;
  const of = i => data[4 * i] << 16 | data[4 * i + 1] << 8 | data[4 * i + 2];
  const counts = new Map(), pixels = new Uint8Array(data.length / 4);
  for (let i = 0; i < pixels.length; i++) counts.set(of(i), (counts.get(of(i)) || 0) + 1);
  const part = (colour, shift) => colour >> shift & 255, places = new Map(), colours = [];
  const far = (a, b) => [0, 8, 16].reduce((sum, s) => sum + (part(a, s) - part(b, s)) ** 2, 0);
  for (const colour of [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)))
    if (colours.length < 48 && colours.every(each => far(each, colour) > 120)) colours.push(colour);
  for (const colour of counts.keys()) {
    let nearest = 0;
    for (let at = 1; at < colours.length; at++)
      if (far(colour, colours[at]) < far(colour, colours[nearest])) nearest = at;
    places.set(colour, nearest);
  }
  for (let i = 0; i < pixels.length; i++) pixels[i] = places.get(of(i));
  let text = "";
  for (let i = 0; i < pixels.length; i += 8192)
    text += String.fromCharCode(...pixels.subarray(i, i + 8192));
  return {colours, pixels: btoa(text)};
}"""
"""The 48 most frequent colours that differ; text smoothed at its edges has thousands that nobody
tells apart."""


@dataclass(frozen=True)
class Picture:
    """One picture: which trial, and what of its report is shown.

    ``hunt``    flags of ``duress hunt`` beside ``--mutant``; always with a seed.
    ``hidden``  types of message that the space-time diagram does not draw.
    ``view``    what of the trial the diagram shows: ``focus`` (the calls of the story) or ``all``.
    ``diagram`` whether there is one: it says nothing where nobody said anything.
    """

    system: str
    mutant: str | None
    hunt: str
    hidden: tuple[str, ...] = ()
    view: str = "focus"
    diagram: bool = True

    @property
    def name(self) -> str:
        """Of the file, too."""
        return f"{self.system}-{self.mutant or 'itself'}"

    def commands(self) -> list[str]:
        """What a reader types to see the same report."""
        mutant = f" --mutant {self.mutant}" if self.mutant else ""
        return [f"duress hunt {self.system}{mutant} {self.hunt}", "duress shrink latest"]


@dataclass(frozen=True)
class FindingPicture:
    """A picture of what is known of a real system; the fields are as those of :class:`Picture`."""

    name: str
    hidden: tuple[str, ...] = ()
    view: str = "focus"
    diagram: bool = False

    def commands(self) -> list[str]:
        """What a reader types to see such a report."""
        return [f"duress rediscover {self.name}"]


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
    FindingPicture("etcd-serializable-reads-are-stale"),
    FindingPicture("etcd-locks-without-fencing-do-not-protect"),
    FindingPicture("postgresql-primary-and-standbys-disagree-on-the-order"),
    FindingPicture("postgresql-failover-loses-acknowledged-commits"),
    FindingPicture("postgresql-2pc-without-log-commits-in-part"),
    FindingPicture("galera-reads-are-stale"),
    FindingPicture("galera-loses-commits-when-all-crash"),
    FindingPicture("galera-takes-back-commits-that-are-flushed"),
    FindingPicture("zookeeper-syncs-ask-no-majority"),
    FindingPicture("zookeeper-locks-of-a-paused-holder-have-two"),
    FindingPicture("nats-power-cuts-lose-acknowledged-messages"),
    FindingPicture("nats-conditions-do-not-hold"),
    FindingPicture("redis-loses-acknowledged-writes"),
    FindingPicture("redis-cluster-loses-acknowledged-writes"),
    FindingPicture("rabbitmq-autoheal-loses-confirmed-messages"),
)


EVERY_MUTANT_OF = ("raft", "two-phase-commit")


def pictures() -> dict[str, Picture | FindingPicture]:
    """All of them by name."""
    from duress.harness import registry

    found: dict[str, Picture | FindingPicture] = {picture.name: picture for picture in PICTURES}
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


def take(picture: Picture | FindingPicture, runs: Path | None) -> int:
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
        png = photograph(report, picture, Path(folder) / "profile")
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
    rediscovers = words[0] == "rediscover"
    done = subprocess.run(
        [program, *words, "--store", store, "--json", *([] if rediscovers else ["--quiet"])],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    # A finding that was found is as it should be.
    if done.returncode != (0 if rediscovers else 1):
        print(done.stderr.strip(), file=sys.stderr)
        return None
    return store / "latest" / "report.html"


def photograph(report: Path, picture: Picture | FindingPicture, profile: Path) -> bytes:
    """A PNG of the report from its verdict to the end of its first anomaly."""
    from playwright.sync_api import sync_playwright

    hidden = WITHOUT_CONTROLS
    hidden += "" if picture.diagram else "h4:has(+ .spacetime), .spacetime { display: none }"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            viewport={"width": WIDTH, "height": TALLEST},
            color_scheme="light",
            bypass_csp=True,  # the report allows no style but its own
        )
        page = browser.new_page()
        page.goto(report.resolve().as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        anomaly = page.locator("div.anomaly").first
        for kind in picture.hidden:
            anomaly.locator(".types label", has_text=f"{kind} (").first.locator("input").uncheck()
        moves = anomaly.locator(f"[data-move={picture.view}]")
        if picture.diagram and moves.count():
            moves.click()
        page.add_style_tag(content=hidden)
        box = anomaly.bounding_box()
        assert box is not None
        height = min(TALLEST, box["y"] + box["height"] + 16)
        png = page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
        shown = page.evaluate(IN_FEW_COLOURS, base64.b64encode(png).decode())
        browser.close()
    return palette_png(WIDTH, shown["colours"], base64.b64decode(shown["pixels"]))


def palette_png(width: int, colours: Sequence[int], pixels: bytes) -> bytes:
    """A PNG of pixels that are numbers of colours (24 bits each), as small as zlib makes it."""
    rows = [b"\0" + pixels[at : at + width] for at in range(0, len(pixels), width)]
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(colour.to_bytes(3, "big") for colour in colours)),
        (b"IDAT", zlib.compress(b"".join(rows), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
