"""Which sentence follows: planted neighbours are found, and nothing is found in vectors that are all alike."""

import numpy as np
import pytest

from embedpipe.probes.next_sentence import CANDIDATES, NextSentences, draw_next_sentences, reciprocal_rank
from embedpipe.text.token_store import TokenStore
from embedpipe.words.bag import plain_average

EOS = 3


def store_of(tmp_path, documents: list[list[list[int]]]) -> TokenStore:
    sentences = [sentence for document in documents for sentence in document]
    ends = np.cumsum([0, *(len(sentence) + 1 for sentence in sentences)])
    np.save(tmp_path / "tokens.npy", np.array([t for s in sentences for t in [*s, EOS]], dtype=np.uint32))
    np.save(tmp_path / "sentences.npy", ends.astype(np.uint64))
    np.save(tmp_path / "documents.npy", np.cumsum([0, *map(len, documents)]).astype(np.uint64))
    return TokenStore(tmp_path)


def test_pairs_stand_together_in_one_document_and_are_long_enough(tmp_path) -> None:
    a, b, c, d, unknown = [4] * 4, [5] * 4, [6] * 5, [7] * 4, [8, 8, 8, 1, 1]
    store = store_of(tmp_path, [[a, b], [c, unknown, d, a]])
    pairs = draw_next_sentences(store, seed=0)
    found = {(first.tolist()[0], second.tolist()[0]) for first, second in zip(pairs.first, pairs.second, strict=True)}
    assert found == {(4, 5), (7, 4)}
    assert len(draw_next_sentences(store, seed=0, most=1)) == 1


def test_no_sentences_give_no_pairs(tmp_path) -> None:
    assert len(draw_next_sentences(store_of(tmp_path, [[[4] * 4]]), seed=0)) == 0


def planted(n: int) -> NextSentences:
    return NextSentences(*[[np.array([4 + i], dtype=np.uint32) for i in range(n)] for _ in range(2)])


@pytest.mark.parametrize("n", [2, 5, CANDIDATES, 2 * CANDIDATES + 3])
def test_what_is_planted_is_found(n: int) -> None:
    own = plain_average(np.vstack([np.zeros((4, n)), np.eye(n)]).astype(np.float32))
    assert reciprocal_rank(own, planted(n)) == 1.0
    alike = plain_average(np.ones((4 + n, 3), dtype=np.float32))
    middle = (min(n, CANDIDATES) + 1) / 2
    assert reciprocal_rank(alike, planted(n)) == pytest.approx(1 / middle)
    nothing = plain_average(np.zeros((4 + n, 3), dtype=np.float32))
    assert reciprocal_rank(nothing, planted(n)) == pytest.approx(1 / middle)


def test_by_hand() -> None:
    """Of three, the first is second best, the second best, the third last: (1/2 + 1 + 1/3) / 3."""
    rows = np.array([[0, 0]] * 4 + [[1, 0], [0.8, 0.6], [0, 1], [0.9, 0.1], [1, 0.7], [1, 0.05]], dtype=np.float32)
    first = [np.array([i], dtype=np.uint32) for i in (4, 5, 6)]
    second = [np.array([i], dtype=np.uint32) for i in (7, 8, 9)]
    assert reciprocal_rank(plain_average(rows), NextSentences(first, second)) == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
