"""The page in headless Chromium: no errors, nothing blocked, everything works."""

import json
import shutil

import pytest

from duress.reports import html

from . import synthetic
from .test_html import hostile_folder

pytestmark = pytest.mark.browser

LARGE = {"seed": 5, "calls": 50_000, "seconds": 120.0, "processes": 30}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    wanted = {
        "invalid": synthetic.generate(seed=3, stale=True),
        "valid": synthetic.generate(seed=4, keys=15),
        "large": synthetic.generate(**LARGE),
    }
    return {
        name: html.render(synthetic.write_folder(folder / name, run))
        for name, run in wanted.items()
    }


def show(page, path):
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]")


def shown_rows(page):
    return page.locator("#rows [role=row]:visible")


def test_a_violation_is_told_and_drawn(page, runs):
    show(page, runs["invalid"])
    assert page.locator("h1").inner_text() == "raft (mutant stale-read) broke linearizability."
    for section in ("story", "time", "faults", "history", "logs", "trial"):
        assert page.locator(f"section#{section} h2").is_visible()
    assert page.locator(".steps > li").count() >= 4
    assert page.locator(".evidence g.call.stuck").count() == 1
    assert page.locator(".evidence g.call.evidence").count() == 1
    page.locator(".evidence g.call.stuck").click()
    page.get_by_role("button", name="Show in the history").click()
    assert "read" in page.locator("#rows .selected").inner_text()
    assert "from invocation to completion" in page.locator("#row-detail").inner_text()


def test_a_valid_run_has_no_story(page, runs):
    show(page, runs["valid"])
    assert page.locator("h1").inner_text() == "raft kept its promises in this trial."
    assert page.locator("section#story").count() == 0


def painted(page, name):
    """How many pixels of a chart were drawn."""
    return page.evaluate(
        """name => { const c = document.getElementById(name);
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }""",
        name,
    )


def test_charts_are_drawn_and_zoom(page, runs):
    show(page, runs["invalid"])
    for name in ("lanes", "rates", "latency"):
        assert painted(page, name) > 1000
    whole = page.locator("#chart-range").inner_text()
    page.locator("#charts").focus()
    page.keyboard.press("+")
    page.wait_for_function(
        "w => document.getElementById('chart-range').textContent !== w", arg=whole
    )
    page.keyboard.press("0")
    page.wait_for_function(
        "w => document.getElementById('chart-range').textContent === w", arg=whole
    )
    page.locator("[data-fault='1']").click()
    page.wait_for_function(
        "w => document.getElementById('chart-range').textContent !== w", arg=whole
    )
    box = page.locator("#latency").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    tooltip = page.locator("#tooltip")
    assert "/s" in tooltip.inner_text()
    assert "kill n2" in tooltip.inner_text()
    page.locator("#filter-window").check()
    page.wait_for_function(
        "() => document.getElementById('table-count').textContent.includes(' of ')"
    )


def test_the_table_filters(page, runs):
    show(page, runs["invalid"])
    count = page.locator("#table-count")
    page.select_option("#filter-type", "2")
    page.wait_for_function(
        "() => document.getElementById('table-count').textContent.includes(' of ')"
    )
    assert set(page.locator("#rows [role=row]:visible .type").all_inner_texts()) == {"fail"}
    page.fill("#filter-text", "PRECONDITION")
    page.wait_for_function(
        "before => document.getElementById('table-count').textContent !== before",
        arg=count.inner_text(),
    )
    assert all("precondition-failed" in text for text in shown_rows(page).all_inner_texts())
    page.get_by_role("button", name="Clear").click()
    page.wait_for_function(
        "() => !document.getElementById('table-count').textContent.includes(' of ')"
    )
    page.fill("#filter-process", "nemesis")
    page.wait_for_function(
        "() => document.getElementById('table-count').textContent.startsWith('10 of')"
    )
    assert shown_rows(page).count() == 10
    page.fill("#filter-text", "no such text anywhere")
    page.wait_for_function(
        "() => document.getElementById('table-count').textContent.startsWith('0 of')"
    )
    assert shown_rows(page).count() == 0


def test_a_key_is_matched_as_a_whole(page, runs):
    show(page, runs["valid"])
    page.fill("#filter-key", "1")
    page.wait_for_function(
        "() => document.getElementById('table-count').textContent.includes(' of ')"
    )
    assert set(page.locator("#rows [role=row]:visible span:nth-child(6)").all_inner_texts()) == {
        "1"
    }


def without_policy(path, name, old, new):
    """A copy of a page with a line of a script changed, which its policy would refuse."""
    text = path.read_text()
    assert old in text
    text = text.replace(old, new)
    start = text.index('<meta http-equiv="Content-Security-Policy"')
    copy = path.with_name(name)
    copy.write_text(text[:start] + text[text.index(">", start) + 1 :])
    return copy


def test_text_is_found_wherever_it_stands_in_many_slices(page, runs):
    """As with a million wide values: they are searched between frames."""
    show(
        page,
        without_policy(runs["large"], "sliced.html", "const SLICE = 4e6;", "const SLICE = 999;"),
    )
    operations = synthetic.generate(**LARGE).operations
    wanted = [
        each.index
        for each in operations
        if "991" in json.dumps(each.value, separators=(",", ":")) or "991" in json.dumps(each.error)
    ]
    page.fill("#filter-text", "991")
    said = f"{len(wanted):,} of {len(operations):,} operations"
    page.wait_for_function(
        "said => document.getElementById('table-count').textContent === said", arg=said
    )
    assert page.locator("#rows [role=row]:visible span:first-child").first.inner_text() == str(
        wanted[0]
    )


def test_only_the_time_in_sight_with_and_without_another_filter(page, runs):
    show(page, runs["large"])
    page.locator("#charts").focus()
    page.keyboard.press("+")
    page.locator("#filter-window").check()
    page.wait_for_function(
        "() => document.getElementById('table-count').textContent.includes(' of ')"
    )
    low, high = (
        float(part.removesuffix(" s"))
        for part in page.locator("#chart-range").inner_text().split(" – ")
    )
    operations = synthetic.generate(**LARGE).operations
    seen = [each for each in operations if low <= each.time / 1e9 <= high]
    first = page.locator("#rows [role=row]:visible span:first-child").first
    assert abs(int(first.inner_text()) - seen[0].index) <= 3  # the range is shown in milliseconds
    page.select_option("#filter-type", "3")
    page.wait_for_function(
        "() => document.querySelector('#rows [role=row] .type').textContent === 'info'"
    )
    unknown = next(each.index for each in seen if each.type == "info")
    assert int(first.inner_text()) == unknown


def test_the_page_unpacks_what_was_packed(page, runs):
    show(page, runs["large"])
    operations = synthetic.generate(**LARGE).operations
    page.locator("#rows").focus()
    for key in ("Home", "PageDown", "End", "PageUp"):
        page.keyboard.press(key)
        cells = page.locator("#rows .selected span").all_inner_texts()
        wanted = operations[int(cells[0])]
        value = "" if wanted.value is None else json.dumps(wanted.value, separators=(",", ":"))
        assert cells[1] == f"{wanted.time // 1000 / 1e6:.6f} s"
        assert cells[2:5] == [str(wanted.process), wanted.type, wanted.f]
        assert cells[6] == value


def test_the_table_moves_by_keyboard_and_stays_small(page, runs):
    show(page, runs["large"])
    total = int(page.locator("#table").get_attribute("aria-rowcount")) - 1
    assert total > 90_000
    page.locator("#rows").focus()
    page.keyboard.press("End")
    selected = page.locator("#rows .selected")
    assert selected.locator("span").first.inner_text() == str(total - 1)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert selected.locator("span").first.inner_text() == "1"
    assert page.locator("#rows [role=row]").count() < 60


def test_a_table_taller_than_browsers_allow_still_reaches_every_row(page, runs):
    """As with a million rows: the scroll bar is scaled."""
    path = without_policy(
        runs["large"], "scaled.html", "const TALLEST = 8e6;", "const TALLEST = 1e5;"
    )
    show(page, path)
    last = int(page.locator("#table").get_attribute("aria-rowcount")) - 2
    page.locator("#rows").focus()
    for key, wanted in (("End", last), ("ArrowUp", last - 1), ("Home", 0), ("ArrowDown", 1)):
        page.keyboard.press(key)
        selected = page.locator("#rows .selected")
        assert selected.locator("span").first.inner_text() == str(wanted)
        row, frame = selected.bounding_box(), page.locator("#rows").bounding_box()
        assert frame["y"] - 1 <= row["y"]
        assert row["y"] + row["height"] <= frame["y"] + frame["height"] + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_colour_schemes_have_contrast(page, runs, scheme):
    page.emulate_media(color_scheme=scheme)
    show(page, runs["invalid"])
    ratios = page.evaluate(
        """() => {
        const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => {
          v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const ground = e => { for (; e; e = e.parentElement) {
          const c = getComputedStyle(e).backgroundColor;
          if (c !== 'rgba(0, 0, 0, 0)') return c; } return 'rgb(255,255,255)'; };
        return ['h1', '.promise', '.facts dt', '.badge', '.when', '.mark', '.hint', '.chip.valid',
                '.chip.invalid', '.contents a', '#rows .type', '.pairs dt', 'summary'].map(s => {
          const e = document.querySelector(s);
          const a = light(getComputedStyle(e).color), b = light(ground(e));
          return [s, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; }); }"""
    )
    assert {selector: ratio for selector, ratio in ratios if ratio < 4.5} == {}
    dark = page.evaluate("() => getComputedStyle(document.body).backgroundColor") != (
        "rgb(255, 255, 255)"
    )
    assert dark == (scheme == "dark")


def test_a_phone_needs_no_sideways_scrolling(page, runs):
    page.set_viewport_size({"width": 390, "height": 844})
    show(page, runs["invalid"])
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_every_control_has_a_name(page, runs):
    show(page, runs["invalid"])
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, [role=group], [role=img]')]
        .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label')
          || (e.labels && e.labels.length && e.labels[0].textContent.trim())))
        .map(e => e.outerHTML)"""
    )
    assert unnamed == []


def test_hostile_text_does_nothing(page, tmp_path):
    show(page, html.render(hostile_folder(tmp_path / "hostile")))
    assert "<img src=x onerror=alert(2)>" in page.locator("#rows").inner_text()
    assert page.locator("img").count() == 0
    assert page.locator(".evidence svg").count() == 1


@pytest.mark.parametrize("missing", ["trial.json", "history.jsonl", "faults.jsonl", "verdict.json"])
def test_a_damaged_folder_shows_what_is_left(page, runs, tmp_path, missing):
    folder = tmp_path / "run"
    shutil.copytree(runs["invalid"].parent, folder)
    (folder / missing).unlink()
    show(page, html.render(folder))
    assert page.get_by_text(f"{missing}: missing").is_visible()
