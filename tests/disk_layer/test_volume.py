"""A volume against a model: synced data is always there, and what is left could have been."""

import os
import shutil
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.disk_layer import copies
from duress.harness.disk_layer.volume import HIDDEN, Volume
from duress.harness.disk_layer.written import SURVIVES

NAMES = ("a", "b", "c")
FOLDERS = ("", "x", "y")


class Disk:
    """A volume, used by names as a program would."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp())
        root = os.open(self.path, os.O_RDONLY)
        self.volume = Volume(root)
        os.close(root)
        for folder in FOLDERS[1:]:
            (self.path / folder).mkdir()
            self.volume.made(self.volume.root, folder)
        self.volume.sync_all()

    def remove(self) -> None:
        shutil.rmtree(self.path)

    def where(self, path: str):
        folder, _, name = path.rpartition("/")
        parent = self.volume.root
        if folder:
            parent = self.volume.find(parent, folder)
        return parent, name

    def find(self, path: str):
        return self.volume.find(*self.where(path))

    def create(self, path: str) -> None:
        os.close(os.open(self.path / path, os.O_CREAT | os.O_EXCL | os.O_RDWR))
        self.volume.made(*self.where(path))

    def append(self, path: str, content: bytes) -> None:
        inode = self.find(path)
        self.volume.write(inode, inode.stat().st_size, memoryview(content))

    def tree(self) -> dict[str, bytes]:
        """Path and content of every file; the number in it says which one it is."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            relative = path.relative_to(self.path)
            if path.is_file() and relative.parts[0] != HIDDEN:
                found[str(relative)] = path.read_bytes()
        return found


paths = st.builds(
    lambda folder, name: f"{folder}/{name}".lstrip("/"),
    st.sampled_from(FOLDERS),
    st.sampled_from(NAMES),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("create"), paths, st.none()),
        st.tuples(st.just("create"), paths, st.none()),
        st.tuples(st.just("remove"), paths, st.none()),
        st.tuples(st.just("rename"), paths, paths),
        st.tuples(st.just("sync"), paths, st.none()),
        st.tuples(st.just("sync-folder"), st.sampled_from(FOLDERS), st.none()),
    ),
    max_size=14,
)


def act(disk: Disk, step, number: int) -> bool:
    """Do one step if it can be done; whether it was."""
    kind, path, target = step
    tree = disk.tree()
    if kind == "sync-folder":
        disk.volume.sync(disk.find(path) if path else disk.volume.root)
        return True
    if kind == "create":
        if path in tree:
            return False
        disk.create(path)
        disk.append(path, f"{number}".encode())
        inode = disk.find(path)
        # The content alone is made durable, so that it tells which file it is.
        disk.volume._clean(inode)
        return True
    if path not in tree:
        return False
    if kind == "remove":
        disk.volume.remove(*disk.where(path), is_folder=False)
    elif kind == "rename":
        disk.volume.rename(disk.where(path), disk.where(target))
    else:
        disk.volume.sync(disk.find(path))
    return True


@settings(max_examples=150, deadline=None)
@given(steps, st.sampled_from(SURVIVES), st.integers(0, 10**6))
def test_names_are_what_a_prefix_of_the_changes_leads_to_that_has_all_synced_ones(
    todo, survives, seed
):
    disk = Disk()
    try:
        trees = [disk.tree()]
        synced = 0
        last_change: dict[bytes, int] = {}
        for number, step in enumerate(todo):
            before = disk.tree()
            if not act(disk, step, number):
                continue
            after = disk.tree()
            if after != before:
                trees.append(after)
                for each in set(after.items()) ^ set(before.items()):
                    last_change[each[1]] = len(trees) - 1
            elif step[0] == "sync":
                synced = max(synced, last_change.get(before[step[1]], 0))
        disk.volume.cut(survives, 1, Random(seed))
        left = disk.tree()
        assert left in trees[synced:]
        if survives == "lost":
            disk.volume.cut("lost", 1, Random(seed))
            assert disk.tree() == left
    finally:
        disk.remove()


@pytest.fixture
def disk():
    made = Disk()
    yield made
    made.remove()


def test_a_file_whose_creation_was_not_synced_is_gone(disk):
    disk.create("x/a")
    disk.append("x/a", b"content")
    lost = disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {}
    assert lost == {"bytes_kept": 0, "bytes_lost": 7, "names_kept": 0, "names_lost": 1}


def test_a_synced_file_survives_with_what_was_synced(disk):
    disk.create("x/a")
    disk.append("x/a", b"synced")
    disk.volume.sync(disk.find("x/a"))
    disk.append("x/a", b" and not")
    disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {"x/a": b"synced"}


def test_a_rename_that_was_not_synced_leaves_the_old_file_or_the_new_one(disk):
    for name, content in (("a", b"old"), ("b", b"new")):
        disk.create(name)
        disk.append(name, content)
        disk.volume.sync(disk.find(name))
    disk.volume.rename(disk.where("b"), disk.where("a"))
    disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {"a": b"old", "b": b"new"}
    disk.volume.rename(disk.where("b"), disk.where("a"))
    disk.volume.sync(disk.volume.root)
    disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {"a": b"new"}


def test_a_file_that_was_renamed_before_it_was_synced_may_be_there_and_empty(disk):
    disk.create("a.new")
    disk.append("a.new", b"content")
    disk.volume.rename(disk.where("a.new"), disk.where("a"))
    disk.volume.sync(disk.volume.root)
    disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {"a": b""}


def test_files_of_the_harness_and_logs_lose_nothing(disk):
    disk.create("node.pyz.duress-put")
    disk.append("node.pyz.duress-put", b"program")
    disk.volume.rename(disk.where("node.pyz.duress-put"), disk.where("node.pyz"))
    disk.create("node.log")
    disk.append("node.log", b"line")
    disk.create("x/data.log")
    disk.append("x/data.log", b"of the program")
    disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {"node.pyz": b"program", "node.log": b"line"}


def test_a_removed_folder_comes_back_with_what_was_removed_from_it(disk):
    disk.create("x/a")
    disk.append("x/a", b"1")
    disk.volume.sync_all()
    disk.volume.remove(*disk.where("x/a"), is_folder=False)
    disk.volume.remove(*disk.where("x"), is_folder=True)
    assert not (disk.path / "x").exists()
    disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {"x/a": b"1"}


def test_what_a_failed_sync_left_behind_is_lost_though_a_later_sync_worked(disk):
    disk.create("x/a")
    disk.append("x/a", b"durable.")
    disk.volume.sync(disk.find("x/a"))
    disk.append("x/a", b"doomed" + bytes(8192))
    disk.volume.fail_sync(disk.find("x/a"))
    disk.volume.sync(disk.find("x/a"))
    assert disk.tree()["x/a"].startswith(b"durable.doomed")
    disk.volume.cut("lost", 512, Random(1))
    assert disk.tree()["x/a"] == b"durable." + bytes(6 + 8192)


def test_a_page_that_is_written_again_after_a_failed_sync_is_not_lost(disk):
    disk.create("x/a")
    disk.append("x/a", b"first")
    disk.volume.fail_sync(disk.find("x/a"))
    disk.append("x/a", b" second")
    disk.volume.sync(disk.find("x/a"))
    lost = disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {"x/a": b"first second"}
    assert lost["bytes_lost"] == 0


def test_going_back_to_a_copy(disk):
    disk.create("x/a")
    disk.append("x/a", b"before")
    disk.create("node.log")
    assert copies.copy(disk.volume, "one") == {"files": 1, "bytes": 6}
    disk.append("x/a", b" and after")
    disk.append("node.log", b"told")
    disk.create("y/b")
    assert copies.restore(disk.volume, "one") == {"files": 1, "bytes": 6}
    disk.volume.cut("lost", 512, Random(1))
    assert disk.tree() == {"x/a": b"before", "node.log": b"told"}


def test_damage_to_what_is_stored(disk):
    disk.create("x/a")
    disk.append("x/a", b"0123456789")
    [flipped] = copies.flip(disk.volume, 1, Random(1))
    content = disk.tree()["x/a"]
    assert flipped["path"] == "x/a"
    assert content[flipped["offset"]] == b"0123456789"[flipped["offset"]] ^ 1 << flipped["bit"]
    [cut] = copies.cut_short(disk.volume, 5, Random(1))
    assert cut == {"path": "x/a", "bytes": 10, "left": len(disk.tree()["x/a"])}


def test_what_cannot_be_is_refused_as_by_a_disk(disk):
    disk.create("x/a")
    with pytest.raises(OSError, match="not empty"):
        disk.volume.remove(*disk.where("x"), is_folder=True)
    with pytest.raises(IsADirectoryError):
        disk.volume.remove(*disk.where("x"), is_folder=False)
    with pytest.raises(NotADirectoryError):
        disk.volume.remove(*disk.where("x/a"), is_folder=True)
    with pytest.raises(FileExistsError):
        disk.volume.rename(disk.where("x/a"), disk.where("x/a"), keep_existing=True)
    with pytest.raises(FileNotFoundError):
        disk.find(HIDDEN)
