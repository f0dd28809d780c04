from click.testing import CliRunner

from duress.harness.cli import cli
from duress.harness.formats import jsonl, load
from duress.harness.operation import NEMESIS, Operation

HISTORY = [
    Operation(0, 0, 0, "invoke", "write", 3, key=1),
    Operation(1, 5, NEMESIS, "invoke", "inject", {"kind": "kill"}),
    Operation(2, 6, NEMESIS, "info", "inject", {"kind": "kill", "id": 1}),
    Operation(3, 9, 0, "ok", "write", 3, key=1),
    Operation(4, 10, 1, "invoke", "read", None, key=1),
    Operation(5, 12, 1, "info", "read", None, key=1, error="timeout"),
]


def test_a_history_survives_the_way_to_jepsen_and_back(tmp_path):
    source, edn, back = (tmp_path / name for name in ("a.jsonl", "a.edn", "b.jsonl"))
    jsonl.write(HISTORY, source)
    for one, other, to in ((source, edn, "jepsen-edn"), (edn, back, "jsonl")):
        result = CliRunner().invoke(cli, ["convert", str(one), str(other), "--to", to])
        assert result.exit_code == 0, result.output
        assert "6 operations" in result.output
    assert ":process :nemesis" in edn.read_text()
    clients = [o for o in load(back).history if o.process != NEMESIS]
    assert [(o.type, o.f, o.value, o.key) for o in clients] == [
        (o.type, o.f, o.value, o.key) for o in HISTORY if o.process != NEMESIS
    ]
