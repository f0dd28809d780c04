"""The page of a campaign follows it in headless Chromium, and asks nobody but our server."""

import pytest

from duress.harness.campaign.engine import only_one
from duress.harness.campaign.results import INVALID, VALID, Result

from ..campaign import made
from . import run_folders
from .test_browser import page as page
from .test_campaigns import NOW, OLD, campaign

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("campaigns")
    campaign(folder / "nightly" / OLD, [(INVALID, 1), (VALID, 0)]).close()
    return folder


@pytest.fixture(scope="module")
def address(store, folder):
    with run_folders.served(store, campaigns=folder) as (host, port):
        yield f"{host}:{port}"


def test_it_follows_a_campaign_to_its_end(page, address, folder):
    path = folder / "nightly" / NOW
    ledger = campaign(path, [(VALID, 0)], why="")
    with only_one(path):
        page.goto(f"http://{address}/campaigns")
        page.locator(f"a[href='/campaigns/nightly/{NOW}']").click()
        assert "no promise was broken in 1 valid trials" in page.locator("h1").inner_text()
        ledger.begin(1, "000001-raft-0")
        ledger.finish(1, Result(INVALID, ["lost"], made.signature(7), run="000001-raft-0"))
        page.get_by_text("promises were broken in 1 way, 1 of them new").wait_for(timeout=20_000)
        assert page.locator("#failures").count() == 1
        ledger.end("enough of it")
    page.get_by_text("It is over.").wait_for(timeout=20_000)
    ledger.close()
    assert page.locator("main[data-running]").count() == 0
    page.locator("#kept").get_by_role("link", name="files").last.click()
    assert page.get_by_text("verdict.json").count() == 1
    page.goto(f"http://{address}/campaigns/nightly/{OLD}")
    page.get_by_role("link", name="The page it left").click()
    page.get_by_role("link", name="the first").click()
    assert page.url.endswith("/runs/000000-raft-0/report.html")


def test_it_is_no_wider_than_a_small_screen(page, address):
    page.set_viewport_size({"width": 375, "height": 700})
    for path in ("/campaigns", f"/campaigns/nightly/{OLD}"):
        page.goto(f"http://{address}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
