"""What is said of a run, whatever state its folder is in."""

import errno
import json
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness import store
from duress.reports.serve import run_names, run_summary

from . import run_folders

NOW_S = time.time()


def summary_of(folder, now_s=None):
    return run_summary.summarise(folder, time.time() if now_s is None else now_s)


def test_an_invalid_run(tmp_path):
    spec = run_folders.spec(mutant="stale-read", outcome="invalid")
    verdict = run_folders.verdict(False, ["G1c", "G1c", "lost-update"])
    found = summary_of(run_folders.write(tmp_path, "run", spec, verdict))
    assert found.state == "invalid"
    assert found.anomalies == {"G1c": 2, "lost-update": 1}
    assert found.signature == "raft/stale-read: G1c, lost-update"
    assert found.trouble == "G1c and lost-update"
    assert (found.system, found.mutant, found.seed) == ("raft", "stale-read", "7")
    assert (found.calls, found.served, found.faults) == (120, 0.9, 1)
    assert found.started_s == 1772346600
    assert "raft (mutant stale-read) broke" in found.sentence
    assert found.problems == []


def test_the_signature_of_the_verdict_comes_first(tmp_path):
    signature = {"id": "22222222", "name": "G1c: ww wr", "faults": ["kill"]}
    verdict = run_folders.verdict(False, ["G1c"]) | {"signature": signature}
    found = summary_of(run_folders.write(tmp_path, "run", run_folders.spec(), verdict))
    assert (found.signature, found.trouble) == ("22222222", "G1c: ww wr")
    mutant = run_folders.spec(mutant="stale-read")
    found = summary_of(run_folders.write(tmp_path, "other", mutant, verdict))
    assert found.signature == "22222222/stale-read"


def test_reasons_that_differ_in_numbers_only_are_one(tmp_path):
    signatures = {
        summary_of(
            run_folders.write(
                tmp_path,
                f"run-{k}",
                run_folders.spec(),
                run_folders.verdict("unknown", reason=f"node n{k} was dead after {k}.5 s"),
            )
        ).signature
        for k in (1, 12, 345)
    }
    assert len(signatures) == 1


def test_a_trial_under_way_and_one_that_was_killed(tmp_path):
    folder = run_folders.write(tmp_path, "run", run_folders.spec(), age_s=100_000)
    with run_folders.being_written(folder):
        assert summary_of(folder).state == "running"
    found = summary_of(folder)
    assert found.state == "none"
    assert "verdict.json: missing" in found.problems


def test_a_killed_process_writes_no_more(tmp_path):
    folder = run_folders.write(tmp_path, "run", run_folders.spec())
    held = (
        "import sys, time; from pathlib import Path; from duress.harness.store import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).being_written():\n"
        "    print('held', flush=True); time.sleep(99)"
    )
    with subprocess.Popen([sys.executable, "-c", held, folder], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert summary_of(folder).state == "running"
        process.kill()
        process.wait()
    assert summary_of(folder).state == "none"


def test_where_no_locks_are_what_is_written_counts(tmp_path, monkeypatch):
    def without_locks(*_):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(store.fcntl, "flock", without_locks)
    folder = run_folders.write(tmp_path, "run", run_folders.spec(), age_s=100_000)
    with run_folders.being_written(folder):
        assert summary_of(folder).state == "none"
    (folder / "history.jsonl").write_text("{}\n")
    assert summary_of(folder).state == "running"
    later_s = time.time() + run_summary.SILENCE_S + 61
    assert summary_of(folder, later_s - 10).state == "running"
    assert summary_of(folder, later_s).state == "none"


def test_a_new_folder_without_files_is_a_trial_that_begins(tmp_path):
    assert summary_of(run_folders.write(tmp_path, "20260301T063000-raft-0001")).state == "running"


@pytest.mark.parametrize("file", ["trial.json", "verdict.json"])
def test_files_may_break_off_at_any_byte(tmp_path, file):
    spec, verdict = run_folders.spec(), run_folders.verdict(False, ["G1c"])
    folder = run_folders.write(tmp_path, "20260301T063000-raft-0001", spec, verdict)
    whole = (folder / file).read_bytes()
    for length in range(len(whole)):
        (folder / file).write_bytes(whole[:length])
        found = summary_of(folder)
        assert found.problems[0].startswith(f"{file}: not readable")
        assert found.state == ("invalid" if file == "trial.json" else "none")
    (folder / file).write_bytes(whole)
    assert summary_of(folder).problems == []


@settings(max_examples=60, deadline=None)
@given(spec=st.binary(max_size=60), verdict=st.binary(max_size=60))
def test_any_bytes_give_a_summary(tmp_path_factory, spec, verdict):
    folder = run_folders.write(tmp_path_factory.mktemp("runs"), "run", spec, verdict)
    assert summary_of(folder).state == "none"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
FIELDS = (*run_folders.spec(), "outcome", "error", "phases")


@settings(max_examples=60, deadline=None)
@given(spec=st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_any_values_give_a_summary(tmp_path_factory, spec):
    text = json.dumps(spec).encode()
    folder = run_folders.write(tmp_path_factory.mktemp("runs"), "run", text, run_folders.verdict())
    assert summary_of(folder).state in ("valid", "none")


def test_links_and_other_kinds_of_files_are_not_read(tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(run_folders.spec(system="secret")))
    folder = run_folders.write(tmp_path, "20260301T063000-raft-0001")
    (folder / "trial.json").symlink_to(secret)
    (folder / "verdict.json").mkdir()
    found = summary_of(folder)
    assert found.system == ""
    assert [problem.partition(":")[0] for problem in found.problems] == [
        "trial.json",
        "verdict.json",
    ]


@given(st.binary(min_size=1, max_size=40).filter(lambda b: not set(b) & {0, 47}))
def test_any_name_survives_an_address(name):
    text = name.decode("utf-8", "surrogateescape")
    if name in (b".", b".."):
        with pytest.raises(run_names.BadName):
            run_names.decoded(run_names.encoded(text))
    else:
        slug = run_names.encoded(text)
        assert slug.isascii()
        assert not set(slug) & set("/?#&<>\"' ")
        assert run_names.decoded(slug) == text
        run_names.shown(text).encode()
