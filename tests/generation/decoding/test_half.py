"""When the output layer is in half precision, and what it leaves exact."""

import pytest
import torch

from embedpipe.generation.decoding import half
from embedpipe.generation.decoding.half import HalfOutput, is_half_faster
from embedpipe.generation.decoding.settings import Beam, Decoding, Limits
from embedpipe.generation.language_model import LanguageModel, Shape

PROMPTS = ["the", "", "the cat"]
LIMITS = Limits(12, min_tokens=12)


@pytest.fixture
def processor(monkeypatch):
    """Stands for a processor that multiplies bfloat16, or not, and for tables of any size."""

    def of(answer: str) -> None:
        monkeypatch.setattr(half, "resolve_precision", lambda precision, device: answer)
        monkeypatch.setattr(half, "_LARGE", 1)

    return of


def texts(generator, decoding: Decoding) -> list[list[str]]:
    return [found.texts for found in generator.generate_many(PROMPTS, decoding, LIMITS, n=20, seed=3)]


def test_half_is_for_large_tables_of_processors_that_have_it(monkeypatch) -> None:
    large = LanguageModel(Shape(2**16, dim=16, hidden=4, layers=1))
    adaptive = LanguageModel(Shape(2**16, dim=16, hidden=4, layers=1, cutoffs=(2**10,)))
    small = LanguageModel(Shape(2**16 - 1, dim=16, hidden=4, layers=1))
    for answer, expected in (("bf16", [True, False, False]), ("no", [False, False, False])):
        monkeypatch.setattr(half, "resolve_precision", lambda precision, device, answer=answer: answer)
        assert [is_half_faster(model) for model in (large, small, adaptive)] == expected
    monkeypatch.setattr(half, "resolve_precision", lambda precision, device: "bf16")
    assert not is_half_faster(large.to("meta"))


def test_auto_draws_in_half_precision_where_that_is_faster(random_generator, processor) -> None:
    words = {f"w{i}": 60 - i for i in range(50)}
    drawn = Decoding(1.0, top_p=1.0)
    make = lambda: random_generator(words, spread=3.0)  # noqa: E731
    exact, rounded = texts(make().in_precision("fp32"), drawn), texts(make().in_precision("bf16"), drawn)
    assert exact != rounded
    processor("no")
    assert texts(make(), drawn) == exact
    processor("bf16")
    assert make().precision == "auto"
    assert texts(make(), drawn) == rounded
    streamed = ["".join(one.stream("the", drawn, LIMITS, seed=3)) for one in (make(), make().in_precision("bf16"))]
    assert streamed[0] == streamed[1]


def test_auto_takes_the_most_probable_with_all_digits(random_generator, processor) -> None:
    """What bfloat16 makes equal is told apart: here each second word is a little more probable than its neighbour."""
    processor("bf16")
    generator = random_generator({f"w{i}": 60 - i for i in range(50)})
    with torch.no_grad():
        generator.model.bias[4:] = torch.arange(50) % 2 * 1e-3 + 8
        generator.model.table[5::2] = generator.model.table[4::2]
    exact, rounded = generator.in_precision("fp32"), generator.in_precision("bf16")
    greedy = Limits(12, min_tokens=12)
    assert generator.continuations("w1", Decoding(0.0), greedy, n=1).texts == (
        exact.continuations("w1", Decoding(0.0), greedy, n=1).texts
    )
    assert generator.beam("w1", Beam(3), greedy, n=3).texts == exact.beam("w1", Beam(3), greedy, n=3).texts
    assert rounded.beam("w1", Beam(3), greedy, n=3).texts != exact.beam("w1", Beam(3), greedy, n=3).texts


def test_log_probabilities_are_nearly_exact_though_logits_are_rounded(
    random_generator, next_log_probabilities, processor
) -> None:
    processor("bf16")
    generator = random_generator({f"w{i}": 60 - i for i in range(50)})
    found = generator.continuations("", Decoding(1.0), Limits(8, min_tokens=8), n=10, seed=1, scored=True)
    for text, said in zip(found.texts, found.log_probabilities, strict=True):
        ids, exact = generator.codec.encode(text).tolist(), 0.0
        for place, token in enumerate(ids):
            exact += float(next_log_probabilities(generator, ids[:place])[token])
        assert said == pytest.approx(exact, abs=0.02)
    with torch.no_grad():  # now one word is nearly certain
        generator.model.bias[20] = 16.3
    generator = generator.in_precision("auto")  # which copies the table anew
    found = generator.continuations("", Decoding(1.0), Limits(8, min_tokens=8), n=10, seed=1, scored=True)
    for text, said in zip(found.texts, found.log_probabilities, strict=True):
        ids, exact = generator.codec.encode(text).tolist(), 0.0
        for place, token in enumerate(ids):
            exact += float(next_log_probabilities(generator, ids[:place])[token])
        assert said <= 0
        assert said == pytest.approx(exact, abs=0.01)
    logits = generator.model.logits(torch.ones(1, 6)).detach()
    assert float((HalfOutput(generator.model)(torch.ones(1, 6)).float() - logits).abs().max()) > 1e-3
