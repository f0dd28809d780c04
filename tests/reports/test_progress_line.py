"""One line on a terminal, cut to its width; now and then a plain one elsewhere."""

import io
import re

import pytest

from duress.reports import console
from duress.reports.progress_line import CLEAR, HEARTBEAT_S, ProgressLine


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


def text_of(screen):
    """What is on it, without how it looks."""
    return re.sub(r"\x1b\[[0-9;]*[mK]", "", screen.getvalue())


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_state_is_written_over_and_never_wraps(clock):
    out = Screen()
    with ProgressLine(out, now=clock) as live:
        for number in range(3):
            clock.now += 1
            live.show(f"trial {number} " + "x" * 100)
    shown = out.getvalue()
    assert "\n" not in shown
    assert shown.endswith(CLEAR)
    for part in shown.split(CLEAR)[1:-1]:
        assert part.startswith("\x1b[2mtrial")
        assert len(part.removeprefix("\x1b[2m").removesuffix("\x1b[0m")) == 39


def test_no_more_often_than_eyes_can_follow(clock):
    out = Screen()
    live = ProgressLine(out, now=clock)
    for _ in range(100):
        clock.now += 0.01
        live.show("on")
    assert 5 <= out.getvalue().count(CLEAR) <= 11


def test_what_is_said_stays_above_the_state(clock):
    out = Screen()
    with ProgressLine(out, now=clock) as live:
        live.show("hunting")
        live.say(console.GOOD, " found")
    assert out.getvalue().startswith(f"{CLEAR}\x1b[2mhunting\x1b[0m{CLEAR}")
    assert out.getvalue().endswith(" found\n")


def test_plain_lines_where_no_terminal_is(clock):
    out = io.StringIO()
    with ProgressLine(out, now=clock) as live:
        for number in range(90):
            clock.now += 1
            live.show(f"trial {number}")
        live.say(console.BAD, " missed")
    lines = out.getvalue().splitlines()
    assert len(lines) == 90 // HEARTBEAT_S + 1
    assert lines[-1] == "✗ missed"
    assert "\x1b" not in out.getvalue()
    assert "\r" not in out.getvalue()


@pytest.mark.parametrize("value", ["1", "yes"])
def test_no_colour_is_respected(monkeypatch, clock, value):
    monkeypatch.setenv("NO_COLOR", value)
    out = Screen()
    with ProgressLine(out, now=clock) as live:
        live.show("hunting")
        live.say(console.GOOD, " found")
    assert text_of(out) == "\rhunting\r✓ found\n"
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", out.getvalue())  # bold is no colour


def test_an_empty_no_color_means_nothing(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "")
    assert console.is_coloured(Screen())


def test_a_dumb_terminal_is_none(monkeypatch, clock):
    monkeypatch.setenv("TERM", "dumb")
    out = Screen()
    with ProgressLine(out, now=clock) as live:
        live.show("hunting")
        live.say(console.GOOD, " found")
    assert out.getvalue() == "✓ found\n"


def test_quiet_says_nothing(clock):
    out = Screen()
    with ProgressLine(out, quiet=True, now=clock) as live:
        live.show("hunting")
        live.say("found")
    assert out.getvalue() == ""


def test_a_closed_stream_ends_nothing(clock):
    for out in (Screen(), io.StringIO()):
        with ProgressLine(out, now=clock) as live:
            clock.now += 100
            live.show("hunting")
            out.close()
            clock.now += 100
            live.show("hunting")
            live.say("found")


def test_long_texts_hang_beside_what_stands_before_them(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = Screen()
    console.say(out, ("  1. ", "dim"), "word " * 20)
    lines = text_of(out).splitlines()
    assert lines[0].startswith("  1. word word")
    assert all(line.startswith("     word") for line in lines[1:])
    assert all(len(line) <= 40 for line in lines)


def test_where_there_is_no_room_to_hang_texts_wrap_plainly(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    out = Screen()
    console.say(out, ("  run it again  ", "dim"), "word " * 20)
    assert text_of(out).count("word") == 20
    assert all(len(line) <= 20 for line in text_of(out).splitlines())


def test_a_stream_that_cannot_hold_a_sign_gets_the_rest():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    console.say(out, console.GOOD, " found")
    assert raw.getvalue() == b"? found\n"
