"""What is known of n-gram models on real text: gensim's own articles of Wikipedia and the Lee news."""

import numpy as np
import pytest

from embedpipe.generation.evaluation import held_out, unigram_perplexity
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.generation.paired import compare_losses
from embedpipe.text.codec import TextCodec
from embedpipe.text.pieces import text_pieces
from embedpipe.text.readers import ReadOptions, read_documents
from embedpipe.text.sentences import SentenceSplitter
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import EOS, Vocabulary


def ids_of(source: str, min_count: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the stream of nine tenths of a source, that of the rest, and the size of the vocabulary."""
    tokenizer = RegexTokenizer()
    counts: dict[str, int] = {}
    for document in read_documents(source, ReadOptions()):
        for token in tokenizer.tokenize(document.text):
            counts[token] = counts.get(token, 0) + 1
    vocabulary = Vocabulary.from_counts(counts, min_count=min_count)
    pieces = text_pieces([source], TextCodec(tokenizer, vocabulary), SentenceSplitter(), ReadOptions())
    ids = np.concatenate(list(pieces))
    cut = int(np.flatnonzero(ids[: len(ids) * 9 // 10] == EOS)[-1]) + 1
    return ids[:cut], ids[cut:], len(vocabulary)


@pytest.mark.parametrize(
    ("source", "min_count"), [("builtin:lee", 2), pytest.param("builtin:wikipedia", 3, marks=pytest.mark.slow)]
)
def test_models_are_ordered_as_they_are_in_print(source: str, min_count: int) -> None:
    """Chen and Goodman (1999): three discounts beat one, and longer contexts beat shorter ones."""
    train, rest, n_tokens = ids_of(source, min_count)
    sample = held_out(rest, limit=20_000)
    found = {
        (order, discount): KneserNey.fit(train, n_tokens, order=order, discount=discount).losses(sample.tokens)
        for order, discount in [(5, None), (3, None), (2, None), (5, 0.75), (5, 0.1), (1, None)]
    }
    perplexities = {key: float(np.exp(losses.mean())) for key, losses in found.items()}
    assert perplexities[5, None] < perplexities[3, None] < perplexities[2, None] < 0.6 * perplexities[1, None]
    assert perplexities[5, None] < perplexities[5, 0.75] < 0.6 * perplexities[5, 0.1]
    counts = np.bincount(train, minlength=n_tokens).astype(float)
    assert perplexities[1, None] == pytest.approx(unigram_perplexity(counts, sample), rel=0.05)
    compared = compare_losses(found[5, None], found[2, None], repeats=500)
    assert compared.high < 0
    assert compared.p_value < 0.01
