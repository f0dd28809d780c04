"""The drawings of anomalies in headless Chromium: cycles, tables, space-time diagrams."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from duress.reports import html

from . import traced
from .test_browser import show

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def cycles(tmp_path_factory):
    made = traced.Transactions()
    made.write_skew("p", "q", "s")
    made.read_skew("x", "y")
    made.run(3, [["append", "z", 9]], "fail")
    made.run(2, [["r", "z", [9]], ["r", "p", [1]]])
    made.read_skew(traced.HOSTILE, f'"{traced.HOSTILE}', traced.HOSTILE)
    folder = tmp_path_factory.mktemp("cycles") / "run"
    return html.render(traced.write_transactions(folder, made.operations))


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("messages") / "run"
    # Playwright's event loop runs in this thread.
    with ThreadPoolExecutor(1) as other_thread:
        return html.render(other_thread.submit(traced.simulate, folder).result())


def open_all(page):
    page.evaluate("() => document.querySelectorAll('details.anomaly').forEach(d => d.open = true)")


def test_a_cycle_is_drawn_with_its_reasons(page, cycles):
    show(page, cycles)
    open_all(page)
    figure = page.locator("figure.cycle").filter(has_text="append q 1")
    assert figure.locator(".box").count() == 3
    assert figure.locator(".link .head").count() == 3
    assert figure.locator(".reasons li").count() == 3
    figure.locator(".reasons li").first.hover()
    assert figure.locator(".link.lit").count() == 1
    assert (
        figure.locator(".link.lit title").text_content()
        in figure.locator(".reasons li.lit").inner_text()
    )
    figure.locator(".link text").nth(1).hover()
    assert figure.locator(".reasons li.lit").count() == 1
    figure.locator(".box").first.focus()
    page.keyboard.press("Enter")
    assert "append" in page.locator("#rows .selected").inner_text()


def test_what_an_anomaly_is_about_is_marked(page, cycles):
    show(page, cycles)
    open_all(page)
    table = page.locator("table.operations").first
    assert table.locator("mark").all_inner_texts() == ["append z 9", "r z → [9]"]
    assert table.locator(".outcome.fail").count() == 1


def test_hostile_values_are_only_text(page, cycles):
    show(page, cycles)
    open_all(page)
    assert page.locator("img").count() == 0
    assert page.locator("figure.cycle").filter(has_text="<img src=x").count() >= 1


def test_the_diagram_shows_the_messages_of_the_story(page, messages):
    show(page, messages)
    figure = page.locator("figure.spacetime").first
    drawn = figure.locator("canvas").evaluate(
        """c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""
    )
    assert drawn > 3000
    assert "messages" in figure.locator("output").inner_text()
    figure.locator(".canvas").focus()
    page.keyboard.press("ArrowDown")
    first = figure.locator(".said").inner_text()
    assert "→" in first and "sent at" in first
    page.keyboard.press("ArrowDown")
    assert figure.locator(".said").inner_text() != first
    page.keyboard.press("Escape")
    assert figure.locator(".said").inner_text() == ""


def test_the_diagram_moves_zooms_and_filters(page, messages):
    show(page, messages)
    figure = page.locator("figure.spacetime").first
    output = figure.locator("output")

    def changes(act):
        before = output.inner_text()
        act()
        page.wait_for_function(
            "([o, before]) => o.textContent !== before", arg=[output.element_handle(), before]
        )
        return output.inner_text()

    start = output.inner_text()
    changes(lambda: figure.get_by_role("button", name="Zoom in").click())
    figure.locator(".canvas").focus()
    changes(lambda: page.keyboard.press("ArrowLeft"))
    assert changes(lambda: page.keyboard.press("0")) == start
    box = figure.locator("canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + 20

    def drag():
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 120, y, steps=4)
        page.mouse.up()

    changes(lambda: figure.get_by_role("button", name="Zoom in").click())
    changes(drag)
    changes(lambda: figure.get_by_role("button", name="The calls").click())
    kinds = figure.locator(".types label")
    assert kinds.filter(has_text="append_entries").count() == 1
    changes(lambda: kinds.filter(has_text="append_entries").locator("input").uncheck())
    figure.locator("summary", has_text="as a list").click()
    page.wait_for_function(
        "f => f.querySelectorAll('ol li').length > 0", arg=figure.element_handle()
    )
    listed = figure.locator("details ol li").all_inner_texts()
    assert listed and not any(text.startswith("append_entries") for text in listed)


def test_pointing_at_a_message_tells_it_and_a_click_keeps_it(page, messages):
    show(page, messages)
    figure = page.locator("figure.spacetime").first
    canvas = figure.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    tooltip = figure.locator(".tooltip")
    for step in range(60):
        x, y = box["x"] + 190 + step * 14, box["y"] + box["height"] - 92
        page.mouse.move(x, y)
        if tooltip.is_visible() and "sent at" in tooltip.inner_text():
            break
    assert "sent at" in tooltip.inner_text()
    page.mouse.down()
    page.mouse.up()
    assert figure.locator(".said").inner_text().splitlines()[0] in tooltip.inner_text()


def test_the_longest_order_ends_at_the_call_that_cannot_be(page, messages):
    show(page, messages)
    figure = page.locator("figure.evidence").first
    assert figure.locator(".dead-mark").count() == 1
    width = figure.locator("svg").bounding_box()["width"]
    figure.get_by_role("button", name="Zoom in").click()
    assert figure.locator("svg").bounding_box()["width"] > width
    figure.locator("g.call.evidence").first.focus()
    told = figure.locator(".said").inner_text()
    assert "of the longest order: the object holds" in told
    figure.locator("g.call.stuck").focus()
    assert "No order can take this in" in figure.locator(".said").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_drawings_have_contrast_in_both_schemes(page, cycles, scheme):
    page.emulate_media(color_scheme=scheme)
    show(page, cycles)
    open_all(page)
    ratios = page.evaluate(
        """() => {
        const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => {
          v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
          return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const paper = getComputedStyle(document.body).backgroundColor;
        const panel = getComputedStyle(document.querySelector('.cycle .box rect')).fill;
        const css = (s, p) => getComputedStyle(document.querySelector(s))[p];
        return [['.cycle .box .name', 'fill', panel], ['.cycle .box .hit', 'fill', panel],
          ['.cycle .box .quiet', 'fill', panel], ['.cycle .link text', 'fill', paper],
          ['.cycle .link.rw .line', 'stroke', paper], ['.cycle .link.wr .line', 'stroke', paper],
          ['.operations mark', 'color', paper], ['.outcome.fail', 'color', paper]]
          .filter(([s]) => document.querySelector(s))
          .map(([s, p, ground]) => { const a = light(css(s, p)), b = light(ground);
            return [s, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]; }); }"""
    )
    assert len(ratios) >= 7
    lines = [selector for selector, ratio in ratios if ratio < (3 if ".line" in selector else 4.5)]
    assert lines == []


@pytest.mark.parametrize("which", ["cycles", "messages"])
def test_a_phone_needs_no_sideways_scrolling(page, request, which):
    page.set_viewport_size({"width": 390, "height": 844})
    show(page, request.getfixturevalue(which))
    open_all(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("which", ["cycles", "messages"])
def test_every_control_has_a_name(page, request, which):
    show(page, request.getfixturevalue(which))
    open_all(page)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('button, input, [role]')]
        .filter(e => ['BUTTON', 'INPUT'].includes(e.tagName)
          || ['group', 'img', 'button'].includes(e.getAttribute('role')))
        .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label')
          || (e.labels && e.labels.length && e.labels[0].textContent.trim())))
        .map(e => e.outerHTML)"""
    )
    assert unnamed == []
    assert page.evaluate(
        "() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id);"
        " return ids.length === new Set(ids).size; }"
    )
