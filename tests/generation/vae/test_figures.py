"""The figures of small models: what they add up to, their intervals, and a decoder that ignores z."""

import json

import numpy as np
import pytest
import torch

from embedpipe.generation.language_model import Shape
from embedpipe.generation.vae.figures import measure
from embedpipe.generation.vae.network import SentenceVAE, VAEShape

SENTENCES = [np.array([4 + i // 9, 4 + i // 3 % 3, 4 + i % 3], np.uint32) for i in range(27)]


def model(effect: float, apart: float = 12.0) -> SentenceVAE:
    """A model with maps of z of the size `effect`, whose posteriors are narrow and lie `apart`, or are the prior."""
    torch.manual_seed(3)
    made = SentenceVAE(VAEShape(Shape(7, dim=5, hidden=6, layers=1), 2, hidden=4)).eval()
    with torch.no_grad():
        made.posterior.weight.zero_()
        made.posterior.weight[:2].normal_(std=apart)
        made.posterior.bias[:] = torch.tensor([2.0, 2.0, -4.0, -4.0]) if apart else 0.0
        for name, parameter in made.named_parameters():
            if name.startswith("to_"):
                parameter.normal_(std=effect)
    return made.requires_grad_(False)


def test_a_decoder_that_ignores_z_is_a_collapse() -> None:
    """The posterior alone looks like one that is used."""
    figures = measure(model(0.0), None, SENTENCES, scored=27, draws=4)
    assert figures.divergence > 3
    assert figures.information > 1
    assert figures.active == 2
    assert figures.swapped == pytest.approx(figures.reconstruction, abs=1e-5)
    assert "the decoder ignores z" in figures.collapsed


def test_the_bound_is_the_sum_of_what_stands_beside_it() -> None:
    """Of the same sentences, where the posteriors of more are looked at."""
    figures = measure(model(0.3), None, SENTENCES, scored=3, draws=400)
    assert figures.bound == pytest.approx(figures.reconstruction + figures.divergence, abs=0.15)
    everything = measure(model(0.3), None, SENTENCES, scored=27, draws=4)
    assert abs(everything.divergence - figures.divergence) > 0.5, "the few are not like all"
    assert everything.information == figures.information


def test_intervals_are_made_by_drawing_documents() -> None:
    """With sentences that repeat within a document, they are wider by the root of the repeats."""
    sentences, documents = [one for one in SENTENCES for _ in range(9)], np.repeat(np.arange(27), 9)
    alike = {"scored": len(sentences), "draws": 2}
    vae = model(0.0, apart=0.0)
    alone = measure(vae, None, sentences, **alike)
    drawn = measure(vae, None, sentences, documents=documents, **alike)
    width, wider = (high - low for low, high in (alone.nll_interval, drawn.nll_interval))
    assert wider / width == pytest.approx(3.0, rel=0.2)
    assert drawn.nll == alone.nll
    assert np.isnan(measure(vae, None, sentences, documents=documents // 3, **alike).nll_interval).all(), "of 9"


@pytest.mark.parametrize(("n", "scored"), [(1, 1), (27, 1)])
def test_one_sentence_has_figures_that_can_be_written(n: int, scored: int) -> None:
    vae = model(0.3)
    result = measure(vae, vae.decoder, SENTENCES[:n], scored=scored, draws=3).result
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["nll"] - result["language_model_nll"] == pytest.approx(result["nll_minus_language_model"])
    assert "nll_interval" not in result
    assert n > 1 or not result["collapsed"], "nothing can be said of z by one sentence"
