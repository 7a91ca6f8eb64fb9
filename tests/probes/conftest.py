"""A tiny language with planted topics: its words, a codec and a subject over it."""

from dataclasses import dataclass

import numpy as np
import pytest

from embedpipe.probes.baselines import Subject
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.bag import BagEncoder, plain_average
from embedpipe.words.table import WordVectors

TOPICS = ("sea", "war", "law")


@dataclass(frozen=True)
class SpaceCodec:
    """Words between spaces."""

    vocabulary: Vocabulary

    def tokenize(self, text):
        return text.split()

    def encode(self, text):
        return self.vocabulary.ids(self.tokenize(text))

    def encode_flat(self, texts):
        ids = [self.encode(text) for text in texts]
        return np.concatenate(ids), np.array(list(map(len, ids)))

    def decode(self, ids):
        return " ".join(self.vocabulary.tokens[i] for i in ids if i > 3)


class Planted:
    """Ten words for each of three topics; each word's vector is its topic and a little noise."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.words = {topic: [f"{topic}{i}" for i in range(10)] for topic in TOPICS}
        counts = {word: 100 - i for i, word in enumerate(w for words in self.words.values() for w in words)}
        self.vocabulary = Vocabulary.from_counts(counts)
        self.codec = SpaceCodec(self.vocabulary)
        vectors = 0.2 * rng.normal(size=(len(self.vocabulary), 8)).astype(np.float32)
        for t, topic in enumerate(TOPICS):
            for word in self.words[topic]:
                vectors[self.vocabulary.index[word], t] += 1
        vectors[:4] = 0
        self.vectors = vectors

    def sentence(self, rng, topic, n=4):
        return " ".join(rng.choice(self.words[topic], n))

    def subject(self, **parts):
        topical = BagEncoder(self.codec, plain_average(self.vectors))
        return Subject(
            **{"words": WordVectors(self.vocabulary, self.vectors), "encoder": topical, "codec": self.codec, **parts}
        )


@pytest.fixture(scope="session")
def word_table():
    """Makes word vectors of rows by word, the first word the most frequent."""

    def table(rows):
        vocabulary = Vocabulary.from_counts({word: 100_000 - i for i, word in enumerate(rows)})
        vectors = np.zeros((len(vocabulary), len(next(iter(rows.values())))), dtype=np.float32)
        for word, row in rows.items():
            vectors[vocabulary.index[word]] = row
        return WordVectors(vocabulary, vectors)

    return table


@pytest.fixture(scope="session")
def planted():
    return Planted()
