"""``docs/serve.md`` names what there is, and shows every picture of it."""

import re
from pathlib import Path

from duress.harness.cli import serve
from duress.reports.serve import api, run_filter, run_index, run_summary

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "serve.md").read_text()


def test_every_filter_sort_state_and_field_is_documented():
    names = {*run_filter.CHOICES, *run_filter.TEXTS, *run_filter.SORTS, *run_summary.STATES}
    fields = {*run_summary.RunSummary.__dataclass_fields__}
    missing = [name for name in names | fields if f"`{name}`" not in TEXT]
    assert missing == []
    assert [a for a in api.ADDRESSES if f"/api/{a}" not in TEXT] == []


def test_what_it_says_of_files_and_ports_is_so():
    assert f"`{run_index.FILE}`" in TEXT
    assert f"127.0.0.1:{serve.PORT}/" in TEXT
    assert f"{run_summary.SILENCE_S:.0f} seconds" in TEXT


def test_pictures_are_small_and_described():
    shown = dict(re.findall(r"!\[([^\]]+)\]\(pages/([\w-]+\.png)\)", TEXT))
    assert set(shown.values()) == {path.name for path in (DOCS / "pages").iterdir()}
    for description, name in shown.items():
        assert len(description) > 60
        picture = (DOCS / "pages" / name).read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) <= 150_000
