"""Campaign files: what they mean, and what is wrong with them."""

import pytest

from duress.harness.campaign import plan as plans
from duress.harness.campaign.plan import Matrix, Plan
from duress.harness.errors import UserError

from .made import make, plan


def test_every_cell_is_tried_before_any_is_tried_again():
    trials = list(plans.trials(plan(), make))
    assert [each.number for each in trials] == list(range(15))
    assert [each.cell for each in trials[:6]] == ["raft", "paxos", "etcd"] * 2
    assert [each.spec.seed for each in trials[:6]] == [1, 1, 3, 2, 2, 4]


def test_cells_are_every_combination():
    matrix = Matrix(
        systems=["raft"],
        workloads=["register", "append"],
        nemeses=["partition,kill", "clock"],
        clusters=["sim"],
        flags={"nodes": 3},
        settings={"unsynced": "torn", "batch": True},
    )
    names = [cell.name for cell in plans.cells(Plan([matrix]))]
    tail = "sim nodes=3 batch=true unsynced=torn"
    assert names == [
        f"raft register partition,kill {tail}",
        f"raft register clock {tail}",
        f"raft append partition,kill {tail}",
        f"raft append clock {tail}",
    ]


def test_the_same_cell_twice_is_a_mistake():
    with pytest.raises(UserError, match="'raft' is in it twice"):
        plans.cells(Plan([Matrix(systems=["raft"]), Matrix(systems=["raft"], seeds=3)]))


@pytest.mark.parametrize(
    ("told", "meant"), [(3, [1, 2, 3]), ("5-7", [5, 6, 7]), ([9, 2], [9, 2]), ("4-4", [4])]
)
def test_seeds(told, meant):
    assert plans.seeds_of(told) == meant


@pytest.mark.parametrize("told", [0, -1, "7-5", "x", "3", [], [1, 1], "1-99999999999"])
def test_seeds_that_mean_nothing(told):
    with pytest.raises(UserError, match=r"^seeds: expected"):
        plans.seeds_of(told)


def read(tmp_path, text):
    path = tmp_path / "night.toml"
    path.write_text(text)
    return plans.read(path)


MATRIX = '[[matrix]]\nsystems = ["raft"]\n'


def test_a_file_names_its_campaign(tmp_path):
    found = read(tmp_path, f"[budget]\nminutes = 5\n[limits]\nretries = 0\n{MATRIX}seeds = '2-3'\n")
    assert (found.name, found.budget.minutes, found.limits.retries) == ("night", 5, 0)
    assert found.matrix[0].seeds == "2-3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "matrix"),
        ("matrix = []", "matrix: expected at least one"),
        ("[[matrix]]\nsystems = []\n", "matrix: expected at least one"),
        ("x = [", "not TOML"),
        (f"{MATRIX}sedes = 3\n", "sedes"),
        (f"{MATRIX}seeds = '9-3'\n", "seeds: expected"),
        (f"{MATRIX}flags = {{ colour = 3 }}\n", "flags: 'colour' is none; there are nodes"),
        (f"[budget]\nminutes = 0\n{MATRIX}", "budget.minutes: expected more than 0"),
        (f"[limits]\nmemory_mb = 0\n{MATRIX}", "limits.memory_mb: expected more than 0"),
        (f"[limits]\nretries = -1\n{MATRIX}", "limits.retries: expected at least 0, got -1"),
        (f"[keep]\nfailures = 0\n{MATRIX}", "keep.failures: expected at least 1, got 0"),
        (f"name = '../x'\n{MATRIX}", "name: expected the name of a folder"),
        (f"[hooks]\nwebhook = 'ftp://x'\n{MATRIX}", "hooks.webhook: expected an http address"),
        (f"[limits]\nparallel = 'x'\n{MATRIX}", "parallel"),
    ],
)
def test_mistakes_name_the_file_and_the_place(tmp_path, text, said):
    with pytest.raises(UserError, match=r"night\.toml: ") as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"no\.toml: cannot read: No such file"):
        plans.read(tmp_path / "no.toml")


def test_a_plan_is_known_by_what_it_runs():
    one = plan()
    assert plans.digest(one) == plans.digest(plan(budget=plans.Budget(minutes=3)))
    other = Plan(matrix=[Matrix(systems=["raft"])], name="nightly")
    assert plans.digest(one) != plans.digest(other)
