"""Which nodes a fault strikes, by name of the choice."""

from __future__ import annotations

from ..harness.errors import UserError
from ..harness.fault import Scene
from ..harness.system import HasPrimary

CHOICES = {
    "one": "a random node",
    "minority": "a random set smaller than half",
    "minority-third": "a random set smaller than a third (at least one)",
    "majority": "a random set larger than half",
    "all": "every node",
    "some": "a random set of at least one",
    "primaries": "the nodes that believe to be primary",
    "followers": "every node that does not",
}


async def choose(scene: Scene, choice: str) -> list[str]:
    """The node names of a choice, sorted; empty if there is none now (no primary known)."""
    nodes = sorted(scene.cluster.nodes)
    random = scene.random
    if choice in ("primaries", "followers"):
        if not isinstance(scene.system, HasPrimary):
            return [random.choice(nodes)]
        primaries = await scene.system.primaries()
        return [node for node in nodes if (node in primaries) == (choice == "primaries")]
    if choice == "one":
        return [random.choice(nodes)]
    if choice == "all":
        return nodes
    sizes = {
        "minority": max(1, (len(nodes) - 1) // 2),
        "minority-third": max(1, (len(nodes) - 1) // 3),
        "majority": len(nodes) // 2 + 1,
    }
    if choice == "some":
        size = random.randint(1, len(nodes))
    elif choice in sizes:
        size = sizes[choice]
    else:
        raise UserError(f"targets: no choice named {choice!r}; there are: {', '.join(CHOICES)}")
    return sorted(random.sample(nodes, size))


def wanted(options: object, default: list[str]) -> list[str]:
    """A comma-separated option as a list of choices, checked."""
    if options is None:
        return default
    chosen = [part.strip() for part in str(options).split(",") if part.strip()]
    for choice in chosen:
        if choice not in CHOICES:
            raise UserError(f"targets: no choice named {choice!r}; there are: {', '.join(CHOICES)}")
    return chosen or default
