"""Free memory that the C library keeps goes back to the system."""

import sys
from pathlib import Path

import pytest

from embedpipe.nn.free_memory import FreeMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
PIECE = b"x" * 100_000


def held() -> int:
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) // 1024


def freed_in_pieces(n: int) -> list[bytearray]:
    """Take `n` pieces and free all but each fiftieth, which is returned: the rest cannot go back by itself."""
    pieces = [bytearray(PIECE) for _ in range(n)]
    return pieces[::50]


def test_what_was_freed_in_pieces_goes_back() -> None:
    memory, before = FreeMemory(), held()
    kept = freed_in_pieces(4_000)
    assert held() > before + 300, "glibc keeps it"
    memory.give_back()
    assert held() < before + 80
    assert all(piece == PIECE for piece in kept)


def test_a_little_stays_for_the_next_step() -> None:
    memory, before = FreeMemory(), held()
    kept = freed_in_pieces(1_500)
    memory.give_back()
    assert held() > before + 100
    assert len(kept) == 30


def test_growth_counts_from_the_least_that_was_held() -> None:
    large = b"x" * 600_000_000
    memory = FreeMemory()
    del large
    memory.give_back()
    before = held()
    kept = freed_in_pieces(4_000)
    memory.give_back()
    assert held() < before + 80, "as much as before is less than was held at first, but not needed"
    assert len(kept) == 80
