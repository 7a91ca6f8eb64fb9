"""Beam search against a search of everything, on a real network with random weights."""

import itertools
import math

import pytest
import torch

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.position import Predictor
from embedpipe.generation.decoding.settings import Beam, Decoding, Limits
from embedpipe.text.vocabulary import EOS

MOST = 4
WORDS = range(4, 8)


@pytest.fixture(scope="module")
def everything(network, next_log_probabilities) -> list[tuple[list[int], float, int]]:
    """All texts of one to four words: their ids, log-probability, and how many tokens were predicted.

    A text of four words is cut there; a shorter one has ended.
    """
    steps = {
        words: next_log_probabilities(network, words)
        for length in range(MOST + 1)
        for words in itertools.product(WORDS, repeat=length)
    }
    texts = []
    for words in steps:
        if not words:
            continue
        total = sum(float(steps[words[:i]][word]) for i, word in enumerate(words))
        ended = len(words) < MOST
        texts.append((list(words), total + (float(steps[words][EOS]) if ended else 0.0), len(words) + ended))
    assert len(texts) == 4 + 16 + 64 + 256
    return texts


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 3.0])
def test_a_wide_beam_is_exact(network, everything, penalty) -> None:
    beam = Beam(width=1_000, length_penalty=penalty)
    ranked = sorted(((beam.score(p, n), ids, p) for ids, p, n in everything), reverse=True)
    found = network.beam("", beam, Limits(MOST), n=20)
    assert found.texts == [network.codec.decode(ids) for _, ids, _ in ranked[:20]]
    assert found.scores == pytest.approx([score for score, _, _ in ranked[:20]], abs=1e-5)
    assert found.log_probabilities == pytest.approx([p for _, _, p in ranked[:20]], abs=1e-5)


def test_a_wide_beam_is_exact_where_texts_end_before_a_stop(network, everything, next_log_probabilities) -> None:
    """Of all texts that are shown alike, cut before the stop, the best alone comes back."""
    stop, beam = "sat", Beam(width=1_000, length_penalty=1.0)
    last = network.codec.vocabulary.index[stop]
    shown: dict[str, float] = {}
    for ids, log_probability, n in everything:
        if last not in ids:
            text, score = network.codec.decode(ids), beam.score(log_probability, n)
            shown[text] = max(score, shown.get(text, -math.inf))
    for length in range(MOST):
        for words in itertools.product([word for word in WORDS if word != last], repeat=length):
            stopped = (*words, last)
            total = sum(float(next_log_probabilities(network, stopped[:i])[id_]) for i, id_ in enumerate(stopped))
            text, score = network.codec.decode(words), beam.score(total, len(stopped))
            shown[text] = max(score, shown.get(text, -math.inf))
    found = network.beam("", beam, Limits(MOST, stop=(stop,)), n=20)
    assert dict(zip(found.texts, found.scores, strict=True)) == pytest.approx(
        dict(sorted(shown.items(), key=lambda item: -item[1])[:20]), abs=1e-5
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_beam_keeps_its_width_where_many_texts_stop(random_generator, monkeypatch, seed) -> None:
    """Nine of twelve words end a text, so that among the six best continuations there are seldom three that go on."""
    words = [f"w{letter}" for letter in "abcdefghijkl"]
    generator = random_generator(dict.fromkeys(words, 1), seed=seed)
    widths = []
    go_on = Predictor.go_on
    monkeypatch.setattr(Predictor, "go_on", lambda *given: widths.append(len(given[2])) or go_on(*given))
    monkeypatch.setattr("embedpipe.generation.decoding.beam._reachable", lambda beam, total, longest: 0.0)
    found = generator.beam("", Beam(3), Limits(5, stop=tuple(words[3:])), n=3)
    assert widths == [3] * 4
    assert len(set(found.texts)) == 3


def test_the_penalty_changes_which_text_is_best(everything) -> None:
    """Else the test before could not see a penalty that is not used."""
    best = {penalty: max(everything, key=lambda text: Beam(1, penalty).score(*text[1:]))[0] for penalty in (0.0, 3.0)}
    assert len(best[0.0]) < len(best[3.0])


@pytest.mark.parametrize("prompt", ["", "the", "cat sat", "the cat."])
def test_a_beam_of_one_is_greedy(network, prompt) -> None:
    greedy = network.continuations(prompt, Decoding(0.0), Limits(12), n=1, scored=True)
    beam = network.beam(prompt, Beam(1, 0.0), Limits(12))
    assert (beam.texts, beam.ended) == (greedy.texts, greedy.ended)
    assert beam.log_probabilities == pytest.approx(greedy.log_probabilities, abs=1e-5)


def test_greedy_takes_the_most_probable_word_at_each_step(network, next_log_probabilities) -> None:
    ids: list[int] = []
    while len(ids) < 9:
        following = next_log_probabilities(network, ids)
        following[[0, 1, 2]] = -torch.inf
        if not ids:
            following[EOS] = -torch.inf
        if following.argmax() == EOS:
            break
        ids.append(int(following.argmax()))
    assert network.generate(n=1, max_tokens=9, temperature=0.0) == [network.codec.decode(ids)]


@pytest.mark.parametrize("width", [2, 3, 5, 8])
def test_stopping_early_changes_nothing(network, width, monkeypatch) -> None:
    """With a bound that is never reached the search goes on to the longest text."""
    beam = Beam(width, 1.0)
    early = network.beam("the", beam, Limits(10), n=width)
    monkeypatch.setattr("embedpipe.generation.decoding.beam._reachable", lambda beam, total, longest: 0.0)
    assert network.beam("the", beam, Limits(10), n=width) == early


def test_texts_of_a_beam_differ_and_fall_in_score(network) -> None:
    found = network.beam("cat", Beam(6), Limits(8), n=6)
    assert len(set(found.texts)) == 6
    assert found.scores == sorted(found.scores, reverse=True)


def test_limits_hold_in_a_beam(network) -> None:
    found = network.beam("", Beam(8), Limits(6, min_tokens=3, begin_with="cat s", ban=("the",)), n=8)
    assert all(text.startswith("cat sat") and "the" not in text for text in found.texts)
    assert min(found.n_tokens) >= 3
    stopped = network.beam("the", Beam(8), Limits(6, stop=("sat",)), n=8)
    assert "stop" in stopped.ended
    assert not any("sat" in text for text in stopped.texts)


def test_blocked_runs_are_not_written_twice(network) -> None:
    found = network.beam("the cat the", Beam(4, no_repeat_ngram=2), Limits(8), n=4)
    for text in found.texts:
        tokens = network.codec.tokenize(text)
        pairs = list(itertools.pairwise(tokens))
        assert len(pairs) == len(set(pairs))


def test_fewer_come_back_where_fewer_can_be_written(network) -> None:
    found = network.beam("", Beam(8), Limits(1, ban=("the", "cat")), n=8)
    assert sorted(found.texts) == [".", "sat"]


@pytest.mark.parametrize("n", [0, 5])
def test_more_than_the_width_is_refused(network, n) -> None:
    with pytest.raises(ConfigError, match="width of the beam"):
        network.beam("", Beam(4), n=n)
