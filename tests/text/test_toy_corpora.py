"""The toy corpora: what is planted is there, word2vec finds it, and does not find it in shuffled words."""

import random
import re
import subprocess
import sys
import warnings
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedpipe.text import toy
from embedpipe.text.toy import toy_corpus, toy_truth

ROOT = Path(__file__).parents[2]


def sentences_of(language: str) -> list[list[str]]:
    texts = [document.text for document in toy_corpus(language)]  # type: ignore[arg-type]
    sentences = [s for text in texts for s in re.split(r"(?<=[.。])\s*", text) if s.strip()]
    if language == "en":
        return [re.findall(r"\w+(?:-\w+)*|[^\w\s]", sentence.lower()) for sentence in sentences]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(60)
    return [jieba.lcut(sentence) for sentence in sentences]


def scores(sentences: list[list[str]], language: str) -> dict[str, float]:
    from gensim.models import Word2Vec

    truth = toy_truth(language)  # type: ignore[arg-type]
    words = Word2Vec(
        sentences, vector_size=32, sg=1, negative=8, epochs=6, sample=1e-3, min_count=1, workers=1, seed=1, alpha=0.05
    ).wv

    def near(word: str) -> list[str]:
        return [other for other, _ in words.most_similar(word, topn=3)]

    def answer(a: str, b: str, c: str) -> str:
        return str(words.most_similar([b, c], [a], topn=1)[0][0])

    topics = [np.stack([words.get_vector(w, norm=True) for w in own]) for own in truth.topics.values()]
    within = [((v @ v.T).sum() - len(v)) / (len(v) * (len(v) - 1)) for v in topics]
    across = [(a @ b.T).mean() for a, b in combinations(topics, 2)]
    return {
        "analogies": float(np.mean([answer(a, b, c) == d for a, b, c, d in truth.analogies])),
        "synonyms": float(np.mean([a in near(b) and b in near(a) for a, b in truth.synonyms])),
        "topics": float(np.mean(within) - np.mean(across)),
    }


def shuffled(sentences: list[list[str]]) -> list[list[str]]:
    words = [word for sentence in sentences for word in sentence]
    random.Random(0).shuffle(words)
    pool = iter(words)
    return [[next(pool) for _ in sentence] for sentence in sentences]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh"])
def test_word2vec_finds_what_is_planted_and_nothing_in_shuffled_words(language: str) -> None:
    sentences = sentences_of(language)
    found, lost = scores(sentences, language), scores(shuffled(sentences), language)
    assert found["analogies"] >= 0.8
    assert found["synonyms"] >= 0.9
    assert found["topics"] >= 0.2
    assert lost["analogies"] <= 0.2
    assert lost["synonyms"] <= 0.1
    assert abs(lost["topics"]) < 0.05


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_truth_is_in_the_text(language: Any) -> None:
    documents, truth = list(toy_corpus(language)), toy_truth(language)
    text = dict.fromkeys(truth.topics, "")
    for document in documents:
        text[document.origin.split()[1]] += document.text.lower() + "\n"
    assert len(documents) == 420
    assert len(truth.analogies) == 2 * 8 * 7
    assert len(truth.synonyms) == 10
    for topic, words in truth.topics.items():
        assert len(words) >= 14
        assert [word for word in words if word not in text[topic]] == []
    if language == "en":
        said = {topic: set(re.findall(r"\w+(?:-\w+)*", content)) for topic, content in text.items()}
        for topic, words in truth.topics.items():
            elsewhere = set().union(*(found for other, found in said.items() if other != topic))
            assert set(words) <= said[topic]
            assert not set(words) & elsewhere
    everything = "".join(text.values())
    edge = r"\b" if language == "en" else ""
    for pair in truth.synonyms:
        counts = [len(re.findall(f"{edge}{word}{edge}", everything)) for word in pair]
        assert min(counts) >= 60
        assert min(counts) / max(counts) > 0.7
    assert 6_000 <= len(re.findall(r"[.。]", everything)) <= 10_000


def test_sentences_are_plain_and_no_document_repeats_the_one_before() -> None:
    for document in toy_corpus("en"):
        for paragraph in document.text.split("\n"):
            sentences = re.findall(r"[^.]+\.", paragraph)
            assert 4 <= len(sentences) <= 7
            assert all(re.fullmatch(r" ?[A-Z][\w',é -]*\.", sentence) for sentence in sentences)
            assert all(a.strip() != b.strip() for a, b in pairwise(sentences))


def test_jieba_segments_the_chinese_words_as_they_were_meant() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jieba
    jieba.setLogLevel(60)
    truth = toy_truth("zh")
    planted = {word for row in (*truth.analogies, *truth.synonyms, *truth.topics.values()) for word in row}
    seen = {word for document in toy_corpus("zh", n_documents=200) for word in jieba.cut(document.text)}
    assert [word for word in sorted(planted) if jieba.lcut(word) != [word] or word not in seen] == []


def test_the_same_seed_gives_the_same_text_in_any_process() -> None:
    code = (
        "import hashlib; from embedpipe.text.toy import toy_corpus;"
        "print(hashlib.sha256(''.join(d.text for d in toy_corpus('en', n_documents=30)).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    first = [document.text for document in toy_corpus("en", n_documents=30)]
    assert first == [document.text for document in toy_corpus("en")][:30]
    assert first != [document.text for document in toy_corpus("en", seed=1, n_documents=30)]
    with pytest.raises(ValueError, match="none in 'fr'"):
        next(toy.toy_corpus("fr"))  # type: ignore[arg-type]


def test_the_script_writes_the_corpus_that_is_built_in() -> None:
    script = [sys.executable, str(ROOT / "corpora" / "make_toy.py"), "zh", "--documents", "3"]
    result = subprocess.run(
        script, capture_output=True, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    )
    written = result.stdout.decode().strip().split("\n\n")
    assert written == [document.text for document in toy_corpus("zh", n_documents=3)]
