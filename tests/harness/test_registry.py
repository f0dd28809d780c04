from importlib.metadata import EntryPoint

import pytest

from duress.harness import registry
from duress.harness.errors import UserError


def test_knows_the_built_in_parts():
    assert {"raft", "etcd"} <= set(registry.names("systems"))
    assert {"partition", "kill", "pause"} <= set(registry.names("nemeses"))
    assert {"local", "docker"} <= set(registry.names("clusters"))


@pytest.mark.parametrize("kind", [k for k in registry.KINDS if k != "mutants"])
def test_every_entry_loads_and_is_documented(kind):
    for name in registry.names(kind):
        assert registry.doc_line(registry.load(kind, name)), f"{kind} {name} has no documentation"


def test_mutants_name_their_system_and_anomaly():
    found = registry.mutants()
    assert {"stale-read", "forgets-vote", "commits-old-term"} <= {m.name for m in found}
    for mutant in found:
        assert mutant.system in registry.names("systems")
        assert mutant.anomaly
        assert registry.doc_line(mutant)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(
        UserError, match=r"no system named 'rfat' \(did you mean 'raft'\?\); there are"
    ):
        registry.load("systems", "rfat")
    with pytest.raises(UserError, match="no nemesis named"):
        registry.load("nemeses", "x")


def test_loads_a_users_own_class(tmp_path):
    path = tmp_path / "my_suite.py"
    path.write_text('class MyStore:\n    """Mine."""\n')
    assert registry.doc_line(registry.load("systems", f"{path}:MyStore")) == "Mine."
    with pytest.raises(UserError, match="defines no 'Other'"):
        registry.load("systems", f"{path}:Other")


def test_a_users_broken_file_is_one_line(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("import nonesuch_module\n")
    with pytest.raises(UserError, match="cannot be imported: ModuleNotFoundError"):
        registry.load("systems", f"{path}:X")
    with pytest.raises(UserError, match="no such file"):
        registry.load("systems", f"{tmp_path}/none.py:X")


@pytest.mark.parametrize("value", ["no_such_module_here:Store", "json:NoSuchStore"])
def test_a_package_that_cannot_be_loaded_is_named(monkeypatch, value):
    entry = EntryPoint("mystore", value, "duress.systems")
    monkeypatch.setattr(registry, "_entries", lambda kind: (entry,))
    with pytest.raises(UserError, match=f"the system 'mystore' is registered as {value} but"):
        registry.load("systems", "mystore")
    with pytest.raises(UserError, match="the mutant 'mystore' is registered as"):
        registry.mutants()
