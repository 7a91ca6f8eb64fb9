"""A table of 400,000 words of 300 numbers is opened without being read."""

import subprocess
import sys

import numpy as np
import pytest

from embedpipe.pipeline.imported import save_foreign
from embedpipe.words.foreign import ForeignVectors

WORDS, DIM = 400_000, 300
RESIDENT_MB = 150
OPEN = """
import sys
import embedpipe

def resident():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) // 1024

words = embedpipe.load(sys.argv[1]).words
print(len(words) - 4, words.dim, resident())
print(*(near.word for near in words.similar("w7", k=1)))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what is resident in /proc")
def test_a_table_of_half_a_gigabyte_opens_in_little_memory(tmp_path) -> None:
    vectors = np.random.default_rng(1).standard_normal((WORDS, DIM), dtype=np.float32)
    vectors[9] = vectors[7] + 0.1
    foreign = ForeignVectors([f"w{i}" for i in range(WORDS)], vectors, "gensim")
    save_foreign(foreign, tmp_path / "large.bundle", source="random")
    opened = subprocess.run(
        [sys.executable, "-c", OPEN, tmp_path / "large.bundle"], stdout=subprocess.PIPE, text=True, check=True
    )
    facts, nearest = opened.stdout.splitlines()
    n, dim, resident = map(int, facts.split())
    assert (n, dim, nearest) == (WORDS, DIM, "w9")
    assert resident < RESIDENT_MB
