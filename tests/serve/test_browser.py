"""The pages in headless Chromium: they work, by mouse and keyboard, and refuse nothing of ours."""

import json
import threading
import time
from itertools import pairwise

import msgspec
import pytest

from duress.reports import html

from ..reports import synthetic
from . import run_folders

pytestmark = pytest.mark.browser

FIRST, SECOND = "20260301T063000-raft-0001", "20260301T073000-raft-stale-read-0002"
LIVE = "20260309T000000-live"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    run_folders.small_store(store)
    for name, stale in (("20260310T000000-good", False), ("20260311T000000-bad", True)):
        folder = synthetic.write_folder(store / name, synthetic.generate(seed=3, stale=stale))
        html.render(folder)
    return store


@pytest.fixture
def page(browser, address):
    """A page that fails the test if it logs, throws, or asks anyone but our server for anything."""
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
    ours = (f"http://{address}/", "data:", "blob:", "about:")
    page.on("request", lambda r: None if r.url.startswith(ours) else complaints.append(r.url))
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " e => console.error('policy: ' + e.violatedDirective))"
    )
    page.set_viewport_size({"width": 1280, "height": 900})
    page.complaints = complaints
    yield page
    assert complaints == []
    page.close()


def show(page, address, path="/"):
    page.goto(f"http://{address}{path}")


def test_failures_are_seen_at_once_and_lead_to_their_reports(page, address):
    show(page, address)
    assert page.locator("h1").inner_text().startswith("4 of 8 runs broke a promise")
    groups = page.locator(".group.invalid")
    assert groups.count() == 2
    first = groups.first
    assert "3 ×" in first.inner_text()
    assert "9, 8" in first.inner_text()
    top = first.bounding_box()
    assert top["y"] + top["height"] < 900  # without scrolling
    first.get_by_role("link", name="show all 3").click()
    assert page.locator(".runs tbody tr").count() == 3
    page.locator(".group.invalid h3 a").click()
    assert page.locator("iframe").count() == 1
    assert "3 runs with this trouble" in page.locator(".links").inner_text()


def test_filters_narrow_the_list_and_can_be_taken_away(page, address):
    show(page, address)
    page.select_option("#filters [name=system]", "etcd")
    page.wait_for_url("**/?system=etcd")
    assert page.locator(".runs tbody tr").count() == 2
    page.fill("#filters [name=q]", "no time left")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=no+time+left**")
    assert page.locator(".runs tbody tr").count() == 1
    assert page.locator(".active li").count() == 3
    page.get_by_role("link", name="Text: no time left").click()
    page.wait_for_url("**/?system=etcd")
    page.get_by_role("link", name="Clear all").click()
    assert page.locator(".runs tbody tr").count() == 8
    page.go_back()
    assert page.locator("#filters [name=q]").is_enabled()


def test_sorting_by_a_column(page, address):
    show(page, address)
    page.get_by_role("columnheader", name="Seed").get_by_role("link").click()
    heading = page.get_by_role("columnheader", name="Seed")
    assert heading.get_attribute("aria-sort") == "ascending"
    seeds = page.locator("td[data-label=Seed]").all_inner_texts()
    assert seeds == sorted(seeds, key=lambda seed: int(seed or 0))


def test_the_chart_leads_to_its_runs(page, address):
    show(page, address, "/?since=2026-03-01&until=2026-03-04")
    bars = page.locator("svg.chart a")
    words = [bar.text_content() for bar in bars.all()]
    counts = [sum(int(n) for n in text.replace(",", " ").split() if n.isdigit()) for text in words]
    assert bars.count() >= 4 and all(counts)
    page.get_by_text("The same as a table").click()
    assert page.locator("details table tbody tr").count() == bars.count()
    page.locator("details table tbody a").first.click()
    assert page.locator(".active li").count() == 3
    assert page.locator(".runs tbody tr").count() >= 1


def test_two_runs_side_by_side(page, address):
    show(page, address)
    button = page.get_by_role("button", name="Compare two")
    assert button.is_disabled()
    for name in ("20260310T000000-good", "20260311T000000-bad"):
        page.get_by_role("checkbox", name=f"Compare {name}").check()
    button.click()
    assert page.locator(".card").count() == 2
    assert "Anomalies" in page.locator("main").inner_text()
    row = page.locator("tr", has_text="nonlinearizable")
    assert "none" in row.inner_text()
    assert page.locator(".curve").count() == 4
    assert all(len(path.get_attribute("d")) > 200 for path in page.locator(".curve").all()[:2])
    before = page.locator(".card h2 .chip").all_inner_texts()
    page.get_by_role("link", name="Swap A and B").click()
    page.wait_for_function(
        "word => document.querySelector('.card .chip').textContent.includes(word)", arg=before[1]
    )


def test_a_report_works_in_its_frame(page, address):
    show(page, address, "/runs/20260311T000000-bad")
    report = page.frame_locator("iframe")
    report.locator("html[data-ready=yes]").wait_for()
    assert "broke linearizability" in report.locator("h1").inner_text()
    report.locator("#filter-type").select_option("2")
    report.locator("#table-count", has_text=" of ").wait_for()
    assert set(report.locator("#rows [role=row]:visible .type").all_inner_texts()) == {"fail"}
    assert (
        report.locator("html").evaluate(
            "() => { try { return parent.document.title } catch { return 'kept out' } }"
        )
        == "kept out"
    )
    page.get_by_role("link", name="Files").click()
    page.get_by_role("link", name="verdict.json").click()
    assert json.loads(page.locator("pre").inner_text())["valid"] is False


def test_a_report_is_made_where_none_is_kept(page, address):
    show(page, address, f"/runs/{SECOND}")
    report = page.frame_locator("iframe")
    report.locator("html[data-ready=yes]").wait_for()
    assert "stale-read" in report.locator("h1").inner_text()


def test_archives_are_saved(page, address):
    show(page, address, f"/runs/{FIRST}")
    with page.expect_download() as download:
        page.get_by_role("link", name="All as .zip").click()
    assert download.value.suggested_filename == f"{FIRST}.zip"


def grow(store, run, done):
    """Writes a trial's folder as a harness does, some lines at a time, torn in the middle."""
    folder = run_folders.write(store, LIVE)
    with run_folders.being_written(folder):
        _write_slowly(store, folder, run, done)
    html.render(folder)


def _write_slowly(store, folder, run, done):
    spec = run_folders.spec(nodes=synthetic.NODES, time_limit_s=30.0, seed=99)
    run_folders.write(store, LIVE, spec)
    history = [msgspec.json.encode(o) + b"\n" for o in run.operations]
    events = [
        (o.time, "history.jsonl", line) for o, line in zip(run.operations, history, strict=True)
    ]
    events += [(f["time"], "faults.jsonl", msgspec.json.encode(f) + b"\n") for f in run.faults]
    events.sort(key=lambda event: event[0])
    files = {
        name: (folder / name).open("ab", buffering=0) for name in ("history.jsonl", "faults.jsonl")
    }
    step = len(events) // 12
    for start in range(0, len(events), step):
        for _, name, line in events[start : start + step]:
            files[name].write(line[: len(line) // 2])
            files[name].write(line[len(line) // 2 :])
        if not done.wait(0.25) and start + step >= len(events):
            done.wait(30)
    for file in files.values():
        file.close()
    run_folders.write(store, LIVE, spec | {"outcome": "valid"}, run_folders.verdict())


def test_a_growing_run_is_watched_and_turns_into_its_report(page, address, store):
    run, done = synthetic.generate(seed=3, calls=1200), threading.Event()
    show(page, address, "/live")
    assert page.locator("h1").inner_text() == "No trial is running"
    trial = threading.Thread(target=grow, args=(store, run, done))
    trial.start()
    try:
        page.wait_for_url(f"**/runs/{LIVE}")
        page.wait_for_selector("html[data-ready=yes]")
        page.wait_for_function("() => document.querySelectorAll('#chart .ok').length > 3")
        counts = []
        for _ in range(3):
            counts.append(int(page.locator("#ok").inner_text().replace(",", "")))
            page.wait_for_function(
                "n => Number(document.getElementById('ok').textContent.replace(',', '')) > n",
                arg=counts[-1],
            )
        page.wait_for_function("() => document.querySelectorAll('#faults tr').length > 1")
        said = page.locator("#faults th").all_inner_texts()
        assert "partition halves: n1 n2 | n3 n4 n5" in said
        assert page.locator("#chart .lane").count() >= 2
        assert page.locator("#progress").get_attribute("value") is not None
        assert "The latest verdict" in page.locator("main").inner_text()
        done.set()
        report = page.frame_locator("iframe")
        report.locator("html[data-ready=yes]").wait_for()
        assert page.locator(".chip").first.inner_text() == "Valid"
    finally:
        done.set()
        trial.join()


def test_news_are_offered_not_forced(page, address, store):
    page.clock.install()
    show(page, address)
    page.wait_for_selector("html[data-ready=yes]")
    run_folders.write(
        store, "20260312T000000-news", run_folders.spec(system="news"), run_folders.verdict()
    )
    note = page.get_by_text("The list has changed")
    for _ in range(200):
        page.clock.run_for(4000)
        time.sleep(0.05)
        if note.is_visible():
            break
    note.click()
    assert page.locator("td", has_text="news").count() == 1


def test_hostile_names_do_nothing(page, address, store):
    evil = "<img src=x onerror=alert(1)>"
    spec = run_folders.spec(system=evil, mutant=evil, workload=evil, nemeses=[evil], seed=evil)
    run_folders.write(store, f"20260313T000000-{evil}", spec, run_folders.verdict(False, [evil]))
    deadline = time.monotonic() + 20
    show(page, address, "/?q=onerror")
    while not page.locator("td", has_text=evil).count():  # a page may be half a second old
        assert time.monotonic() < deadline
        time.sleep(0.1)
        show(page, address, "/?q=onerror")
    page.locator(".group.invalid h3 a").click()
    page.frame_locator("iframe").locator("html[data-ready=yes]").wait_for()
    page.get_by_role("link", name="Files").click()
    assert page.locator("img").count() == 0


PAGES = (
    *("/", "/?state=invalid", "/compare", "/live", f"/runs/{SECOND}", f"/runs/{SECOND}/files"),
    *("/compare?run=20260310T000000-good&run=20260311T000000-bad", "/nowhere"),
)


@pytest.mark.parametrize("path", PAGES)
def test_pages_fit_a_phone_and_can_be_used_by_all(page, address, path):
    page.set_viewport_size({"width": 390, "height": 844})
    show(page, address, path)
    if path == "/nowhere":
        page.complaints.clear()  # the browser tells of the 404
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input:not([type=hidden]), select, a[href], '
          + 'iframe, [role=region], [role=img], progress')]
        .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.title
          || (e.labels && e.labels.length && e.labels[0].textContent.trim())))
        .map(e => e.outerHTML)"""
    )
    assert unnamed == []
    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    levels = page.evaluate(
        "() => [...document.querySelectorAll('h1,h2,h3')].map(e => +e.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_have_contrast(page, address, scheme):
    page.emulate_media(color_scheme=scheme)
    show(page, address)
    ratios = page.evaluate(
        """() => {
        const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => {
          v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = e => { for (; e; e = e.parentElement) {
          const c = getComputedStyle(e).backgroundColor;
          if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255,255,255)'; };
        return ['h1', '.chip.valid', '.chip.invalid', '.chip.unknown', '.chip.none', '.sign',
          '.mutant', '.soft', '.facts', '.why', '#filters label', '#filters button', 'thead th',
          '.runs a', '.problem', 'footer', '.legend'].map(s => {
          const e = document.querySelector(s);
          const a = light(getComputedStyle(e).color), b = light(ground(e));
          return [s, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; }); }"""
    )
    assert {selector: ratio for selector, ratio in ratios if ratio < 4.5} == {}


def test_the_list_works_without_scripts(browser, address):
    context = browser.browser
    assert context is not None
    with context.new_context(java_script_enabled=False) as plain:
        page = plain.new_page()
        page.goto(f"http://{address}/?system=etcd")
        assert page.locator(".runs tbody tr").count() == 2
