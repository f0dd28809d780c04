"""Images: names, hashes, and what of the host's apt goes into a bootstrapped base."""

import shutil

import pytest

from duress.harness.cluster import images
from duress.harness.cluster.docker_engine import Engine
from duress.harness.errors import InfrastructureError, UserError

DUMP = """\
APT "";
APT::Architecture "amd64";
Acquire "";
Acquire::Check-Valid-Until "false";
Acquire::Languages "";
Acquire::Languages:: "none";
Acquire::http "";
Acquire::http::Proxy "http://proxy.invalid:3128";
Acquire::https::CAInfo "/etc/ssl/certs/ca-certificates.crt";
Acquire::httpish::Proxy "no";
Dir::Cache::pkgcache "";
"""


def test_only_what_reaching_a_mirror_needs_is_copied():
    assert images.apt_options(DUMP) == [
        'Acquire::Check-Valid-Until "false";',
        'Acquire::http::Proxy "http://proxy.invalid:3128";',
        'Acquire::https::CAInfo "/etc/ssl/certs/ca-certificates.crt";',
    ]


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("deb http://mirror.invalid/debian bookworm main", True),
        ("deb [arch=amd64 signed-by=/x.gpg] http://mirror.invalid/d bookworm-updates main", False),
        ("deb [arch=amd64 signed-by=/x.gpg] http://mirror.invalid/d bookworm main", True),
        ("deb [ arch=amd64 ] http://mirror.invalid/d bookworm main", True),
        ("# deb http://mirror.invalid/debian bookworm main", False),
        ("deb http://mirror.invalid/debian trixie main", False),
        ("deb http://m.invalid/d bookworm main\ndeb http://m.invalid/d trixie main", False),
        ("deb http://other.invalid/apt stable main", False),
        ("Types: deb\nURIs: http://m.invalid\nSuites: bookworm bookworm-updates\n", True),
        ("Types: deb\nURIs: http://m.invalid\nSuites: noble\n", False),
    ],
)
def test_sources_of_the_suite_are_recognised(text, offered):
    assert images.offers_suite(text) is offered


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        ("# a comment\ndeb [arch=amd64] http://m.invalid/d bookworm main", "http://m.invalid/d"),
        ("deb http://m.invalid/d bookworm main", "http://m.invalid/d"),
        ("Types: deb\n# URIs: http://no.invalid\nURIs: http://m.invalid/d\n", "http://m.invalid/d"),
        ("", None),
    ],
)
def test_the_mirror_for_debootstrap_is_the_host_s(text, mirror):
    assert images.first_mirror(text) == mirror


def test_the_tag_follows_the_folder_and_the_base(tmp_path, monkeypatch):
    folder = tmp_path / "thing"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM x")
    first = images._tag(folder, "sha256:1")
    assert first.startswith("duress/thing:")
    assert images._tag(folder, "sha256:1") == first
    assert images._tag(folder, "sha256:2") != first
    (folder / "Dockerfile").write_text("FROM y")
    assert images._tag(folder, "sha256:1") != first


def test_an_unknown_image_is_the_users_mistake():
    with pytest.raises(UserError, match=r"no fixtures/images/nope; there are etcd, .*node, "):
        images.ensure("nope")


@pytest.mark.docker
def test_all_images_are_there_after_build_all_and_not_built_twice():
    tags = images.build_all()
    assert {"etcd", "node"} <= set(images.names())
    assert [tag.partition(":")[0] for tag in tags] == [f"duress/{n}" for n in images.names()]
    said: list[str] = []
    assert images.build_all(say=said.append) == tags
    assert said == []


@pytest.mark.docker
def test_a_build_that_fails_shows_the_end_of_its_log(tmp_path, monkeypatch):
    images.ensure("node")
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nRUN echo the-last-words >&2; exit 7\n"
    )
    monkeypatch.setattr(images, "FOLDER", tmp_path)
    with pytest.raises(InfrastructureError, match=r"build failed: .*7.*the-last-words"):
        images.ensure("broken")


@pytest.mark.docker
def test_a_build_given_up_ends(tmp_path, monkeypatch):
    images.ensure("node")
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "Dockerfile").write_text(
        "ARG BASE\nFROM ${BASE}\nRUN while :; do echo x; sleep 0.1; done\n"
    )
    monkeypatch.setattr(images, "FOLDER", tmp_path)
    asked = iter([False] * 20 + [True] * 1000)
    with pytest.raises(InfrastructureError, match="build was given up"):
        images.ensure("slow", given_up=lambda: next(asked))


def test_a_bootstrap_given_up_or_failing_ends():
    with pytest.raises(InfrastructureError, match="sleep had not ended and was stopped"):
        images._run(["sleep", "1000"], lambda: True)
    with pytest.raises(InfrastructureError, match=r"sh ended with status 3: no mirror"):
        images._run(["sh", "-c", "echo no mirror >&2; exit 3"], lambda: False)


@pytest.mark.docker
def test_a_base_without_registry_or_bootstrap_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(images, "BASE", "duress-test.invalid/none:1")
    monkeypatch.setattr(Engine, "pull", lambda self, tag: "no such host")
    monkeypatch.setattr(shutil, "which", lambda *a, **k: None)
    with pytest.raises(InfrastructureError, match="neither mmdebstrap nor debootstrap"):
        images.ensure("node")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(InfrastructureError, match="needs root: run `duress images` once as root"):
        images.ensure("node")
