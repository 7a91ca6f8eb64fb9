"""Kneser-Ney beside NLTK's, with the same fixed discount."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.lm import KneserNeyInterpolated
from nltk.util import everygrams

from embedpipe.generation.ngrams.kneser_ney import KneserNey


def nltk_model(stream: list[int], order: int, discount: float) -> KneserNeyInterpolated:
    model = KneserNeyInterpolated(order, discount=discount)
    model.fit([list(everygrams([str(i) for i in stream], max_len=order))], [str(i) for i in stream])
    return model


def test_where_nltk_is_no_distribution() -> None:
    """What the floor is for, and why the text of the comparison stands twice."""
    model = nltk_model([4, 5, 4, 5, 6], 2, 0.1)
    assert model.unmasked_score("7", ("4",)) == 0, "a word that was never seen is impossible"
    model = nltk_model([4, 5, 6, 5, 6], 3, 0.1)
    with pytest.raises(ZeroDivisionError):  # 4 stands at the beginning alone: nothing is before it
        model.unmasked_score("5", ("4",))
    found = np.exp(KneserNey.fit(np.array([4, 5, 6, 5, 6], dtype=np.uint32), 8, order=3).log_probabilities([4]))
    assert found.sum() == pytest.approx(1)
    assert found.min() > 0


@settings(max_examples=25, deadline=None)
@given(
    order=st.integers(2, 5),
    half=st.lists(st.integers(3, 6), min_size=6, max_size=25),
    context=st.lists(st.integers(3, 6), max_size=5),
    discount=st.sampled_from([0.1, 0.75]),
)
def test_probabilities_are_those_of_nltk(order: int, half: list[int], context: list[int], discount: float) -> None:
    """The text stands twice: NLTK's sums are wrong where an n-gram occurs at the very beginning alone."""
    model = KneserNey.fit(np.array(half * 2, dtype=np.uint32), 7, order=order, discount=discount, floor=False)
    other = nltk_model(half * 2, order, discount)
    after = [str(i) for i in context[-(order - 1) :]]
    expected = [other.unmasked_score(str(i), tuple(after)) for i in range(7)]
    assert np.exp(model.log_probabilities(context)) == pytest.approx(expected, abs=1e-10)
