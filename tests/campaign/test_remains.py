"""What dead trials left, on clusters that are said."""

from types import SimpleNamespace

from duress.harness import registry
from duress.harness.campaign import remains
from duress.harness.errors import InfrastructureError


def test_each_kind_is_cleaned_and_one_that_cannot_be_stops_nobody(monkeypatch):
    asked = []

    def busy(everybodys):
        asked.append(("docker", everybodys))
        raise InfrastructureError("the engine does not answer")

    kinds = {
        "docker": SimpleNamespace(clean=busy),
        "sim": SimpleNamespace(),
        "local": SimpleNamespace(clean=lambda everybodys: asked.append(("local", everybodys))),
    }
    monkeypatch.setattr(registry, "load", lambda group, name: kinds[name])
    remains.remove(["docker", "sim", "local"])
    assert asked == [("docker", False), ("local", False)], "living trials keep what is theirs"
