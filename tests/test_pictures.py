"""The pictures in ``docs/``: all there, small, shown with what they show and how to repeat it."""

import re

import pytest

from .scripts import ROOT, script

PAGES = {path.name: path.read_text() for path in (ROOT / "docs").rglob("*.md")}

photograph, pictures = script("photograph"), script("pictures")


@pytest.mark.parametrize("picture", pictures.PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_shown_with_a_description_and_how_to_repeat_it(picture):
    png = (pictures.FOLDER / f"{picture.name}.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) <= pictures.LARGEST_BYTES
    shown = [
        (page, found)
        for page, text in PAGES.items()
        for found in re.finditer(rf"!\[([^\]]+)\]\((?:\.\./)?pictures/{picture.name}\.png\)", text)
    ]
    assert shown, f"no page of docs/ shows {picture.name}.png"
    for page, found in shown:
        assert len(found[1]) > 60, "a description for who cannot see it"
        after = PAGES[page][found.end() : found.end() + 900]
        assert "\n".join(picture.commands()) in after


@pytest.mark.parametrize("name", pictures.pictures())
def test_each_planted_bug_of_raft_and_two_phase_commit_has_a_picture(name):
    """Those that no page tells the story of are in the gallery of the page on reports."""
    assert len((pictures.FOLDER / f"{name}.png").read_bytes()) <= pictures.LARGEST_BYTES
    is_in_gallery = f"(pictures/{name}.png)" in PAGES["reports.md"]
    assert is_in_gallery or name in {picture.name for picture in pictures.PICTURES}


def test_there_are_no_other_pictures():
    known = {f"{name}.png" for name in pictures.pictures()}
    assert {path.name for path in pictures.FOLDER.glob("*.png")} == known


def test_a_png_is_what_it_was_made_of():
    # Two rows of three pixels, in two colours.
    png = photograph.palette_png(3, [0xFFFFFF, 0x102030], bytes([0, 1, 0, 1, 1, 0]))
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(png[16:20], "big") == 3
    assert int.from_bytes(png[20:24], "big") == 2
    assert png[24:26] == bytes([8, 3]), "8 bits a pixel, of a palette"
    assert b"PLTE\xff\xff\xff\x10\x20\x30" in png
