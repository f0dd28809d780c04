"""Which nodes a fault strikes, by name of the choice."""

from __future__ import annotations

from typing import Any

from ..harness.errors import UserError
from ..harness.fault import Scene
from ..harness.planned_fault import ROLE
from ..harness.system import HasPrimary, HasRoles

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


def is_choice(word: object) -> bool:
    """Whether :func:`choose` may understand it: one of ``CHOICES``, or ``role:`` and a role."""
    return isinstance(word, str) and (word in CHOICES or word.startswith(ROLE))


def generally(word: str, system: Any) -> str:
    """A system's own word for a role as the word for any system.

    ``coordinator`` is ``primaries`` where that is what the primary is called, another of its roles
    is ``role:participant``; whatever is no role stays as it is.
    """
    role = word.removeprefix(ROLE)
    primary = getattr(system, "primary_role", "primary")
    if role in (primary, f"{primary}s", "primary"):
        return "primaries"
    for known in getattr(system, "roles", ()):
        if role in (known, f"{known}s") and word not in CHOICES:
            return f"{ROLE}{known}"
    return word


async def choose(scene: Scene, choice: str) -> list[str]:
    """The node names of a choice, sorted; empty if there is none now (no primary known)."""
    nodes = sorted(scene.cluster.nodes)
    random = scene.random
    if choice in ("primaries", "followers"):
        if not isinstance(scene.system, HasPrimary):
            return [random.choice(nodes)]
        primaries = await scene.system.primaries()
        return [node for node in nodes if (node in primaries) == (choice == "primaries")]
    if choice.startswith(ROLE):
        if not isinstance(scene.system, HasRoles):
            return []
        return sorted(await scene.system.in_role(choice.removeprefix(ROLE)))
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


def wanted(options: object, default: list[str], system: Any = None) -> list[str]:
    """A comma-separated option as a list of choices, checked; roles as the system calls them."""
    if options is None:
        return default
    words = [part.strip() for part in str(options).split(",") if part.strip()]
    chosen = [generally(word, system) for word in words]
    roles = list(getattr(system, "roles", ()))
    for choice in chosen:
        if choice not in CHOICES and choice.removeprefix(ROLE) not in roles:
            known = ", ".join([*CHOICES, *(role for role in roles if role not in CHOICES)])
            raise UserError(f"targets: no choice named {choice!r}; there are: {known}")
    return chosen or default
