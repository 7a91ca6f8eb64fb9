"""Training from given vectors: known rows start as they are given, the others as gensim starts them."""

import numpy as np
import pytest

from embedpipe.config import WordsConfig
from embedpipe.errors import ConfigError
from embedpipe.runtime import Event, Step
from embedpipe.words.gensim_model import GensimModel
from embedpipe.words.train import StartVectors, TrainedWords, train_words

CONFIG = WordsConfig(dim=6, epochs=2, subsample=1e-2, buckets=30)
SUBWORDS = CONFIG.model_copy(update={"subwords": True})


def random_start(n: int, seed: int = 0) -> StartVectors:
    rng = np.random.default_rng(seed)
    vectors, contexts = rng.normal(size=(2, n, 6)).astype(np.float32)
    return StartVectors(vectors, contexts, np.arange(n) % 2 == 0)


def started(monkeypatch, corpus, config, start: StartVectors | None) -> GensimModel:
    """The model as its first epoch finds it."""
    models = []

    def stop(self, text, epoch) -> None:
        models.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(GensimModel, "train_epoch", stop)
    path, vocabulary = corpus
    with pytest.raises(KeyboardInterrupt):
        train_words(path, vocabulary, 1_500, config, held_out=None, seed=1, workers=1, start=start)
    return models[0]


@pytest.mark.parametrize("config", [CONFIG, SUBWORDS])
def test_known_rows_start_as_given_and_others_as_gensim_starts_them(corpus, monkeypatch, config) -> None:
    n = len(corpus[1])
    start, words = random_start(n), np.arange(n - 4)
    model, fresh = (started(monkeypatch, corpus, config, one) for one in (start, None))
    known = start.known[4:]
    np.testing.assert_allclose(model.vectors(words)[known], start.vectors[4:][known], rtol=0, atol=1e-5)
    assert np.array_equal(model.vectors(words)[~known], fresh.vectors(words)[~known])
    assert np.array_equal(model.outputs(words)[known], start.contexts[4:][known])
    assert not model.outputs(words)[~known].any()
    if config is CONFIG:
        assert np.array_equal(model.vectors(words)[known], start.vectors[4:][known])
        assert np.abs(fresh.vectors(words)).max() <= 1 / 6


def test_a_fasttext_training_goes_on_from_its_tables(corpus, monkeypatch) -> None:
    path, vocabulary = corpus
    first = train_words(path, vocabulary, 1_500, SUBWORDS, held_out=None, seed=1, workers=1)
    everything = np.ones(len(vocabulary), dtype=bool)
    start = StartVectors(first.vectors, first.contexts, everything, first.own, first.subwords)
    model = started(monkeypatch, corpus, SUBWORDS, start)
    words = np.arange(len(vocabulary) - 4)
    assert np.array_equal(model.vectors(words), first.vectors[4:])
    assert np.array_equal(model.tables["subwords"], first.subwords)


@pytest.mark.parametrize("config", [CONFIG, SUBWORDS])
def test_no_epochs_give_the_vectors_back(corpus, config) -> None:
    path, vocabulary = corpus
    start = random_start(len(vocabulary))
    none = config.model_copy(update={"epochs": 0})
    kept = train_words(path, vocabulary, 1_500, none, held_out=None, seed=1, workers=1, start=start)
    known = start.known & (np.arange(len(vocabulary)) >= 4)
    for table, given in ((kept.vectors, start.vectors), (kept.contexts, start.contexts)):
        assert np.array_equal(table[known], given[known])
        assert not table[~known].any()
        assert table.dtype == np.float32
    assert (kept.losses, kept.kept_epoch, kept.own, kept.subwords) == ([], 0, None, None)
    with pytest.raises(ConfigError, match=r"words\.epochs=0 trains nothing: name vectors"):
        train_words(path, vocabulary, 1_500, none, held_out=None, seed=1, workers=1)


def test_a_good_start_has_a_lower_loss(corpus, held_out) -> None:
    path, vocabulary = corpus

    def train(start: StartVectors | None):
        return train_words(path, vocabulary, 1_500, CONFIG, held_out=held_out, seed=1, workers=1, start=start)

    first = train(None)
    again = train(StartVectors(first.vectors, first.contexts, np.ones(len(vocabulary), dtype=bool)))
    assert again.losses[0] < first.losses[0]


def test_a_training_that_goes_on_keeps_the_lowest_loss_its_start_among_them(corpus, held_out, tmp_path) -> None:
    path, vocabulary = corpus

    def train(rate: float, start: StartVectors | None, **options) -> TrainedWords:
        config = CONFIG.model_copy(update={"learning_rate": rate})
        return train_words(
            path, vocabulary, 1_500, config, held_out=held_out, seed=1, workers=1, start=start, **options
        )

    first = train(0.01, None)
    everything = np.ones(len(vocabulary), dtype=bool)
    start = StartVectors(first.vectors, first.contexts, everything)
    assert (first.start_loss, first.kept_epoch) == (None, 2)
    gentle, rough = train(0.01, start), train(0.4, start)
    assert gentle.start_loss == rough.start_loss == first.losses[-1]
    assert gentle.losses[-1] == min(gentle.losses) < gentle.start_loss
    assert gentle.kept_epoch == 2
    assert min(rough.losses) > rough.start_loss + 0.1
    assert rough.kept_epoch == 0
    assert np.array_equal(rough.vectors, first.vectors)
    assert np.array_equal(rough.contexts, first.contexts)

    def stop(event: Event) -> None:
        if isinstance(event, Step) and event.done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(0.4, start, checkpoint=tmp_path / "kept", listener=stop)
    again = train(0.4, start, checkpoint=tmp_path / "kept")
    assert (again.start_loss, again.losses, again.kept_epoch) == (rough.start_loss, rough.losses, 0)
    assert np.array_equal(again.vectors, first.vectors)
    without_contexts = train(0.4, StartVectors(first.vectors, None, everything))
    assert (without_contexts.start_loss, without_contexts.kept_epoch) == (None, 2)


def test_widths_must_agree(corpus) -> None:
    path, vocabulary = corpus
    start = random_start(len(vocabulary))
    wide = CONFIG.model_copy(update={"dim": 7})
    with pytest.raises(ConfigError, match=r"start from have 6 dimensions and words\.dim is 7: set words\.dim=6"):
        train_words(path, vocabulary, 1_500, wide, held_out=None, seed=1, workers=1, start=start)
    few = StartVectors(start.vectors, None, start.known, start.vectors, np.zeros((20, 6), dtype=np.float32))
    with pytest.raises(ConfigError, match=r"fill 20 buckets and words\.buckets is 30"):
        train_words(path, vocabulary, 1_500, SUBWORDS, held_out=None, seed=1, workers=1, start=few)
    wrong = StartVectors(start.vectors, None, start.known[1:])
    with pytest.raises(ValueError, match="known of shape"):
        train_words(path, vocabulary, 1_500, CONFIG, held_out=None, seed=1, workers=1, start=wrong)


def test_vectors_that_are_no_numbers_are_refused(corpus) -> None:
    """gensim would end the process."""
    path, vocabulary = corpus
    start = random_start(len(vocabulary))
    start.contexts[6, 1] = np.nan
    with pytest.raises(ConfigError, match="the contexts to start from hold NaN or infinity"):
        train_words(path, vocabulary, 1_500, CONFIG, held_out=None, seed=1, workers=1, start=start)
    start.contexts[6, 1], start.contexts[7, 1] = 0, np.nan
    train_words(path, vocabulary, 1_500, CONFIG, held_out=None, seed=1, workers=1, start=start)
