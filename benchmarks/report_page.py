"""Opens a report in headless Chromium and measures what its reader waits for."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

MARK_READY = """
new MutationObserver((_, observer) => {
  if (!document.documentElement.dataset.ready) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.readyAt = performance.now(); }));
}).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-ready"] });
"""

FRAMES = """
async ([what, count]) => {
  const rows = document.getElementById("rows");
  const charts = document.getElementById("charts");
  const steps = {
    scroll: (i) => { rows.scrollTop += i % 10 === 9 ? rows.scrollHeight / 7 : 480; },
    zoom: (i) => {
      const key = ["+", "ArrowRight", "-", "ArrowLeft"][Math.floor((4 * i) / count)];
      charts.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    },
  };
  (what === "scroll" ? rows : charts).scrollIntoView();
  const frame = () => new Promise(requestAnimationFrame);
  await frame(); await frame();
  const taken = [];
  let before = performance.now();
  for (let i = 0; i < count; i++) {
    steps[what](i);
    await frame();
    const now = performance.now();
    taken.push(now - before);
    before = now;
  }
  return taken;
}
"""

FILTER = """
async ([id, value]) => {
  const frame = () => new Promise(requestAnimationFrame);
  const control = document.getElementById(id);
  const count = document.getElementById("table-count");
  await frame();
  const shown = count.textContent;
  control.value = value;
  control.dispatchEvent(new Event("input", { bubbles: true }));
  const began = performance.now();
  let before = began;
  let worst = 0;
  while (count.textContent === shown && before - began < 20000) {
    await frame();
    const now = performance.now();
    worst = Math.max(worst, now - before);
    before = now;
  }
  document.getElementById("filters").reset();
  while (count.textContent !== shown) await frame();
  await frame();
  return worst;
}
"""

FILTERS = (("filter-type", "3"), ("filter-text", "17"), ("filter-process", "nemesis"))


@dataclass(frozen=True)
class Opened:
    """Milliseconds: of the first paint, until charts and table work, of frames, of filters.

    ``…_work_ms`` is the processor time of the page's main thread in the same time, of frames on
    average: what would pass on a machine that does nothing else.
    """

    paint_ms: float
    ready_ms: float
    ready_work_ms: float
    scroll_ms: list[float]
    scroll_work_ms: float
    zoom_ms: list[float]
    zoom_work_ms: float
    filter_frame_ms: float
    filter_work_ms: float


@contextmanager
def chromium() -> Iterator[Any]:
    """Debian's Chromium without a window, with a profile of its own."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            args=FLAGS,
            viewport={"width": 1280, "height": 900},
        )
        yield context
        context.close()


def open_report(browser: Any, path: Path, frames: int = 60) -> Opened:
    """Open a report once, in a new tab, and use it."""
    page = browser.new_page()
    try:
        devtools = browser.new_cdp_session(page)
        devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

        def worked_ms() -> float:
            metrics = devtools.send("Performance.getMetrics")["metrics"]
            return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

        page.add_init_script(MARK_READY)
        before = worked_ms()
        page.goto(path.as_uri(), wait_until="commit", timeout=120_000)
        page.wait_for_function("() => window.readyAt", timeout=120_000, polling=50)
        marks = [worked_ms()]
        paint = page.evaluate(
            "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
        )
        ready = page.evaluate("() => window.readyAt")
        scroll = page.evaluate(FRAMES, ["scroll", frames])
        marks.append(worked_ms())
        zoom = page.evaluate(FRAMES, ["zoom", frames])
        marks.append(worked_ms())
        longest = [page.evaluate(FILTER, list(each)) for each in FILTERS]
        marks.append(worked_ms())
    finally:
        page.close()
    return Opened(
        paint,
        ready,
        marks[0] - before,
        scroll,
        (marks[1] - marks[0]) / frames,
        zoom,
        (marks[2] - marks[1]) / frames,
        max(longest),
        (marks[3] - marks[2]) / len(FILTERS),
    )


def middle(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)


def slowest(values: list[float]) -> float:
    """The 95th percentile."""
    return sorted(values)[int(0.95 * (len(values) - 1))]
