"""Shared by the tests of training: a text of two topics, and a store of its last part."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedpipe.text.store_writer import StoreWriter
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import Vocabulary


def write_corpus(path: Path, n_sentences: int = 1_500, seed: int = 1) -> Vocabulary:
    """A text of two topics; words of a topic stand together, and words are of unequal frequency."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(n_sentences):
        topic = "ab"[i % 2]
        ranks = np.minimum(rng.zipf(1.5, size=rng.integers(4, 12)), 14)
        lines.append(" ".join(["the", *(f"{topic}{rank}" for rank in ranks)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Vocabulary.from_counts(Counter(" ".join(lines).split()))


def write_store(folder: Path, vocabulary: Vocabulary, lines: list[str]) -> TokenStore:
    """A store in which each line is a document; tabs stand between its sentences."""
    documents = [line.split("\t") for line in lines]
    sentences = [vocabulary.ids(sentence.split()) for document in documents for sentence in document]
    n_tokens = sum(map(len, sentences))
    with StoreWriter(folder, n_tokens=n_tokens, n_sentences=len(sentences), n_documents=len(lines)) as writer:
        lengths = np.array([len(ids) for ids in sentences])
        sizes = np.array([len(document) for document in documents])
        writer.append(np.concatenate(sentences), lengths, sizes, np.ones(len(sentences), dtype=np.bool_))
    return TokenStore(folder)


@pytest.fixture(scope="session")
def make_store() -> Callable[[Path, Vocabulary, list[str]], TokenStore]:
    """The function that writes lines as a store."""
    return write_store


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The path of the text, and its vocabulary."""
    path = tmp_path_factory.mktemp("text") / "train.txt"
    return path, write_corpus(path)


@pytest.fixture(scope="session")
def held_out(corpus, tmp_path_factory) -> TokenStore:
    """Other text of the same kind."""
    folder = tmp_path_factory.mktemp("held-out")
    write_corpus(folder / "text.txt", 300, seed=2)
    lines = (folder / "text.txt").read_text(encoding="utf-8").splitlines()
    return write_store(folder / "store", corpus[1], lines)
