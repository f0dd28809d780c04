"""Takes the pictures of ``duress serve`` that ``docs/serve.md`` shows, of real trials.

    .venv/bin/python scripts/serve_pictures.py      # some minutes

A store is filled with trials in virtual time, right versions and planted bugs, and with one on real
processes that is photographed while it runs. Times and names differ each time.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from photograph import CHROMIUM, in_few_colours
from pictures import LARGEST_BYTES, ROOT

FOLDER = ROOT / "docs" / "pages"
WIDTH = 1100
DURESS = Path(sys.executable).with_name("duress")

TRIALS = (
    "run raft --on sim --time 8 --interval 1.5 --seed 100 --trials 14",
    "run raft --on sim --time 8 --interval 1.5 --seed 0 --mutant stale-read",
    "run two-phase-commit --on sim --time 8 --interval 1.5 --seed 5 --trials 6",
    "hunt raft --mutant votes-twice --seed 0 --time 12",
    "run raft --on sim --time 8 --interval 1.5 --seed 3 --mutant stale-read",
    "hunt two-phase-commit --mutant no-coordinator-log --seed 0 --time 12",
    "run raft --on sim --time 8 --interval 1.5 --seed 200 --trials 10",
    "run raft --on sim --time 8 --interval 1.5 --seed 4 --mutant stale-read",
    "run raft --on sim --time 8 --interval 1.5 --seed 300 --trials 4",
)
LIVE = "run raft --time 24 --seed 11 --interval 2 --settle 1"


def main() -> int:
    """Exit code 1 if a picture is too large."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="duress-serve-pictures-") as name:
        store = Path(name) / "runs"
        store.mkdir()
        for trial in TRIALS:
            subprocess.run(command(trial, store), cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        with served(store) as address, paged(Path(name) / "profile") as page:
            return max(
                [
                    take(page, "serve-runs", address, 1030),
                    live(page, store, address),
                    compare(page, address),
                ]
            )


def command(words: str, store: Path) -> list[str]:
    """A command line of duress that keeps its runs in the store."""
    return [str(DURESS), *shlex.split(words), "--store", str(store), "--quiet"]


def live(page: Any, store: Path, address: str) -> int:
    """The live view, late in a trial on real processes."""
    trial = subprocess.Popen(command(LIVE, store), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        page.goto(f"{address}live")
        page.wait_for_selector("html[data-ready=yes]", timeout=120_000)
        page.wait_for_function(
            "() => Number(document.getElementById('progress').value) > 0.75", timeout=120_000
        )
        return shot(page, "serve-live", 760)
    finally:
        trial.wait()


def compare(page: Any, address: str) -> int:
    """A run that failed beside one that passed."""
    page.goto(f"{address}?state=invalid&mutant=stale-read")
    page.locator(".runs tbody th a").first.click()
    page.get_by_role("link", name="Compare with one that passed").click()
    page.wait_for_selector(".curve")
    return shot(page, "serve-compare", 900)


def take(page: Any, name: str, address: str, height: int) -> int:
    """A page from its top."""
    page.goto(address)
    page.wait_for_selector("html[data-ready=yes]")
    return shot(page, name, height)


def shot(page: Any, name: str, height: int) -> int:
    """Write what is seen as a small PNG; one line on it."""
    png = page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
    blank = page.context.new_page()  # our pages allow no script that is not theirs
    small = in_few_colours(blank, png, WIDTH)
    blank.close()
    if len(small) > LARGEST_BYTES:
        print(f"{name}: expected at most {LARGEST_BYTES} bytes, got {len(small)}")
        return 1
    (FOLDER / f"{name}.png").write_bytes(small)
    print(f"{name}: {len(small):,} bytes", flush=True)
    return 0


@contextlib.contextmanager
def served(store: Path) -> Iterator[str]:
    """``duress serve`` on a free port: its address."""
    program = subprocess.Popen(
        [DURESS, "serve", "--store", store, "--port", "0", "--quiet"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    with program.stdout:
        try:
            address = program.stdout.readline().strip()
            time.sleep(1)
            yield address
        finally:
            program.terminate()
            program.wait(30)


@contextlib.contextmanager
def paged(profile: Path) -> Iterator[Any]:
    """A page of headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            str(profile),
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            viewport={"width": WIDTH, "height": 1100},
            color_scheme="light",
        )
        try:
            yield browser.new_page()
        finally:
            browser.close()


if __name__ == "__main__":
    sys.exit(main())
