"""The layer as programs see it, mounted in namespaces that need no root."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from duress.harness.cluster import layer_process

from ..ability import needs

pytestmark = [
    pytest.mark.local,
    needs(layer_process.reason_unavailable()),
    needs(None if shutil.which("unshare") else "no unshare here"),
]


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    program = Path(__file__).with_name("program.py")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, program, data],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (data / ".duress-disk" / "bin" / "1").exists()
    return json.loads(done.stdout)


def test_a_power_cut_leaves_what_was_synced(seen):
    assert seen["after"] == {".duress-probe": "", "a": "synced", "dsync": "by a flag"}
    assert seen["lost"]["bytes_lost"] == len(" lost") + len("never synced")
    assert seen["lost"]["names_lost"] == 1
    assert seen["appended"] == "synced!"


def test_mapped_pages_are_durable_once_they_were_synced(seen):
    assert seen["mapped"] == ["kept", "00000000", 8192]


def test_a_full_disk_takes_a_part(seen):
    said, size = seen["full"]
    assert "No space left on device" in said
    assert size == 5000
    assert seen["met"]["short"] == 1
    assert seen["healed"] == "ok"


def test_errors_and_delays_are_met(seen):
    assert "Input/output error" in seen["errors"]
    assert seen["slow_s"] >= 0.2
    assert seen["flipped"] == 1


def test_who_waits_for_a_stalled_disk_can_be_killed_and_other_signals_do_not_interrupt(seen):
    assert seen["stalled"]
    assert seen["readable"]
    assert seen["killed_after_s"] < 10
    assert seen["still_waits"]
    assert seen["went_on"] == 0


def test_ordinary_programs_find_an_ordinary_file_system(seen):
    for what in ("copy", "diff", "moved", "linked", "removed"):
        assert seen[what] == "ok"
    assert seen["nlink"] == 2
    assert seen["soft"] == seen["appended"]
    assert seen["unlinked"] == "still there"
    assert not {"tree", "moved"} & set(seen["names"])
    assert {"a", "hard", "soft", "mapped"} <= set(seen["names"])


def test_nobody_hangs_when_the_layer_is_killed(seen):
    assert seen["layer_killed"] in (
        "Software caused connection abort",
        "Transport endpoint is not connected",
    )
