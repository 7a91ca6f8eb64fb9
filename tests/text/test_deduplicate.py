import random

import numpy as np
import pytest
from datasketch import MinHash

from embedpipe.text.deduplicate import (
    PERMUTATIONS,
    Signer,
    exact_duplicates,
    minhash_permutations,
    mix,
    near_duplicates,
)
from embedpipe.text.deduplicate import _shingles as shingles


def random_tokens(rng: np.random.Generator, n: int) -> np.ndarray:
    return mix(rng.integers(0, 1 << 60, n, dtype=np.uint64))


def test_signature_is_what_datasketch_computes() -> None:
    rng = np.random.default_rng(1)
    documents = [random_tokens(rng, n) for n in (25, 300, 40)]
    signatures = Signer(minhash_permutations()).sign(np.concatenate(documents), np.array([25, 300, 40]))
    for tokens, signature in zip(documents, signatures, strict=True):
        theirs = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32", hashfunc=int)
        theirs.update_batch(shingles(tokens).tolist())
        assert signature.tolist() == theirs.hashvalues.tolist()


def test_short_documents_are_never_near_duplicates() -> None:
    tokens = random_tokens(np.random.default_rng(1), 19)
    signatures = Signer(minhash_permutations()).sign(np.tile(tokens, 2), np.array([19, 19]))
    assert (signatures == 0xFFFFFFFF).all()
    assert near_duplicates(lambda: [signatures], np.ones(2, dtype=bool), 0.8, np.arange(2)).tolist() == [False, False]


def test_long_documents_are_sampled_alike() -> None:
    tokens = random_tokens(np.random.default_rng(2), 9_000)
    changed = tokens.copy()
    changed[4_000] = 5
    signatures = Signer(minhash_permutations()).sign(np.concatenate([tokens, changed]), np.array([9_000, 9_000]))
    assert (signatures[0] == signatures[1]).mean() > 0.95


def test_near_copies_go_and_the_first_stays() -> None:
    rng, order = np.random.default_rng(3), random.Random(3)
    originals = [random_tokens(rng, 400) for _ in range(60)]
    documents = [(i, tokens) for i, tokens in enumerate(originals)]
    for i in range(20):
        copy = originals[i].copy()
        copy[order.randrange(400)] = 1  # five shingles of 396: similarity 0.975
        documents.append((i, copy))
    for i in range(20, 40):
        other = originals[i].copy()
        other[::10] = random_tokens(rng, 40)  # half of the shingles: similarity a third
        documents.append((100 + i, other))
    order.shuffle(documents)
    sizes = np.full(len(documents), 400)
    signatures = Signer(minhash_permutations()).sign(np.concatenate([t for _, t in documents]), sizes)
    parts = [signatures[:33], signatures[33:34], signatures[34:]]
    seen: set[int] = set()
    expected = [name in seen or seen.add(name) is not None for name, _ in documents]
    assert sum(expected) == 20
    assert (
        near_duplicates(lambda: parts, np.ones(len(sizes), dtype=bool), 0.8, np.arange(len(sizes))).tolist() == expected
    )


def test_only_candidates_are_compared() -> None:
    tokens = random_tokens(np.random.default_rng(4), 100)
    signatures = Signer(minhash_permutations()).sign(np.tile(tokens, 3), np.array([100] * 3))
    assert near_duplicates(lambda: [signatures], np.array([False, True, True]), 0.8, np.arange(3)).tolist() == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.95, 1.0])
def test_identical_documents_match_at_every_threshold(threshold: float) -> None:
    tokens = random_tokens(np.random.default_rng(5), 100)
    signatures = Signer(minhash_permutations()).sign(np.tile(tokens, 2), np.array([100, 100]))
    assert near_duplicates(lambda: [signatures], np.ones(2, dtype=bool), threshold, np.arange(2)).tolist() == [
        False,
        True,
    ]


def test_exact() -> None:
    digests = np.array([5, 5, 1, 2, 1], dtype=np.uint64)
    assert exact_duplicates(digests, np.arange(5)).tolist() == [False, True, False, False, True]


def test_mixing_is_a_bijection_on_a_sample() -> None:
    assert len(np.unique(mix(np.arange(100_000, dtype=np.uint64)))) == 100_000


def test_parts_of_one_document_are_no_copies_of_each_other() -> None:
    tokens = random_tokens(np.random.default_rng(4), 40)
    signatures = np.tile(Signer(minhash_permutations()).sign(tokens, np.array([40])), (5, 1))
    wholes = np.array([0, 1, 1, 1, 4])
    others, candidates = np.array([1, 1, 1, 1, 4]), np.ones(5, dtype=bool)
    assert exact_duplicates(np.full(5, 7, dtype=np.uint64), wholes).tolist() == [False, True, True, True, True]
    assert exact_duplicates(np.full(5, 7, dtype=np.uint64), others).tolist() == [False, False, False, False, True]
    assert near_duplicates(lambda: [signatures], candidates, 0.8, wholes).tolist() == [False, True, True, True, True]
    assert near_duplicates(lambda: [signatures], candidates, 0.8, others).tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("shared", [0, 50, 80, 100])
def test_signatures_of_sets_are_what_datasketch_computes_and_estimate_their_similarity(shared: int) -> None:
    hashes = np.random.default_rng(shared).permutation(1 << 20)[:200].astype(np.uint32)
    first, second = hashes[:100], np.concatenate([hashes[:shared], hashes[100 : 200 - shared]])
    signatures = Signer(minhash_permutations()).sign_sets(np.concatenate([first, second, second]), np.array([100] * 3))
    for members, signature in zip((first, second), signatures, strict=False):
        theirs = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32", hashfunc=int)
        theirs.update_batch(members.tolist())
        assert signature.tolist() == theirs.hashvalues.tolist()
    similarity = shared / (200 - shared)
    error = 4 * (similarity * (1 - similarity) / PERMUTATIONS) ** 0.5
    assert (signatures[0] == signatures[1]).mean() == pytest.approx(similarity, abs=error)
    assert (signatures[1] == signatures[2]).all()
