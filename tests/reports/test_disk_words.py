"""How troubles of disks are said to a person."""

import pytest

from duress.reports import fault_words


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (
            {"shape": "power-cut", "survives": "lost", "sector_bytes": 512, "seed": 1},
            "disk power-cut: n1 n2 (nothing survives that was not synced)",
        ),
        ({"shape": "full", "free_bytes": 12}, "disk full: n1 n2 (12 bytes free)"),
        (
            {"shape": "errors", "share": 0.5, "on": ["write", "sync"]},
            "disk errors: n1 n2 (0.5 of write and sync)",
        ),
        (
            {"shape": "slow", "delay_s": 0.05},
            "disk slow: n1 n2 (50.0 ms more for each write and sync)",
        ),
        ({"shape": "stall"}, "disk stall: n1 n2"),
        ({"shape": "rollback", "age_s": 1.5}, "disk rollback: n1 n2 (to 1.50 s before)"),
        ({"shape": "bit-flip", "count": 3}, "disk bit-flip: n1 n2 (bits: 3)"),
        ({"shape": "slow", "delay_s": "much"}, "disk slow: n1 n2 (? more for each write and sync)"),
    ],
)
def test_a_disk_fault_in_words(parameters, said):
    assert fault_words.fault("disk", ["n1", "n2"], parameters, ["n1", "n2", "n3"]) == said
