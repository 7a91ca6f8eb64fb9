"""A real network with random weights over a few words, and how its next token is distributed."""

from collections.abc import Callable, Sequence

import pytest
import torch

from embedpipe.generation.generator import TextGenerator
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.text.codec import TextCodec
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import EOS, Vocabulary

WORDS = {"the": 9, "cat": 8, "sat": 7, ".": 3}


def make_random(words: dict[str, int], seed: int = 0, spread: float = 3.0) -> TextGenerator:
    """Return a network whose predictions differ from state to state."""
    codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts(words))
    torch.manual_seed(seed)
    model = LanguageModel(Shape(len(codec.vocabulary), dim=6, hidden=8, layers=2)).eval()
    with torch.no_grad():
        model.table *= spread
        for parameter in model.reader.parameters():
            parameter *= spread
    return TextGenerator(codec, model)


@pytest.fixture(scope="session")
def network() -> TextGenerator:
    return make_random(WORDS)


@pytest.fixture(scope="session")
def random_generator() -> Callable[..., TextGenerator]:
    return make_random


@pytest.fixture(scope="session")
def next_log_probabilities() -> Callable[[TextGenerator, Sequence[int]], torch.Tensor]:
    """The model's own prediction behind ids, read from the beginning in one go."""

    @torch.no_grad()
    def found(generator: TextGenerator, ids: Sequence[int]) -> torch.Tensor:
        hidden, _ = generator.model(torch.tensor([[EOS, *ids]]))
        return torch.log_softmax(generator.model.logits(hidden[0, -1]), dim=0).double()

    return found
