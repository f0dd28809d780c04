"""What is answered, and above all what is not."""

import io
import json
import tarfile
import time
import zipfile
from urllib.parse import quote

import pytest

from duress.reports.serve import shield

from . import run_folders

RUN = "20260301T063000-raft-0001"
OTHER = "20260302T063000-etcd-0004"
HOSTILE = "20260305T000000-<img src=x onerror=alert(1)>\"'&%2e%2e\\\u202e"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """With a secret beside it, and every way to it that a file system offers."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.txt").write_text("SECRET")
    store = outside / "store"
    store.mkdir()
    run_folders.small_store(store)
    run = store / RUN
    (run / "nodes" / "n1").mkdir()
    (run / "nodes" / "n1" / "node.log").write_text("<script>alert(1)</script>\n")
    (run / "page.html").write_text("<script>alert(1)</script>")
    (run / "link.txt").symlink_to(outside / "secret.txt")
    (run / "up").symlink_to(outside)
    (run / "nodes" / "n2").symlink_to(outside)
    (store / "notes").mkdir()  # somebody's own folder, no run
    (store / "notes" / "secret.txt").write_text("SECRET")
    (store / "away").symlink_to(outside)
    (store / "latest").symlink_to(RUN)
    (outside / "trial.json").write_text(json.dumps(run_folders.spec(system="SECRET")))
    hostile = run_folders.spec(system="<script>alert(2)</script>", seed="<b>")
    bad = run_folders.verdict(False, ["<i onclick=alert(3)>"])
    run_folders.write(store, HOSTILE, hostile, bad, files={"<b>.txt": b"hi"})
    linked = run_folders.write(store, "20260306T000000-linked", run_folders.spec())
    (linked / "history.jsonl").symlink_to(outside / "secret.txt")
    return store


# -- ways out of the store -----------------------------------------------------

PLACES = [
    "/../secret.txt",
    "/runs/../secret.txt",
    "/runs/../../secret.txt",
    "/runs/%2e%2e/files/secret.txt",
    "/runs/%2e%2e%2fsecret.txt",
    "/runs/..%2f/files/secret.txt",
    f"/runs/{RUN}/files/../../../secret.txt",
    f"/runs/{RUN}/files/..%2f..%2f..%2fsecret.txt",
    f"/runs/{RUN}/files/%2e%2e/%2e%2e/%2e%2e/secret.txt",
    f"/runs/{RUN}/files/%252e%252e/%252e%252e/secret.txt",
    f"/runs/{RUN}/files/..%5c..%5csecret.txt",
    f"/runs/{RUN}/files/link.txt",
    f"/runs/{RUN}/files/up/secret.txt",
    f"/runs/{RUN}/files/nodes/n2/secret.txt",
    f"/runs/{RUN}/files//etc/passwd",
    f"/runs/{RUN}/files/%2fetc%2fpasswd",
    f"/runs/{RUN}/files/trial.json%00.txt",
    f"/runs/{RUN}%00/files/trial.json",
    f"/runs/{RUN}/files/nodes",
    f"/runs/{RUN}/files/{'a' * 300}",
    "/runs/away",
    "/runs/away/files/secret.txt",
    "/runs/away/archive.zip",
    "/runs/away/report",
    "/runs/away/events",
    "/runs/20260306T000000-linked/report",
    "/runs/notes",
    "/runs/notes/files/secret.txt",
    "/runs/notes/archive.zip",
    "/api/runs/notes",
    "/runs/.runs-index.sqlite",
    "/runs/./files/secret.txt",
    "/runs//files/secret.txt",
    "/runs/latest/files/up/secret.txt",
    "/assets/../serve/app.py",
    "/assets/..%2fapp.py",
    "/assets/runs.html.j2",
    "/assets/%2fetc%2fpasswd",
    "/api/runs/away",
    "/api/runs/%2e%2e",
    "/api/../runs",
    "/compare?run=away&run=away",
    "/compare?run=..&run=..",
    f"/compare?run={RUN}&run=..%2f..%2fetc",
    f"/compare?run={RUN}&run={RUN}%00",
    f"/compare?run={RUN}&run=20260306T000000-linked",
]


@pytest.mark.parametrize("path", PLACES)
def test_nothing_leads_out_of_the_store(ask, path):
    answer = ask(path)
    if answer.status == 307:  # latest: what it leads to is tried as well
        answer = ask(answer.headers["location"])
    assert answer.status == 404
    assert b"SECRET" not in answer.body
    assert b"root:" not in answer.body


def test_archives_and_lists_leave_links_out(ask):
    for ending in ("zip", "tar.gz"):
        answer = ask(f"/runs/{RUN}/archive.{ending}")
        assert answer.status == 200
        names = archived(ending, answer.body)
        assert f"{RUN}/trial.json" in names
        assert not [name for name in names if "secret" in name or "link" in name or ".." in name]
    listed = ask(f"/runs/{RUN}/files").body.decode()
    assert "node.log" in listed
    assert "link.txt" not in listed
    assert "secret" not in listed
    assert "away" not in ask("/").body.decode()


def archived(ending, body):
    if ending == "zip":
        return {
            name: zipfile.ZipFile(io.BytesIO(body)).read(name)
            for name in zipfile.ZipFile(io.BytesIO(body)).namelist()
        }
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_archives_hold_every_file_as_it_is(ask, store, ending):
    large = bytes(range(256)) * 3000
    run_folders.write(
        store,
        "20260307T000000-large",
        run_folders.spec(),
        files={"nodes/n1/data": large, "empty.txt": b""},
    )
    names = archived(ending, ask(f"/runs/20260307T000000-large/archive.{ending}").body)
    folder = store / "20260307T000000-large"
    expected = {
        f"{folder.name}/{path.relative_to(folder)}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert names == expected


# -- who is answered -----------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (["localhost"], 200),
        (["localhost:1234"], 200),
        (["LocalHost."], 200),
        (["127.0.0.1:8707"], 200),
        (["[::1]:8707"], 200),
        (["192.0.2.7"], 200),
        (["evil.example"], 421),
        (["evil.example:8707"], 421),
        (["localhost.evil.example"], 421),
        (["127.0.0.1.evil.example"], 421),
        (["localhost@evil.example"], 421),
        ([""], 421),
        ([], 400),
        (["localhost", "evil.example"], 400),
    ],
)
def test_hosts(ask, host, status):
    for path in ("/", "/api/runs", f"/runs/{RUN}/files/trial.json", "/assets/serve.js"):
        answer = ask(path, host=host)
        assert answer.status == status or (status == 400 and answer.status == 421)
        if status != 200:
            assert b"raft" not in answer.body


def test_names_that_were_allowed():
    wall = shield.Shield(None, ["Build7.example"])
    assert wall.knows("build7.example:80")
    assert not wall.knows("build8.example:80")
    assert shield.is_loopback("127.0.0.1") and shield.is_loopback("::1")
    assert shield.is_loopback("localhost") and not shield.is_loopback("0.0.0.0")


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "X"]
)
def test_nothing_but_reading(ask, method):
    answer = ask("/", method=method)
    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        f"/runs/{RUN}",
        f"/runs/{RUN}/files/trial.json",
        "/api/runs",
        f"/runs/{RUN}/events",
        f"/runs/{RUN}/archive.zip",
    ],
)
def test_head_is_get_without_a_body(ask, path):
    answer = ask(path, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


# -- what browsers may do with it ----------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/compare", f"/runs/{RUN}", f"/runs/{RUN}/files", "/nowhere", "/?page=x"]
)
def test_pages_have_a_strict_policy(ask, path):
    answer = ask(path)
    assert answer.headers["content-security-policy"] == shield.PAGE
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    text = answer.body.decode()
    assert " style=" not in text
    assert "<style" not in text
    assert "<script>" not in text
    assert "http://" not in text and "https://" not in text
    for refused in ("unsafe", "*", "http:", "https:"):
        assert refused not in shield.PAGE


def test_files_are_never_pages(ask):
    page = ask(f"/runs/{RUN}/files/page.html")
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"].startswith("attachment")
    log = ask(f"/runs/{RUN}/files/nodes/n1/node.log")
    assert log.headers["content-type"] == "text/plain; charset=utf-8"
    assert log.body == b"<script>alert(1)</script>\n"
    for answer in (page, log):
        assert answer.headers["content-security-policy"].startswith("sandbox;")


def test_reports_run_in_an_origin_of_their_own(ask):
    answer = ask(f"/runs/{OTHER}/report")
    assert answer.status == 200
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy  # so that of default-src, which is none, applies


def test_hostile_names_and_values_are_only_text(ask):
    slug = quote(HOSTILE, safe="")
    for path in (
        "/",
        f"/runs/{slug}",
        f"/runs/{slug}/files",
        f"/compare?run={quote(slug)}&run={OTHER}",
        "/compare",
    ):
        answer = ask(path)
        assert answer.status == 200, path
        for part in ("<img", "<script>alert", "<i onclick", "<b>", "\u202e"):
            assert part not in answer.body.decode(), (path, part)
    assert ask(f"/runs/{slug}/files/%3Cb%3E.txt").body == b"hi"


def test_mistakes_are_said_in_a_line(ask):
    answer = ask("/?sort=%3Cscript%3E")
    assert answer.status == 400
    assert b"sort: expected one of" in answer.body
    assert b"<script>" not in answer.body
    assert json.loads(ask("/api/runs?page=x").body)["error"].startswith("page: expected")
    assert ask("/api/runs?q=%ff").status == 400
    assert ask("/api/nothing").status == 404
    assert ask("/?" + "&".join(f"q={k}" for k in range(1000))).status == 400


# -- the interface for programs ------------------------------------------------


def test_lists_as_json(ask_json):
    found = ask_json("/api/runs?state=invalid&system=etcd")
    assert (found["total"], found["pages"], found["states"]) == (1, 1, {"invalid": 1})
    run = found["runs"][0]
    assert run["anomalies"] == {"G1c": 1, "lost-update": 1}
    assert run["nemeses"] == ["kill", "clock"]
    assert run["problems"] == []
    assert ask_json(f"/api/runs/{run['slug']}")["sentence"] == run["sentence"]


def test_groups_choices_and_times_as_json(ask_json):
    groups = ask_json("/api/groups?mutant=stale-read")["groups"]
    assert [(g["count"], g["state"]) for g in groups] == [(2, "invalid")]
    assert [run["seed"] for run in groups[0]["runs"]] == ["9", "8"]
    assert ask_json("/api/choices")["mutant"] == {"stale-read": 2}
    buckets = ask_json("/api/timeline?system=etcd")["buckets"]
    assert sum(sum(b["counts"].values()) for b in buckets) == 2
    assert ask_json("/api/status")["problem"] == ""


def test_new_runs_appear_without_a_restart(ask, ask_json, store):
    before = ask_json("/api/status")["changes"]
    new = run_folders.write(store, "20260309T000000-new", run_folders.spec(system="brand-new"))
    with run_folders.being_written(new):
        deadline = time.monotonic() + 20
        while ask_json("/api/runs?system=brand-new&state=running")["total"] == 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert ask_json("/api/status")["changes"] > before
        assert new.name in ask_json("/api/status")["running"]
        assert ask("/live").headers["location"] == f"/runs/{new.name}"


def test_a_shrunk_run_and_its_origin_lead_to_each_other(ask, store):
    small = run_folders.spec(shrunk_from="20260302T063000-etcd-0004")
    run_folders.write(store, "20260310T000000-small", small, run_folders.verdict(False, ["G1c"]))
    origin = store / "20260302T063000-etcd-0004"
    (origin / "shrunk.json").write_text('{"run": "20260310T000000-small"}')
    assert b'href="/runs/20260310T000000-small">Shrunk to' in ask(f"/runs/{origin.name}").body
    answer = ask("/runs/20260310T000000-small")
    assert f'href="/runs/{origin.name}">Shrunk from'.encode() in answer.body
    assert ask("/runs/20260310T000000-small/report.html").status == 200
    (origin / "shrunk.json").write_text('{"run": "20260306T000000-linked"}')
    assert ask(f"/runs/{origin.name}/report").status == 404  # it would be read by links
    for strange in ('{"run": "../.."}', '{"run": "away"}', '{"run": 7}', "[", '{"run": ""}'):
        (origin / "shrunk.json").write_text(strange)
        answer = ask(f"/runs/{origin.name}")
        assert (answer.status, b"Shrunk to" in answer.body) == (200, False)


def test_assets_are_not_sent_twice(ask):
    first = ask("/assets/serve.css")
    assert first.headers["content-type"] == "text/css; charset=utf-8"
    again = ask("/assets/serve.css", headers=[("If-None-Match", first.headers["etag"])])
    assert (again.status, again.body) == (304, b"")
