"""Trials from Python: the same as from the command line, and as typed objects."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import duress
from duress.fixtures.systems.raft import RaftSystem
from duress.harness import registry
from duress.harness.cli import main

FLAGS = {"on": "sim", "nemesis": "partition", "time": 4, "interval": 1, "seed": 7}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def broken(store):
    """A trial of a planted bug."""
    return duress.run("raft", mutant="stale-read", store=store, **FLAGS)


def test_a_trial_says_all_that_its_folder_holds(broken, store):
    assert (broken.outcome, broken.valid, broken.invalid) == ("invalid", False, True)
    assert broken.folder.parent == store
    assert broken.report.read_text().startswith("<!doctype html>")
    assert broken.seed == 7
    assert broken.anomalies[0].name == broken.verdict.anomalies[0].name == "nonlinearizable"
    assert broken.signature is not None
    assert broken.signature.name.startswith("nonlinearizable")
    assert {operation.f for operation in broken.history} >= {"read", "write", "cas", "inject"}
    assert {fault.kind for fault in broken.schedule} == {"partition"}
    assert broken.command.startswith("duress run raft --on sim --seed 7")
    assert repr(broken).startswith("<Trial invalid: raft (mutant stale-read) on sim, seed 7, ")


def test_a_violation_is_told_with_its_story_and_the_way_back(broken):
    with pytest.raises(AssertionError) as told:
        broken.assert_valid()
    assert isinstance(told.value, duress.Violation)
    assert told.value.trial is broken
    first, *rest = str(told.value).splitlines()
    assert first == "raft (mutant stale-read) broke linearizability."
    assert any(line.strip().startswith("∴") for line in rest)
    assert f"report: {broken.report}" in rest
    assert f"run it again: {broken.command}" in rest
    assert broken.story().splitlines()[0] == first


def test_nothing_is_printed_and_a_pass_is_returned(store, capfd):
    trial = duress.run("raft", store=store, **FLAGS)
    assert trial.assert_valid() is trial
    assert trial.verdict.valid is True
    assert capfd.readouterr() == ("", "")


def test_where_nothing_happened_nobody_knows(store):
    trial = duress.run("raft", store=store, **{**FLAGS, "time": 1, "interval": 60})
    assert (trial.outcome, trial.valid, trial.invalid) == ("unknown", False, False)
    with pytest.raises(duress.Undecided, match="no fault of these kinds ever took effect"):
        trial.assert_valid()


def test_a_trial_repeats_and_is_found_and_judged_again(broken, store):
    again = broken.replay()
    assert again.difference is None
    assert again.folder != broken.folder
    assert duress.saved("latest", store=store).folder == again.folder
    assert duress.saved(broken.folder.name, store=store).seed == 7
    (again.folder / "verdict.json").unlink()
    assert again.folder == duress.report(again).folder
    assert duress.saved(again.folder).anomalies[0].name == "nonlinearizable"
    with pytest.raises(duress.UserError, match="run 'nonesuch' was not found"):
        duress.saved("nonesuch", store=store)


def test_the_faults_of_one_trial_may_be_given_to_another(broken, store):
    flags = {name: value for name, value in FLAGS.items() if name != "nemesis"}
    trial = duress.run("raft", schedule=broken.schedule, store=store, **flags)
    assert trial.valid
    assert [f.targets for f in trial.schedule] == [f.targets for f in broken.schedule]
    with pytest.raises(duress.UserError, match="--nemesis: the schedule says which faults"):
        duress.run("raft", schedule=broken.schedule, store=store, **FLAGS)


def test_it_shrinks(broken, store):
    heard = []
    small = broken.shrink(budget_trials=12, jobs=1, progress=heard.append)
    assert heard
    assert small.invalid
    assert small.anomalies[0].name == "nonlinearizable"
    assert small.folder.parent == store


def test_several_seeds_until_one_is_not_valid(store):
    trial = duress.run("raft", store=store, trials=2, **{**FLAGS, "time": 2, "interval": 0.5})
    assert (trial.valid, trial.seed) == (True, 8)


def test_inside_of_a_running_loop_it_does_the_same(broken, store):
    async def notebook():
        return duress.run("raft", mutant="stale-read", store=store, **FLAGS)

    inside = asyncio.run(notebook())
    name = "history.jsonl"
    assert (inside.folder / name).read_bytes() == (broken.folder / name).read_bytes()


def test_in_threads_too(broken, store):
    assert threading.current_thread() is threading.main_thread()
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(duress.run, "raft", mutant="stale-read", store=store, **FLAGS)
            for _ in range(2)
        ]
    for each in both:
        history = (each.result().folder / "history.jsonl").read_bytes()
        assert history == (broken.folder / "history.jsonl").read_bytes()


class MyRaft(RaftSystem):
    """Somebody's own."""


def test_classes_need_no_entry_point(store):
    class Mine(RaftSystem):
        """Inside of a function, where no other process finds it."""

    for kind, is_here in ((MyRaft, False), (Mine, True), (RaftSystem, False)):
        trial = duress.run(kind, store=store, **{**FLAGS, "time": 2})
        assert trial.outcome in ("valid", "unknown")
        assert trial.spec.system.endswith(kind.__qualname__ if kind is not RaftSystem else "raft")
        assert registry.is_only_here(trial.spec.system) == is_here
    assert duress.hunt(Mine, budget_trials=1, time=1, jobs=2, store=store).trials == 1
    with pytest.raises(duress.UserError, match=r"run in a process of their own, which cannot find"):
        duress.run(Mine, on="local", store=store)


def test_names_may_stand_for_classes(store, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    duress.register("systems", "mine", MyRaft)
    assert duress.run("mine", store=store, **{**FLAGS, "time": 1}).spec.system == "mine"
    assert "mine" in registry.names("systems")


@pytest.mark.parametrize(
    ("flags", "arguments"),
    [
        ({"system": "rfat"}, ["rfat"]),
        ({"on": "mars"}, ["raft", "--on", "mars"]),
        ({"workload": "x"}, ["raft", "--workload", "x"]),
        ({"nemesis": "earthquake"}, ["raft", "--nemesis", "earthquake"]),
        ({"nemesis": ["kill", "earthquake"]}, ["raft", "--nemesis", "kill,earthquake"]),
        ({"mutant": "x"}, ["raft", "--mutant", "x"]),
        ({"phases": "5"}, ["raft", "--phases", "5"]),
        ({"settings": {"colour": "blue"}}, ["raft", "--set", "colour=blue"]),
        ({"settings": {"spare": "most"}}, ["raft", "--set", "spare=most"]),
        ({"time": 0}, ["raft", "--time", "0"]),
        ({"time": "soon"}, ["raft", "--time", "soon"]),
        ({"nodes": 0}, ["raft", "--nodes", "0"]),
        ({"seed": "x"}, ["raft", "--seed", "x"]),
        ({"concurrency": "many"}, ["raft", "--concurrency", "many"]),
        ({"by_role": True}, ["raft", "--by-role"]),
    ],
)
def test_mistakes_are_told_in_the_words_of_the_command(flags, arguments, capsys, tmp_path):
    with pytest.raises(duress.UserError) as told:
        duress.run(**{"system": "raft", **flags}, store=tmp_path)
    with pytest.raises(SystemExit):
        main(["run", *arguments, "--store", str(tmp_path)])
    assert str(told.value) in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_flag_that_there_is_not_is_a_mistake_too():
    with pytest.raises(duress.UserError, match=r"no flag 'nemisis' \(did you mean 'nemesis'\?\)"):
        duress.run("raft", nemisis="kill")


def test_every_name_is_there_and_documented():
    for name in dir(duress):
        if not name.startswith("_") and name not in ("TYPE_CHECKING", "Iterable"):
            thing = getattr(duress, name)
            assert thing.__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'nonesuch'"):
        _ = duress.nonesuch
