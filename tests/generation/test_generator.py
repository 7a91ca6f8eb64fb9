"""Text in, text out, with a hand-set model whose next word is known."""

import math

import numpy as np
import pytest
import torch

from embedpipe.errors import ConfigError
from embedpipe.generation.decoding.settings import Decoding, Limits
from embedpipe.generation.generator import MAX_PROMPT_TOKENS, TextGenerator
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.state import BEGINNING, State
from embedpipe.text.codec import TextCodec
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import EOS, UNK, Vocabulary

WORDS = {"the": 9, "cat": 8, "sat": 7, "on": 6, "mat": 5, ",": 4, ".": 3}
SENTENCE = "the cat sat on mat ."


def codec() -> TextCodec:
    return TextCodec(RegexTokenizer(), Vocabulary.from_counts(WORDS))


class Chain(LanguageModel):
    """Knows one follower for each token, with logit `certainty`; the others have 0."""

    def __init__(self, codec: TextCodec, certainty: float, follower: dict[int, int]) -> None:
        size = len(codec.vocabulary)
        super().__init__(Shape(size, dim=size, hidden=size, layers=1))
        self.reads: list[int] = []
        with torch.no_grad():
            self.table.copy_(torch.eye(size))
        self.next = torch.zeros(size, size)
        for token, following in follower.items():
            self.next[token, following] = certainty

    def forward(self, ids, state=BEGINNING):
        self.reads.append(ids.shape[1])
        if not state.layers:
            state = State(((torch.zeros(1, len(ids), self.shape.dim),) * 2,))
        return self.next[ids], state


def chain(certainty: float = 50.0) -> TextGenerator:
    own = codec()
    ids = own.encode(SENTENCE).tolist()
    follower = dict(zip([EOS, *ids], [*ids, EOS], strict=True))
    follower[UNK] = ids[0]
    return TextGenerator(own, Chain(own, certainty, follower))


@pytest.fixture(scope="module")
def trained() -> TextGenerator:
    """A real network with random weights: every word is possible at each step."""
    torch.manual_seed(0)
    own = codec()
    return TextGenerator(own, LanguageModel(Shape(len(own.vocabulary), dim=6, hidden=8, layers=2)))


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("", "the cat sat on mat."),
        ("the cat", "the cat sat on mat."),
        ("The CAT", "The CAT sat on mat."),
        ("the cat ", "the cat sat on mat."),
        ("the cat sat on mat", "the cat sat on mat."),
        ("zebra sat", "zebra sat on mat."),
        ("zebra", "zebra the cat sat on mat."),
        ("the cat sat on mat.", "the cat sat on mat. the cat sat on mat."),
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_prompts_are_kept_and_go_on_to_the_end_of_the_sentence(prompt, text, temperature) -> None:
    assert chain().generate(prompt, n=2, temperature=temperature, seed=1) == [text, text]


def test_counts_of_what_was_read_and_written() -> None:
    result = chain().continuations("zebra yak sat", Decoding(0.0), n=1)
    assert (result.n_prompt_tokens, result.n_unknown, result.n_unread) == (3, 2, 0)
    assert (result.n_tokens, result.ended, result.log_probabilities) == ([3], ["sentence"], [])


def test_max_tokens_cuts() -> None:
    assert chain().generate(n=1, max_tokens=2, temperature=0) == ["the cat"]


def test_the_last_tokens_of_a_megabyte_are_read() -> None:
    generator = chain()
    prompt = "the cat sat on " * 70_000
    result = generator.continuations(prompt, Decoding(0.0), n=1)
    assert result.n_unread == 280_000 - MAX_PROMPT_TOKENS
    assert generator.model.reads[0] == MAX_PROMPT_TOKENS + 1
    assert result.texts == [prompt + "mat."]


def test_a_transformer_reads_what_it_looks_back_on() -> None:
    """Two layers of context three: the last token and six before; what is before these changes nothing."""
    own = codec()
    torch.manual_seed(1)
    shape = Shape(len(own.vocabulary), dim=4, hidden=6, layers=2, architecture="transformer", heads=2, context=3)
    generator = TextGenerator(own, LanguageModel(shape))
    prompts = ["the cat sat on mat , cat sat on", "mat on sat on mat , cat sat on", "mat on , on mat , cat sat on"]
    found = [generator.continuations(prompt, Decoding(0.0), n=1, scored=True) for prompt in prompts]
    assert [one.n_unread for one in found] == [2, 2, 2]
    assert found[0].log_probabilities == pytest.approx(found[1].log_probabilities, abs=1e-9)
    ids = torch.tensor([own.encode(prompt).tolist() for prompt in prompts])
    with torch.no_grad():
        behind = generator.model(ids)[0][:, -1]
    np.testing.assert_allclose(behind[0], behind[1], atol=1e-6)
    assert float((behind[0] - behind[2]).abs().max()) > 1e-6
    assert generator.continuations("the cat sat on mat , cat", n=1).n_unread == 0


def test_specials_are_never_written_and_a_text_is_never_empty(trained) -> None:
    with torch.no_grad():
        trained.model.bias[:4] = torch.tensor([20.0, 20.0, 20.0, 6.0])
    result = trained.continuations("", Decoding(1.0, 0, 1.0), Limits(5), n=300, seed=1)
    assert len(result.texts) == 300
    assert min(result.n_tokens) == 1
    assert all(set(trained.codec.tokenize(text)) <= set(WORDS) for text in result.texts)
    assert not any("<" in text for text in result.texts)


def test_the_same_seed_writes_the_same(trained) -> None:
    first, again, other = (trained.generate("the", n=20, seed=seed, temperature=1.0) for seed in (4, 4, 5))
    assert first == again != other
    assert len(set(first)) > 5


@pytest.mark.parametrize("arguments", [{"top_k": 10**9}, {"top_p": 1e-9}, {"top_p": 1.0}, {"temperature": 100.0}])
def test_unusual_settings_write(trained, arguments) -> None:
    texts = trained.generate("the cat", n=5, max_tokens=4, seed=0, **arguments)
    assert len(texts) == 5
    assert all(text.startswith("the cat") and len(text) > len("the cat") for text in texts)


def test_first_words_follow_the_distribution_of_the_model(trained) -> None:
    """1,000 texts of one word against the model's own probabilities after <eos>, specials left out."""
    with torch.no_grad():
        trained.model.bias.zero_()
        hidden, _ = trained.model(torch.tensor([[EOS]]))
        logits = trained.model.logits(hidden[0, -1]).double()[4:]
    expected = torch.softmax(logits, dim=0).numpy()
    result = trained.continuations("", Decoding(1.0, 0, 1.0), Limits(1), n=4_000, seed=2)
    counts = np.bincount([trained.codec.encode(text)[0] for text in result.texts], minlength=11)[4:]
    np.testing.assert_allclose(counts / 4_000, expected, atol=0.035)


def test_score_by_hand() -> None:
    """Each of the seven steps has one token at logit 2 and ten at 0."""
    score = chain(2.0).score("the cat sat on mat.")
    assert score.n_tokens == 7
    assert score.log_probability == pytest.approx(7 * (2 - math.log(math.exp(2) + 10)), rel=1e-6)
    assert score.perplexity == pytest.approx((math.exp(2) + 10) / math.exp(2), rel=1e-6)
    assert chain(2.0).score("zebra").n_unknown == 1


def test_probabilities_of_all_short_texts_sum_to_one(trained) -> None:
    """Over all next tokens, scored one by one through the batched window."""
    words = [*trained.codec.vocabulary.tokens[4:]]
    own = trained.codec
    end = math.exp(trained.score("").log_probability)
    model = trained.model
    with torch.no_grad():
        first = torch.log_softmax(model.logits(model(torch.tensor([[EOS]]))[0][0, -1]), dim=0)
        for word in words:
            i = int(own.encode(word)[0])
            ending = torch.log_softmax(model.logits(model(torch.tensor([[EOS, i]]))[0][0, -1]), dim=0)[EOS]
            assert trained.score(word).log_probability == pytest.approx(float(first[i] + ending), abs=1e-5)
    assert end + sum(math.exp(first[i]) for i in range(len(first)) if i != EOS) == pytest.approx(1.0, abs=1e-5)


def test_long_texts_are_scored_in_windows_without_a_seam(trained, monkeypatch) -> None:
    text = " ".join(np.random.default_rng(0).choice(list(WORDS), 700))
    whole = trained.score(text)
    monkeypatch.setattr("embedpipe.generation.reader._PREDICTIONS", 13)
    assert trained.score(text).log_probability == pytest.approx(whole.log_probability, rel=1e-5)
    assert whole.n_tokens == 701


@pytest.mark.parametrize(
    "arguments",
    [
        {"n": 0},
        {"n": 1.5},
        {"max_tokens": 0},
        {"max_tokens": 2.5},
        {"temperature": -1},
        {"top_k": -1},
        {"top_k": 2.5},
        {"top_p": 2},
        {"stop": [""]},
        {"stop": [" "]},
        {"seed": -1},
        {"seed": 2**32},
        {"seed": "1"},
    ],
)
def test_values_out_of_range_are_refused(trained, arguments) -> None:
    with pytest.raises(ConfigError, match=next(iter(arguments))):
        trained.generate("the", **arguments)


def test_a_prompt_is_one_string(trained) -> None:
    with pytest.raises(TypeError, match="one string, not list"):
        trained.generate(["the"])
