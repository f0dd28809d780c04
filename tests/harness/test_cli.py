import json

import pytest
from click.testing import CliRunner

from duress.harness.cli import cli, main
from duress.harness.cli.run import replay_command
from duress.harness.spec import TrialSpec


def test_help_names_every_command():
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name in ("run", "list", "check", "report", "convert", "images", "clean", "doctor"):
        assert name in result.output
        assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "rfat"], "no system named 'rfat' (did you mean 'raft'?); there are:"),
        (["run", "raft", "--on", "mars"], "raft runs on local"),
        (["run", "raft", "--workload", "x"], "supports the workloads register"),
        (["run", "raft", "--nemesis", "earthquake"], "no nemesis named 'earthquake'"),
        (["run", "raft", "--mutant", "x"], "has no mutant named 'x'; there are:"),
        (["run", "raft", "--nemesis", "kil"], "no nemesis named 'kil' (did you mean 'kill'?)"),
        (["run", "raft", "--nemesis", "kill:0"], "kill:0: expected a weight of more than 0"),
        (["run", "raft", "--phases", "5"], "--phases '5': expected SECONDS:NEMESES"),
        (["run", "raft", "--phases", "5:none", "--nemesis", "kill"], "--nemesis: the phases say"),
        (["run", "raft", "--set", "spare=most"], "spare: expected majority"),
        (["run", "raft", "--set", "kill-target=one"], "did you mean 'kill-targets'?"),
        (["run", "etcd", "--nemesis", "moments"], "moments: none of its nemeses can be had"),
        (["run", "raft", "--set", "x"], "expected NAME=VALUE"),
        (["run", "raft", "--set", "colour=blue"], "--set colour: no such option here; there are:"),
        (["run", "raft", "--time", "0"], "time_limit_s: expected more than 0"),
        (["run", "raft", "--concurrency", "many"], "concurrency: expected a number"),
        (["run", "raft", "--nodes", "0"], "--nodes"),
        (["frobnicate"], "No such command"),
        (["report", "nonesuch"], "run 'nonesuch' was not found"),
        (["check", "nonesuch.edn"], "nonesuch.edn"),
        (["check", "x", "--initial", "{"], "not a JSON value"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "kind", ["systems", "workloads", "nemeses", "clusters", "checkers", "mutants"]
)
def test_list_gives_names_and_docs(kind):
    result = CliRunner().invoke(cli, ["list", kind, "--json"])
    rows = json.loads(result.output)
    assert rows
    assert all(row["name"] and row["doc"] for row in rows)
    assert CliRunner().invoke(cli, ["list", kind]).exit_code == 0


def test_the_replay_command_parses_back_to_the_same_trial(tmp_path):
    import shlex

    from duress.harness.cli import run as module

    spec = TrialSpec(
        system="raft",
        workload="register",
        nemeses=["partition"],
        cluster="local",
        nodes=["n1", "n2", "n3"],
        seed=9,
        concurrency=6,
        rate=10.0,
        time_limit_s=1.5,
        options={"read-share": "0.5"},
    )
    words = shlex.split(replay_command(spec))[2:]
    context = module.command.make_context("run", words)
    assert module.spec_of(context.params.pop("system"), context.params, set()) == spec
