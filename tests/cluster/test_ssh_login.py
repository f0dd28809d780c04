"""Hosts as people name them."""

from pathlib import Path

import pytest

from duress.harness.cluster.ssh_login import logins
from duress.harness.errors import UserError

NO_CONFIG = {"ssh-config": "none"}


def test_users_ports_and_addresses():
    first, second = logins(
        {**NO_CONFIG, "hosts": "ann@n1.example:2222, n2.example=10.0.0.2", "ssh-user": "bob"}, 2
    )
    assert (first.user, first.host, first.port, first.address) == ("ann", "n1.example", 2222, None)
    assert (second.user, second.port, second.address) == ("bob", 22, "10.0.0.2")


def test_only_as_many_hosts_as_there_are_nodes():
    assert [each.host for each in logins({**NO_CONFIG, "hosts": "a,b,c"}, 2)] == ["a", "b"]
    assert len(logins({**NO_CONFIG, "hosts": "a,b,c"}, None)) == 3


def test_a_file_with_one_host_a_line(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# mine\nn1.example\n\nroot@n2.example:22  # the second\n")
    assert [each.given for each in logins({**NO_CONFIG, "hosts": f"@{path}"}, 2)] == [
        "n1.example",
        "root@n2.example:22",
    ]


def test_ssh_s_own_config_is_followed(tmp_path):
    path = tmp_path / "config"
    path.write_text(
        "Host db\n  HostName 10.1.2.3\n  User carol\n  Port 2200\n"
        "  IdentityFile ~/.ssh/special\n  ProxyJump gate\n"
        "Host gate\n  HostName gate.example\n  User dora\n"
    )
    (login,) = logins({"hosts": "db", "ssh-config": str(path)}, 1)
    assert (login.host, login.user, login.port) == ("10.1.2.3", "carol", 2200)
    assert login.keys == (str(Path("~/.ssh/special").expanduser()),)
    assert login.jump is not None
    assert (login.jump.host, login.jump.user) == ("gate.example", "dora")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say which hosts: --set hosts="),
        ({"hosts": "a,b"}, "3 nodes need as many hosts, but hosts names 2"),
        ({"hosts": "a,b,a"}, "hosts names 'a' twice"),
        ({"hosts": "a,b,c d"}, "expected user@host:port or host, got 'c d'"),
        ({"hosts": "a,b,c:99999"}, "expected user@host:port"),
        ({"hosts": "@/nowhere/hosts"}, "hosts: cannot read /nowhere/hosts"),
        ({"hosts": "a,b,c", "ssh-key": "/nowhere/key"}, "ssh-key: no file /nowhere/key"),
        ({"hosts": "a,b,c", "ssh-config": "/nowhere/c"}, "ssh-config: no file /nowhere/c"),
        ({"hosts": "a,b,c", "ssh-sudo": "x"}, "ssh-sudo: expected one of auto, always, never"),
        ({"hosts": "a,b,c", "ssh-jump": "x,y"}, "one host to go through at most"),
        ({"hosts": "a,b,c", "ssh-heal-after-s": "0"}, "ssh-heal-after-s: expected a number"),
    ],
)
def test_what_makes_no_sense_is_the_users_mistake(options, message):
    with pytest.raises(UserError, match=message):
        logins({**NO_CONFIG, **options}, 3)
