"""Perplexity per word and bits per character, by hand and for words beside pieces of words."""

import math

import numpy as np
import pytest
import torch

from embedpipe.generation.figures import perplexity_figures, perplexity_summary
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.train import TrainedGenerator
from embedpipe.generation.units import Units, piece_units
from embedpipe.text.vocabulary import EOS, SPECIALS


def test_pieces_spell_the_units_of_their_text() -> None:
    """Cut anywhere, even inside a character, the pieces of a text have its words and characters."""
    tokens = [*SPECIALS, "▁the", "▁caf", "<0xC3>", "<0xA9>", "s", ".", "▁日本", "▁"]
    the, caf, first, second, s, stop, japan, space = range(4, 12)
    ids = np.array([[the, caf, first, second, s, stop, EOS], [the, japan, stop, EOS, space, s, EOS]])
    text = "the cafés. the 日本. s"
    assert piece_units(ids, tokens) == Units(n_words=len(text.split()), n_characters=len(text) + 1)
    assert piece_units(ids[:, 3:4], tokens) == Units(0, 0), "the end of a sentence and of a character"


def test_units_do_not_depend_on_how_the_text_was_cut() -> None:
    """A uniform model of 4 words and one of 2 pieces to each of them say the same of one text."""
    units = Units(n_words=4, n_characters=11)  # aa ab ba bb
    by_words, by_pieces = 4 * math.log(4), 8 * math.log(2)
    assert units.word_perplexity(by_words) == pytest.approx(units.word_perplexity(by_pieces)) == pytest.approx(4)
    assert units.bits_per_character(by_words) == pytest.approx(8 / 11)


def test_text_without_words_has_no_figure_for_them() -> None:
    assert math.isnan(Units(0, 0).word_perplexity(1.0))
    assert math.isnan(Units(0, 0).bits_per_character(1.0))
    assert math.isnan(Units(n_words=2, n_characters=41).word_perplexity(1.0)), "Chinese: a sentence is no word"


def trained(interval: tuple[float, float], units: Units | None = None) -> TrainedGenerator:
    with torch.device("meta"):
        model = LanguageModel(Shape(7, dim=4, hidden=4, layers=1))
    return TrainedGenerator(
        model=model,
        perplexity=93.4,
        unigram_perplexity=800.0,
        bigram_perplexity=217.5,
        kneser_ney_perplexity=153.9,
        unknown_share=0.01,
        n_scored=100,
        n_tokens_seen=5,
        interval=interval,
        units=units,
    )


def test_figures_stand_beside_what_was_counted() -> None:
    one = trained((90.0, 97.1))
    assert perplexity_summary(one) == (
        "perplexity 93.4 (90.0 to 97.1) on held-out text (Kneser-Ney 5-gram 153.9, bigram 217.5, unigram 800.0)"
    )
    assert perplexity_figures(one) == {
        "perplexity": 93.4,
        "perplexity_low": 90.0,
        "perplexity_high": 97.1,
        "unigram_perplexity": 800.0,
        "bigram_perplexity": 217.5,
        "kneser_ney_perplexity": 153.9,
        "unknown_share": 0.01,
        "n_scored": 100,
        "scored_split": "test",
    }


def test_what_is_no_number_is_left_out() -> None:
    one = trained((math.nan, math.nan), Units(n_words=50, n_characters=300))
    assert perplexity_summary(one).startswith("perplexity 93.4 on held-out text")
    figures = perplexity_figures(one)
    assert "perplexity_low" not in figures
    assert figures["word_perplexity"] == pytest.approx(93.4**2)
    assert figures["bits_per_character"] == pytest.approx(100 * math.log2(93.4) / 300)
