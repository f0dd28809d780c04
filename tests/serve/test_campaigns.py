"""Campaigns in the browser: what their ledgers say now, and nothing else of their folders."""

import json
import shutil
import subprocess
import sys
import textwrap
from datetime import date
from pathlib import Path
from urllib.request import urlopen

import pytest

from duress.harness.campaign import plan as plans
from duress.harness.campaign.baseline import Accepted, Baseline
from duress.harness.campaign.engine import only_one
from duress.harness.campaign.gate_end import Wanted, conclude
from duress.harness.campaign.ledger import FILE, Ledger
from duress.harness.campaign.reading import looking_at
from duress.harness.campaign.results import INVALID, UNKNOWN, VALID, Result
from duress.harness.campaign.summary import summary_of
from duress.harness.errors import UserError
from duress.reports.campaign import closing
from duress.reports.serve.campaign_folders import Campaigns
from duress.reports.serve.run_index import RunIndex

from ..campaign import made
from . import run_folders

OLD, LATE, NOW = "20260301T220000", "20260302T220000", "20260303T220000"
HOSTILE = "<img src=x onerror=alert(1)>"
ROOT = Path(__file__).parents[2]


def campaign(folder, outcomes, why="all trials are done"):
    """A campaign in which trials ended so, each with the number of its failure or a reason."""
    folder.mkdir(parents=True)
    ledger = Ledger.create(folder / FILE, made.plan(), "d", plans.trials(made.plan(), made.make))
    session = ledger.begin_session()
    for number, (outcome, more) in enumerate(outcomes):
        run = f"{number:06d}-raft-0"
        ledger.begin(number, run)
        sign = made.signature(more) if outcome == INVALID else None
        anomalies = [HOSTILE] if outcome == INVALID else []
        error = more if outcome == UNKNOWN else ""
        ledger.finish(number, Result(outcome, anomalies, sign, run=run, error=error))
        verdict = run_folders.verdict(outcome == VALID, anomalies)
        run_folders.write(folder / "runs", run, run_folders.spec(seed=number), verdict)
    ledger.still(session, 60.0, why or None)
    if why:
        ledger.end(why)
        closing.write(ledger, summary_of(ledger))
    return ledger


@pytest.fixture(scope="module")
def campaigns(tmp_path_factory):
    """One that is over, one that was interrupted, one that runs; and ways out of the folder."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("SECRET")
    folder = outside / "campaigns"
    campaign(folder / "nightly" / OLD, [(INVALID, 1), (VALID, 0)]).close()
    campaign(folder / "nightly" / LATE, [(VALID, 0)], why="").close()
    running = campaign(
        folder / "nightly" / NOW,
        [(INVALID, 1), (INVALID, 2), (VALID, 0), (UNKNOWN, f"no time {HOSTILE}")],
        why="",
    )
    running.begin(4, "000004-raft-0")
    broken = folder / "nightly" / "broken"
    broken.mkdir()
    (broken / FILE).write_text("SECRET, and no ledger")
    (folder / "nightly" / OLD / "notes.txt").write_text("SECRET")
    (folder / "nightly" / LATE / "campaign.html").symlink_to(outside / "secret.txt")
    (folder / "nightly" / LATE / "runs" / "up").symlink_to(outside)
    (folder / "away").symlink_to(folder / "nightly")
    (folder / "nightly" / "linked").symlink_to(folder / "nightly" / OLD)
    (folder / "lone").mkdir()
    linked = folder / "lone" / OLD
    linked.mkdir()
    (linked / FILE).symlink_to(folder / "nightly" / OLD / FILE)
    with only_one(folder / "nightly" / NOW):
        yield folder
    running.close()


@pytest.fixture(scope="module")
def address(store, campaigns):
    with run_folders.served(store, campaigns=campaigns) as (host, port):
        yield f"{host}:{port}"


def test_the_list_says_what_became_of_each(ask, ask_json):
    listed = ask_json("/api/campaigns")
    assert listed["total"] == 4
    rows = {each["time"]: each for each in listed["campaigns"]}
    assert list(rows) == ["broken", NOW, LATE, OLD]
    assert rows["broken"]["state"] == "unreadable"
    assert "not a campaign's ledger" in rows["broken"]["problem"]
    told = [
        [rows[time][name] for name in ("state", "done", "planned")] for time in (NOW, LATE, OLD)
    ]
    assert told == [["running", 4, 15], ["not over", 1, 15], ["over", 2, 15]]
    assert rows[OLD]["ended"] == "all trials are done"
    names = ("valid", "invalid", "without_verdict", "different", "new")
    assert [rows[NOW][name] for name in names] == [1, 2, 1, 2, 1]  # LATE is not over
    assert [rows[OLD][name] for name in names] == [1, 1, 0, 1, 1]
    assert ask_json("/api/campaigns/nightly") == listed
    page = ask("/campaigns").body.decode()
    assert [page.index(f"/campaigns/nightly/{time}") for time in (NOW, LATE, OLD)] == sorted(
        page.index(f"/campaigns/nightly/{time}") for time in (NOW, LATE, OLD)
    )
    assert "data-running" in page
    assert "over: all trials are done" in page
    assert ask("/campaigns/nightly").status == 200


def test_one_is_told_from_its_ledger(ask, ask_json):
    found = ask_json(f"/api/campaigns/nightly/{NOW}")
    assert {each["name"]: each["state"] for each in found["failures"]} == {
        "broken 1": "known",
        "broken 2": "new",
    }
    assert [each["run"] for each in found["under_way"]] == ["000004-raft-0"]
    assert [each["number"] for each in found["kept"]] == [1, 0, 3, 2]
    assert found["before"].endswith(OLD)
    page = ask(f"/campaigns/nightly/{NOW}").body.decode()
    assert "data-running" in page
    assert "promises were broken in 2 ways, 1 of them new" in page
    assert f'href="/campaigns/nightly/{NOW}/runs/000000-raft-0"' in page
    assert f'href="/campaigns/nightly/{NOW}/runs/000000-raft-0/files"' in page
    assert f'href="/campaigns/nightly/{OLD}"' in page
    assert HOSTILE not in page
    assert "&lt;img" in page
    over = ask(f"/campaigns/nightly/{OLD}").body.decode()
    assert "data-running" not in over
    assert f'href="/campaigns/nightly/{OLD}/junit.xml"' in over


def test_its_runs_are_in_the_list_and_can_be_chosen(ask, ask_json):
    everything = ask_json("/api/runs")
    assert everything["total"] == 6 + 2 + 1 + 4  # links lead to no more of them
    assert ask_json("/api/runs?campaign=none")["total"] == 6
    found = ask_json(f"/api/runs?campaign=nightly/{OLD}")
    run = f"campaigns/nightly/{OLD}/runs/000000-raft-0"
    assert [each["slug"] for each in found["runs"]].count(run) == 1
    addresses = {each["slug"]: each["address"] for each in everything["runs"]}
    assert addresses[run] == f"/{run}"
    assert ask(addresses[run]).status == 200
    assert addresses["20260301T063000-raft-0001"] == "/runs/20260301T063000-raft-0001"
    assert ask_json("/api/choices")["campaign"] == {
        f"nightly/{NOW}": 4,
        f"nightly/{OLD}": 2,
        f"nightly/{LATE}": 1,
    }
    page = ask(f"/?campaign=nightly/{OLD}").body.decode()
    assert f'href="/{run}"' in page
    assert f'href="/campaigns/nightly/{OLD}"' in page
    assert f"/?campaign=nightly/{OLD}" in ask(f"/campaigns/nightly/{OLD}").body.decode()


def test_a_run_of_a_campaign_is_compared_with_any_other(ask):
    run = f"campaigns/nightly/{OLD}/runs/000000-raft-0"
    page = ask(f"/compare?run={run}&run=20260301T063000-raft-0001")
    assert page.status == 200
    assert f'href="/{run}"' in page.body.decode()
    bar = ask(f"/{run}").body.decode()
    assert f"/compare?run={run}" in bar
    assert 'rel="next"' in bar or 'rel="prev"' in bar
    for strange in (
        "campaigns/nightly",
        f"campaigns/nightly/{OLD}/runs/..",
        "campaigns/../x/runs/y",
    ):
        assert ask(f"/compare?run={strange}&run={run}").status == 404


def test_new_and_removed_runs_of_campaigns_are_noticed(tmp_path):
    folder = tmp_path / "campaigns"
    (tmp_path / "runs").mkdir()
    index = RunIndex(tmp_path / "runs", campaigns=folder)

    def listed():
        index.refresh()
        return [row["slug"] for row in index.rows("SELECT slug FROM runs ORDER BY slug")]

    assert listed() == []
    campaign(folder / "weekly" / OLD, [(VALID, 0)]).close()
    base = f"campaigns/weekly/{OLD}/runs"
    assert listed() == [f"{base}/000000-raft-0"]
    new = folder / "weekly" / OLD / "runs"
    with run_folders.being_written(run_folders.write(new, "000001-raft-0", run_folders.spec())):
        assert listed() == [f"{base}/000000-raft-0", f"{base}/000001-raft-0"]
        assert [row["state"] for row in index.rows("SELECT state FROM runs")].count("running") == 1
    index.refresh()
    assert [row["state"] for row in index.rows("SELECT state FROM runs")].count("running") == 0
    shutil.rmtree(new)
    new.mkdir()
    assert listed() == []
    index.close()


def test_its_files_and_runs_are_served_as_other_reports_are(ask):
    base = f"/campaigns/nightly/{OLD}"
    written = ask(f"{base}/campaign.html")
    assert written.status == 200
    assert "sandbox" in written.headers["content-security-policy"]
    assert json.loads(ask(f"{base}/campaign.json").body)["name"] == "nightly"
    run = f"{base}/runs/000000-raft-0"
    assert f'src="{run}/report"' in ask(run).body.decode()
    report = ask(f"{run}/report")
    assert report.status == 200
    assert "sandbox" in report.headers["content-security-policy"]
    assert f"{run}/files/trial.json" in ask(f"{run}/files").body.decode()
    assert json.loads(ask(f"{run}/files/trial.json").body)["system"] == "raft"
    assert ask(f"{run}/archive.zip").body.startswith(b"PK")
    assert ask(f"{base}/runs").headers["location"] == base
    assert ask(base, method="POST").status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns/away",
        f"/campaigns/away/{OLD}",
        "/campaigns/nightly/linked",
        "/campaigns/nightly/linked/runs/000000-raft-0",
        f"/campaigns/lone/{OLD}",
        f"/campaigns/nightly/{LATE}/campaign.html",
        f"/campaigns/nightly/{LATE}/runs/up",
        f"/campaigns/nightly/{LATE}/runs/up/files/secret.txt",
        f"/campaigns/nightly/{OLD}/notes.txt",
        f"/campaigns/nightly/{OLD}/{FILE}",
        f"/campaigns/nightly/{OLD}/lock",
        f"/campaigns/nightly/{OLD}/runs/%2e%2e/files/notes.txt",
        f"/campaigns/nightly/{OLD}/runs/..%2f/files/notes.txt",
        f"/campaigns/nightly/..%2fnightly%2f{OLD}",
        "/campaigns/%2e%2e/secret.txt",
        "/campaigns/../secret.txt",
        "/campaigns/nobody",
        f"/api/campaigns/away/{OLD}",
        "/api/campaigns/%2e%2e/x",
        f"/api/campaigns/nightly/{OLD}/runs",
    ],
)
def test_nothing_leads_out_of_the_folder(ask, path):
    answer = ask(path)
    assert answer.status == 404
    assert b"SECRET" not in answer.body


def test_a_broken_ledger_is_said_in_a_line(ask):
    answer = ask("/campaigns/nightly/broken")
    assert answer.status == 400
    assert b"not a campaign&#39;s ledger" in answer.body
    assert b"Traceback" not in answer.body


@pytest.fixture
def gate(tmp_path):
    """The folders of campaigns, with a gate in which one of two failures is accepted."""
    folder = tmp_path / "nightly-gate" / OLD
    ledger = campaign(folder, [(INVALID, 1), (INVALID, 2), (VALID, 0)])
    known = Baseline(
        [Accepted(signature=made.signature(1).id, cell="*", why=f"issue 12 {HOSTILE}")]
    )
    conclude(ledger, known, date(2026, 3, 1), Wanted(tmp_path / "known.json"))
    ledger.close()
    return tmp_path


def test_a_gate_is_told_with_what_its_baseline_says(store, gate):
    with run_folders.served(store, campaigns=gate) as (host, port):
        base = f"campaigns/nightly-gate/{OLD}"
        page, told, left = (
            urlopen(f"http://{host}:{port}/{path}", timeout=30).read().decode()
            for path in (base, f"api/{base}", f"{base}/gate.json")
        )
    told, left = json.loads(told), json.loads(left)
    assert left == told["gate"]
    assert told["gate"]["result"] == "violation"
    states = {each["name"]: each["state"] for each in told["failures"]}
    assert states == {"broken 1": "known", "broken 2": "new"}
    assert "failed: 1 new failure, besides 1 known one." in page
    assert "What the gate says" in page
    assert "issue 12 &lt;img" in page
    assert HOSTILE not in page
    assert f'href="/{base}/runs/000001-raft-0"' in page


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"duress": 7}', "\0", "[" * 100_000, HOSTILE, None, "gutted"]
)
def test_what_is_no_gate_is_a_campaign(gate, text):
    left = gate / "nightly-gate" / OLD / "gate.json"
    if text is None:
        left.unlink()
        left.symlink_to("/etc/passwd")
    elif text == "gutted":
        left.write_text(json.dumps(json.loads(left.read_bytes()) | {"confidence": []}))
    else:
        left.write_text(text)
    told = Campaigns(gate).told("nightly-gate", OLD)
    assert told.gate is None
    assert {each.state for each in told.summary.failures} == {"new"}


def test_no_campaigns_are_no_mistake(tmp_path):
    for folder in (None, tmp_path / "nowhere"):
        assert Campaigns(folder).names() == []
        with pytest.raises(FileNotFoundError):
            Campaigns(folder).told("a", "b")


# -- reading writes nothing ----------------------------------------------------------

WRITER = """
import os, sys
from pathlib import Path
from duress.harness.campaign.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for line in sys.stdin:
    if line.strip() == "begin":
        (trial,) = ledger.waiting(1)
        ledger.begin(trial.number, "run")
    elif line.strip() == "close":
        ledger.close()
    else:
        os._exit(9)
    print("done", flush=True)
"""


@pytest.fixture
def writer(tmp_path):
    """A ledger with another process that has it open; ``do`` tells it what to do."""
    path = tmp_path / FILE
    Ledger.create(path, made.plan(), "d", plans.trials(made.plan(), made.make)).close()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )

    assert process.stdin
    assert process.stdout
    to, back = process.stdin, process.stdout

    def do(what):
        to.write(f"{what}\n")
        to.flush()
        return back.readline()

    yield path, do
    to.close()
    process.wait()
    back.close()


def looked(path):
    """How many are under way; nothing is written for it."""

    def content():
        return {each.name: (each.stat(), each.read_bytes()) for each in path.parent.iterdir()}

    def without_access(found):
        return {name: (s.st_mtime_ns, s.st_ino, data) for name, (s, data) in found.items()}

    before = content()
    with looking_at(path) as ledger:
        number = len(ledger.under_way(100))
    assert without_access(content()) == without_access(before)
    return number


def test_a_ledger_is_read_while_it_is_written_and_after(writer):
    path, do = writer
    assert looked(path) == 0
    for number in (1, 2, 3):
        do("begin")
        assert looked(path) == number
    do("close")
    assert [each.name for each in path.parent.iterdir()] == [FILE]
    assert looked(path) == 3
    assert [each.name for each in path.parent.iterdir()] == [FILE]


def test_a_ledger_is_read_after_a_crash(writer):
    path, do = writer
    do("begin")
    assert do("crash") == ""
    assert looked(path) == 1
    path.with_name(f"{FILE}-shm").unlink()
    with pytest.raises(UserError, match="has a log"):
        looked(path)


def test_nothing_can_be_written_through_it(writer):
    path, _ = writer
    with pytest.raises(UserError, match="readonly"), looking_at(path) as ledger:
        ledger._file.execute("DELETE FROM trials")
