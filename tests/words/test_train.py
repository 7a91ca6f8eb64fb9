"""The gensim border: the same vectors as gensim called by hand, rows in our order, the same bytes in every process."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from gensim.models import FastText, Word2Vec

from embedpipe.config import WordsConfig
from embedpipe.errors import InputError, NotEnoughDataError
from embedpipe.runtime import StageStarted, Step, silent
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words import train
from embedpipe.words.table import WordVectors
from embedpipe.words.train import train_words

SMALL = WordsConfig(dim=12, epochs=3, window=3, subsample=1e-2)


def train_word2vec(path, vocabulary, n_sentences, config, *, seed, workers, listener=silent):
    trained = train_words(
        path, vocabulary, n_sentences, config, held_out=None, seed=seed, workers=workers, listener=listener
    )
    return trained.vectors


def test_the_corpus_has_no_words_of_equal_count(corpus) -> None:
    """gensim turns ties round, so only without them can the two be compared to the byte."""
    counts = corpus[1].counts[4:]
    assert len(set(counts.tolist())) == len(counts)


class OwnGenerators:
    """gensim callback: every epoch draws from a generator of its own, as ours do."""

    def __init__(self, seed: int) -> None:
        self.seed, self.epoch = seed, 0

    def on_epoch_begin(self, model) -> None:
        model.random = np.random.RandomState([self.seed, self.epoch])
        self.epoch += 1

    def on_train_begin(self, model) -> None:
        pass

    on_epoch_end = on_train_end = on_train_begin


@pytest.mark.parametrize("kind", [Word2Vec, FastText])
@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@pytest.mark.parametrize("objective", ["negative", "hierarchical"])
def test_tables_are_those_of_one_call_of_gensim_by_hand(corpus, kind, architecture, objective) -> None:
    path, vocabulary = corpus
    changes = {"architecture": architecture, "objective": objective, "subwords": kind is FastText, "buckets": 50}
    config = SMALL.model_copy(update=changes)
    ours = train_words(path, vocabulary, 1_500, config, held_out=None, seed=7, workers=1)
    theirs = kind(
        corpus_file=str(path), vector_size=12, window=3, epochs=3, sample=1e-2, min_count=1, seed=7, workers=1,
        sg=int(architecture == "skipgram"), hs=int(objective == "hierarchical"),
        negative=5 if objective == "negative" else 0, callbacks=[OwnGenerators(7)],
        **({"bucket": 50} if kind is FastText else {}),
    )  # fmt: skip
    assert theirs.wv.index_to_key == vocabulary.tokens[4:]
    # The learning rate is rounded to float32 at the end of each epoch, and gensim's table of sigmoids has steps.
    np.testing.assert_allclose(ours.vectors[4:], theirs.wv.vectors, rtol=0, atol=1e-3)
    assert not ours.vectors[:4].any()
    assert ours.vectors.dtype == np.float32
    if objective == "negative":
        np.testing.assert_allclose(ours.contexts[4:], theirs.syn1neg, rtol=0, atol=1e-3)
        assert not ours.contexts[:4].any()
    else:
        assert ours.contexts is None
    if kind is FastText:
        np.testing.assert_allclose(ours.own[4:], theirs.wv.vectors_vocab, rtol=0, atol=1e-3)
        np.testing.assert_allclose(ours.subwords, theirs.wv.vectors_ngrams, rtol=0, atol=1e-3)
    else:
        assert ours.own is None
        assert ours.subwords is None
    assert (ours.losses, ours.kept_epoch) == ([], 3)


def test_tables_are_those_that_gensim_builds_itself(corpus, monkeypatch) -> None:
    path, vocabulary = corpus
    kept: list[Word2Vec] = []
    original = Word2Vec.train

    def train(self, *args, **kwargs):
        kept.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Word2Vec, "train", train)
    train_word2vec(path, vocabulary, 1_500, SMALL, seed=1, workers=1)
    ours, theirs = kept[0], Word2Vec(corpus_file=str(path), vector_size=12, sample=1e-2, min_count=1, workers=1)
    assert np.array_equal(ours.cum_table, theirs.cum_table)
    for word in vocabulary.tokens[4:]:
        for attribute in ("count", "sample_int"):
            assert ours.wv.get_vecattr(word, attribute) == theirs.wv.get_vecattr(word, attribute)


def test_words_of_equal_count_keep_their_rows(tmp_path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("a b c d e f\n" * 400, encoding="utf-8")
    vocabulary = Vocabulary.from_counts(dict.fromkeys("fedcba", 400))
    config = WordsConfig(dim=4, epochs=1, subsample=0)
    ours = train_word2vec(path, vocabulary, 400, config, seed=1, workers=1)
    by_hand = Word2Vec(vector_size=4, window=5, sg=1, sample=0, min_count=1, seed=1, workers=1, sorted_vocab=0)
    by_hand.build_vocab_from_freq(dict.fromkeys("abcdef", 400))
    by_hand.random = np.random.RandomState([1, 0])
    by_hand.train(corpus_file=str(path), total_words=2400, total_examples=400, epochs=1)
    assert vocabulary.tokens[4:] == list("abcdef")
    for word in "abcdef":
        assert np.array_equal(ours[vocabulary.index[word]], by_hand.wv[word])


def test_planted_topics_are_found_and_a_shuffled_text_does_not_find_them(corpus, tmp_path) -> None:
    path, vocabulary = corpus
    config = WordsConfig(dim=16, epochs=10, window=5, subsample=1e-2)
    words = path.read_text(encoding="utf-8").split()
    np.random.default_rng(0).shuffle(words)
    shuffled = tmp_path / "shuffled.txt"
    shuffled.write_text("\n".join(" ".join(words[i : i + 8]) for i in range(0, len(words), 8)), encoding="utf-8")

    def gap(text: Path) -> float:
        table = WordVectors(vocabulary, train_word2vec(text, vocabulary, 1_500, config, seed=1, workers=1))
        same = [table.similarity(f"{t}{i}", f"{t}{j}") for t in "ab" for i in range(1, 6) for j in range(1, i)]
        other = [table.similarity(f"a{i}", f"b{j}") for i in range(1, 6) for j in range(1, 6)]
        return float(np.mean(same) - np.mean(other))

    assert gap(path) > 0.3
    assert abs(gap(shuffled)) < 0.1


def test_events_count_epochs(corpus) -> None:
    path, vocabulary = corpus
    events = []
    train_word2vec(path, vocabulary, 1_500, SMALL, seed=1, workers=2, listener=events.append)
    assert events[0] == StageStarted("words", 3, "epoch")
    assert [event.done for event in events[1:]] == [1, 2, 3]
    assert all(isinstance(event, Step) and "words/s" in event.note for event in events[1:])
    assert "held-out" not in str(events)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_gensim_is_told_the_share_of_one_thread(corpus, monkeypatch, workers) -> None:
    """gensim shows no learning rate while it reads a file; the sentences that a thread reads decide where it ends."""
    path, vocabulary = corpus
    monkeypatch.setattr(train, "_TOKENS_FOR_THREADS", 0)
    told = {}
    monkeypatch.setattr(Word2Vec, "train", lambda self, **arguments: told.update(arguments))
    train_word2vec(path, vocabulary, 1_500, SMALL, seed=1, workers=workers)
    assert told["epochs"] == 1
    assert told["total_examples"] == 1_500 // workers
    assert told["total_words"] == int(vocabulary.counts[4:].sum())


def test_a_short_text_is_trained_on_by_one_thread_however_many_are_asked_for(corpus) -> None:
    path, vocabulary = corpus
    one, four = (train_word2vec(path, vocabulary, 1_500, SMALL, seed=1, workers=n) for n in (1, 4))
    assert np.array_equal(one, four)


def test_the_hash_seed_does_not_matter(corpus, tmp_path) -> None:
    path, vocabulary = corpus
    vocabulary.save(tmp_path / "vocabulary.json")
    config = WordsConfig(dim=12, epochs=2)
    here = train_word2vec(path, vocabulary, 1_500, config, seed=3, workers=1)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from embedpipe.config import WordsConfig\nfrom embedpipe.text.vocabulary import Vocabulary\n"
        "from embedpipe.words.train import train_words\n"
        "vectors = train_words(Path(sys.argv[1]), Vocabulary.load(Path(sys.argv[2])), 1_500,\n"
        "    WordsConfig(dim=12, epochs=2), held_out=None, seed=3, workers=1).vectors\n"
        "print(vectors.tobytes().hex(), hash('a'))\n"
    )
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    result = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path / "vocabulary.json")],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": other},
    )  # fmt: skip
    there, hash_there = result.stdout.split()
    assert int(hash_there) != hash("a")
    assert there == here.tobytes().hex()


def test_the_seed_matters(corpus) -> None:
    path, vocabulary = corpus
    one, two = (train_word2vec(path, vocabulary, 1_500, SMALL, seed=seed, workers=1) for seed in (1, 2))
    assert not np.allclose(one, two)


def test_an_interrupt_passes_through(corpus) -> None:
    path, vocabulary = corpus

    def listener(event) -> None:
        if isinstance(event, Step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_word2vec(path, vocabulary, 1_500, SMALL, seed=1, workers=2, listener=listener)
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(5)


@pytest.mark.slow
def test_a_signal_ends_training_at_once(corpus, tmp_path) -> None:
    """An epoch of a minute is not waited for."""
    import signal
    import time

    path = tmp_path / "train.txt"
    path.write_text(corpus[0].read_text(encoding="utf-8") * 400, encoding="utf-8")
    code = (
        "import sys\nfrom collections import Counter\nfrom pathlib import Path\n"
        "from embedpipe.config import WordsConfig\nfrom embedpipe.text.vocabulary import Vocabulary\n"
        "from embedpipe.words.train import train_words\n"
        "text = Path(sys.argv[1])\nvocabulary = Vocabulary.from_counts(Counter(text.read_text().split()))\n"
        "print('ready', flush=True)\n"
        "train_words(text, vocabulary, 600_000, WordsConfig(dim=300, epochs=5, subsample=0), held_out=None,\n"
        "    seed=1, workers=2, listener=lambda event: print(event, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert "StageStarted" in process.stdout.readline()
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, stderr = process.communicate(timeout=30)
    assert time.monotonic() - start < 5
    assert process.returncode != 0
    assert "KeyboardInterrupt" in stderr


def test_too_little_says_so(corpus, tmp_path) -> None:
    path, _ = corpus
    with pytest.raises(NotEnoughDataError, match="at least 2 words in the vocabulary, found 1"):
        train_word2vec(path, Vocabulary.from_counts({"alone": 9}), 9, SMALL, seed=1, workers=1)
    with pytest.raises(InputError, match=r"gone\.txt: missing or empty"):
        train_word2vec(tmp_path / "gone.txt", Vocabulary.from_counts({"a": 9, "b": 2}), 9, SMALL, seed=1, workers=1)


def test_a_training_thread_that_fails_ends_the_training(corpus, monkeypatch) -> None:
    def fail(self, *args, **kwargs):
        raise OverflowError("too large for gensim")

    monkeypatch.setattr(Word2Vec, "_do_train_epoch", fail)
    path, vocabulary = corpus
    with pytest.raises(OverflowError, match="too large for gensim"):
        train_word2vec(path, vocabulary, 1_500, SMALL, seed=1, workers=2)
