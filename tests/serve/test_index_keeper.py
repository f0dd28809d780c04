"""The thread that keeps the index up to date: only when asked, and whatever happens to the file."""

import sqlite3
import time

import pytest

from duress.reports.serve import index_keeper
from duress.reports.serve.index_keeper import IndexKeeper
from duress.reports.serve.run_index import RunIndex

from . import run_folders

WAIT_S = 60


@pytest.fixture
def keeper(tmp_path, monkeypatch):
    monkeypatch.setattr(index_keeper, "EVERY_S", 0.0)
    run_folders.small_store(tmp_path)
    keeper = IndexKeeper(RunIndex(tmp_path))
    keeper.start()
    keeper.ask(WAIT_S)
    yield keeper
    keeper.stop()
    keeper.index.close()


def total(keeper):
    return keeper.index.rows("SELECT count(*) AS n FROM runs")[0]["n"]


def test_it_counts_changes(keeper, tmp_path):
    assert (total(keeper), keeper.changes, keeper.index.is_complete) == (6, 1, True)
    keeper.ask(WAIT_S)
    assert keeper.changes == 1
    run_folders.write(tmp_path, "20260309T000000-new", run_folders.spec())
    keeper.ask(WAIT_S)
    assert (total(keeper), keeper.changes) == (7, 2)


def test_nobody_asks_nothing_is_done(keeper, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(keeper.index, "refresh", lambda **_: looked.append(1))
    time.sleep(0.1)
    assert looked == []


def test_a_database_that_fails_is_made_anew(keeper, monkeypatch):
    def refresh(**_):
        raise sqlite3.DatabaseError("database disk image is malformed")

    real = keeper.index.refresh
    monkeypatch.setattr(keeper.index, "refresh", refresh)
    keeper.ask(WAIT_S)
    assert "malformed" in keeper.problem
    monkeypatch.setattr(keeper.index, "refresh", real)
    keeper.index.file.unlink()
    keeper.ask(WAIT_S)
    assert keeper.problem == ""
    assert total(keeper) == 6


def test_a_reader_can_have_it_made_anew(keeper):
    keeper.index._reader.close()
    with pytest.raises(sqlite3.Error):
        total(keeper)
    keeper.mend("the reader failed")
    keeper.ask(WAIT_S)
    assert keeper.problem == ""
    assert total(keeper) == 6


def test_it_ends_in_the_midst_of_many_folders(tmp_path, monkeypatch):
    run_folders.small_store(tmp_path)
    index = RunIndex(tmp_path)
    keeper = IndexKeeper(index)
    seen = []

    def summarise(folder, now_s):
        seen.append(folder)
        keeper._stop.set()
        raise FileNotFoundError(folder)

    monkeypatch.setattr("duress.reports.serve.run_index.BATCH", 1)
    monkeypatch.setattr("duress.reports.serve.run_index.run_summary.summarise", summarise)
    keeper.start()
    keeper.stop()
    index.close()
    assert len(seen) <= 1
