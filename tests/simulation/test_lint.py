import types

import pytest

from duress.harness import registry
from duress.harness.simulation import lint

WRONG = {
    "id(node)": "id() differs",
    "hash('n1')": "hash() differs",
    "datetime.now()": "datetime.now() reads the wall clock",
    "datetime.datetime.utcnow()": "datetime.utcnow() reads",
    "date.today()": "date.today() reads",
    "[x for x in {1, 2}]": "a loop over a set",
    "[x for x in set(peers) - {1}]": "a loop over a set",
    "list(frozenset(peers))": "list() of a set",
}
RIGHT = ["sorted(set(peers))", "1 in {1, 2}", "len(set(peers))", "context.now()", "node.id(5)"]


def module_of(expression, tmp_path):
    path = tmp_path / "wrong.py"
    path.write_text(f"# one line before\nvalue = lambda node, peers, context: {expression}\n")
    module = types.ModuleType("wrong")
    module.__file__ = str(path)
    return module


@pytest.mark.parametrize("expression", WRONG)
def test_what_differs_from_run_to_run_is_found(expression, tmp_path):
    assert [p.startswith("wrong.py:2: ") for p in lint.problems(module_of(expression, tmp_path))]
    assert WRONG[expression] in lint.problems(module_of(expression, tmp_path))[0]


@pytest.mark.parametrize("expression", RIGHT)
def test_what_does_not_is_left_alone(expression, tmp_path):
    assert lint.problems(module_of(expression, tmp_path)) == ()


def test_all_our_protocols_are_clean_and_all_their_modules_are_read():
    for mutant in registry.mutants():
        if not hasattr(mutant, "protocol"):
            continue
        modules = lint.modules_of(mutant.protocol)
        read = {module.__name__.rpartition(".")[2] for module in modules}
        assert {"protocol", mutant.protocol.__mro__[1].__module__.rpartition(".")[2]} <= read
        if mutant.system == "raft":
            assert read >= {"raft", "raft_log", "raft_leadership", "raft_requests"}
        assert [lint.problems(module) for module in modules] == [()] * len(modules)


def test_a_module_without_source_is_no_problem():
    assert lint.problems(types.ModuleType("nowhere")) == ()
