"""The agent of a host, spoken to through a pipe instead of ssh."""

import ast
import base64
import io
import itertools
import json
import subprocess
import sys
import time
import zipfile

import pytest

from duress.harness.cluster.host_bundle import agent_bundle


class Agent:
    """A connection to an agent on this machine, with nothing but the standard library."""

    def __init__(self, folder, trial, heal_after_s=30):
        program = folder / "agent.pyz"
        program.write_bytes(agent_bundle())
        self.directory = folder / "files"
        self._numbers = itertools.count(1)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                program,
                "connect",
                trial,
                self.directory,
                f"{heal_after_s}",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert "connection" in json.loads(self.process.stdout.readline())

    def ask(self, do, **fields):
        number = next(self._numbers)
        self.process.stdin.write(json.dumps({"id": number, "do": do, **fields}).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert answer.pop("id") == number
        return answer

    def start(self, name, script):
        argv = ["sh", "-c", script]
        return self.ask("start", name=name, argv=argv, env={}, cwd=None, log=f"{name}.log")

    def hang_up(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@pytest.fixture
def connected(tmp_path):
    agents = []

    def connect(**options):
        agents.append(Agent(tmp_path, f"test-{tmp_path.name}", **options))
        return agents[-1]

    yield connect
    last = connect() if agents[-1].process.poll() is not None else agents[-1]
    assert last.ask("end") == {"ok": None}
    for agent in agents:
        if agent.process.poll() is None:
            agent.hang_up()
    assert not (tmp_path / "files").exists()


def marked(text):
    done = subprocess.run(["pgrep", "-f", text], capture_output=True, text=True)
    return done.stdout.split()


def test_commands_and_files(connected):
    agent = connected()
    given = base64.b64encode(b"some").decode()
    told = agent.ask("run", argv=["cat"], input=given, limit_s=5)["ok"]
    assert (told["status"], base64.b64decode(told["out"])) == (0, b"some")
    assert agent.ask("put", path="a/b", content=given, mode=0o600) == {"ok": None}
    assert agent.ask("get", path="a/b") == {"ok": given}
    assert "missing" in agent.ask("get", path="a/c")
    assert (
        "cannot be run"
        in agent.ask("run", argv=["no-such-program"], input=None, limit_s=5)["failed"]
    )
    assert "failed" in agent.ask("nonsense")


def test_programs_are_found_again_whatever_they_forked_into(connected):
    agent = connected()
    agent.start(
        "p", "setsid sleep 31415 & (setsid sh -c 'env -i sleep 31416' &) ; exec sleep 31417"
    )
    deadline = time.monotonic() + 10
    while len(marked("sleep 3141[567]")) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    agent.ask("pause")
    assert agent.ask("running") == {"ok": {"p": "paused"}}
    agent.ask("resume")
    assert agent.ask("running") == {"ok": {"p": "running"}}
    agent.ask("kill", names=[], graceful_s=0)
    assert agent.ask("running") == {"ok": {}}
    assert marked("sleep 3141[567]") == []


def test_the_server_outlives_its_connection(connected):
    agent = connected()
    agent.start("p", "exec sleep 27182")
    server = agent.ask("hello")["ok"]["pid"]
    agent.hang_up()
    again = connected()
    assert again.ask("hello")["ok"]["pid"] == server
    assert again.ask("running") == {"ok": {"p": "running"}}


def test_without_a_harness_it_ends_and_takes_everything_along(connected):
    agent = connected(heal_after_s=2)
    agent.start("p", "exec sleep 16180")
    agent.hang_up()
    deadline = time.monotonic() + 20
    while (marked("sleep 16180") or agent.directory.exists()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert marked("sleep 16180") == []
    assert not agent.directory.exists()


def test_every_module_of_the_agent_is_python_3_9():
    with zipfile.ZipFile(io.BytesIO(agent_bundle())) as bundle:
        for name in bundle.namelist():
            ast.parse(bundle.read(name), name, feature_version=(3, 9))


def test_resources_and_clocks_through_the_agent(connected):
    agent = connected()
    agent.start("p", "exec sleep 14142")
    assert set(agent.ask("scarce", kinds=["cpu", "pids"])["ok"]) == {"cpu", "pids"}
    seen = agent.ask("squeeze", kind="descriptors", amount=0)["ok"]
    assert seen["backend"] == "prlimit, RLIMIT_NOFILE"
    assert seen["processes"]
    assert agent.ask("relax", kind="descriptors")["ok"]["restored"] >= 1
    assert agent.ask("relax", kind="descriptors")["ok"] == {}
    said = agent.ask("squeeze", kind="patience", amount=0)
    assert "no resource is called 'patience'" in said["failed"]
    assert agent.ask("read_clocks")["ok"] == {}
    assert abs(agent.ask("wall_clock")["ok"] - time.time()) < 5
    seen = agent.ask("squeeze", kind="memory", amount=4)["ok"]
    assert seen["killed"]
    assert agent.ask("running")["ok"] == {}


def test_it_ends_when_it_hears_nothing_though_the_connection_is_there(connected):
    """As when a firewall drops everything: nobody is told that the other side is gone."""
    agent = connected(heal_after_s=1)
    agent.start("p", "sleep 1000")
    assert agent.process.wait(15) == 0
    assert not agent.directory.exists()
