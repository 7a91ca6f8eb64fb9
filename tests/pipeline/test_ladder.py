"""The ladder on stores written by hand: what is kept, what is made anew, and a planted text whose order is known."""

import json
import math
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from embedpipe.config import GenerationConfig, PipelineConfig
from embedpipe.errors import ConfigError, NotEnoughDataError, OutputError
from embedpipe.generation import cache, part
from embedpipe.generation import train as generation_train
from embedpipe.generation.cache import ContinuousCache
from embedpipe.generation.evaluation import perplexity, token_losses, unigram_perplexity
from embedpipe.generation.ngrams.kneser_ney import KneserNey
from embedpipe.generation.train import train_language_model
from embedpipe.nn import budget
from embedpipe.pipeline import ladder as module
from embedpipe.pipeline.ladder import ladder
from embedpipe.pipeline.ladder_prepare import Prepared, _samples
from embedpipe.pipeline.ladder_rungs import RUNGS, base_of
from embedpipe.pipeline.ladder_trial import (
    Below,
    Trial,
    _n_grams,
    budget_of,
    make_trial,
    read_trial,
    width_of,
    write_trial,
)
from embedpipe.runtime import StageFinished, StageSkipped, StageStarted, Stopped
from embedpipe.text.prepared import PreparedText
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, SPECIALS, Vocabulary

N_COPIED, N_BETWEEN = 20, 5
SMALL = {
    "hidden": 32,
    "layers": 1,
    "batch": 16,
    "bptt": 16,
    "softmax": "full",
    "start": "random",
    "input_p": 0.0,
    "hidden_p": 0.0,
    "output_p": 0.0,
    "embed_p": 0.0,
    "weight_p": 0.0,
    "ar": 0.0,
    "tar": 0.0,
    "variable_bptt": False,
}


def write_store(folder, n: int, seed: int) -> TokenStore:
    """Sentences of a random word, five words that are always the same, and the first word again."""
    first = 4 + np.random.default_rng(seed).integers(0, N_COPIED, n)
    between = np.tile(4 + N_COPIED + np.arange(N_BETWEEN), (n, 1))
    tokens = np.concatenate([first[:, None], between, first[:, None], np.full((n, 1), EOS)], axis=1)
    folder.mkdir(parents=True)
    np.save(folder / "tokens.npy", tokens.ravel().astype(np.uint32))
    np.save(folder / "sentences.npy", np.arange(n + 1, dtype=np.uint64) * np.uint64(tokens.shape[1]))
    np.save(folder / "documents.npy", np.array([0, n], dtype=np.uint64))
    return TokenStore(folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Prepared:
    folder = tmp_path_factory.mktemp("text")
    train = write_store(folder / "train", 1_500, 0)
    for name, seed in (("validation", 1), ("test", 2)):
        write_store(folder / name, 300, seed)
    counts = np.bincount(train.tokens, minlength=4 + N_COPIED + N_BETWEEN)
    counts[EOS] = 0
    Vocabulary([*SPECIALS, *(f"w{i}" for i in range(N_COPIED + N_BETWEEN))], counts).save(folder / "vocabulary.json")
    text = PreparedText(folder)
    config = PipelineConfig.of("tiny", base_of({"generation": SMALL, "words": {"dim": 24}}))
    return Prepared(config, text, None, 7.0, *_samples(text), {"text": "a", "words": "b"})


@pytest.fixture
def faked(monkeypatch, prepared):
    """A ladder whose text is there and whose rungs take no time; `made` fills with what was trained."""
    made: list[tuple[str, int, float]] = []

    def train(rung, given, folder, below, *, seconds, seed, device, listener):
        made.append((rung.name, seed, seconds))
        if rung.kind == "cache":
            assert below.folder.name == f"awd-lstm-seed-{seed}"
        shape = given.scored.tokens[:, 1:].shape
        losses = np.random.default_rng([seed, len(rung.name)]).normal(3.0, 0.1, shape)
        return Trial(losses, seconds, 1_000, 10, ((0.0, 40.0), (seconds, 20.0)))

    monkeypatch.setattr(module, "prepare_ladder", lambda *_, **__: prepared)
    monkeypatch.setattr(module, "make_trial", train)
    return made


def run(folder, **settings):
    return ladder(["text"], folder, **{"rungs": ["rnn", "lstm"], "seconds": 9.0, "seeds": 2, **settings})


def test_seeds_are_the_outer_loop_and_what_is_finished_is_kept(faked, tmp_path) -> None:
    folder = tmp_path / "a.ladder"
    found = run(folder)
    assert faked == [("rnn", 1, 9.0), ("lstm", 1, 9.0), ("rnn", 2, 9.0), ("lstm", 2, 9.0)]
    events: list = []
    again = run(folder, seeds=3, rungs=["rnn", "lstm", "wide"], listener=events.append)
    assert faked[4:] == [("wide", 1, 9.0), ("wide", 2, 9.0), ("rnn", 3, 9.0), ("lstm", 3, 9.0), ("wide", 3, 9.0)]
    assert sum(isinstance(event, StageSkipped) for event in events) == 4
    assert again.steps[0].perplexities[:2] == found.steps[0].perplexities
    assert {event.stage for event in events if isinstance(event, StageStarted)} >= {"wide (3 of 9)", "lstm (8 of 9)"}
    assert {path.name for path in folder.iterdir()} == {"ladder.json", "ladder.md", "ladder.html", "ladder.work"}


def test_finished_rungs_stay_in_the_result(faked, tmp_path) -> None:
    rungs = ["kneser-ney", "rnn", "awd-lstm-cache"]
    found = run(tmp_path / "a", seeds=1, rungs=rungs)
    again = run(tmp_path / "a", seeds=1, rungs=["rnn", "lstm"])
    assert [name for name, _, _ in faked[-2:]] == ["awd-lstm-cache", "lstm"]
    assert [step.rung.name for step in again.steps] == ["kneser-ney", "rnn", "lstm", "awd-lstm", "awd-lstm-cache"]
    assert again.steps[-1].perplexities == found.steps[-1].perplexities
    assert "awd-lstm-cache" in (tmp_path / "a" / "ladder.md").read_text(encoding="utf-8")
    other = run(tmp_path / "a", rungs=["rnn"], seeds=1, seconds=10.0)
    assert [step.rung.name for step in other.steps] == ["kneser-ney", "rnn"], "counts take the seconds they take"


@pytest.mark.parametrize("changed", [{"seconds": 10.0}, {"seed": 5}])
def test_other_conditions_are_made_anew(faked, tmp_path, changed) -> None:
    run(tmp_path / "a", seeds=1)
    run(tmp_path / "a", seeds=1, **changed)
    assert len(faked) == 4


def test_only_what_a_setting_touches_is_made_anew(faked, tmp_path, prepared, monkeypatch) -> None:
    run(tmp_path / "a", seeds=1, rungs=["lstm", "awd-lstm"])
    other = PipelineConfig.of("tiny", base_of({"generation": {**SMALL, "hidden": 33}, "words": {"dim": 24}}))
    changed = Prepared(other, prepared.text, None, 7.0, prepared.watched, prepared.scored, prepared.prints)
    monkeypatch.setattr(module, "prepare_ladder", lambda *_, **__: changed)
    run(tmp_path / "a", seeds=1, rungs=["lstm", "awd-lstm"])
    assert [name for name, _, _ in faked] == ["lstm", "awd-lstm", "awd-lstm"]


def test_an_interrupt_keeps_what_is_finished(faked, tmp_path, monkeypatch) -> None:
    whole, events = module.make_trial, []

    def interrupted(rung, *given, **settings):
        if rung.name == "lstm":
            raise KeyboardInterrupt
        return whole(rung, *given, **settings)

    monkeypatch.setattr(module, "make_trial", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", listener=events.append)
    assert any(isinstance(event, Stopped) and "goes on here" in event.reason for event in events)
    assert not list((tmp_path / "a").rglob("*.partial"))
    monkeypatch.setattr(module, "make_trial", whole)
    run(tmp_path / "a")
    assert faked == [("rnn", 1, 9.0), ("lstm", 1, 9.0), ("rnn", 2, 9.0), ("lstm", 2, 9.0)]


def test_counts_are_made_once_and_a_cache_brings_its_network(faked, tmp_path) -> None:
    found = run(tmp_path / "a", rungs=["kneser-ney", "awd-lstm-cache"])
    assert [name for name, _, _ in faked] == ["kneser-ney", *["awd-lstm", "awd-lstm-cache"] * 2]
    assert [step.rung.name for step in found.steps] == ["kneser-ney", "awd-lstm", "awd-lstm-cache"]
    assert len(set(found.steps[0].perplexities)) == 1
    assert len(found.steps[0].perplexities) == 2


def test_the_seconds_of_the_word_vectors_are_given_to_one_rung_alone(faked, tmp_path, prepared) -> None:
    run(tmp_path / "a", seeds=1, rungs=["random-vectors", "random-longer"])
    assert faked == [("random-vectors", 1, 9.0), ("random-longer", 1, 16.0)]
    assert [budget_of(rung, prepared, 9.0) for rung in RUNGS.values()].count(16.0) == 1


def test_a_damaged_result_is_made_again(faked, tmp_path) -> None:
    run(tmp_path / "a", seeds=1)
    own = tmp_path / "a" / "ladder.work" / "rungs" / "rnn-seed-1"
    (own / "losses.safetensors").write_bytes(b"cut")
    run(tmp_path / "a", seeds=1)
    assert [name for name, _, _ in faked] == ["rnn", "lstm", "rnn"]


def test_what_was_written_is_read_again(tmp_path) -> None:
    made = Trial(np.arange(6.0).reshape(2, 3), 1.5, 9, 4, ((0.0, math.inf), (1.5, 2.25)), ("a note",), ("a warning",))
    partial = tmp_path / "partial"
    partial.mkdir()
    write_trial(tmp_path / "done", partial, made, "print")
    read = read_trial(tmp_path / "done", "print")
    assert read is not None
    np.testing.assert_array_equal(read.losses, made.losses)
    assert (read.seconds, read.n_tokens, read.n_parameters) == (1.5, 9, 4)
    assert (read.timeline, read.notes, read.warnings) == (made.timeline, made.notes, made.warnings)
    assert read.tokens_per_second == 6.0
    assert read.perplexity == pytest.approx(math.exp(2.5))
    assert read_trial(tmp_path / "done", "another") is None


def test_foreign_folders_are_left_alone(faked, tmp_path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "one.txt").write_text("dear", encoding="utf-8")
    with pytest.raises(OutputError, match="not the folder of a ladder"):
        run(tmp_path / "letters")
    assert [path.name for path in (tmp_path / "letters").iterdir()] == ["one.txt"]


def test_wrong_arguments_are_refused_before_anything_is_made(tmp_path) -> None:
    for wrong in ({"seconds": 0.0}, {"seeds": 0}, {"seconds": math.nan}, {"seconds": math.inf}, {"rungs": ["stairs"]}):
        with pytest.raises(ConfigError):
            run(tmp_path / "a", **wrong)
    with pytest.raises(TypeError, match="wrap the string"):
        ladder("text", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_what_begins_at_random_is_as_wide_as_the_word_vectors(faked, tmp_path, prepared, monkeypatch) -> None:
    """Whether a rung beside it asks for the vectors, changes nothing; another width makes the rung anew."""
    words = {"dim": 24, "beside": "skipgram", "steps": ["join-contexts", "unit", "join", "reduce:40"]}
    narrow = {**words, "steps": [*words["steps"][:-1], "reduce:30"]}
    wide, narrow = (
        replace(prepared, config=PipelineConfig.of("tiny", base_of({"generation": SMALL, "words": given})))
        for given in (words, narrow)
    )
    vectors = np.zeros((len(prepared.text.vocabulary), 40), np.float32)
    for given in (wide, replace(wide, vectors=vectors), narrow):
        monkeypatch.setattr(module, "prepare_ladder", lambda *_, given=given, **__: given)
        run(tmp_path / "a", seeds=1, rungs=["kneser-ney", "lstm", "random-vectors"])
    assert [name for name, _, _ in faked] == ["kneser-ney", "lstm", "random-vectors", "random-vectors"]
    assert [width_of(RUNGS[name], wide) for name in ("kneser-ney", "lstm", "random-vectors")] == [0, 128, 40]


@pytest.fixture
def read(monkeypatch):
    """Training and cache that only note what they are given."""
    noted: dict[str, list] = {"trained": [], "tuned": [], "scored": []}

    def train(vectors, vocabulary, *splits, **settings):
        noted["trained"].append((vectors.shape, [split.path.name for split in splits[:3]]))
        losses = np.full((2, 3), 1.5)
        return SimpleNamespace(
            n_tokens_seen=10**6,
            stopped=None,
            timeline=((0.0, 9.0), (1.0, 5.0)),
            model=torch.nn.Linear(2, 3),
            losses=losses,
        )

    def losses(model, tokens, cache):
        noted["scored"].append(tokens)
        return np.full((2, 3), float(len(noted["scored"])))

    monkeypatch.setattr(generation_train, "train_language_model", train)
    monkeypatch.setattr(part, "load_generator", lambda *_: torch.nn.Identity())
    monkeypatch.setattr(cache, "tune_cache", lambda model, tokens: noted["tuned"].append(tokens) or ContinuousCache())
    monkeypatch.setattr(cache, "cached_losses", losses)
    return noted


def test_a_network_is_chosen_on_validation_and_scored_once(prepared, tmp_path, read) -> None:
    trial = trained("random-vectors", prepared, tmp_path / "a", 1.0)
    assert read["trained"] == [((29, 96), ["train", "validation", "test"])], "two tables of two trainings"
    np.testing.assert_array_equal(trial.losses, np.full((2, 3), 1.5))
    assert trial.n_parameters == 9


def test_a_cache_is_tuned_on_validation_and_measured_on_test(prepared, tmp_path, read) -> None:
    below = Below(Trial(np.ones((2, 3)), 4.0, 9, 4, ((4.0, 2.0),)), tmp_path)
    trial = trained("awd-lstm-cache", prepared, tmp_path / "a", 1.0, below)
    validation = np.asarray(prepared.text.validation.tokens)
    (tuned,) = read["tuned"]
    length = tuned.shape[1] - 1
    np.testing.assert_array_equal(tuned[0], validation[: length + 1])
    assert all(row.tobytes() in validation.tobytes() for row in tuned)
    assert not all(row.tobytes() in np.asarray(prepared.text.test.tokens).tobytes() for row in tuned)
    for tokens, sample in zip(read["scored"], (prepared.watched, prepared.scored), strict=True):
        np.testing.assert_array_equal(tokens, sample.tokens)
    assert trial.timeline == ((4.0, pytest.approx(math.e)),)
    np.testing.assert_array_equal(trial.losses, np.full((2, 3), 2.0))


def test_counts_are_of_the_training_text_and_measured_on_test(prepared, tmp_path) -> None:
    trial = trained("kneser-ney", prepared, tmp_path / "a", 1.0)
    model = KneserNey.fit(prepared.text.train.tokens, len(prepared.text.vocabulary), order=5)
    np.testing.assert_array_equal(trial.losses, model.losses(prepared.scored.tokens))
    assert trial.timeline[0][1] == pytest.approx(math.exp(model.losses(prepared.watched.tokens).mean()))
    assert trial.timeline[0][1] != pytest.approx(trial.perplexity, rel=1e-6), "the splits differ"


def test_the_sample_is_the_one_that_a_training_measures(prepared) -> None:
    config = GenerationConfig(**{**SMALL, "hidden": 4, "steps": 1, "epochs": 0})
    text, vectors = prepared.text, np.zeros((len(prepared.text.vocabulary), 4), np.float32)
    splits = (text.train, text.validation, text.test)
    made = train_language_model(
        vectors, text.vocabulary, *splits, config, seed=1, device=torch.device("cpu"), baselines=False
    )
    np.testing.assert_array_equal(made.losses, token_losses(made.model, prepared.scored.tokens))
    assert made.timeline[-1][1] == pytest.approx(perplexity(made.model, prepared.watched))
    assert made.perplexity == pytest.approx(math.exp(made.losses.mean()))


def test_a_loss_beyond_numbers_is_a_finite_perplexity() -> None:
    assert Trial(np.full((2, 2), 800.0), 1.0, 9, 4, ()).perplexity == math.exp(700)


def test_a_small_corpus_is_said(tmp_path) -> None:
    for name, n in (("train", 100), ("validation", 100), ("test", 20)):
        write_store(tmp_path / name, n, 0)
    with pytest.raises(NotEnoughDataError, match=r"the test split has 160 tokens; .* give 672 at least"):
        _samples(PreparedText(tmp_path))


def test_n_grams_are_counted_by_hand_and_by_sets() -> None:
    tokens = np.random.default_rng(0).integers(4, 9, 400).astype(np.uint32)
    grams = {tuple(tokens[i : i + n]) for n in range(1, 6) for i in range(len(tokens) - n + 1)}
    assert _n_grams(tokens) == len(grams)


def trained(name: str, prepared: Prepared, folder, seconds: float, below: Below | None = None) -> Trial:
    folder.mkdir(exist_ok=True)
    return make_trial(
        RUNGS[name], prepared, folder, below, seconds=seconds, seed=1, device="cpu", listener=lambda event: None
    )


@pytest.fixture
def processor_clock(monkeypatch) -> None:
    """Seconds of the processor, so that what else the machine does changes nothing."""
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=time.process_time))


@pytest.mark.slow
@pytest.mark.usefixtures("processor_clock")
def test_a_network_remembers_what_counts_cannot(prepared, tmp_path) -> None:
    """The last word is the first one, seven words before: of eight tokens a five-gram has to guess two, an LSTM one."""
    best, counted = N_COPIED ** (1 / 8), N_COPIED ** (2 / 8)
    counts = trained("kneser-ney", prepared, tmp_path / "counts", 1.0)
    assert counted < counts.perplexity < 1.15 * counted, "discounts take a little from what is certain"
    assert counts.n_tokens == len(prepared.text.train.tokens)
    network = trained("awd-lstm", prepared, tmp_path / "network", 8.0)
    assert 0.97 * best < network.perplexity < 1.1 * best < counts.perplexity
    unigrams = np.bincount(prepared.text.train.tokens, minlength=29).astype(float)
    assert unigram_perplexity(unigrams, prepared.scored) == pytest.approx(8 ** (6 / 8) * 80 ** (2 / 8), rel=0.02)
    assert 8.0 <= network.seconds < 10.0
    assert network.timeline[0][0] < 0.5
    assert len(network.timeline) >= 8
    assert not network.warnings
    cached = trained("awd-lstm-cache", prepared, tmp_path / "cache", 8.0, Below(network, tmp_path / "network"))
    assert cached.perplexity == pytest.approx(network.perplexity, rel=0.02), "there is nothing left to remember"
    assert cached.seconds == network.seconds
    assert "tuned on the validation split" in cached.notes[0]


@pytest.mark.slow
def test_seconds_for_no_step_are_an_error_and_for_few_a_warning(prepared, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"rung 'rnn': not one step was taken in 1e-12 s;"):
        trained("rnn", prepared, tmp_path / "none", 1e-12)
    few = trained("rnn", prepared, tmp_path / "few", 0.02)
    assert few.warnings[0].startswith("fewer than 50 steps fit into 0.02 s:")


@pytest.mark.slow
def test_all_rungs_on_a_toy_corpus(tmp_path) -> None:
    events: list = []
    settings = {"words": {"dim": 16, "epochs": 1, "beside": "none", "steps": []}, "generation": {"hidden": 16}}
    found = ladder(
        ["builtin:toy-en"], tmp_path / "toy", seconds=0.3, seeds=1, settings=settings, listener=events.append
    )
    assert [step.rung.name for step in found.steps] == list(RUNGS)
    content = json.loads((tmp_path / "toy" / "ladder.json").read_text(encoding="utf-8"))
    assert all(step["perplexity"] > 1 for step in content["steps"])
    assert sum(isinstance(event, StageFinished) for event in events) == 2 + len(RUNGS)
