"""``docs/dask.md`` and ``examples/dask``: one text, and Dask's own commands take their words."""

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "dask"
PAGE = (ROOT / "docs" / "dask.md").read_text()
CLUSTER = yaml.safe_load((EXAMPLES / "kubernetes.yaml").read_text())


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_the_page_shows_what_the_file_says(path):
    assert path.read_text() in PAGE


def understood(words):
    """``dask`` knows these options and arguments."""
    program, command, *rest = words
    assert program == "dask"
    main = import_module(f"distributed.cli.dask_{command}").main
    return main.make_context(command, rest)


def test_the_commands_of_the_page_are_understood():
    lines = re.findall(r"^    (dask .*)$", PAGE, re.MULTILINE)
    assert {line.split()[1] for line in lines} == {"scheduler", "worker", "ssh"}
    for line in lines:
        understood(shlex.split(line.replace("hosts.txt", str(EXAMPLES / "slurm.py"))))


@pytest.mark.parametrize("part", ["worker", "scheduler"])
def test_the_commands_of_the_pods_are_understood(part):
    (container,) = CLUSTER["spec"][part]["spec"]["containers"]
    assert container["name"] == part
    assert understood(container["args"]).command.name is not None


def test_the_service_finds_the_scheduler_and_its_ports():
    assert (CLUSTER["apiVersion"], CLUSTER["kind"]) == ("kubernetes.dask.org/v1", "DaskCluster")
    scheduler = CLUSTER["spec"]["scheduler"]
    assert scheduler["service"]["selector"]["dask.org/cluster-name"] == CLUSTER["metadata"]["name"]
    named = {each["name"] for each in scheduler["spec"]["containers"][0]["ports"]}
    assert {each["targetPort"] for each in scheduler["service"]["ports"]} == named
    assert f"service/{CLUSTER['metadata']['name']}-scheduler 8786:8786" in PAGE


def test_the_script_for_slurm_is_python():
    tree = ast.parse((EXAMPLES / "slurm.py").read_text())
    calls = [each for each in ast.walk(tree) if isinstance(each, ast.Call)]
    assert "SLURMCluster" in {getattr(call.func, "id", "") for call in calls}
