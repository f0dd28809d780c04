"""``duress clean`` goes on where one kind of cluster cannot be cleaned."""

from types import SimpleNamespace

import pytest

from duress.harness import registry
from duress.harness.cli import cli, main
from duress.harness.cluster.stdio import StdioCluster
from duress.harness.errors import InfrastructureError, UserError


def fails(all_):
    raise InfrastructureError("no engine answers")


def cleaned(monkeypatch, kinds, *words):
    monkeypatch.setattr(registry, "names", lambda group: list(kinds))
    monkeypatch.setattr(registry, "load", lambda group, name: kinds[name])
    with pytest.raises(SystemExit) as ended:
        main(["clean", *words])
    return ended.value.code


def test_what_can_be_removed_is_removed_and_what_cannot_is_told(monkeypatch, capsys):
    kinds = {
        "docker": SimpleNamespace(clean=fails),
        "local": SimpleNamespace(clean=lambda all_: [f"control group a, all {all_}"]),
        "sim": SimpleNamespace(),
        "ssh": SimpleNamespace(sweep=lambda options: [f"h1: trial t: {options['hosts']}"]),
    }
    assert cleaned(monkeypatch, kinds, "--all", "--set", "hosts=h1") == 3
    told = capsys.readouterr()
    assert told.out.splitlines() == ["removed control group a, all True", "removed h1: trial t: h1"]
    assert told.err.strip() == "duress: no engine answers"


def test_hosts_are_swept_only_if_all_is_to_go(monkeypatch, capsys):
    kinds = {"ssh": SimpleNamespace(sweep=lambda options: ["everything"])}
    assert cleaned(monkeypatch, kinds) == 0
    assert capsys.readouterr().out == "nothing to clean\n"


def test_the_kinds_of_cluster_can_be_named_and_the_others_are_left_alone(monkeypatch, capsys):
    kinds = {
        "stdio": SimpleNamespace(clean=lambda all_: ["process 7, of somebody's trial"]),
        "ssh": SimpleNamespace(sweep=lambda options: ["h1: trial t"]),
    }
    assert cleaned(monkeypatch, kinds, "--all", "--on", "ssh", "--set", "hosts=h1") == 0
    assert capsys.readouterr().out == "removed h1: trial t\n"


@pytest.mark.parametrize(("named", "strange"), [("stdio,moon", "'moon'"), ("", "''")])
def test_a_kind_that_there_is_not_is_refused_before_anything_is_done(named, strange, monkeypatch):
    cleaned = []
    monkeypatch.setattr(StdioCluster, "clean", cleaned.append)
    with pytest.raises(UserError, match=f"no cluster named {strange}"):
        cli.main(["clean", "--all", "--on", named], standalone_mode=False)
    assert cleaned == []


@pytest.mark.parametrize("words", [[], ["--all", "--on", "stdio"]])
def test_options_that_nothing_has_a_use_for_are_refused(words, monkeypatch, capsys):
    done = []
    kinds = {
        "stdio": SimpleNamespace(clean=done.append),
        "ssh": SimpleNamespace(sweep=done.append),
    }
    assert cleaned(monkeypatch, kinds, *words, "--set", "hosts=h1") == 2
    assert capsys.readouterr().err.startswith("duress: hosts: is of use only to end what runs on ")
    assert done == []
