"""Small corpora written by hand, prepared as a run would."""

from dataclasses import dataclass

import numpy as np
import pytest

from embedpipe.probes.linguistic.make import ProbedCorpus
from embedpipe.probes.linguistic.pool import HeldOutSplit
from embedpipe.text.codec import TextCodec
from embedpipe.text.token_store import TokenStore
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import EOS, Vocabulary


@dataclass
class Prepared:
    """A corpus of which every document is known."""

    corpus: ProbedCorpus

    @property
    def pool(self):
        return self.corpus.pool

    def tokens(self, text):
        return self.corpus.codec.tokenize(text)


def write_split(folder, documents, codec):
    """Write documents (lists of texts) as a split, each text one sentence."""
    folder.mkdir()
    tokens = [codec.tokenize(sentence) for document in documents for sentence in document]
    ids = [i for sentence in tokens for i in (*codec.vocabulary.ids(sentence), EOS)]
    np.save(folder / "tokens.npy", np.array(ids, dtype=np.uint32))
    np.save(folder / "sentences.npy", np.cumsum([0, *(len(s) + 1 for s in tokens)]).astype(np.uint64))
    np.save(folder / "documents.npy", np.cumsum([0, *map(len, documents)]).astype(np.uint64))
    (folder / "text.txt").write_text("".join(" ".join(sentence) + "\n" for sentence in tokens), encoding="utf-8")
    return HeldOutSplit(TokenStore(folder), folder / "text.txt")


@pytest.fixture(scope="session")
def prepare_by_hand(tmp_path_factory):
    """Prepare training and held-out documents, each a list of sentences."""

    def prepare(train, held_out, *, n_sentences=600, seed=1, tokenizer=None):
        tokenizer = tokenizer or RegexTokenizer()
        counts = {}
        for sentence in (s for document in train for s in document):
            for token in tokenizer.tokenize(sentence):
                counts[token] = counts.get(token, 0) + 1
        codec = TextCodec(tokenizer, Vocabulary.from_counts(counts))
        folder = tmp_path_factory.mktemp("corpus")
        corpus = ProbedCorpus(
            [write_split(folder / "test", held_out, codec)],
            write_split(folder / "train", train, codec).store,
            codec,
            n_sentences=n_sentences,
            max_documents=40,
            sentences_per_document=30,
            seed=seed,
        )
        return Prepared(corpus)

    return prepare


def topical(n_documents, seed, n_sentences=20):
    """Documents about one of three things; function words are most of the text; the last word is a name of its own."""
    rng = np.random.default_rng(seed)
    documents = []
    for d in range(n_documents):
        words = [f"{('sea', 'war', 'law')[d % 3]}{i}" for i in range(12)]
        documents.append(
            [
                " ".join(
                    f"{function} {word}"
                    for function, word in zip(
                        rng.choice(["the", "of", "and"], size=4), rng.choice(words, size=4), strict=True
                    )
                )
                + f" {'end ' * int(rng.integers(1, 9))}doc{seed}x{d}x{i}."
                for i in range(n_sentences)
            ]
        )
    return documents


@pytest.fixture(scope="session")
def topics(prepare_by_hand):
    """Sixty training and eighteen held-out documents about three things."""
    return prepare_by_hand(topical(60, 1), topical(18, 2))
