"""What a power cut leaves of one file: always a state that some disk could have been left in."""

import os
import tempfile
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from duress.harness.disk_layer.written import SURVIVES, Written

SECTOR = 16

writes = st.tuples(st.just("write"), st.integers(0, 60), st.binary(min_size=1, max_size=40))
resizes = st.tuples(st.just("resize"), st.integers(0, 80), st.just(b""))
steps = st.lists(st.one_of(writes, writes, resizes), max_size=12)


def applied(content: bytes, step) -> bytes:
    kind, at, data = step
    if kind == "resize":
        return content[:at] + bytes(max(0, at - len(content)))
    content += bytes(max(0, at - len(content)))
    return content[:at] + data + content[at + len(data) :]


class Torn:
    """A file that was synced with some content, then changed, then lost a part of that."""

    def __init__(self, synced: bytes, after, survives: str, seed: int) -> None:
        file, path = tempfile.mkstemp()
        try:
            os.write(file, synced)
            written = Written()
            self.states = [synced]
            for step in after:
                kind, at, data = step
                size = os.fstat(file).st_size
                if kind == "write":
                    written.about_to_write(file, at, len(data), size)
                    os.pwrite(file, data, at)
                else:
                    written.about_to_resize(file, at, size)
                    os.ftruncate(file, at)
                self.states.append(applied(self.states[-1], step))
            assert os.pread(file, 1000, 0) == self.states[-1]
            self.kept, self.lost = written.cut(file, survives, SECTOR, Random(seed))
            self.left = os.pread(file, 1000, 0)
        finally:
            os.close(file)
            Path(path).unlink()


@given(st.binary(max_size=64), steps, st.integers(0, 10**6))
def test_lost_leaves_what_was_synced(synced, after, seed):
    torn = Torn(synced, after, "lost", seed)
    assert torn.left == synced
    assert torn.kept == 0


@settings(max_examples=300)
@given(st.binary(max_size=64), steps, st.integers(0, 10**6))
def test_prefix_leaves_the_first_so_many_writes_and_a_part_of_the_next_up_to_a_sector(
    synced, after, seed
):
    torn = Torn(synced, after, "prefix", seed)
    legal = {*torn.states}
    for before, step in zip(torn.states, after, strict=False):
        kind, at, data = step
        if kind == "write":
            ends = [end for end in range(at + 1, at + len(data)) if end % SECTOR == 0]
            legal |= {applied(before, ("write", at, data[: end - at])) for end in ends}
        elif at > len(before):
            legal |= {before + bytes(end - len(before)) for end in range(len(before), at)}
    # Writes that follow one another are one to the file, and may tear where no step ended.
    assert torn.left in legal or _ends_at_a_sector(torn, legal)


def _ends_at_a_sector(torn: Torn, legal: set[bytes]) -> bool:
    return len(torn.left) % SECTOR == 0 and any(
        state[: len(torn.left)] == torn.left for state in legal
    )


@settings(max_examples=300)
@given(st.binary(max_size=64), steps, st.integers(0, 10**6))
def test_torn_leaves_each_byte_as_it_was_at_some_moment_since_the_sync(synced, after, seed):
    torn = Torn(synced, after, "torn", seed)
    for at, byte in enumerate(torn.left):
        was = {state[at] for state in torn.states if at < len(state)}
        assert byte in was | {0}


@given(st.binary(max_size=64), steps, st.integers(0, 10**6), st.sampled_from(SURVIVES))
def test_all_that_was_written_is_counted(synced, after, seed, survives):
    torn = Torn(synced, after, survives, seed)
    total = 0
    for before, (kind, at, data) in zip(torn.states, after, strict=False):
        if kind == "write":
            total += len(data)
        elif at != len(before):
            total += max(1, at - len(before))
    assert torn.kept + torn.lost == total
    assert torn.kept >= 0


def test_every_outcome_of_a_torn_append_is_drawn():
    after = [("write", 0, b"a" * 64)]
    sizes = {len(Torn(b"", after, "prefix", seed).left) for seed in range(200)}
    assert sizes == {0, 16, 32, 48, 64}
    holes = {Torn(b"", after, "torn", seed).left for seed in range(200)}
    assert any(b"\0" in left and left.endswith(b"a") for left in holes)
