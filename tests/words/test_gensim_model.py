"""The border to gensim: its tables moved in memory, its arithmetic as it was."""

import numpy as np
import pytest
from gensim.models import FastText, Word2Vec

from embedpipe.config import WordsConfig
from embedpipe.words.gensim_model import GensimModel

WORDS = {"a": 90, "b": 60, "c": 60, "dd": 30}


@pytest.fixture
def text(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "text.txt"
    lines = [" ".join(rng.permutation([word for word, count in WORDS.items() for _ in range(count // 30)]))] * 30
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("objective", ["negative", "hierarchical"])
@pytest.mark.parametrize("subwords", [False, True])
def test_tables_begin_with_a_line_of_the_cache_and_give_what_gensim_gives(text, subwords, objective) -> None:
    settings = {"subwords": subwords, "objective": objective, "architecture": "skipgram", "buckets": 100}
    config = WordsConfig(dim=7, window=2, negatives=3, epochs=1, subsample=0.0, **settings)
    ours = GensimModel(list(WORDS), list(WORDS.values()), 30, config, seed=3, workers=1)
    assert [table.ctypes.data % 64 for table in ours.tables.values()] == [0] * len(ours.tables)
    ngrams = {"bucket": 100, "min_n": config.shortest_ngram, "max_n": config.longest_ngram} if subwords else {}
    theirs = (FastText if subwords else Word2Vec)(
        vector_size=7,
        window=2,
        sg=1,
        hs=int(objective != "negative"),
        negative=3 if objective == "negative" else 0,
        sample=0.0 if objective == "negative" else 1.0,
        alpha=config.learning_rate,
        min_count=1,
        sorted_vocab=0,
        seed=3,
        workers=1,
        **ngrams,
    )
    theirs.build_vocab_from_freq(WORDS, corpus_count=30)
    theirs.random = np.random.RandomState([3, 0])
    theirs.train(
        corpus_file=str(text),
        total_examples=30,
        total_words=sum(WORDS.values()),
        epochs=1,
        start_alpha=config.learning_rate,
        end_alpha=min(config.min_learning_rate, config.learning_rate),
    )
    ours.train_epoch(text, 0)
    name, expected = ("subwords", theirs.wv.vectors_ngrams) if subwords else ("vectors", theirs.wv.vectors)
    np.testing.assert_array_equal(ours.tables[name], expected)
    assert np.abs(ours.tables[name]).max() > 0.1
