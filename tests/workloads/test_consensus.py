"""The workload consensus: competing proposals, conclusions at the end, and real processes."""

from random import Random

import pytest

from duress.checkers.consensus import Consensus
from duress.harness.errors import UserError
from duress.harness.generator import clients, limit, simulate
from duress.workloads.consensus import CONCLUDE_TRIES, ConsensusWorkload

from ..fixtures.protocol_trials import assert_valid_on_processes, one_in_short


def workload(**options):
    return ConsensusWorkload(options, 4, Random(1))


def invocations(generator):
    history = simulate.quick(generator, concurrency=4, seed=3)
    return [operation for operation in history if operation.type == "invoke"]


def test_instances_are_contested_and_values_are_never_used_twice():
    asked = invocations(clients(limit(600, workload().generator())))
    proposals = [each for each in asked if each.f == "propose"]
    values = [each.value for each in proposals]
    assert len(values) == len(set(values)) > 200
    instances = {each.key for each in asked}
    assert instances == set(range(len(instances)))
    first = {}
    for each in asked:
        first.setdefault(each.key, each.f)
    assert set(first.values()) == {"propose"}, "an instance begins with a proposal"
    counts = [sum(each.key == key for each in proposals) for key in instances]
    assert sum(count > 1 for count in counts) > len(counts) / 3


def test_every_client_concludes_every_instance_once_if_all_goes_well():
    asked = invocations(clients(workload(conclude="3").final_generator()))
    assert sorted((each.process, each.key) for each in asked) == [
        (process, key) for process in range(4) for key in (0, 1, 3)
    ]
    assert len({each.value for each in asked}) == len(asked)
    assert workload(conclude="0").final_generator() is None


def test_a_conclusion_is_tried_again_a_few_times():
    final = clients(workload(conclude="1").final_generator())
    history = simulate.perfect_info(final, concurrency=4, seed=3)
    asked = [operation for operation in history if operation.type == "invoke"]
    assert len(asked) == 4 * CONCLUDE_TRIES


def test_options():
    assert isinstance(workload().checkers()["consensus"], Consensus)
    for options, word in (({"new-share": "2"}, "new-share"), ({"conclude": "-1"}, "conclude")):
        with pytest.raises(UserError, match=word):
            workload(**options)


SYSTEMS = ("paxos", "multi-paxos", "primary-backup", "chain-replication")


@pytest.mark.local
@pytest.mark.parametrize("system", one_in_short(SYSTEMS))
def test_on_real_processes(system, tmp_path):
    # An aimed shape strikes nobody while there is no primary: these always strike.
    shapes = ("--set", "partition-shapes=halves,one,one-way")
    assert_valid_on_processes(system, tmp_path, "--time", "8", "--interval", "1", *shapes)
