"""The index follows the folders, and is made anew whenever it cannot be trusted."""

import os
import shutil
import sqlite3

import pytest

from duress.reports.serve import run_index
from duress.reports.serve.run_index import RunIndex

from . import run_folders


@pytest.fixture
def store(tmp_path):
    store = tmp_path / "runs"
    store.mkdir()
    run_folders.small_store(store)
    return store


@pytest.fixture
def index(store):
    index = RunIndex(store)
    index.refresh()
    yield index
    index.close()


def states(index):
    return {row["slug"]: row["state"] for row in index.rows("SELECT slug, state FROM runs")}


def folders(store):
    return {path.name for path in store.iterdir() if path.is_dir() and not path.is_symlink()}


def test_every_run_is_listed(store, index):
    found = states(index)
    assert set(found) == folders(store)
    assert sorted(found.values()) == sorted(
        ["valid", "invalid", "invalid", "invalid", "unknown", "none"]
    )
    assert not index.refresh(wholly=True)


def test_new_changed_and_removed_folders_are_noticed(store, index):
    new = run_folders.write(store, "20260304T000000-raft-0007", run_folders.spec())
    shutil.rmtree(store / "20260301T063000-raft-0001")
    with run_folders.being_written(new):
        assert index.refresh()
    assert states(index)["20260304T000000-raft-0007"] == "running"
    assert set(states(index)) == folders(store)
    verdict = run_folders.verdict(False, ["G0"])
    run_folders.write(store, "20260304T000000-raft-0007", verdict=verdict)
    assert index.refresh()  # a run under way is looked at each time
    assert states(index)["20260304T000000-raft-0007"] == "invalid"
    run_folders.write(store, "20260302T073000-etcd-0005", verdict=run_folders.verdict())
    assert index.refresh(wholly=True)  # an old one when all are
    assert states(index)["20260302T073000-etcd-0005"] == "valid"
    assert index.rows("SELECT count(*) AS n FROM run_anomalies WHERE name = 'G0'")[0]["n"] == 1


def test_a_killed_trial_is_noticed_without_any_change(store, index):
    with run_folders.being_written(
        run_folders.write(store, "20260304T000000-raft-0007", run_folders.spec())
    ):
        index.refresh()
        assert states(index)["20260304T000000-raft-0007"] == "running"
    index.refresh()
    assert states(index)["20260304T000000-raft-0007"] == "none"


def test_nothing_but_the_index_is_written(store, index):
    def content():
        return {
            path: (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
            for path in sorted(store.rglob("*"))
            if not path.name.startswith(run_index.FILE)
        }

    before = content()
    run_folders.write(store.parent, "elsewhere")
    index.refresh(wholly=True)
    assert content() == before


@pytest.mark.parametrize("how", ["lost", "noise", "cut", "other version", "somebody else's"])
def test_an_index_that_cannot_be_trusted_is_made_anew(store, how):
    file = store / run_index.FILE
    index = RunIndex(store)
    index.refresh()
    before = states(index)
    index.close()
    if how == "lost":
        file.unlink()
    elif how == "noise":
        file.write_bytes(bytes(range(256)) * 64)
    elif how == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2 + 100])
    elif how == "other version":
        with sqlite3.connect(file) as connection:
            connection.execute(f"PRAGMA user_version = {run_index.FORMAT ^ 1}")
            connection.execute("UPDATE runs SET state = 'valid'")
        connection.close()
    else:
        file.unlink()
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE other (x)")
        connection.close()
    again = RunIndex(store)
    try:
        again.refresh()
        assert states(again) == before
    finally:
        again.close()


def test_an_index_is_taken_over_as_it_is(store, index, monkeypatch):
    index.close()
    monkeypatch.setattr(run_index.run_summary, "summarise", None)  # nothing is read again
    again = RunIndex(store)
    assert not again.refresh()
    assert len(states(again)) == 6
    again.close()


def test_a_store_that_cannot_be_written_has_an_index_elsewhere(store, monkeypatch):
    real = sqlite3.connect

    def connect(file, **options):
        if str(file).startswith(str(store)):
            raise sqlite3.OperationalError("unable to open database file")
        return real(file, **options)

    monkeypatch.setattr(run_index.sqlite3, "connect", connect)
    index = RunIndex(store)
    index.refresh()
    assert index.is_temporary
    assert len(states(index)) == 6
    index.close()
    assert not index.file.parent.exists()
    assert not (store / run_index.FILE).exists()


def test_the_newest_runs_are_read_first(store, monkeypatch):
    monkeypatch.setattr(run_index, "BATCH", 2)
    index = RunIndex(store)
    seen = []
    real = run_index.run_summary.summarise

    def summarise(folder, now_s):
        seen.append(folder.name)
        if len(seen) == 3:  # the first batch can be seen while the second is read
            assert len(states(index)) == 2
        return real(folder, now_s)

    monkeypatch.setattr(run_index.run_summary, "summarise", summarise)
    index.refresh()
    index.close()
    assert seen == sorted(folders(store), reverse=True)


def test_what_is_no_run_folder_is_left_out(store, index):
    (store / "notes").mkdir()
    (store / "notes" / "readme.txt").write_text("hello")
    (store / ".hidden").mkdir()
    (store / "a file").write_text("hello")
    (store / "latest").symlink_to("20260301T063000-raft-0001")
    (store / "outside").symlink_to("/")
    (store / "20260305T000000-raft-0009").mkdir()  # killed before its first file
    (store / "mine").mkdir()
    (store / "mine" / "history.jsonl").write_text("")
    index.refresh(wholly=True)
    expected = {"20260305T000000-raft-0009", "mine"}
    assert set(states(index)) == {*(n for n in folders(store) if n[0] == "2"), *expected}


def test_names_of_any_bytes(store, index):
    for name in (b"20260305T000000-\xff\xfe", "20260305T000000-\u202e<b>&'\"".encode()):
        (store / os.fsdecode(name)).mkdir()
    assert index.refresh(wholly=True)
    assert {"20260305T000000-%FF%FE"} < set(states(index))
