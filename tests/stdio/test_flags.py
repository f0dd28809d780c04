"""``duress run WORKLOAD --node PROGRAM``: Maelstrom's flags mean here what they mean there."""

import json
import shlex

import click
import pytest

from duress.fixtures.systems.maelstrom_names import DIALECTS, program_name
from duress.harness.cli import maelstrom_flags
from duress.harness.cli.trial_options import given_flags, trial_options
from duress.harness.errors import UserError
from duress.harness.one_trial import replay_command
from duress.harness.trial_flags import defaults, spec_of

from ..command_line import duress
from .node_trials import EXAMPLES

ECHO = str(EXAMPLES / "python/echo.py")


def translated(workload, given=(), **flags):
    names = ("node", "workload", "settings", *maelstrom_flags.ONLY_WITH_NODE)
    usual = dict.fromkeys(names) | {"settings": (), "arguments": (), "node": ECHO}
    return maelstrom_flags.translated(workload, usual | flags, set(given))


def settings(workload, **flags):
    _, found, _ = translated(workload, **flags)
    return dict(pair.split("=", 1) for pair in found["settings"])


@pytest.mark.parametrize(
    ("workload", "ours", "options"),
    [
        ("echo", "echo", {}),
        ("broadcast", "set", {"rpc": "broadcast", "read-share": "0.5"}),
        ("g-set", "set", {"rpc": "g-set", "read-share": "0.5"}),
        ("g-counter", "pn-counter", {"subtract-share": "0"}),
        ("lin-kv", "register", {}),
        ("txn-list-append", "append", {}),
        ("txn-rw-register", "rw-register", {}),
        ("kafka", "kafka", {}),
        ("register", "register", {}),
    ],
)
def test_workloads_by_their_names_there(workload, ours, options):
    system, flags, _ = translated(workload)
    assert (system, flags["workload"]) == ("maelstrom", ours)
    assert settings(workload) == {"node": ECHO, **options}


def test_flags_by_their_names_there():
    _, flags, given = translated(
        "echo", node_count=3, time_limit=5.0, nemesis_interval=2.0, test_count=4
    )
    assert [flags[name] for name in ("nodes", "time_limit_s", "interval_s", "trials")] == [
        3,
        5,
        2,
        4,
    ]
    assert {"nodes", "time_limit_s", "interval_s", "trials"} <= given
    found = settings(
        "txn-list-append",
        key_count="5",
        max_txn_length="3",
        max_writes_per_key="9",
        consistency_models="serializable",
        availability="total",
    )
    assert found["key-count"] == "5"
    assert found["max-length"] == "3"
    assert found["max-writes-per-key"] == "9"
    assert found["level"] == "serializable"
    assert found["min-share"] == "1"


@pytest.mark.parametrize(
    ("text", "kind", "latency"),
    [
        ("10", None, "constant:10"),
        ("10", "uniform", "uniform:0:20"),
        ("2.5", "exponential", "exponential:2.5"),
        ("uniform:1:2", None, "uniform:1:2"),
    ],
)
def test_latency(text, kind, latency):
    assert settings("echo", latency=text, latency_dist=kind)["latency"] == latency


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"node": "./nowhere"}, "no such file"),
        ({"node": str(EXAMPLES / "c/echo.c")}, "try chmod"),
        ({"node": "no-such-program-at-all"}, "on the PATH"),
        ({"latency": "soon"}, "expected milliseconds"),
        ({"latency_dist": "uniform"}, "needs a mean"),
        ({"node": None, "node_count": 3}, "--node-count: is for --node"),
        ({"node": None, "arguments": ("x",)}, "--: is for --node"),
        ({"given": ["nodes"], "node_count": 3}, "other name"),
        ({"key_count": "3"}, "--key-count: means nothing for the workload echo"),
        ({"workload": "append", "consistency_models": "a,b"}, "expected one, the strongest"),
        ({"arguments": ("echo",)}, "echo twice"),
        ({"arguments": ("lin-kv",)}, "got echo and lin-kv"),
    ],
)
def test_mistakes_are_told_in_one_line(flags, words):
    with pytest.raises(UserError, match=words) as caught:
        translated(flags.pop("workload", "echo"), **flags)
    assert "\n" not in str(caught.value)


def test_an_unknown_workload_gets_a_suggestion():
    with pytest.raises(UserError, match="did you mean 'broadcast'"):
        translated("broadcats")


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("-w echo --bin ./x --rate 5", "echo --bin ./x --rate 5"),
        ("--bin ./x --workload=echo -- -w y", "echo --bin ./x -- -w y"),
        ("--node=./x --workload echo", "echo --node=./x"),
        ("echo --node ./x -- -w y", "echo --node ./x -- -w y"),
        ("raft -w append", "raft -w append"),
        ("--bin ./x -w", "--bin ./x -w"),
    ],
)
def test_the_workload_may_stand_where_maelstrom_has_it(given, becomes):
    assert maelstrom_flags.rearranged(given.split()) == becomes.split()


@pytest.mark.parametrize("flag", [*maelstrom_flags.REFUSED, "--username=root"])
def test_flags_that_mean_nothing_say_what_to_do(flag):
    with pytest.raises(UserError, match=f"^{flag.partition('=')[0]}: means nothing here: "):
        maelstrom_flags.rearranged(["echo", "--bin", "./x", flag])


@pytest.mark.parametrize("workload", [*DIALECTS, "register"])
def test_what_a_report_says_to_run_again_is_the_same_trial(workload):
    _, flags, given = translated(workload, arguments=("--fast", "a b"))
    again = spec_of("maelstrom", {**defaults(), **flags, "seed": 3}, given)
    words = shlex.split(replay_command(again))
    assert words[:2] == ["duress", "run"]
    command = click.command(cls=maelstrom_flags.MaelstromCommand)(
        trial_options(maelstrom_flags.maelstrom_options(lambda **flags: flags))
    )
    with command.make_context("run", words[2:]) as context:
        parsed = dict(context.params)
        found = maelstrom_flags.translated(parsed.pop("system"), parsed, given_flags(parsed))
        assert spec_of(*found) == again


def test_programs_are_called_by_what_they_run():
    assert program_name(["/a/b/node.py", "x.py"]) == "node.py"
    assert program_name(["/usr/bin/python3", "-u", "/a/node.py", "--fast"]) == "node.py"
    assert program_name(["/usr/bin/thing", "raft"]) == "thing"


def test_arguments_that_are_files_do_not_depend_on_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "node.py").touch()
    words = maelstrom_flags.program_of("sh", ("node.py", "-x", "more"))
    assert words[0].endswith("/sh")
    assert words[1:] == [str(tmp_path / "node.py"), "-x", "more"]


def test_as_a_user_runs_it(tmp_path):
    words = ["run", "echo", "--node", "python3", "--node-count", 2, "--time-limit", 1, "--twice"]
    words += ["--settle", 0, "--store", tmp_path, "--json", "--quiet", "--", ECHO]
    done = duress(*words)
    assert "deterministic here: when they heard the same" in done.stderr
    said = json.loads(done.stdout)
    assert (done.returncode, said["valid"]) == (0, True), done.stderr
    folder = tmp_path / "latest"
    told = json.loads((folder / "trial.json").read_text())
    assert told["nodes"] == ["n0", "n1"]
    assert told["title"] == "echo.py as echo"
    assert told["command"].startswith("duress run echo --node /")
    assert told["command"].endswith(f" -- {ECHO}")
    # What it says to run again does run again, and so does a replay.
    for command in (shlex.split(told["command"])[1:], ["replay", str(folder)]):
        again = duress(*command, "--store", tmp_path, "--quiet")
        assert again.returncode == 0, again.stdout + again.stderr
    assert "2.00" in done.stderr  # messages an operation


def test_a_mistake_leaves_no_trace_back(tmp_path):
    done = duress("run", "echo", "--node", tmp_path / "nothing", "--store", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("duress: --node ") and done.stderr.count("\n") == 1
