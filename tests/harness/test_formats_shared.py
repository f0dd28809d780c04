"""Everyone else's histories load, with as many operations as a plain count finds."""

import random
import re
from pathlib import Path

import pytest

from duress.harness.errors import UserError
from duress.harness.formats import jepsen, load

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "histories"
FILES = (
    sorted(p for p in SHARED.rglob("*") if p.suffix in (".edn", ".json", ".log", ".txt", ".yaml"))
    if SHARED.is_dir()
    else []
)
pytestmark = pytest.mark.skipif(not FILES, reason="the shared histories are not here")

FORMAT_OF_FOLDER = {
    "linearizability/etcd": "porcupine-etcd",
    "linearizability/kv": "porcupine-kv",
    "isolation/awdit": "awdit",
    "isolation/isovista-bugs": "plume",
    "isolation/polysi-violations": "plume",
    "isolation/polysi-valid": "plume",
    "isolation/dbcop": "dbcop",
}


def expected_format(file: Path) -> str:
    folder = "/".join(file.relative_to(SHARED).parts[:2])
    by_suffix = "jepsen-json" if file.suffix == ".json" else "jepsen-edn"
    return FORMAT_OF_FOLDER.get(folder, by_suffix)


def count(text: str, format_: str) -> int:
    """How many operations, found another way than by the readers."""
    if format_ == "porcupine-etcd":
        return text.count("jepsen.util - ")
    if format_ == "awdit":
        return 2 * sum(bool(block.strip()) for block in re.split(r"(?m)^(?:=====|-----)$", text))
    if format_ == "dbcop":
        return 2 * text.count("events:")
    if format_ == "plume":
        ends = re.findall(r",(\d+),(-?\d+)\)", text)
        runs = committed = 0
        latest: dict[str, str] = {}
        for session, transaction in ends:
            runs += transaction == "-1" and latest.get(session) != "-1"
            latest[session] = transaction
        committed = len({end for end in ends if end[1] != "-1"})
        return 2 * (committed + runs)
    text = re.sub(r"(?m);.*$", "", text)
    return len(re.findall(r'(?::type\s+:|"type"\s*:\s*")(?:invoke|ok|fail|info)\b', text))


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.name)
def test_every_file_loads(file: Path) -> None:
    loaded = load(file)
    assert loaded.format == expected_format(file)
    expected = count(file.read_text(), loaded.format)
    assert expected > 0
    assert len(loaded.history) == expected


def test_the_suite_of_elle() -> None:
    cases = list(jepsen.read_cases(SHARED / "isolation" / "elle-suite.jsonl"))
    assert len(cases) == len((SHARED / "isolation" / "elle-suite.jsonl").read_text().splitlines())
    for case, loaded in cases:
        given = case["history"]
        completed = [o for o in loaded.history if o.type != "invoke"]
        assert [(o.type, o.value) for o in completed] == [
            (o["type"], o.get("value")) for o in given if o["type"] != "invoke"
        ]
        indexes = loaded.source_index or range(len(loaded.history))
        assert [i for i in indexes if i >= 0] == [o["index"] for o in given]
    with pytest.raises(UserError, match="test case"):
        load(SHARED / "isolation" / "elle-suite.jsonl")


def test_the_same_history_in_edn_and_json_is_the_same() -> None:
    for name in ("collections/bank", "isolation/paper-example"):
        edn, json = load(SHARED / f"{name}.edn").history, load(SHARED / f"{name}.json").history
        for one, other in zip(edn, json, strict=True):
            if one.value and "exception" in str(one.value):
                continue
            assert (one.type, one.process, one.f, one.value) == (
                other.type, other.process, other.f, other.value,
            )  # fmt: skip


def test_knossos_histories_survive_being_written_again(tmp_path: Path) -> None:
    for file in FILES:
        if "knossos" in file.parts:
            history = load(file).history
            jepsen.write(history, tmp_path / "again.edn")
            assert list(load(tmp_path / "again.edn").history) == list(history)


def test_truncated_and_mutated_files_end_in_a_user_error_or_a_history(tmp_path: Path) -> None:
    chance = random.Random(4)
    path = tmp_path / "mutant"
    small = [file for file in FILES if file.stat().st_size < 40_000]
    for file in chance.sample(small, min(25, len(small))):
        data = file.read_bytes()
        for _ in range(4):
            at = chance.randrange(len(data))
            lines = data.split(b"\n")
            line = chance.randrange(len(lines))
            lines[line] = lines[line][::-1] if chance.random() < 0.5 else lines[line][2:]
            for bad in (data[:at], data[at:], data[:at] + b"]" + data[at:], b"\n".join(lines)):
                path.write_bytes(bad)
                try:
                    load(path)
                except UserError as error:
                    assert str(error).startswith(str(path))
