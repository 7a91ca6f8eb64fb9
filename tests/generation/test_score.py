"""Scores of text: by hand, side by side and alone, along a text of any length, and on the ids of a prepared corpus."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from embedpipe.errors import ConfigError
from embedpipe.generation.cache import ContinuousCache, cached_losses
from embedpipe.generation.dynamic import DynamicEvaluation, dynamic_losses
from embedpipe.generation.evaluation import token_losses
from embedpipe.generation.language_model import LanguageModel, Shape
from embedpipe.generation.score import Score, TextScorer, _batches
from embedpipe.generation.scored_text import LineReading
from embedpipe.generation.units import Units
from embedpipe.text.codec import TextCodec
from embedpipe.text.sentences import SentenceSplitter
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import EOS, UNK, Vocabulary

WORDS = ["the", "cat", "sat", "on", "mat", "."]


@pytest.fixture(scope="module")
def codec() -> TextCodec:
    return TextCodec(RegexTokenizer(), Vocabulary.from_counts({word: 9 - i for i, word in enumerate(WORDS)}))


@pytest.fixture(scope="module")
def model(codec) -> LanguageModel:
    torch.manual_seed(2)
    shape = Shape(len(codec.vocabulary), dim=6, hidden=8, layers=2)
    return LanguageModel(shape).requires_grad_(False).eval()


def losses_of(model: LanguageModel, *ids: int) -> np.ndarray:
    return token_losses(model, np.array([ids], dtype=np.uint32))[0]


def text_of(n: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return [" ".join(random.choice([*WORDS, "zebra"], random.integers(1, 12))) for _ in range(n)]


def ids_of(codec: TextCodec, lines: list[str]) -> np.ndarray:
    """The stream of the lines as the training text has it, after the <eos> that it begins with."""
    splitter = SentenceSplitter()
    found = [[EOS]]
    for line in lines:
        found += [[*codec.encode(sentence).tolist(), EOS] for sentence in splitter.split(line)]
    return np.concatenate(found).astype(np.uint32)


def test_a_line_by_hand(codec, model):
    """Two sentences: what is predicted is their tokens and an <eos> after each; an unknown word is <unk>."""
    the, cat, sat, stop = (codec.vocabulary.index[word] for word in ("the", "cat", "sat", "."))
    line = "The cat sat. The zebra."
    expected = losses_of(model, EOS, the, cat, sat, stop, EOS, the, UNK, stop, EOS)
    score = TextScorer(codec, model, SentenceSplitter()).score(line)
    assert score.log_probability == pytest.approx(-expected.sum(), rel=1e-6)
    assert (score.n_tokens, score.n_unknown, score.units) == (9, 1, Units(5, 24))
    assert score.perplexity == pytest.approx(math.exp(expected.mean()), rel=1e-6)
    assert score.word_perplexity == pytest.approx(math.exp(expected.sum() / 5), rel=1e-6)
    assert score.bits_per_character == pytest.approx(expected.sum() / math.log(2) / 24, rel=1e-6)
    assert score.unknown_share == pytest.approx(1 / 9)
    as_one = TextScorer(codec, model).score(line)
    assert as_one.log_probability == pytest.approx(
        -losses_of(model, EOS, the, cat, sat, stop, the, UNK, stop, EOS).sum(), rel=1e-6
    )


def test_mostly_unknown_text_has_no_figure_of_its_spelling(codec, model):
    scorer = TextScorer(codec, model, SentenceSplitter())
    half, most = scorer.score("the zebra."), scorer.score("zebra gnu yak.")
    assert (half.n_unknown, half.n_tokens) == (1, 4)
    assert half.bits_per_character is not None is not half.word_perplexity
    assert (most.n_unknown, most.n_tokens) == (3, 5)
    assert most.bits_per_character is most.word_perplexity is None
    assert most.perplexity > 1


def test_side_by_side_is_alone(codec, model):
    texts = ["", *text_of(300), "   "]
    scorer = TextScorer(codec, model, SentenceSplitter())
    together = scorer.scores(texts)
    for text, score in list(zip(texts, together, strict=True))[::17]:
        alone = scorer.score(text)
        assert score.log_probability == pytest.approx(alone.log_probability, rel=1e-5)
        assert (score.n_tokens, score.units) == (alone.n_tokens, alone.units)
    assert together[0].n_tokens == together[-1].n_tokens == 0
    assert together[0].log_probability == 0.0
    assert math.copysign(1, together[0].log_probability) == 1
    assert together[0].perplexity is together[0].word_perplexity is together[0].bits_per_character is None


@pytest.mark.parametrize("way", ["plain", "cache", "dynamic"])
def test_a_text_is_its_stream(codec, model, way):
    """Lines read one after the other, in blocks that no line shows, against the losses of the whole stream."""
    lines = [*text_of(150, seed=3), "", *text_of(60, seed=4)]
    ids = ids_of(codec, lines)[None]
    cache, dynamic = ContinuousCache(0.7, 0.3, 100), DynamicEvaluation(rate=0.1, segment=16, rule="sgd")
    if way == "cache":
        scorer, expected = TextScorer(codec, model, SentenceSplitter(), cache=cache), cached_losses(model, ids, cache)
    elif way == "dynamic":
        scorer = TextScorer(codec, model, SentenceSplitter(), dynamic=dynamic)
        expected = dynamic_losses(model, ids, dynamic)
    else:
        scorer, expected = TextScorer(codec, model, SentenceSplitter()), token_losses(model, ids)
    found = list(scorer.along(lines))
    assert [line.text for line in found] == lines
    sizes = np.cumsum([line.score.n_tokens for line in found])
    assert sizes[-1] == expected.size > 1_024
    for (start, stop), line in list(zip(pairwise(sizes.tolist()), found[1:], strict=True))[::29]:
        assert line.score.log_probability == pytest.approx(-expected[0, start:stop].sum(), rel=1e-4)
    total = sum((line.score for line in found), Score(0.0, 0, 0))
    assert total.log_probability == pytest.approx(-expected.sum(), rel=1e-5)


def test_rows_read_together_have_little_to_fill_up():
    lengths = np.random.default_rng(0).integers(0, 20, 600)
    batches = list(_batches(lengths, 256))
    assert sorted(row for rows in batches for row in rows) == np.flatnonzero(lengths).tolist()
    assert sum(len(rows) * lengths[rows].max() for rows in batches) < 1.1 * lengths.sum()


def test_only_what_is_needed_is_read(codec, model):
    """The first lines of a text without end."""

    def endless():
        while True:
            yield "The cat sat on the mat."

    scorer = TextScorer(codec, model, SentenceSplitter())
    for lines in (scorer.along(endless()), scorer.lines(endless())):
        assert [next(lines).score.n_tokens for _ in range(3)] == [8, 8, 8]


@pytest.mark.parametrize("along", [True, False])
def test_tokens_carry_the_probabilities_and_ranks_of_the_model(codec, model, along):
    scorer = TextScorer(codec, model, SentenceSplitter())
    lines = ["The cat.", "", "Zebra sat. The end"]
    listed = list((scorer.along if along else scorer.lines)(lines, listed=True))
    spelt = [[token.token for token in line.tokens] for line in listed]
    assert spelt == [["the", "cat", ".", "<eos>"], [], ["zebra", "sat", ".", "<eos>", "the", "end", "<eos>"]]
    assert [token.known for token in listed[2].tokens] == [False, True, True, True, True, False, True]
    stream = ids_of(codec, lines if along else lines[2:])
    with torch.no_grad():
        hidden, _ = model(torch.from_numpy(stream[None, :-1].astype(np.int64)))
        log_probabilities = torch.log_softmax(model.logits(hidden[0]), dim=1).numpy()[-7:]
    for token, row, target in zip(listed[2].tokens, log_probabilities, stream[-7:], strict=True):
        assert token.log_probability == pytest.approx(float(row[target]), rel=1e-5)
        assert token.rank == 1 + int((row > row[target]).sum())
    for line in listed:
        assert sum(token.log_probability for token in line.tokens) == pytest.approx(line.score.log_probability)


def test_a_baseline_that_looks_back_is_read_across_blocks(codec, model, monkeypatch):
    """One that charges the difference to the token two places before, which no block border may hide."""

    def losses(tokens: np.ndarray) -> np.ndarray:
        wide = np.concatenate([np.zeros((len(tokens), 1), dtype=np.int64), tokens.astype(np.int64)], axis=1)
        return np.abs(wide[:, 2:] - wide[:, :-2]).astype(np.float64)

    monkeypatch.setattr("embedpipe.generation.reader._PREDICTIONS", 7)
    lines = text_of(40, seed=5)
    scorer = TextScorer(codec, model, SentenceSplitter(), baseline=losses)
    total = sum((line.score for line in scorer.along(["", *lines])), Score(0.0, 0, 0, baseline=0.0))
    assert total.baseline == pytest.approx(-losses(ids_of(codec, lines)[None]).sum())
    each = scorer.scores(lines)
    assert [one.baseline for one in each] == pytest.approx(
        [-losses(ids_of(codec, [line])[None]).sum() for line in lines]
    )
    assert (each[0] + Score(-1.0, 1, 0)).baseline is None


def test_long_sentences_are_cut_as_in_training(codec):
    reading = LineReading(codec, SentenceSplitter(), longest=4)
    (line,) = reading.read(["the " * 9 + ". the"])
    the, stop = codec.vocabulary.index["the"], codec.vocabulary.index["."]
    assert line.ids.tolist() == [*[the] * 4, EOS, *[the] * 4, EOS, the, stop, EOS, the, EOS]
    (spelt,) = reading.read(["the " * 9 + ". the"], spelt=True)
    assert spelt.ids.tolist() == line.ids.tolist()
    assert spelt.tokens == tuple({the: "the", stop: ".", EOS: "<eos>"}[i] for i in line.ids.tolist())


def test_text_without_spaces_has_no_word_perplexity():
    assert Score(-10.0, 20, 0, Units(1, 30)).word_perplexity is None
    assert Score(-10.0, 20, 0, Units(2, 30)).word_perplexity == pytest.approx(math.exp(5))


def test_figures_of_a_model_without_numbers_and_of_no_text():
    """No loss is no certainty: a perplexity that is not known is the worst one, as in all other tables."""
    assert Score(math.nan, 2, 0).perplexity == Score(-math.inf, 2, 0).perplexity == math.inf
    assert Score(-1.0, 2, 0, baseline=-math.inf).baseline_perplexity == math.inf
    assert Score(0.0, 0, 0, Units(0, 1), baseline=0.0).baseline_perplexity is None
    assert (Score(-1.0, 2, 1, Units(1, 5)) + Score(-2.0, 3, 0, Units(2, 7))).units == Units(3, 12)


def test_in_bf16_scores_are_nearly_the_same_each_way(codec, model):
    lines = text_of(40, seed=6)
    for following in ({}, {"cache": ContinuousCache()}, {"dynamic": DynamicEvaluation(rate=0.1, rule="sgd")}):
        exact, found = (
            [line.score for line in TextScorer(codec, model, precision=precision, **following).along(lines)]
            for precision in ("fp32", "bf16")
        )
        off = [abs(a.log_probability - b.log_probability) / a.n_tokens for a, b in zip(exact, found, strict=True)]
        assert 0 < max(off) < 5e-3
        assert sum(b.log_probability for b in found) == pytest.approx(sum(a.log_probability for a in exact), rel=1e-3)


def test_a_precision_that_is_none_or_not_for_the_model(codec):
    adaptive = LanguageModel(Shape(len(codec.vocabulary), dim=6, hidden=8, layers=1, cutoffs=(5,))).eval()
    with pytest.raises(ConfigError, match="this one's is adaptive; use fp32"):
        TextScorer(codec, adaptive, precision="bf16")
    with pytest.raises(ConfigError, match="fp32 or bf16, not 'fp16'"):
        TextScorer(codec, adaptive, precision="fp16")


def test_both_ways_at_once_and_what_is_no_text(codec, model):
    with pytest.raises(ConfigError, match="ask for one of them"):
        TextScorer(codec, model, cache=ContinuousCache(), dynamic=DynamicEvaluation(rule="sgd"))
    with pytest.raises(TypeError, match="one text"):
        TextScorer(codec, model).scores("the cat")


def test_the_test_split_as_text_is_its_store(toy_bundle, toy_work):
    """Raw documents, scored as text, give the losses of the ids that preparing them gave."""
    from embedpipe.pipeline.scoring import open_scorer
    from embedpipe.text.prepared import PreparedText
    from embedpipe.text.toy import toy_corpus

    store = PreparedText(toy_work / "text").test
    documents = {}
    scorer = open_scorer(toy_bundle)
    for document in toy_corpus("en"):
        lines = document.text.split("\n")
        documents[b"".join(line.ids.tobytes() for line in scorer.reading.read(lines))] = lines
    bounds = store.sentence_offsets[store.document_offsets].astype(np.int64)
    of_store = [store.tokens[start:stop].tobytes() for start, stop in pairwise(bounds.tolist())]
    lines = [line for key in of_store for line in documents[key]]
    ids = np.concatenate([[EOS], store.tokens]).astype(np.uint32)
    expected = token_losses(toy_bundle.generator.model, ids[None])
    total = sum((line.score for line in scorer.along(lines)), Score(0.0, 0, 0))
    assert total.n_tokens == expected.size == len(store.tokens) > 1_000
    assert total.log_probability == pytest.approx(-expected.sum(), rel=1e-6)
