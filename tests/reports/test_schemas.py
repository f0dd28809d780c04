"""The published schemas say what the files hold, of every system's trials and of every checker."""

import importlib.util
import json
import sys
from pathlib import Path

import jsonschema
import msgspec
import pytest

from duress.harness import registry
from duress.harness.cli.trial_options import defaults, spec_of
from duress.harness.errors import UserError
from duress.harness.history import History
from duress.harness.simulation import repeat
from duress.harness.store import RunFolder

from . import synthetic

ROOT = Path(__file__).parents[2]


def script():
    spec = importlib.util.spec_from_file_location("schemas", ROOT / "scripts" / "schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["schemas"] = module  # its structs look their module up
    spec.loader.exec_module(module)
    return module


schemas = script()
VALIDATORS = {
    name: jsonschema.Draft202012Validator(json.loads(schemas.path_of(name).read_text()))
    for name in schemas.ALL
}


def complaints(name, text):
    return [error.message for error in VALIDATORS[name].iter_errors(json.loads(text))]


@pytest.mark.parametrize("name", schemas.ALL)
def test_the_published_schema_is_that_of_the_types(name):
    assert schemas.path_of(name).read_text() == schemas.text(name), "run scripts/schemas.py"
    jsonschema.Draft202012Validator.check_schema(schemas.schema(name))


def simulated():
    mutants = {}
    for mutant in registry.mutants():
        mutants.setdefault(mutant.system, mutant.name)
    able = [
        name
        for name in registry.names("systems")
        if "sim" in registry.load("systems", name).clusters
    ]
    return [(name, mutants.get(name)) for name in able]


@pytest.mark.parametrize(("system", "mutant"), simulated())
def test_what_a_trial_of_each_system_writes(tmp_path, system, mutant):
    flags = {**defaults(), "cluster": "sim", "settings": (), "mutant": mutant, "seed": 1}
    flags |= {"time_limit_s": 2.0, "interval_s": 0.5}
    spec = spec_of(system, flags, {"cluster", "seed", "time_limit_s", "interval_s"})
    spec = msgspec.structs.replace(spec, options={**spec.options, "trace": "false"})
    (tmp_path / "nodes").mkdir()
    repeat.run(spec, RunFolder(tmp_path), command="duress run it")
    for name in schemas.FILES:
        assert complaints(name, (tmp_path / name).read_text()) == []


MODELS = [
    (name, model)
    for name in registry.names("checkers")
    for model in registry.load("checkers", name).models()
]


@pytest.mark.parametrize(("checker", "model"), MODELS)
def test_what_each_checker_says_of_histories_that_are_not_meant_for_it(checker, model):
    """Whatever it says, it says it in the same words as of any other."""
    kind = registry.load("checkers", checker)
    for history in (History(), History(synthetic.generate(seed=3, calls=40, seconds=4).operations)):
        try:
            verdict = kind.for_model(model, {}).check(history, {})
        except UserError:
            continue
        assert complaints("verdict.json", msgspec.json.encode(verdict)) == []


def test_the_schema_refuses_what_is_no_verdict():
    for text in ("{}", '{"valid": "maybe"}', '{"valid": true, "anomalies": [{"name": 1}]}'):
        assert complaints("verdict.json", text)
    assert complaints("schedule.json", '{"faults": [], "more": 1}')
    assert complaints("trial.json", '{"system": "raft"}')


def test_a_signature_is_part_of_an_invalid_verdict(tmp_path):
    spec = spec_of(
        "raft",
        {**defaults(), "cluster": "sim", "settings": (), "mutant": "stale-read", "seed": 3}
        | {"time_limit_s": 6.0},
        {"cluster", "seed", "time_limit_s"},
    )
    spec = msgspec.structs.replace(spec, options={**spec.options, "trace": "false"})
    (tmp_path / "nodes").mkdir()
    outcome = repeat.run(spec, RunFolder(tmp_path))
    written = json.loads((tmp_path / "verdict.json").read_text())
    assert outcome.verdict.signature is not None
    assert written["signature"] == msgspec.to_builtins(outcome.verdict.signature)
