"""Kneser-Ney by hand, as a distribution, and the two ways of asking it."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedpipe.errors import ConfigError
from embedpipe.generation.ngrams import kneser_ney, suffixes
from embedpipe.generation.ngrams.discounts import count_of_counts, estimated_discounts
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.text.vocabulary import EOS

N = 9
streams = st.lists(st.integers(3, 7), min_size=1, max_size=40).map(lambda ids: np.array(ids, dtype=np.uint32))
models = st.fixed_dictionaries(
    {"order": st.integers(1, 5), "discount": st.sampled_from([None, 0.3, 1.0]), "across": st.booleans()}
)


def test_a_bigram_by_hand() -> None:
    """San Francisco twice, my glasses, your glasses: glasses follows more words than Francisco, and less often."""
    san, francisco, my, glasses, your = range(4, 9)
    stream = np.array([san, francisco, san, francisco, my, glasses, your, glasses, san], dtype=np.uint32)
    model = KneserNey.fit(stream, N, order=2, discount=0.5, floor=False)
    different_before = {san: 2, francisco: 1, my: 1, glasses: 2, your: 1}
    base = [different_before.get(i, 0) / 7 for i in range(N)]
    assert np.exp(model.log_probabilities([])) == pytest.approx(base)
    after_san = [0.5 / 2 * p for p in base]
    after_san[francisco] += 1.5 / 2
    assert np.exp(model.log_probabilities([san])) == pytest.approx(after_san)
    assert np.exp(model.log_probabilities([EOS])) == pytest.approx(base), "never seen"
    losses = model.losses(np.array([[my, san, francisco], [your, your, glasses]], dtype=np.uint32))
    after_my = 1 / 1 * 0.5 * base[san]
    expected = [[after_my, after_san[francisco]], [0.5 * base[your], 0.5 + 0.5 * base[glasses]]]
    assert np.exp(-losses) == pytest.approx(np.array(expected))


def test_the_floor_is_even_over_the_vocabulary() -> None:
    stream = np.array([4, 5, 4, 5, 4, 6], dtype=np.uint32)  # before 4: 5; before 5: 4; before 6: 4
    model = KneserNey.fit(stream, N, order=2, discount=0.6)
    assert np.exp(model.log_probabilities([])[[0, 4, 5, 6]]) == pytest.approx([0.2 / 3 / 1] + [0.4 / 3 + 0.2 / 3] * 3)
    without = KneserNey.fit(stream, N, order=2, discount=0.6, floor=False)
    assert without.losses(np.array([[4, 8]], dtype=np.uint32)).tolist() == [[np.inf]]


@settings(max_examples=40, deadline=None)
@given(stream=streams, settings_=models, context=st.lists(st.integers(0, 8), max_size=6))
def test_probabilities_are_a_distribution(stream: np.ndarray, settings_: dict, context: list[int]) -> None:
    found = np.exp(KneserNey.fit(stream, N, **settings_).log_probabilities(context))
    assert found.min() > 0
    assert found.sum() == pytest.approx(1, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(stream=streams, settings_=models, data=st.data(), block=st.sampled_from([1, 5, 1_000]))
def test_losses_are_those_of_one_context_after_the_other(
    stream: np.ndarray, settings_: dict, data: st.DataObject, block: int
) -> None:
    time = data.draw(st.integers(1, 8))
    rows = data.draw(
        st.lists(st.lists(st.integers(0, 8), min_size=time + 1, max_size=time + 1), min_size=1, max_size=3)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kneser_ney, "_BLOCK", block)
        patch.setattr(suffixes, "_PART", block)
        model = KneserNey.fit(stream, N, **settings_)
        losses = model.losses(np.array(rows, dtype=np.uint32))
    assert losses.shape == (len(rows), time)
    for row, found in zip(rows, losses, strict=True):
        expected = [-model.log_probabilities(row[: t + 1])[row[t + 1]] for t in range(time)]
        assert found == pytest.approx(expected, abs=1e-12)


def test_contexts_end_where_sentences_do_when_asked() -> None:
    """After <eos> a sentence begins anew: what stood before it changes nothing, and beginnings are counted whole."""
    a, b, c, d = 4, 5, 6, 7
    stream = np.array([a, b, EOS, c, d, EOS, a, b, EOS, c, d, EOS, d, EOS], dtype=np.uint32)
    within = KneserNey.fit(stream, N, order=4, discount=0.5, across=False)
    across = KneserNey.fit(stream, N, order=4, discount=0.5)
    assert within.log_probabilities([b, EOS]) == pytest.approx(within.log_probabilities([d, EOS]))
    assert across.log_probabilities([b, EOS])[c] > across.log_probabilities([d, EOS])[c] + 0.5
    bases = np.exp(within.log_probabilities([]))
    # After <eos>, itself read four times with something behind it: c twice, a once, d once.
    assert np.exp(within.log_probabilities([EOS])[c]) == pytest.approx((2 - 0.5) / 4 + 0.5 * 3 / 4 * bases[c])


def test_discounts_fall_back_where_there_is_no_evidence() -> None:
    """No count of one: none can be estimated. Evenly falling counts of counts: the formula of Chen and Goodman."""
    found = estimated_discounts(np.array([[0, 0, 5, 5, 5], [0, 400, 200, 100, 50]]))
    assert found.tolist() == [[0, 0.5, 1.0, 1.5], [0, 1 - 2 * 0.5 / 2, 2 - 3 * 0.5 / 2, 3 - 4 * 0.5 / 2]]


@pytest.mark.parametrize(
    ("stream", "settings_", "said"),
    [
        ([], {}, "no tokens to count"),
        ([4, 9], {}, "holds id 9, but the vocabulary has 9 tokens"),
        ([4], {"order": 0}, "order is 0"),
        ([4], {"discount": 0.0}, "discount is 0.0"),
        ([4], {"discount": 1.5}, "discount is 1.5"),
    ],
)
def test_what_cannot_be_counted_is_said(stream: list[int], settings_: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        KneserNey.fit(np.array(stream, dtype=np.uint32), N, **settings_)


def test_what_is_outside_the_vocabulary_is_said() -> None:
    model = KneserNey.fit(np.array([4, 5], dtype=np.uint32), N)
    with pytest.raises(ConfigError, match="from 0 to 8"):
        model.log_probabilities([9])
    with pytest.raises(ConfigError, match="id 9, but the vocabulary has 9"):
        model.losses(np.array([[4, 9]], dtype=np.uint32))


def test_a_row_of_one_token_predicts_nothing() -> None:
    model = KneserNey.fit(np.array([4, 5], dtype=np.uint32), N)
    assert model.losses(np.array([[4], [5]], dtype=np.uint32)).shape == (2, 0)
    assert model.losses(np.zeros((0, 3), dtype=np.uint32)).shape == (0, 2)
    assert [len(one) for one in model.document_losses([np.array([4], dtype=np.uint32)])] == [0]


def test_documents_are_read_each_from_its_own_beginning() -> None:
    stream = np.random.default_rng(0).integers(3, 7, 200).astype(np.uint32)
    model = KneserNey.fit(stream, N, order=4)
    documents = [stream[:20], stream[40:41], stream[7:90]]
    for document, found in zip(documents, model.document_losses(documents), strict=True):
        assert found == pytest.approx(model.losses(document[None])[0])


@settings(max_examples=30, deadline=None)
@given(stream=streams, settings_=models, context=st.lists(st.integers(3, 7), max_size=5))
def test_probabilities_are_those_of_the_definition(stream: np.ndarray, settings_: dict, context: list[int]) -> None:
    """Sets and dictionaries instead of a sorted index; the discounts are taken from the model."""
    model = KneserNey.fit(stream, N, **settings_)
    order, across, ids = settings_["order"], settings_["across"], stream.tolist()
    seen: dict[int, Counter] = {n: Counter() for n in range(1, order + 1)}
    for n in seen:
        before: dict[tuple, set] = {}
        for t in range(n - 1, len(ids)):
            gram = tuple(ids[t - n + 1 : t + 1])
            if not across and EOS in gram[1:-1]:
                continue
            opens = (n > 1 and gram[0] == EOS) or t - n < 0
            if n == order or (not across and opens):
                seen[n][gram] += 1
            elif t - n >= 0:
                before.setdefault(gram, set()).add(ids[t - n])
        seen[n].update({gram: len(tokens) for gram, tokens in before.items()})

    n_grams, _ = count_of_counts(model.index)
    for n, counted in seen.items():
        sizes = Counter(counted.values())
        assert n_grams[n - 1, 1:].tolist() == [sizes[size] for size in range(1, 5)]

    def after(history: tuple[int, ...], n: int) -> list[float]:
        counts = [seen[n][(*history, w)] for w in range(N)]
        taken = [model.discounts[n - 1][min(count, 3)] for count in counts]
        shorter = [1 / N] * N if n == 1 else after(history[1:], n - 1)
        if not sum(counts):
            return shorter
        return [(c - d + sum(taken) * p) / sum(counts) for c, d, p in zip(counts, taken, shorter, strict=True)]

    history = tuple(context[-(order - 1) :]) if order > 1 else ()
    assert np.exp(model.log_probabilities(context)) == pytest.approx(after(history, len(history) + 1), abs=1e-12)
