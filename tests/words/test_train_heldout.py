"""The held-out loss: worked by hand, drawn as gensim draws, and lower only where there is something to learn."""

import math
from pathlib import Path

import numpy as np
import pytest
from gensim.models import Word2Vec
from scipy.sparse import csr_array

from embedpipe.bundle.tensors import map_tensors
from embedpipe.config import WordsConfig
from embedpipe.errors import ConfigError, NotEnoughDataError
from embedpipe.runtime import Evaluated, Step, Stopped
from embedpipe.text import split_text
from embedpipe.text.split_text import write_train_text
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words import heldout
from embedpipe.words.gensim_model import GensimModel
from embedpipe.words.heldout import HeldOut, draw_held_out
from embedpipe.words.train import TrainedWords, train_words

CBOW = {"architecture": "cbow"}


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_the_loss_is_the_one_worked_by_hand() -> None:
    sample = HeldOut(
        inputs=np.array([0, 1]),
        outputs=np.array([0, 1, 2]),
        mixing=csr_array([[1.0, 0.0], [0.5, 0.5]]),
        targets=np.array([[0, 1], [2, 2]]),
        signs=np.array([[1, -1], [1, 0]], dtype=np.int8),
    )
    vectors = np.array([[1.0, 2.0], [3.0, 0.0]], dtype=np.float32)
    outputs = np.array([[1.0, 1.0], [0.0, -1.0], [2.0, -1.0]], dtype=np.float32)
    # [1, 2] with [1, 1] is 3 and with [0, -1] is -2; the mean [2, 1] with [2, -1] is 3, once.
    first = -math.log(sigmoid(3.0)) - math.log(sigmoid(2.0))
    assert sample.loss(vectors, outputs) == pytest.approx((first - math.log(sigmoid(3.0))) / 2, abs=1e-12)


def test_the_loss_does_not_depend_on_how_much_is_scored_at_once(corpus, held_out, monkeypatch) -> None:
    sample = draw_held_out(held_out, corpus[1], WordsConfig(subsample=0), seed=1)
    rng = np.random.default_rng(0)
    vectors, outputs = rng.normal(size=(len(sample.inputs), 3)), rng.normal(size=(len(sample.outputs), 3))
    loss = sample.loss(vectors, outputs)
    monkeypatch.setattr(heldout, "_NUMBERS_AT_ONCE", 100)
    assert sample.loss(vectors, outputs) == pytest.approx(loss, rel=1e-12)


def test_pairs_are_those_within_the_centres_reach_and_passage() -> None:
    centres, contexts = heldout._pairs(np.array([0, 0, 0, 1, 1]), np.array([1, 2, 1, 5, 1]))
    pairs = sorted(zip(centres.tolist(), contexts.tolist(), strict=True))
    assert pairs == [(0, 1), (1, 0), (1, 2), (2, 1), (3, 4), (4, 3)]
    centres, contexts = heldout._pairs(np.array([0, 0, 0]), np.array([1, 1, 2]))
    assert sorted(zip(centres.tolist(), contexts.tolist(), strict=True)) == [(0, 1), (1, 0), (1, 2), (2, 0), (2, 1)]
    centres, contexts = heldout._pairs(np.array([0, 0, 0]), np.array([0, 1, 0]))
    assert sorted(zip(centres.tolist(), contexts.tolist(), strict=True)) == [(1, 0), (1, 2)]


def test_words_are_kept_as_often_as_gensim_keeps_them(corpus) -> None:
    path, vocabulary = corpus
    theirs = Word2Vec(corpus_file=str(path), vector_size=2, sample=1e-2, min_count=1, workers=1, epochs=1)
    kept = heldout._kept_share(vocabulary.counts[4:].astype(float), 1e-2)
    expected = [theirs.wv.get_vecattr(word, "sample_int") / (2**32 - 1) for word in vocabulary.tokens[4:]]
    np.testing.assert_allclose(kept, expected, atol=1e-9)


def test_examples_hold_what_stands_in_the_text(make_store, tmp_path) -> None:
    vocabulary = Vocabulary.from_counts({"a": 4, "b": 3, "c": 2, "d": 1})
    store = make_store(tmp_path / "store", vocabulary, ["a b unknown", "", "c d"])
    skipgram = draw_held_out(store, vocabulary, WordsConfig(window=1, subsample=0, negatives=3), seed=1)
    given = skipgram.inputs[skipgram.mixing.indices]
    told = skipgram.outputs[skipgram.targets]
    assert {*zip(given.tolist(), told[:, 0].tolist(), strict=True)} == {(0, 1), (1, 0), (2, 3), (3, 2)}
    assert skipgram.targets.shape == (20_000, 4)
    assert (skipgram.signs[:, 0] == 1).all()
    assert ((skipgram.signs[:, 1:] == 0) == (told[:, 1:] == told[:, :1])).all()
    shares = np.bincount(told[:, 1:].ravel()) / told[:, 1:].size
    power = np.array([4, 3, 2, 1]) ** 0.75
    np.testing.assert_allclose(shares, power / power.sum(), atol=0.01)

    cbow = draw_held_out(store, vocabulary, WordsConfig(window=9, subsample=0, **CBOW), seed=1)
    assert len(cbow.signs) == 20_000
    np.testing.assert_allclose(cbow.mixing.sum(axis=1), 1.0)
    partner = {0: 1, 1: 0, 2: 3, 3: 2}
    centres = cbow.outputs[cbow.targets[:, 0]]
    assert cbow.inputs[cbow.mixing.indices].tolist() == [partner[word] for word in centres.tolist()]


def test_windows_reach_over_the_ends_of_sentences_as_training_does_and_not_over_those_of_passages(
    make_store, tmp_path, monkeypatch
) -> None:
    vocabulary = Vocabulary.from_counts({"a": 5, "b": 4, "c": 3, "d": 2, "e": 1})
    store = make_store(tmp_path / "store", vocabulary, ["a b\tc\td", "e", "b a"])
    config = WordsConfig(window=1, subsample=0)

    def pairs() -> set[str]:
        sample = draw_held_out(store, vocabulary, config, seed=1)
        given, told = sample.inputs[sample.mixing.indices], sample.outputs[sample.targets[:, 0]]
        return {"abcde"[a] + "abcde"[b] for a, b in zip(given.tolist(), told.tolist(), strict=True)}

    assert pairs() == {"ab", "ba", "bc", "cb", "cd", "dc"}
    monkeypatch.setattr(split_text, "_PASSAGE_TOKENS", 4)
    write_train_text(tmp_path / "train.txt", store, vocabulary, seed=1)
    assert sorted((tmp_path / "train.txt").read_text().splitlines()) == ["a b c", "b a", "d", "e"]
    assert pairs() == {"ab", "ba", "bc", "cb"}


def test_the_sample_comes_from_all_over_the_text(make_store, tmp_path) -> None:
    """A drawn passage gives some of its windows only: 20,000 examples are not the text of a few passages."""
    words = [f"w{i}" for i in range(300)]
    vocabulary = Vocabulary.from_counts(dict.fromkeys(words, 5))
    store = make_store(tmp_path / "store", vocabulary, [" ".join([word] * 900) for word in words])
    sample = draw_held_out(store, vocabulary, WordsConfig(subsample=0), seed=1)
    shares = np.bincount(sample.inputs[sample.mixing.indices], minlength=300) / len(sample.signs)
    assert (shares > 0).sum() > 40
    assert shares.max() < 0.1


def test_a_window_of_several_words_is_their_mean(make_store, tmp_path) -> None:
    vocabulary = Vocabulary.from_counts({"a": 4, "b": 3, "c": 2})
    store = make_store(tmp_path / "store", vocabulary, ["a b c"])
    sample = draw_held_out(store, vocabulary, WordsConfig(window=1, subsample=0, **CBOW), seed=1)
    middle = sample.mixing.toarray()[sample.outputs[sample.targets[:, 0]] == 1]
    np.testing.assert_array_equal(middle, np.tile([0.5, 0.0, 0.5], (len(middle), 1)))


def test_hierarchical_softmax_is_a_distribution(corpus, held_out) -> None:
    """exp(-loss) of one example is the probability of its word: over all words it sums to 1."""
    path, vocabulary = corpus
    words, counts = vocabulary.tokens[4:], vocabulary.counts[4:].tolist()
    model = GensimModel(words, counts, 1_500, WordsConfig(dim=6, objective="hierarchical"), seed=1, workers=1)
    model.train_epoch(path, 0)
    targets, signs = heldout._paths(np.arange(len(words)), model.tree())
    hidden = model.vectors(np.array([3]))
    scores = model.outputs(targets) @ hidden[0].astype(np.float64)
    losses = (np.abs(signs) * np.logaddexp(0, -signs * scores)).sum(axis=1)
    assert np.exp(-losses).sum() == pytest.approx(1.0, abs=1e-9)
    assert losses[0] < losses[-1], "a frequent word is likelier"


def test_a_vector_of_subwords_is_composed_as_gensim_composes_it(corpus) -> None:
    path, vocabulary = corpus
    words, counts = vocabulary.tokens[4:], vocabulary.counts[4:].tolist()
    model = GensimModel(words, counts, 1_500, WordsConfig(dim=6, subwords=True, buckets=40), seed=1, workers=1)
    model.train_epoch(path, 0)
    model._model.wv.adjust_vectors()
    np.testing.assert_allclose(model.vectors(np.arange(len(words))), model._model.wv.vectors, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "changes", [{}, CBOW, {"objective": "hierarchical"}, {"objective": "hierarchical", **CBOW}, {"subwords": True}]
)
def test_the_loss_falls_on_planted_text_and_not_on_shuffled_text(corpus, held_out, tmp_path, changes) -> None:
    path, vocabulary = corpus
    config = WordsConfig(
        **{"dim": 8, "epochs": 4, "subsample": 1e-2, "learning_rate": 0.005, "buckets": 100, **changes}
    )
    words = path.read_text(encoding="utf-8").split()
    np.random.default_rng(0).shuffle(words)
    shuffled = tmp_path / "shuffled.txt"
    shuffled.write_text("\n".join(" ".join(words[i : i + 8]) for i in range(0, len(words), 8)), encoding="utf-8")

    def losses(text: Path) -> list[float]:
        return train_words(text, vocabulary, 1_500, config, held_out=held_out, seed=1, workers=1).losses

    tree = None
    if config.objective == "hierarchical":
        counts = vocabulary.counts[4:].tolist()
        tree = GensimModel(vocabulary.tokens[4:], counts, 1_500, config, seed=1, workers=1).tree()
    blind = loss_without_context(draw_held_out(held_out, vocabulary, config, seed=1, tree=tree))
    planted, random = losses(path), losses(shuffled)
    assert planted == sorted(planted, reverse=True)
    assert planted[-1] < blind - 0.3
    assert min(random) > blind - 0.01


def loss_without_context(sample: HeldOut) -> float:
    """The lowest loss of scores that do not look at the input: those of the shares of high and low in the sample."""
    n = len(sample.outputs)
    high, low = (np.bincount(sample.targets[sample.signs == sign], minlength=n) for sign in (1, -1))
    both = high + low
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = -np.nan_to_num(high * np.log(high / both)) - np.nan_to_num(low * np.log(low / both))
    return float(entropy.sum() / len(sample.signs))


def test_training_stops_at_the_loss_and_keeps_the_best_epoch(make_store, corpus, tmp_path) -> None:
    """The held-out text is of other sentences than the training text can teach: every epoch makes it worse."""
    path, vocabulary = corpus
    lines = [f"a{i} b{j}" for i in range(1, 6) for j in range(1, 6)] * 20
    store = make_store(tmp_path / "store", vocabulary, lines)
    config = WordsConfig(dim=8, epochs=9, subsample=0, patience=2, learning_rate=0.05)
    events = []
    stopped = train_words(path, vocabulary, 1_500, config, held_out=store, seed=1, workers=1, listener=events.append)
    best, late = int(np.argmin(stopped.losses)) + 1, stopped.losses[4:]
    assert stopped.kept_epoch == best < 5, "of all epochs"
    assert len(late) == int(np.argmin(late)) + 1 + 2 < 5, "patience runs from the fifth of nine epochs on"
    assert [event for event in events if isinstance(event, Stopped)] == [
        Stopped("words", f"no lower held-out loss in 2 epochs; epoch {best} is kept")
    ]
    measured = [event for event in events if isinstance(event, Evaluated)]
    assert [event.value for event in measured] == stopped.losses
    assert [event.step for event in measured] == list(range(1, 5 + len(late)))
    steps = [event.note for event in events if isinstance(event, Step)]
    assert steps[0].startswith(f"held-out loss {stopped.losses[0]:.4f}, ")

    def listen(event) -> None:
        if isinstance(event, Step) and event.done == best:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_words(
            path, vocabulary, 1_500, config, held_out=store, seed=1, workers=1, checkpoint=tmp_path / "kept",
            listener=listen,
        )  # fmt: skip
    kept = map_tensors(tmp_path / "kept" / f"epoch-{best}.safetensors")
    assert np.array_equal(stopped.vectors[4:], kept["vectors"])
    assert np.array_equal(stopped.contexts[4:], kept["contexts"])


def test_a_loss_that_rises_while_the_learning_rate_is_high_does_not_stop_training(corpus, held_out) -> None:
    path, vocabulary = corpus
    config = WordsConfig(dim=4, epochs=6, subsample=0, learning_rate=0.2)

    def train(patience: int) -> TrainedWords:
        asked = config.model_copy(update={"patience": patience})
        return train_words(path, vocabulary, 1_500, asked, held_out=held_out, seed=1, workers=1)

    whole, patient = train(0), train(1)
    assert whole.losses[2] > whole.losses[1] > whole.losses[5] + 0.3
    assert patient.losses == whole.losses
    assert patient.kept_epoch == 6
    assert np.array_equal(patient.vectors, whole.vectors)


def test_patience_without_held_out_text_says_so(corpus, make_store, tmp_path) -> None:
    path, vocabulary = corpus
    config = WordsConfig(dim=4, epochs=2, patience=1)
    alone = make_store(tmp_path / "store", vocabulary, ["the", "unknown the", ""])
    for store in (None, alone):
        with pytest.raises(NotEnoughDataError, match=r"words\.patience=1 stops by the loss on held-out text"):
            train_words(path, vocabulary, 1_500, config, held_out=store, seed=1, workers=1)
    without = config.model_copy(update={"patience": 0})
    assert train_words(path, vocabulary, 1_500, without, held_out=alone, seed=1, workers=1).losses == []


def test_a_loss_that_is_no_number_says_so(corpus, held_out, monkeypatch) -> None:
    path, vocabulary = corpus
    monkeypatch.setattr(HeldOut, "loss", lambda self, vectors, outputs: math.inf)
    config = WordsConfig(dim=4, epochs=3)
    with pytest.raises(ConfigError, match=r"loss is inf after epoch 1.*lower words\.learning_rate, which is 0\.025"):
        train_words(path, vocabulary, 1_500, config, held_out=held_out, seed=1, workers=1)


def test_a_training_that_has_diverged_says_so(corpus, held_out) -> None:
    path, vocabulary = corpus
    config = WordsConfig(dim=4, epochs=2, learning_rate=1e5)
    with pytest.raises(ConfigError, match=r"has diverged, lower words\.learning_rate, which is 100000"):
        train_words(path, vocabulary, 1_500, config, held_out=held_out, seed=1, workers=1)
