"""The plugin for pytest, in sessions of its own."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

# Known before any session begins in this process: what sessions import, pytester forgets.
import duress.harness.api.in_tests

assert duress.harness.api.in_tests
pytest_plugins = ["pytester"]

SUITE = """
import pytest

FLAGS = dict(on="sim", nemesis="partition", time=2, interval=0.5)

def test_right(duress):
    assert duress.run("raft", seed=7, **FLAGS).assert_valid().seed == 7

def test_planted(duress):
    duress.run("raft", seed=7, mutant="stale-read", on="sim", time=4, interval=1).assert_valid()

def test_nothing_happens(duress):
    duress.run("raft", seed=7, on="sim", nemesis="kill", time=1, interval=60).assert_valid()

def test_mistake(duress):
    duress.run("rfat")

def test_machine(duress):
    duress.run("raft", on="ssh", settings={"hosts": "127.0.0.1:1"}, nodes=1, nemesis="none")

@pytest.mark.duress("raft", seeds=2, **FLAGS)
def test_seeds(duress, duress_seed):
    assert duress.run(rate=20).seed == duress_seed
"""


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(test_suite=SUITE)
    return pytester


@pytest.fixture
def quick(pytester):
    """A suite whose trials are not run: what they were asked for is in ``asked.jsonl``."""
    pytester.makeconftest(
        """
        import json, pathlib
        import pytest
        from duress.harness.api import in_tests

        class Trial:
            outcome, valid, invalid, error, command = "valid", True, False, None, ""
            def __init__(self, folder, seed):
                self.folder, self.seed, self.report = folder, seed, folder / "report.html"

        def run(system, *, store, seed, **flags):
            folder = pathlib.Path(store) / f"{len(list(pathlib.Path(store).glob('*'))):03}-{seed}"
            folder.mkdir(parents=True)
            with open("asked.jsonl", "a") as file:
                file.write(json.dumps([system, seed, flags]) + "\\n")
            return Trial(folder, seed)

        @pytest.fixture(autouse=True)
        def no_trials(monkeypatch):
            monkeypatch.setattr(in_tests, "_run", run)
            monkeypatch.setattr(in_tests, "_passed", type(in_tests._passed)())
        """
    )

    def asked():
        return [
            json.loads(line) for line in (pytester.path / "asked.jsonl").read_text().splitlines()
        ]

    pytester.asked = asked
    return pytester


def test_each_way_to_end_is_shown_as_what_it_is(suite):
    done = suite.runpytest("-p", "no:cacheprovider", "-v", "--junitxml=junit.xml")
    done.assert_outcomes(passed=3, failed=3, errors=1)
    done.stdout.fnmatch_lines(
        [
            "duress: 7 tests with trials, run folders in */runs",
            "*::test_nothing_happens UNDECIDED*",
            "*::test_machine INFRASTRUCTURE*",
            "*::test_seeds?seed-2? PASSED*",
            "*ERROR at call of test_machine*",
            "E *InfrastructureError: host 127.0.0.1*",
            "E *duress.Violation: raft (mutant stale-read) broke linearizability.",
            "E *1.  *",
            "E *∴  The system answered*",
            "E *report: */runs/*-raft-stale-read-*/report.html",
            "E *run it again: duress run raft --on sim --seed 7 *",
            "E *duress.Undecided: Nobody can say whether raft kept its promises.",
            "E *UserError: no system named 'rfat' (did you mean 'raft'[?])*",
            "*duress: trials of tests that failed*",
            "test_suite.py::test_planted",
            "  report * */runs/*-raft-stale-read-*/report.html",
            "  command * duress run raft --on sim --seed 7 *",
        ],
        consecutive=False,
    )
    text = done.stdout.str()
    assert "harness/api" not in text, "lines of duress are no news to the user"
    cases = ElementTree.parse(suite.path / "junit.xml").iter("testcase")
    told = {
        c.get("name"): {p.get("name"): p.get("value") for p in c.iter("property")} for c in cases
    }
    assert told["test_planted"]["duress_outcome"] == "invalid"
    assert told["test_planted"]["duress_report"].endswith("report.html")
    assert told["test_right"] == {"duress_outcome": "valid", "duress_seed": "7"}


def test_folders_of_failures_stay_and_those_of_passes_make_room(suite):
    run = ("-p", "no:cacheprovider", "-q", "--duress-keep=1", "-k", "planted or right or seeds")
    done = suite.runpytest("-n", "2", *run)
    done.assert_outcomes(passed=3, failed=1)
    done.stdout.fnmatch_lines(["*duress: trials of tests that failed*", "*::test_planted"])
    kept = [json.loads(path.read_text()) for path in suite.path.glob("runs/2*/pytest.json")]
    assert sorted(each["result"] for each in kept) == ["failed", "passed"]
    failed = next(each for each in kept if each["result"] == "failed")
    assert failed["test"] == "test_suite.py::test_planted"


def test_tests_go_before_markers_and_those_before_flags(quick):
    quick.makepyfile(
        """
        import pytest
        pytestmark = pytest.mark.duress("raft", on="sim", rate=10)

        def test_marker(duress):
            duress.run()

        @pytest.mark.duress(rate=20)
        def test_closer(duress):
            duress.run("paxos", time=3)

        def test_own(duress):
            duress.run(on="docker", trials=2, seed=5)
        """
    )
    flags = ("--duress-on=local", "--duress-time=9", "--duress-trials=4", "--duress-seed=100")
    quick.runpytest("-q", "-p", "no:cacheprovider", *flags).assert_outcomes(passed=3)
    assert quick.asked() == [
        ["raft", 100, {"on": "sim", "time": 9.0, "rate": 10, "trials": 4}],
        ["paxos", 100, {"on": "sim", "time": 3, "rate": 20, "trials": 4}],
        ["raft", 5, {"on": "docker", "time": 9.0, "rate": 10, "trials": 2}],
    ]


def test_seeds_stay_the_same_unless_they_are_to_be_random(quick):
    quick.makepyfile(
        """
        def test_one(duress):
            assert duress.seed == duress.run("raft").seed
            duress.run("raft")
        def test_other(duress):
            duress.run("raft")
        """
    )
    for flags in ((), (), ("--duress-seed=random",)):
        quick.runpytest("-q", "-p", "no:cacheprovider", *flags).assert_outcomes(passed=2)
    seeds = [seed for _, seed, _ in quick.asked()]
    first, again, third = seeds[:3], seeds[3:6], seeds[6:]
    assert first == again
    assert len({*first, *third}) == 6
    assert first[1] == first[0] + 1
    done = quick.runpytest("--duress-seed=soon")
    assert "expected a number or random, got 'soon'" in done.stderr.str()


def test_flags_are_said_and_trials_can_be_selected(quick):
    quick.makepyfile(
        """
        def test_plain(): pass
        def test_trial(duress): duress.needs("sim")
        def test_elsewhere(duress): duress.needs("mars")
        """
    )
    done = quick.runpytest("-m", "duress", "--duress-on=sim", "--strict-markers")
    done.assert_outcomes(passed=1, failed=1, deselected=1)
    done.stdout.fnmatch_lines(["duress: --duress-on sim", "duress: 2 tests with trials, *"])
    assert "no cluster named 'mars'" in done.stdout.str()
    assert "duress" not in quick.runpytest("-m", "not duress").stdout.str().replace("duress-", "")


def test_a_session_without_trials_imports_nothing_of_it(pytester):
    pytester.makepyfile("def test_plain(): pass")
    pytester.makeconftest(
        """
        import sys
        def pytest_unconfigure():
            print("imported:", sorted(name for name in sys.modules if name.startswith("duress")))
        """
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-s"],
        cwd=pytester.path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    known = "['duress', 'duress.harness', 'duress.harness.pytest_plugin']"
    assert f"imported: {known}" in done.stdout
    assert "duress:" not in done.stdout
