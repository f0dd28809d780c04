"""A signature is the same whatever another seed would change, and another for another symptom."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duress.harness import signature
from duress.harness.history import History
from duress.harness.operation import Operation
from duress.harness.planned_fault import PlannedFault
from duress.harness.spec import TrialSpec
from duress.harness.verdict import Anomaly, Verdict


def history(*calls, key=0, node="n1", first=0, time=0):
    """One call after another: f, what was asked, how it ended, what was answered."""
    operations = []
    for number, (f, asked, ended, answered) in enumerate(calls):
        at, process = 2 * number, first + number
        begin = Operation(at, time + at, process, "invoke", f, asked, key, node)
        end = Operation(at + 1, time + at + 1, process, ended, f, answered, key, node)
        operations += [begin, end]
    return History(operations)


def nonlinearizable(stuck, **more):
    anomaly = Anomaly("nonlinearizable", "it was", [stuck], details={"failed_at": stuck}, **more)
    return Verdict(False, [anomaly])


def found_in(verdict, made, system="raft", workload="register", needed=None):
    found = signature.of(system, workload, verdict, made, needed)
    assert found is not None
    return found


def name_of(verdict, made):
    return found_in(verdict, made).name


@pytest.mark.parametrize(
    ("calls", "name"),
    [
        ([("write", 1, "ok", 1), ("write", 2, "ok", 2), ("read", None, "ok", 1)], "an older state"),
        ([("write", 1, "ok", 1), ("read", None, "ok", None)], "an older state"),
        ([("write", 1, "fail", 1), ("read", None, "ok", 1)], "what was refused"),
        ([("write", 1, "ok", 1), ("read", None, "ok", 7)], "what nobody wrote"),
        ([("write", 1, "info", 1), ("read", None, "ok", 1)], "an older state"),
        ([("cas", [0, 5], "ok", [0, 5]), ("cas", [4, 6], "ok", [4, 6])], "what nobody wrote"),
    ],
)
def test_where_what_was_seen_came_from(calls, name):
    made = history(*calls)
    assert name_of(nonlinearizable(len(made) - 1), made) == f"nonlinearizable: saw {name}"


def test_a_call_that_saw_nothing():
    made = history(("write", 1, "ok", 1), ("write", 2, "ok", 2))
    assert name_of(nonlinearizable(3), made) == "nonlinearizable: write ok"


def test_the_kinds_of_a_cycle_count_and_neither_their_order_nor_time():
    made = history(("txn", [], "ok", []))

    def of(*kinds):
        edges = [{"type": kind, "from": 0, "to": 0} for kind in kinds]
        return name_of(Verdict(False, [Anomaly("G1c", "", details={"edges": edges})]), made)

    assert of("wr", "ww") == of("ww", "wr", "ww", "realtime") == "G1c: cycle of wr ww"
    assert of("process", "realtime") == "G1c: cycle of process realtime"
    assert of("rw") != of("ww")


def test_what_a_checker_says_of_the_shape():
    made = history(("begin", 1, "ok", 1))
    anomaly = Anomaly("AC1-agreement", "T1 was committed by n1", [0], details={"shape": "by two"})
    assert name_of(Verdict(False, [anomaly]), made) == "AC1-agreement: by two"


@given(
    st.integers(0, 50),
    st.integers(1, 5),
    st.text(max_size=4),
    st.integers(0, 99),
    st.integers(0, 9),
)
def test_names_values_and_times_do_not_count(time, times, node, key, first):
    values = [10 * times, 10 * times + 1]
    calls = [("write", value, "ok", value) for value in values]
    made = history(
        *calls, ("read", None, "ok", values[0]), key=key, node=node, first=first, time=time
    )
    plain = history(("write", 1, "ok", 1), ("write", 2, "ok", 2), ("read", None, "ok", 1))
    assert signature.of("raft", "register", nonlinearizable(5, key=key), made) == signature.of(
        "raft", "register", nonlinearizable(5), plain
    )


def test_system_workload_and_anomaly_count():
    made = history(("write", 1, "ok", 1))
    found = {
        found_in(Verdict(False, [Anomaly(name, "", [0])]), made, system, workload).id
        for system in ("raft", "paxos")
        for workload in ("register", "set")
        for name in ("two-holders", "stale-read")
    }
    assert len(found) == 8


def test_of_several_anomalies_the_smallest_of_the_first_name():
    made = history(("write", 1, "ok", 1), ("write", 2, "ok", 2), ("read", None, "ok", 1))
    large = Anomaly("a", "", [0, 1, 2, 3], details={"shape": "large"})
    small = Anomaly("a", "", [0], details={"shape": "small"})
    other = Anomaly("b", "")
    assert name_of(Verdict(False, [large, other, small]), made) == "a: small"


def test_faults_that_were_needed_stand_beside_the_id():
    made = history(("write", 1, "ok", 1))
    verdict = Verdict(False, [Anomaly("two-holders", "", [0])])

    def of(needed):
        return found_in(verdict, made, needed=needed)

    assert of(None).faults is None
    assert of([]).faults == []
    assert of(["partition", "kill", "kill"]).faults == ["kill", "partition"]
    assert len({of(needed).id for needed in (None, [], ["kill"])}) == 1


def test_only_a_trial_that_was_shrunk_needed_its_faults():
    made = history(("write", 1, "ok", 1))
    verdict = Verdict(False, [Anomaly("two-holders", "", [0])])
    spec = TrialSpec(
        system="raft", workload="register", nemeses=[], cluster="sim", nodes=["n1"], seed=1,
        concurrency=1, schedule=[PlannedFault("kill", 1.0, 2.0, ["n1"], {}, {})],
    )  # fmt: skip
    drawn = signature.signed(verdict, spec, made).signature
    shrunk = signature.signed(verdict, msgspec.structs.replace(spec, shrunk=True), made).signature
    assert drawn is not None
    assert shrunk is not None
    assert drawn.id == shrunk.id
    assert (drawn.faults, shrunk.faults) == (None, ["kill"])


def test_what_is_valid_has_none():
    made = history(("write", 1, "ok", 1))
    assert signature.of("raft", "register", Verdict(True), made) is None


@pytest.mark.parametrize("details", [{"edges": [1, {}]}, {"failed_at": 99}, {"failed_at": True},
                                     {"cycle": "x"}, {"shape": 1}])  # fmt: skip
def test_strange_details_are_no_shape(details):
    made = history(("write", 1, "ok", 1))
    assert name_of(Verdict(False, [Anomaly("x", "", [-1, 99], details=details)]), made) == "x"
