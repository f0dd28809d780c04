"""Photographs reports in headless Chromium, as PNGs of few colours; for the scripts beside it."""

from __future__ import annotations

import base64
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

CHROMIUM = "/usr/bin/chromium"
WIDTH = 1000
TALLEST = 2700

WITHOUT_CONTROLS = """
  .overline, nav.contents, .facts, .tools, .types, .hint, details, .said, .skip, .buttons,
  figcaption {
    display: none !important
  }
"""

IN_FEW_COLOURS = """async ([png, most]) => {
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
    if (colours.length < most && colours.every(each => far(each, colour) > 120))
      colours.push(colour);
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
"""The most frequent colours that differ; text smoothed at its edges has thousands that nobody
tells apart."""


@contextmanager
def browsing() -> Iterator[BrowserContext]:
    """A browser, for as many reports as there are."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(prefix="duress-pictures-") as profile, sync_playwright() as it:
        browser = it.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            viewport={"width": WIDTH, "height": TALLEST},
            color_scheme="light",
            bypass_csp=True,  # the report allows no style but its own
        )
        yield browser
        browser.close()


@contextmanager
def shown(browser: BrowserContext, report: Path) -> Iterator[Page]:
    """A report in a page of its own, drawn to its end."""
    page = browser.new_page()
    page.goto(report.resolve().as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    yield page
    page.close()


def taken(page: Page, last: str, colours: int = 48) -> bytes:
    """A PNG of a page from its top to the end of the first element that ``last`` selects."""
    page.evaluate("scrollTo(0, 0)")  # the page may be at the call that its story ends with
    box = page.locator(last).first.bounding_box()
    assert box is not None
    height = min(TALLEST, box["y"] + box["height"] + 16)
    png = page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
    return in_few_colours(page, png, WIDTH, colours)


def in_few_colours(page: Page, png: bytes, width: int, colours: int = 48) -> bytes:
    """The same picture, smaller. ``page``: any that lets scripts run."""
    drawn = page.evaluate(IN_FEW_COLOURS, [base64.b64encode(png).decode(), colours])
    return palette_png(width, drawn["colours"], base64.b64decode(drawn["pixels"]))


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
