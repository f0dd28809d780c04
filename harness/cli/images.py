"""``duress images``: builds the container images of systems."""

from __future__ import annotations

import click


@click.command(
    epilog="""\b
Examples:
  duress images          every image
  duress images etcd     one of them"""
)
@click.argument("names", nargs=-1)
def command(names: tuple[str, ...]) -> int:
    """Build images from fixtures/images/; what is built already costs nothing.

    The base is debian:bookworm-slim; where no image registry answers, the same tag is
    made with debootstrap and imported.
    """
    from ..cluster.images import build_all

    for tag in build_all(names or None):
        click.echo(tag)
    return 0
