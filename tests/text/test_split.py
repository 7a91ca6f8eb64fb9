"""Documents are drawn into splits by a seeded hash of their text."""

import numpy as np
import pytest

from embedpipe.text.split import split_documents


@pytest.mark.parametrize("n", [3, 20, 21, 1000])
def test_every_split_has_a_document_and_seeds_differ(n: int) -> None:
    digests = np.arange(n, dtype=np.uint64)
    splits = split_documents(digests, validation_share=0.05, test_share=0.05, seed=1)
    sizes = np.bincount(splits, minlength=3)
    assert sizes.min() >= 1
    assert sizes[1] == sizes[2] == max(1, round(n * 0.05))
    if n > 20:
        other = split_documents(digests, validation_share=0.05, test_share=0.05, seed=2)
        assert (other != splits).any()
    order = np.random.default_rng(0).permutation(n)
    shuffled = split_documents(digests[order], validation_share=0.05, test_share=0.05, seed=1)
    assert (shuffled == splits[order]).all()


def test_equal_documents_stay_in_one_split() -> None:
    digests = np.repeat(np.arange(40, dtype=np.uint64), 5)
    splits = split_documents(digests, validation_share=0.11, test_share=0.11, seed=1).reshape(40, 5)
    assert (splits == splits[:, :1]).all()
