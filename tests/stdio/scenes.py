"""A cluster of programs that are stood in for, and what they say."""

import asyncio
import json

from duress.harness.cluster.stdio import StdioCluster


class Program:
    """Stands in for a program: keeps what it is told."""

    def __init__(self, name):
        self.name, self.routes, self.heard = name, {}, []
        self.is_open, self.is_dirty, self.is_full = True, False, False

    def put(self, line):
        if self.is_full:
            return False
        self.heard.append(json.loads(line)["body"]["n"])
        return True

    def flush(self):
        self.is_dirty = False


def with_cluster(tmp_path, scene, **options):
    """Run ``scene(cluster, programs)`` on three nodes."""

    async def story():
        cluster = StdioCluster("t", ["n0", "n1", "n2"], tmp_path, {"seed": 5, **options})
        programs = {name: Program(name) for name in cluster.nodes}
        cluster.router.lives.update(programs)
        try:
            return await scene(cluster, programs)
        finally:
            cluster.router.lives.clear()
            await cluster.down()

    return asyncio.run(story())


def tell(cluster, programs, source, dest, *numbers):
    lines = (
        json.dumps({"src": source, "dest": dest, "body": {"type": "t", "n": number}}).encode()
        for number in numbers
    )
    cluster.router.heard(programs[source], b"\n".join(lines) + b"\n")
