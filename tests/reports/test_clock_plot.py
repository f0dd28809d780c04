"""The plot of clocks, and clock faults in words."""

import pytest

from duress.reports import clock_plot, fault_words, html
from duress.reports.statistics import FaultWindow

from . import synthetic

SECOND = 10**9


def window(fault_id, clocks, start, healed, shape="bump", targets=("n1", "n2")):
    return FaultWindow(
        id=fault_id,
        kind="clock",
        targets=list(targets),
        parameters={"shape": shape, "clocks": clocks},
        injecting=start,
        injected=start,
        healed=healed,
    )


def test_a_track_for_each_node_while_its_clock_was_off():
    windows = [
        window(1, [{"node": "n1", "step_s": -0.3}, {"node": "n2", "rate": 1.5}], 0, 2 * SECOND),
        window(2, [{"node": "n2", "strobe_s": 4.0, "period_s": 0.1}], 3 * SECOND, None),
        window(3, [{"node": "n3", "skip_s": 1.0}], 0, SECOND),  # was no target
    ]
    found = clock_plot.tracks(windows, 10 * SECOND)
    names = ("node", "start", "end", "first_s", "last_s", "strobe_s")
    assert [tuple(track[name] for name in names) for track in found] == [
        ("n1", 0, 2 * SECOND, -0.3, -0.3, 0),
        ("n2", 0, 2 * SECOND, 0, 1.0, 0),
        ("n2", 3 * SECOND, 10 * SECOND, 0, 0, 4.0),
    ]


@pytest.mark.parametrize(
    "clocks",
    [
        None,
        "n1",
        7,
        [3, "n1", None],
        [{"step_s": 1}],
        [{"node": 1, "step_s": 1}],
        [{"node": "n1", "step_s": "<b>"}],
        [{"node": "n1", "step_s": 1e300}],
        [{"node": "n1", "color": 1}],
    ],
)
def test_what_is_damaged_is_left_out(clocks):
    assert clock_plot.tracks([window(1, clocks, 0, SECOND)], SECOND) == []


def test_many_tracks_are_cut():
    clocks = [{"node": "n1", "step_s": 1.0}] * (clock_plot.TRACKS_MAX + 5)
    assert len(clock_plot.tracks([window(1, clocks, 0, SECOND)], SECOND)) == clock_plot.TRACKS_MAX


@pytest.mark.parametrize(
    ("shape", "clocks", "said"),
    [
        (
            "bump",
            [{"node": "n1", "step_s": -0.3}, {"node": "n2", "step_s": 1.2}],
            "clock bump: n1 300 ms back, n2 1.20 s ahead",
        ),
        (
            "drift",
            [{"node": "n1", "rate": 1.05}, {"node": "n2", "rate": 0.9999}],
            "clock drift: n1 5 % fast, n2 100 ppm slow",
        ),
        ("skip", [{"node": "n2", "skip_s": 12.0}], "clock skip: n2 skips 12.0 s"),
        (
            "strobe",
            [{"node": "n1", "strobe_s": -0.2, "period_s": 0.01, "step_s": 1.0}],
            "clock strobe: n1 1.00 s ahead and flips 200 ms back",
        ),
        ("bump", [{"node": "n9", "step_s": 1.0}], "clock bump: n1 n2"),
    ],
)
def test_clock_faults_in_words(shape, clocks, said):
    parameters = {"shape": shape, "clocks": clocks}
    assert fault_words.fault("clock", ["n1", "n2"], parameters, ["n1", "n2", "n3"]) == said


def test_other_faults_are_said_as_ever():
    assert fault_words.fault("kill", ["n2"], {"choice": "one"}, ["n1", "n2"]) == "kill n2"


def test_an_ambush_is_said_by_its_traps():
    traps = [
        {"deed": "kill-sender", "type": "vote", "lasts_s": 0.1, "fields": {"granted": True}},
        {"deed": "isolate-sender", "type": "append", "lasts_s": 0.2},
        "strange",
    ]
    said = fault_words.fault("ambush", ["n1", "n3"], {"traps": traps}, ["n1", "n2", "n3"])
    assert said == "ambush n1 n3 (kill-sender of vote, isolate-sender of append)"
    assert "traps" in fault_words.fault("ambush", ["n1"], {"traps": 7}, ["n1"])


def run_with_clocks():
    """A synthetic run, some of whose faults are made faults of clocks."""
    run = synthetic.generate(seed=4, keys=5)
    wrong = [
        [{"node": "n1", "step_s": -2.5}, {"node": "n3", "step_s": 0.04}],
        [{"node": "n2", "rate": 1.4}, {"node": "n4", "rate": 0.8}],
        [{"node": "n5", "strobe_s": 0.3, "period_s": 0.05}],
    ]
    ids = sorted({line["fault"]["id"] for line in run.faults})
    for line in run.faults:
        fault = line["fault"]
        clocks = wrong[ids.index(fault["id"]) % len(wrong)]
        fault["kind"] = "clock"
        fault["targets"] = [each["node"] for each in clocks]
        fault["parameters"] = {"shape": "bump", "clocks": clocks}
    return run


def test_only_a_report_with_clock_faults_has_the_plot(tmp_path):
    without = html.render(synthetic.write_folder(tmp_path / "a", synthetic.generate(seed=4)))
    assert 'id="clocks"' not in without.read_text()
    text = html.render(synthetic.write_folder(tmp_path / "b", run_with_clocks())).read_text()
    assert 'id="clocks"' in text
    assert "n1 2.50 s back, n3 40.0 ms ahead" in text


@pytest.mark.browser
def test_the_plot_is_drawn_and_zooms(page, tmp_path):
    path = html.render(synthetic.write_folder(tmp_path / "run", run_with_clocks()))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]")

    def picture():
        return page.evaluate("document.getElementById('clocks').toDataURL()")

    painted = page.evaluate(
        """() => { const c = document.getElementById('clocks');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""
    )
    assert painted > 3000
    whole = picture()
    page.locator("#charts").focus()
    page.keyboard.press("+")
    page.wait_for_function(
        "was => document.getElementById('clocks').toDataURL() !== was", arg=whole
    )
