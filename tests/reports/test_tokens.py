"""The palette: contrast, and how far apart colours are for readers who do not see all of them.

Simulation of protanopia, deuteranopia and tritanopia after Machado, Oliveira and Fernandes, "A
Physiologically-based Model for Simulation of Color Vision Deficiency", 2009 (severity 1); distances
are CIE 1976 ΔE in L*a*b*. Two colours of ΔE 2 can be told apart side by side; these stand apart.
"""

import itertools
import re

import numpy as np
import pytest

from duress.reports.html import ASSETS

VISION = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]
SEEN_TOGETHER = [("ok", "fail"), ("ok", "info"), ("fail", "info"), ("ok", "bad"), ("good", "bad")]
"""Colours of marks that stand in one drawing and mean different things."""


def palettes():
    text = (ASSETS / "tokens.css").read_text()
    light, _, dark = text.partition("@media (prefers-color-scheme: dark)")

    def colours(css):
        return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", css))

    return {"light": colours(light), "dark": colours(light) | colours(dark)}


def linear(colour):
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(a, b):
    low, high = sorted(float(np.array(XYZ[1]) @ linear(colour)) for colour in (a, b))
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    scaled = np.array(XYZ) @ rgb / np.array([0.95047, 1, 1.08883])
    f = np.where(scaled > 216 / 24389, np.cbrt(scaled), (24389 / 27 * scaled + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(a, b, vision):
    seen = [np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1) for colour in (a, b)]
    return float(np.linalg.norm(lab(seen[0]) - lab(seen[1])))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_both_grounds(scheme):
    palette = palettes()[scheme]
    for name in ("ink", "soft", "accent", "ok", "info", "good", "bad", "doubt"):
        for ground in ("paper", "panel"):
            ratio = contrast(palette[name], palette[ground])
            assert ratio >= 4.5, f"{name} on {ground}: {ratio:.2f}"
    assert contrast(palette["fail"], palette["paper"]) >= 3, "marks, not text"


@pytest.mark.parametrize("vision", ["normal", "protanopia", "deuteranopia"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_outcomes_are_told_apart(scheme, vision):
    palette = palettes()[scheme]
    near = {
        pair: round(distance(palette[pair[0]], palette[pair[1]], vision))
        for pair in SEEN_TOGETHER
        if distance(palette[pair[0]], palette[pair[1]], vision) < 24
    }
    assert near == {}


@pytest.mark.parametrize("vision", VISION)
def test_kinds_of_faults_are_told_apart_and_carry_black_text(vision):
    palette = palettes()["light"]
    kinds = [palette[f"kind{number}"] for number in range(6)]
    assert all(contrast(kind, "#111111") >= 4.5 for kind in kinds)
    assert min(distance(a, b, vision) for a, b in itertools.combinations(kinds, 2)) >= 18


def test_no_other_style_sheet_or_script_names_a_colour():
    for path in ASSETS.glob("*"):
        if path.suffix not in (".css", ".js") or path.name == "tokens.css":
            continue
        named = re.findall(r"#[0-9a-fA-F]{3}\b(?!\w)|#[0-9a-fA-F]{6}\b", path.read_text())
        # Text on the bars of faults, which are bright in both schemes.
        assert set(named) <= ({"#111"} if path.name == "charts.js" else set()), path.name
