"""Texts side by side: as if each were alone, within their limits, from any state, with or without a memory."""

import itertools
import math
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from embedpipe.errors import BundleError, ConfigError
from embedpipe.generation.cache import CacheMemory, ContinuousCache
from embedpipe.generation.decoding.filters import keep_nucleus
from embedpipe.generation.decoding.settings import Beam, Decoding, Limits
from embedpipe.generation.generator import TextGenerator
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.state import State
from embedpipe.text.vocabulary import EOS, UNK

PROMPTS = ["the", "", "cat sat the", "the", "sat.", "zebra", "the cat sat the cat"]
WILD = Decoding(1.0, top_p=0.9)


@pytest.mark.parametrize("rows", [1, 3, 256])
def test_many_prompts_are_written_as_one_by_one(network, rows, monkeypatch) -> None:
    """Whatever the size of the batch, and though waiting texts take the places of finished ones."""
    monkeypatch.setattr("embedpipe.generation.generator._ROWS", rows)
    monkeypatch.setattr("embedpipe.generation.generator._PROMPTS", 2)
    many = network.generate_many(PROMPTS, WILD, Limits(9), n=2, seed=3, scored=True)
    for prompt, found in zip(PROMPTS, many, strict=True):
        alone = network.continuations(prompt, WILD, Limits(9), n=4, seed=3, scored=True)
        which = slice(2, 4) if found is many[3] else slice(0, 2)
        assert found.texts == alone.texts[which]
        assert found.ended == alone.ended[which]
        assert found.log_probabilities == pytest.approx(alone.log_probabilities[which], abs=1e-4)
    assert len({text for found in many for text in found.texts}) > 10


def test_parts_are_what_one_go_writes(network, monkeypatch) -> None:
    """A prompt that stands in two parts goes on with the numbers of its texts."""
    whole = network.generate_many(PROMPTS, WILD, Limits(9), n=2, seed=3)
    monkeypatch.setattr("embedpipe.generation.generator._PART", 4)
    parts = list(network.generate_in_parts(PROMPTS, WILD, Limits(9), n=2, seed=3))
    assert [len(part) for part in parts] == [2, 2, 2, 1]
    assert [found.texts for part in parts for found in part] == [found.texts for found in whole]
    assert whole[0].texts != whole[3].texts


@pytest.mark.parametrize("prompt", ["", "the cat"])
@pytest.mark.parametrize("limits", [Limits(12), Limits(12, stop=("sat", "cat the")), Limits(12, sentences=2)])
def test_a_stream_is_the_first_text(network, prompt, limits) -> None:
    for seed in range(5):
        pieces = list(network.stream(prompt, WILD, limits, seed=seed))
        assert "".join(pieces) == network.continuations(prompt, WILD, limits, n=2, seed=seed).texts[0]


def test_a_stream_gives_a_piece_before_the_text_is_finished(network) -> None:
    reads, forward = [], network.model.forward
    network.model.forward = lambda *given: reads.append(1) or forward(*given)
    try:
        pieces = network.stream("", Decoding(0.0), Limits(12, min_tokens=12), seed=0)
        assert reads == []
        next(pieces)
        assert 1 <= len(reads) <= 3
    finally:
        del network.model.forward


def test_log_probabilities_are_those_of_the_model(network, next_log_probabilities) -> None:
    """Before any filter: temperature, penalties and bans change what is written, not how probable it is."""
    how = Decoding(1.3, top_k=3, repetition_penalty=1.4, no_repeat_ngram=2)
    found = network.continuations("the", how, Limits(6, ban=("cat",)), n=8, seed=1, scored=True)
    before = network.codec.encode("the").tolist()
    for text, p, ended in zip(found.texts, found.log_probabilities, found.ended, strict=True):
        written = network.codec.encode(text).tolist()[1:] + [EOS] * (ended == "sentence")
        steps = [next_log_probabilities(network, [*before, *written[:i]]) for i in range(len(written))]
        expected = sum(float(step[token]) for step, token in zip(steps, written, strict=True))
        assert p == pytest.approx(expected, abs=1e-4)
    assert {"sentence", "length"} <= set(found.ended)


def test_limits_hold(network) -> None:
    limits = Limits(10, min_tokens=4, begin_with="cat t", ban=("sat",), sentences=2)
    found = network.continuations("", WILD, limits, n=40, seed=2)
    assert all(text.startswith("cat the") and "sat" not in text for text in found.texts)
    assert all(4 <= n <= 10 for n in found.n_tokens)
    assert set(found.ended) == {"sentence", "length"}


def test_a_run_of_words_may_be_banned(network) -> None:
    assert any("the cat" in text for text in network.generate("the", n=30, seed=1, temperature=1.0))
    banned = network.continuations("the", Decoding(1.0), Limits(ban=("the cat",)), n=30, seed=1)
    assert not any("the cat" in text for text in banned.texts)
    assert any("cat" in text for text in banned.texts)


def test_runs_are_not_repeated_over_the_prompt_either(network) -> None:
    found = network.continuations("the cat the", Decoding(1.0, no_repeat_ngram=2), Limits(8), n=30, seed=1)
    for text in found.texts:
        pairs = list(itertools.pairwise(network.codec.tokenize(text)))
        assert len(pairs) == len(set(pairs))


def test_a_text_that_may_not_go_on_ends(network) -> None:
    """Each word once: after four words nothing is left, and no sentence may end before the tenth."""
    found = network.continuations("", Decoding(1.0, no_repeat_ngram=1), Limits(20, min_tokens=10), n=5, seed=1)
    assert found.ended == ["stuck"] * 5
    assert all(sorted(network.codec.tokenize(text)) == sorted(["the", "cat", "sat", "."]) for text in found.texts)


def test_everything_banned_is_an_empty_text(network) -> None:
    found = network.continuations("", WILD, Limits(ban=("the", "cat", "sat", ".")), n=2, seed=1)
    assert (found.texts, found.ended, found.n_tokens) == (["", ""], ["stuck"] * 2, [0, 0])


def test_a_stop_is_read_in_the_case_of_the_vocabulary_and_left_out(network) -> None:
    found = network.continuations("the sat", WILD, Limits(30, min_tokens=30, stop=("Sat",)), n=10, seed=1)
    assert "stop" in found.ended
    assert all(text.startswith("the sat") and "sat" not in text[7:] for text in found.texts)


def test_given_states_are_what_texts_are_conditioned_on(network) -> None:
    """Each prompt gets its own row of the start, also where prompts are read in another order."""
    given = torch.randn(3, 6, generator=torch.Generator().manual_seed(1)) * 9
    prompts = ["the cat sat", "the", ""]
    together = network.begin(State(given=given)).generate_many(prompts, Decoding(0.0), n=1)
    alone = [
        network.begin(State(given=given[i : i + 1])).generate(prompt, n=1, temperature=0.0)
        for i, prompt in enumerate(prompts)
    ]
    assert [found.texts for found in together] == alone
    assert [found.texts for found in network.generate_many(prompts, Decoding(0.0), n=1)] != alone
    beams = network.begin(State(given=given[:1])).beam(prompts[0], Beam(1, 0.0))
    assert beams.texts == alone[0]
    with pytest.raises(ConfigError, match="3 rows for 2 prompts"):
        network.begin(State(given=given)).generate_many(["", "the"])


class Unjoined(torch.nn.Module):
    """Layers that keep all they read, as a Transformer does: rows that read unequally much cannot be joined."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner, self.out_dim = inner, inner.out_dim

    def forward(self, x, layers):
        past = torch.cat([layers[0][0], x[None]], dim=2) if layers else x[None]
        outputs, _ = self.inner(past[0], ())
        return outputs[:, -x.shape[1] :], ((past,),)


def test_states_of_unequal_length_are_written_too(network, random_generator) -> None:
    other = random_generator({"the": 9, "cat": 8, "sat": 7, ".": 3})
    other.model.reader = Unjoined(other.model.reader)
    for how in (WILD, Decoding(0.0)):
        ours = other.generate_many(PROMPTS, how, Limits(6), n=2, seed=5)
        theirs = network.generate_many(PROMPTS, how, Limits(6), n=2, seed=5)
        assert [found.texts for found in ours] == [found.texts for found in theirs]


@dataclass
class Echo:
    """A memory that expects the token it met first in each row, and nothing else."""

    met: torch.Tensor | None = None
    sizes: list[int] = field(default_factory=list)

    def mix(self, log_probabilities, hidden):
        assert hidden.shape[0] == log_probabilities.shape[0]
        if self.met is None:
            return log_probabilities
        return torch.full_like(log_probabilities, -50.0).scatter(1, self.met[:, None], 0.0)

    def remember(self, hidden, tokens):
        assert hidden.shape[:2] == tokens.shape
        self.met = tokens[:, 0] if self.met is None else self.met

    def rows(self, rows):
        return Echo(None if self.met is None else self.met[rows])


def test_a_memory_is_mixed_in(network) -> None:
    echo = TextGenerator(network.codec, network.model, new_memory=Echo)
    assert echo.generate("sat the", n=2, max_tokens=3, seed=1) == ["sat the sat sat sat"] * 2
    assert echo.beam("cat.", Beam(2), Limits(2)).texts == ["cat. cat cat"]
    both = echo.generate_many(["the", "cat the"], Decoding(0.0), Limits(2))
    assert [found.texts for found in both] == [["the the the"], ["cat the cat cat"]]


def test_each_row_keeps_its_memory_when_others_finish(network) -> None:
    """Each text repeats its own first word; those of 'cat' end early and leave the batch."""
    echo = TextGenerator(network.codec, network.model, new_memory=Echo)
    found = echo.continuations("", Decoding(3.0), Limits(4, stop=("cat cat",)), n=30, seed=1)
    assert set(found.texts) == {"", "the the the the", "sat sat sat sat", "...."}
    assert set(found.ended) == {"stop", "length"}


def cached(network, cache: ContinuousCache) -> TextGenerator:
    return TextGenerator(network.codec, network.model, new_memory=partial(CacheMemory, cache))


@pytest.mark.parametrize("written", ["cat", "sat"])
def test_a_cache_makes_the_words_of_the_prompt_more_probable(network, next_log_probabilities, written) -> None:
    """With theta 0 each of the four remembered places counts a quarter: two hold 'cat', none 'sat'."""
    prompt, limits = "cat the cat the", Limits(1, begin_with=f"{written} ")
    share = prompt.split().count(written) / 4
    found = cached(network, ContinuousCache(0.0, 0.4)).continuations(prompt, Decoding(), limits, n=2, scored=True)
    ids = network.codec.encode(f"{prompt} {written}").tolist()
    model = math.exp(next_log_probabilities(network, ids[:-1])[ids[-1]])
    assert found.log_probabilities == pytest.approx([math.log(0.6 * model + 0.4 * share)] * 2, abs=1e-5)
    searched = cached(network, ContinuousCache(0.0, 0.4)).beam(prompt, Beam(2), limits)
    assert searched.log_probabilities == pytest.approx(found.log_probabilities[:1], abs=1e-6)


def test_a_memory_grows_into_its_weight(network, next_log_probabilities) -> None:
    """The four remembered places of the prompt have 4 / (4 + 12) of the weight of .4."""
    prompt, memory = "cat the cat the", partial(CacheMemory, ContinuousCache(0.0, 0.4), half_at=12)
    found = TextGenerator(network.codec, network.model, new_memory=memory).continuations(
        prompt, Decoding(), Limits(1, begin_with="cat "), n=1, scored=True
    )
    ids = network.codec.encode(f"{prompt} cat").tolist()
    model = math.exp(next_log_probabilities(network, ids[:-1])[ids[-1]])
    assert found.log_probabilities == pytest.approx([math.log(0.9 * model + 0.1 * 0.5)], abs=1e-5)


def test_a_cache_without_weight_writes_the_same_texts(network) -> None:
    without = cached(network, ContinuousCache(1.0, 0.0))
    for prompt in PROMPTS:
        ours = without.continuations(prompt, WILD, Limits(9), n=3, seed=2, scored=True)
        theirs = network.continuations(prompt, WILD, Limits(9), n=3, seed=2, scored=True)
        assert ours.texts == theirs.texts
        assert ours.log_probabilities == pytest.approx(theirs.log_probabilities, abs=1e-4)


def test_a_cache_knows_its_own_text_alone(network) -> None:
    heavy = cached(network, ContinuousCache(0.5, 0.9))
    many = heavy.generate_many(PROMPTS[1:], WILD, Limits(9), n=2, seed=3)
    for prompt, found in zip(PROMPTS[1:], many, strict=True):
        assert found.texts == heavy.continuations(prompt, WILD, Limits(9), n=2, seed=3).texts
        assert "".join(heavy.stream(prompt, WILD, Limits(9), seed=3)) == found.texts[0]
    assert [found.texts for found in many] != [
        found.texts for found in network.generate_many(PROMPTS[1:], WILD, Limits(9), n=2, seed=3)
    ]


@pytest.mark.parametrize("how", [Decoding(), Decoding(0.0), Decoding(repetition_penalty=2.0)])
def test_a_damaged_model_is_said(how, random_generator) -> None:
    broken = random_generator({"the": 1, "cat": 1})
    with torch.no_grad():
        broken.model.bias[5] = math.nan
    for act in (lambda: broken.continuations("the", how), lambda: list(broken.stream("the", how))):
        with pytest.raises(BundleError, match="not numbers"):
            act()
    with pytest.raises(BundleError, match="not numbers"):
        broken.beam("the", Beam(2))


def test_unknown_words_alone_are_a_prompt(network) -> None:
    found = network.continuations("zebra yak", WILD, Limits(5), n=2, seed=1)
    assert (found.n_unknown, found.n_prompt_tokens) == (2, 2)
    assert all(text.startswith("zebra yak ") for text in found.texts)
    assert network.codec.encode("zebra yak").tolist() == [UNK, UNK]


def test_white_space_is_no_prompt(network) -> None:
    without = network.continuations("", WILD, Limits(5), n=2, seed=1)
    assert network.continuations(" \n\t", WILD, Limits(5), n=2, seed=1) == without
    assert "".join(network.stream("  ", WILD, Limits(5), seed=1)) == without.texts[0]


def test_prompts_are_a_list_of_texts(network) -> None:
    assert network.generate_many([]) == []
    with pytest.raises(TypeError, match="wrap it in a list"):
        network.generate_many("the")
    with pytest.raises(TypeError, match="item 1 is int"):
        network.generate_many(["the", 3])


@pytest.mark.parametrize("how", ["plain", "cut", "bf16", "penalty", "cache"])
def test_first_words_follow_the_exact_distribution(network, next_log_probabilities, how) -> None:
    """Through all that lies between a prompt and its texts: the network, the rules, the memory, the draws."""
    prompt, n, decoding, generator = "cat the", 4_000, Decoding(0.8, top_p=1.0), network
    ids = network.codec.encode(prompt).tolist()
    logits = next_log_probabilities(network, ids)
    if how == "bf16":
        generator = network.in_precision("bf16")
    if how == "penalty":
        decoding = Decoding(0.8, top_p=1.0, repetition_penalty=1.5)
        with torch.no_grad():  # the penalty is of the logits, not of their logarithms of probabilities
            logits = network.model.logits(network.model(torch.tensor([[EOS, *ids]]))[0][0, -1]).double()
        logits[ids] *= torch.where(logits[ids] > 0, 1 / 1.5, 1.5)
    if how == "cache":
        generator = cached(network, ContinuousCache(0.0, 0.4))
        remembered = torch.zeros_like(logits).index_add_(0, torch.tensor(ids), torch.full((2,), 0.5).double())
        logits = (0.6 * logits.exp() + 0.4 * remembered).log()
    logits[: EOS + 1] = -torch.inf
    shares = torch.softmax(logits / 0.8, dim=0)
    if how == "cut":
        decoding = Decoding(0.8, top_p=0.6)
        shares *= keep_nucleus(shares[None], 0.6)[0]
        shares /= shares.sum()
        assert (shares == 0).sum() > EOS + 1
    written = generator.generate_many([prompt] * n, decoding, Limits(1), seed=3)
    drawn = [network.codec.encode(found.texts[0])[-1] for found in written]
    counts = np.bincount(drawn, minlength=len(shares))
    possible = shares.numpy() > 0
    assert counts[~possible].sum() == 0
    assert chisquare(counts[possible], shares.numpy()[possible] * n).pvalue > 1e-4


def test_first_words_of_two_streams_are_independent(network) -> None:
    """Streams differ by prompt and by number; else texts of one seed would hang together."""
    first = [network.codec.encode(text)[0] for text in network.generate("", n=200, seed=1, max_tokens=1, temperature=1)]
    other = [network.codec.encode(text)[0] for text in network.generate("", n=200, seed=2, max_tokens=1, temperature=1)]
    same, shares = np.mean(np.array(first) == np.array(other)), np.bincount(first, minlength=8) / 200
    assert same == pytest.approx(float((shares**2).sum()), abs=0.15)


def test_half_precision_changes_little_and_only_the_output(network) -> None:
    half = network.in_precision("bf16")
    exact = network.generate_many(PROMPTS, Decoding(0.0), Limits(5, min_tokens=5), scored=True)
    found = half.generate_many(PROMPTS, Decoding(0.0), Limits(5, min_tokens=5), scored=True)
    for ours, theirs in zip(exact, found, strict=True):
        assert theirs.log_probabilities == pytest.approx(ours.log_probabilities, abs=0.03)
        assert theirs.log_probabilities != ours.log_probabilities
    assert half.begin(State(given=torch.zeros(1, 6))).precision == "bf16"


def test_half_precision_is_refused_where_the_output_is_another(network) -> None:
    size = len(network.codec.vocabulary)
    other = TextGenerator(network.codec, LanguageModel(Shape(size, dim=6, hidden=8, layers=1, cutoffs=(5,))))
    with pytest.raises(ConfigError, match="one softmax"):
        other.in_precision("bf16")
    with pytest.raises(ConfigError, match="unknown precision 'fp8'"):
        other.in_precision("fp8")
