"""A report of each kind in headless Chromium: found its way through, and read by a machine that
looks for what hinders people (axe-core)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from axe_playwright_python.sync_playwright import Axe

from duress.reports import html

from .kinds import KINDS
from .test_browser import show

pytestmark = pytest.mark.browser

FAILURES = (
    *("linearizability", "commit", "lock", "delivery", "convergence"),
    *("set", "queue", "cycle", "hostile"),
)


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    root = tmp_path_factory.mktemp("kinds")
    with ThreadPoolExecutor(1) as other_thread:  # Playwright's event loop runs in this one
        make = {kind: other_thread.submit(build, root / kind) for kind, build in KINDS.items()}
        return {kind: html.render(made.result()) for kind, made in make.items()}


def open_all(page):
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_serious_hinders_a_reader(page, reports, kind):
    axe = Axe()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        show(page, reports[kind])
        open_all(page)
        found = axe.run(page).response["violations"]
        serious = [
            (each["id"], node["target"], node.get("failureSummary", ""))
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]
        assert serious == [], scheme


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_shows_it_without_sideways_scrolling(page, reports, kind):
    page.set_viewport_size({"width": 390, "height": 844})
    show(page, reports[kind])
    open_all(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_is_told_from_promise_to_what_should_have_been(page, reports, kind):
    show(page, reports[kind])
    assert page.locator(".badge").inner_text() == "INVALID"
    assert "broke" in page.locator("h1").inner_text()
    assert page.locator(".promise").inner_text().startswith("The promise: ")
    assert page.locator(".verdict .detail").inner_text().startswith("In this trial: ")
    steps = page.locator(".anomaly .steps").first
    assert steps.locator("li.call, li.stuck, li.messages").count() >= 2
    assert steps.locator("li.end").count() == 1


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("valid", "kept its promises"),
        ("unknown", "Nobody can say"),
        ("interrupted", "There is no verdict"),
    ],
)
def test_what_is_no_failure_tells_no_story(page, reports, kind, said):
    show(page, reports[kind])
    assert said in page.locator("h1").inner_text()
    assert page.locator("section#story").count() == 0
    assert page.locator(".verdict .detail").inner_text()


def test_the_split_of_a_commit_is_drawn_by_node(page, reports):
    show(page, reports["commit"])
    figure = page.locator("figure.tracks").first
    assert figure.locator(".names text").first.text_content() == "n1"
    for kind in ("doubt", "committed", "aborted", "down"):
        assert figure.locator(f".stretch.{kind}").count() >= 1, kind
    figure.locator(".moment.told").first.focus()
    figure.get_by_role("button", name="Show in the history").click()
    assert '"txn":' in page.locator("#rows .selected").inner_text()


def test_holders_of_a_lock_that_overlap_are_drawn(page, reports):
    show(page, reports["lock"])
    page.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
    figure = page.locator("figure.tracks").first
    assert figure.locator(".stretch.held").count() == 2
    assert figure.locator("svg .band").count() == 1
    assert "0 and 1 at once" in figure.locator(".band-name").text_content()
    puts = figure.locator(".moment.put text").all_text_contents()
    assert puts == ["put 5", "put 4"]
    assert figure.locator(".stretch.held").first.get_attribute("aria-label").startswith("holds 4")


def test_messages_are_drawn_from_where_they_were_sent_to_where_they_came(page, reports):
    show(page, reports["delivery"])
    open_all(page)
    lost = page.locator("details", has=page.locator("summary", has_text="lost")).last
    figure = lost.locator("figure.tracks")
    assert figure.locator("path.link.missing").count() == 1
    figure.locator(".moment.missing").focus()
    assert "it is not in it" in figure.locator(".said").inner_text()
    figure.get_by_role("button", name="Show in the history").click()
    assert "all-delivered" in page.locator("#rows .selected").inner_text()
    twice = page.locator("figure.tracks").first
    assert twice.locator(".moment.sent").count() >= 1
    assert twice.locator(".moment.delivered.evidence").count() >= 1
    assert twice.locator("path.link.evidence").count() >= 1
    assert page.locator("img").count() == 0


def test_replicas_that_differ_look_different(page, reports):
    show(page, reports["convergence"])
    figure = page.locator("figure.tracks").first
    assert figure.locator(".stretch.state-0").count() == 2
    odd = figure.locator(".stretch.state-1")
    assert odd.get_attribute("aria-label").startswith("1. ")
    odd.focus()
    assert "n2 was asked in the end: holds 1" in figure.locator(".said").inner_text()
    fills = [
        figure.locator(f".{kind} rect").first.evaluate("e => getComputedStyle(e).fill")
        for kind in ("state-0", "state-1")
    ]
    assert fills[0] != fills[1]
    assert figure.locator(".moment.asked").count() == 2
    assert page.locator("img").count() == 0


def test_the_logs_move_with_the_charts(page, reports):
    show(page, reports["linearizability"])
    count = page.locator("#log-count")
    page.wait_for_function("() => document.getElementById('log-count').textContent")
    assert page.locator("#log-lines li").count() == page.locator("#log-lines li.near").count() > 0
    near = count.inner_text()
    page.locator("#log-near").uncheck()
    assert count.inner_text() != near
    whole = page.locator("#log-lines li").count()
    page.locator("#charts").focus()
    for _ in range(3):
        page.keyboard.press("+")
    page.wait_for_function("n => document.querySelectorAll('#log-lines li').length < n", arg=whole)
    page.keyboard.press("0")
    page.wait_for_function(
        "n => document.querySelectorAll('#log-lines li').length === n", arg=whole
    )
    page.fill("#log-text", "leader in term")
    lines = page.locator("#log-lines li .text").all_inner_texts()
    assert lines and all("leader in term" in line for line in lines)
    page.select_option("#log-node", "n1")
    assert set(page.locator("#log-lines li .at").all_inner_texts()) <= {"n1"}
    page.fill("#log-text", "")
    page.locator("#log-lines li").first.scroll_into_view_if_needed()
    page.fill("#log-text", "follower of")
    page.locator("#log-lines li").last.hover()
    assert page.locator("#cursor").evaluate("e => !e.hidden")
    before = page.locator("#chart-range").inner_text()
    page.locator("#log-lines li").last.click()
    page.wait_for_function(
        "b => document.getElementById('chart-range').textContent !== b", arg=before
    )


def test_doubts_of_the_whole_trial_are_a_chart(page, reports):
    show(page, reports["commit"])
    drawn = """c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""
    assert page.locator("#doubts").evaluate(drawn) > 1000
    show(page, reports["set"])
    assert page.locator("#doubts").count() == 0


def test_time_can_be_stretched_or_even(page, reports):
    show(page, reports["commit"])
    figure = page.locator("figure.spacetime").first
    output = figure.locator("output")
    assert "messages" in output.inner_text()
    pixels = "c => c.toDataURL()"
    stretched = figure.locator("canvas").evaluate(pixels)
    figure.locator("[data-stretch]").uncheck()
    page.wait_for_function(
        "([c, before]) => c.toDataURL() !== before",
        arg=[figure.locator("canvas").element_handle(), stretched],
    )


def test_the_keyboard_reaches_everything_in_order(page, reports):
    show(page, reports["commit"])
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
    seen = []
    for _ in range(400):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "() => { const e = document.activeElement;"
                " return e.id || e.dataset.move || e.dataset.zoom || e.tagName; }"
            )
        )
        if seen[-1] == "rows":
            break
    assert "charts" in seen and "rows" in seen
    assert {"in", "out", "focus", "all"} <= set(seen)
    tops = page.evaluate(
        "() => [...document.querySelectorAll('main button, main input, main select')]"
        ".filter(e => e.getClientRects().length).map(e => e.tabIndex)"
    )
    assert set(tops) == {0}


def test_hostile_text_is_only_text(page, reports):
    show(page, reports["hostile"])
    open_all(page)
    assert page.locator("img").count() == 0
    assert page.locator("figure.tracks").count() >= 1
    assert "<img src=x onerror=alert(3)>" in page.locator("#log-lines").inner_text()
    assert "<img src=x onerror=alert(3)>" in page.locator(".anomaly .steps").first.inner_text()
    assert page.get_by_role("link", name="img").count() == 0


def test_a_printed_report_has_its_story_and_no_controls(page, reports):
    page.emulate_media(media="print")
    show(page, reports["commit"])
    assert page.locator(".anomaly .steps").first.is_visible()
    assert page.locator("figure.tracks svg").first.is_visible()
    for control in (".contents", ".tools", "#history", "form"):
        assert not page.locator(control).first.is_visible()
