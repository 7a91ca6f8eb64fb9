"""What toy-en plants is found by the product's own path, text to vectors, and not in the same words shuffled."""

import random
from pathlib import Path

import numpy as np
import pytest

from embedpipe.config import TextConfig, WordsConfig
from embedpipe.text.prepare import prepare, prepare_texts
from embedpipe.text.prepared import PreparedText
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.toy import toy_corpus, toy_truth
from embedpipe.words.table import WordVectors
from embedpipe.words.train import train_words

WORDS = WordsConfig(dim=32, negatives=8, epochs=6, subsample=1e-3, learning_rate=0.05)
KEEP_ALL = TextConfig(min_count=1, deduplicate="none")


def trained(text: PreparedText) -> WordVectors:
    words = train_words(
        text.train_text, text.vocabulary, text.train.n_sentences, WORDS, held_out=None, seed=1, workers=1
    )
    return WordVectors(text.vocabulary, words.vectors)


def found_shares(words: WordVectors) -> dict[str, float]:
    truth = toy_truth("en")
    topic_of = {word: topic for topic, own in truth.topics.items() for word in own if word in words}

    def near(word: str) -> list[str]:
        return [neighbour.word for neighbour in words.similar(word, k=3)]

    same_topic = [topic_of[n] == topic for word, topic in topic_of.items() for n in near(word) if n in topic_of]
    answers = [words.analogy(a, b, c, k=1)[0].word == d for a, b, c, d in truth.analogies]
    return {
        "analogies": float(np.mean(answers)),
        "synonyms": float(np.mean([a in near(b) and b in near(a) for a, b in truth.synonyms])),
        "topics": float(np.mean(same_topic)),
    }


def shuffled_texts() -> list[str]:
    sizes, tokens = [], []
    for document in toy_corpus("en"):
        for line in document.text.replace(". ", ".\n").split("\n"):
            words = RegexTokenizer().tokenize(line.rstrip("."))
            sizes.append(len(words))
            tokens += words
    random.Random(0).shuffle(tokens)
    pool = iter(tokens)
    sentences = [" ".join(next(pool) for _ in range(size)) for size in sizes]
    return ["\n".join(sentences[i : i + 20]) for i in range(0, len(sentences), 20)]


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, float], dict[str, float]]:
    folder: Path = tmp_path_factory.mktemp("planted")
    planted = prepare(["builtin:toy-en"], KEEP_ALL, folder / "planted", seed=1, workers=1)
    shuffled = prepare_texts(shuffled_texts(), KEEP_ALL, folder / "shuffled", seed=1, workers=1)
    return found_shares(trained(planted)), found_shares(trained(shuffled))


def test_planted_analogies_synonyms_and_topics_are_found(shares) -> None:
    planted, _ = shares
    assert planted["analogies"] >= 0.8
    assert planted["synonyms"] >= 0.9
    assert planted["topics"] >= 0.9


def test_shuffled_words_hold_none_of_them(shares) -> None:
    _, shuffled = shares
    assert shuffled["analogies"] <= 0.1
    assert shuffled["synonyms"] <= 0.1
    # One word in six is of the same topic by chance; topics of many words are met more often.
    assert shuffled["topics"] <= 0.35


def test_a_bundle_finds_them_in_words_and_in_sentences(toy_bundle) -> None:
    found = found_shares(toy_bundle.words)
    assert found["analogies"] >= 0.6
    assert found["synonyms"] >= 0.8
    assert found["topics"] >= 0.8
    # Other documents than it was trained on: sentences of one topic lie nearer to each other than to the rest.
    documents = list(toy_corpus("en", seed=5, n_documents=30))
    topics = np.array([document.origin.split()[1] for document in documents])
    for encoder in (toy_bundle.encoder, toy_bundle.bag_encoder):
        vectors = encoder.encode([document.text.split(". ")[0] for document in documents])
        cosines = vectors @ vectors.T
        same = topics[:, None] == topics
        others = ~np.eye(len(documents), dtype=bool)
        assert cosines[same & others].mean() > cosines[~same].mean() + 0.1
