"""The whole of the words stage: one training or two, alone or averaged, and what is left of them on disk."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embedpipe.bundle.tensors import map_tensors
from embedpipe.config import TextConfig, WordsConfig
from embedpipe.text.prepare import prepare, prepare_texts
from embedpipe.text.prepared import PreparedText
from embedpipe.text.toy import toy_truth
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words import build as build_module
from embedpipe.words.build import BESIDE, BuiltWords, build_words, trainings
from embedpipe.words.ngram_fit import shared_ngrams
from embedpipe.words.part import WordPart, load_training, load_words
from embedpipe.words.postprocess import unit_rows
from embedpipe.words.steps import PostProcessed, post_process
from embedpipe.words.subword import ngram_strings
from embedpipe.words.table import WordVectors
from embedpipe.words.train import StartVectors, train_words
from embedpipe.words.unseen import fit_unseen

SMALL = WordsConfig(dim=8, epochs=2, window=3, subsample=1e-2, steps=("whiten:0.5",), buckets=200)
KEEP_ALL = TextConfig(min_count=1, deduplicate="none")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> PreparedText:
    """A hundred short documents; each has a word of its own."""
    names = ["cat", "dog", "bird", "fish"]
    texts = [
        f"The {names[i % 4]} sees the {names[i // 4 % 4]} near the sea. Then the {names[i // 16 % 4]} sings "
        f"{['once', 'twice', 'thrice'][i % 3]} about only{i}."
        for i in range(100)
    ]
    return prepare_texts(texts, KEEP_ALL, tmp_path_factory.mktemp("text") / "text", seed=1, workers=1)


@pytest.fixture
def build(text: PreparedText, tmp_path: Path) -> Callable[..., tuple[WordPart, Path, BuiltWords]]:
    """Build the words of a text in a new folder, and open them."""

    def made(config: WordsConfig, of: PreparedText = text, starts=(None, None)) -> tuple[WordPart, Path, BuiltWords]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        built = build_words(of, config, folder, seed=1, workers=1, starts=starts)
        return load_words(folder, of.vocabulary), folder, built

    return made


def train(text: PreparedText, config: WordsConfig, seed: int = 1):
    return train_words(
        text.train_text, text.vocabulary, text.n_train_lines, config, held_out=text.validation, seed=seed, workers=1
    )


def test_one_run_is_a_training_and_its_steps(text, build) -> None:
    part, folder, built = build(SMALL)
    trained = train(text, SMALL)
    expected = post_process([(trained.vectors, trained.contexts)], text.vocabulary.probabilities, SMALL.steps)
    assert np.array_equal(part.words.vectors, expected.vectors)
    kept = load_training(folder / "training.safetensors", text.vocabulary)
    assert kept.keys() == {"vectors", "contexts"}
    assert np.array_equal(kept["vectors"], trained.vectors)
    assert np.array_equal(kept["contexts"], trained.contexts)
    assert part.words.stability is None
    facts = part.facts
    assert (facts.trainer, facts.runs, facts.kept_epochs, facts.ngrams) == ("word2vec", 1, (2,), (3, 6))
    assert facts.losses == (tuple(trained.losses),)
    assert built.summary.endswith(f"8 dimensions, 2 epochs, held-out loss {trained.losses[1]:.3f}")
    assert sorted(path.name for path in folder.iterdir()) == [
        "training.safetensors", "words.json", "words.safetensors"
    ]  # fmt: skip


def test_two_trainings_stand_side_by_side(text, build) -> None:
    changes = {"beside": "cbow", "beside_window": 2, "beside_negatives": 3, "beside_epochs": 1}
    config = SMALL.model_copy(update={**changes, "beside_subsample": 1e-3, "steps": ()})
    part, folder, built = build(config)
    cbow = SMALL.model_copy(
        update={"architecture": "cbow", "window": 2, "negatives": 3, "epochs": 1, "subsample": 1e-3}
    )
    first, second = train(text, SMALL), train(text, cbow)
    assert np.array_equal(part.words.vectors, np.hstack([first.vectors, second.vectors]))
    kept = load_training(folder / "training.safetensors", text.vocabulary)
    assert np.array_equal(kept["beside_vectors"], second.vectors)
    assert np.array_equal(kept["beside_contexts"], second.contexts)
    assert part.facts.kept_epochs == (2, 1)
    assert "16 dimensions, 2 + 1 epochs" in built.summary


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> PreparedText:
    """The toy corpus."""
    return prepare(["builtin:toy-en"], KEEP_ALL, tmp_path_factory.mktemp("toy") / "text", seed=1, workers=1)


def test_a_consensus_finds_what_is_planted(toy, build) -> None:
    config = WordsConfig(dim=24, negatives=8, epochs=3, subsample=1e-3, learning_rate=0.05, runs=3, steps=("centre",))
    part, _, built = build(config, toy)
    truth, words = toy_truth("en"), part.words
    near = {word: {n.word for n in words.similar(word, k=3)} for pair in truth.synonyms for word in pair}
    assert np.mean([a in near[b] and b in near[a] for a, b in truth.synonyms]) >= 0.8
    answers = [words.analogy(a, b, c, k=1)[0].word == d for a, b, c, d in truth.analogies]
    assert np.mean(answers) >= 0.6
    assert words.stability is not None
    stability = words.stability[4:]
    assert 0.5 < stability.mean() < 1
    assert words.stability[:4].tolist() == [0, 0, 0, 0]
    assert built.result["stability_of_words"] == pytest.approx(stability.mean())
    assert part.facts.kept_epochs == (3, 3, 3)
    assert f"; 3 runs share {stability.mean():.0%} of a word's ten nearest" in built.summary


@pytest.mark.parametrize("bootstrap", [False, True])
def test_words_that_are_met_more_often_are_more_stable(text, build, bootstrap) -> None:
    config = SMALL.model_copy(update={"runs": 3, "epochs": 30, "bootstrap": bootstrap, "learning_rate": 0.05})
    words = build(config)[0].words
    often = text.vocabulary.counts[4:] > 5
    assert 10 < often.sum() < 30 < (~often).sum()
    assert words.stability[4:][often].mean() > words.stability[4:][~often].mean() + 0.1


def test_each_further_run_of_a_bootstrap_meets_drawn_documents(text, build, monkeypatch) -> None:
    seen: list[list[str]] = []

    def listen(path: Path, *arguments, **settings):
        seen.append(path.read_text().splitlines())
        return train_words(path, *arguments, **settings)

    monkeypatch.setattr(build_module, "train_words", listen)
    config = SMALL.model_copy(update={"runs": 3, "bootstrap": True, "steps": (), "epochs": 1})
    part, folder, _ = build(config)
    whole = text.train_text.read_text().splitlines()
    assert seen[0] == whole
    for lines in seen[1:]:
        assert len(lines) == len(whole)
        assert set(lines) < set(whole)
        assert max(lines.count(line) for line in lines) > 1
    assert seen[1] != seen[2]
    assert not list(folder.glob("bootstrap*"))

    # A word of one document has, turned, the mean of the runs that met it; lengths do not change by turning.
    words = {word for lines in seen[1:] for line in lines for word in line.split()}
    alone = [i for i, token in enumerate(text.vocabulary.tokens) if i >= 4 and token not in words]
    assert alone
    first = train(text, config).vectors
    lengths = np.linalg.norm(part.words.vectors[alone], axis=1)
    np.testing.assert_allclose(lengths, np.linalg.norm(first[alone], axis=1), rtol=1e-4)


def test_subwords_go_through_the_steps_of_the_words(text, build) -> None:
    steps = ("all-but-the-top:1", "unit")
    part, folder, _ = build(SMALL.model_copy(update={"subwords": True, "steps": steps, "runs": 2}))
    assert (part.facts.trainer, part.facts.ngrams, part.facts.runs) == ("fasttext", (3, 6), 2)
    subwords = part.lookup.subwords
    assert subwords is not None
    assert subwords.vectors.shape == (200, 8)
    kept = load_training(folder / "training.safetensors", text.vocabulary)
    assert kept.keys() == {"vectors", "contexts", "own", "subwords"}
    transform = post_process([(kept["vectors"], None)], text.vocabulary.probabilities, steps).transform
    marked = " ".join(f"<{token}>" for token in text.vocabulary.tokens[4:])
    met = [gram in marked for gram in ngram_strings("onlyx", 3, 6)]
    raw = kept["subwords"][subwords.ngrams(["onlyx"]).rows[met]].mean(axis=0, keepdims=True)
    np.testing.assert_allclose(part.lookup.look_up("onlyx").vector, transform.apply(raw)[0], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(part.words.vectors[4:], axis=1), 1, rtol=1e-5)


def test_nothing_to_train_on_is_kept_where_none_is_asked_for(build) -> None:
    _, folder, _ = build(SMALL.model_copy(update={"keep_training": False, "epochs": 1}))
    assert not (folder / "training.safetensors").exists()


def test_imported_vectors_are_published_as_they_are(text, build) -> None:
    n = len(text.vocabulary)
    vectors = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    start = StartVectors(vectors, None, np.arange(n) % 3 > 0)
    part, _, _ = build(SMALL.model_copy(update={"epochs": 0, "steps": ()}), starts=(start, start))
    known = start.known & (np.arange(n) >= 4)
    assert np.array_equal(part.words.vectors[known], vectors[known])
    assert not part.words.vectors[~known].any()
    assert (part.facts.trainer, part.facts.losses, part.facts.kept_epochs) == ("imported", ((),), (0,))


@pytest.mark.parametrize("changes", [{"runs": 2, "bootstrap": True}, {"beside": "cbow"}, {"subwords": True}])
def test_the_same_seed_gives_the_same_bytes(build, changes) -> None:
    config = SMALL.model_copy(update={"epochs": 1, "beside_epochs": 1, **changes})
    (_, one, _), (_, two, _) = build(config), build(config)
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name
    assert map_tensors(one / "words.safetensors")["vectors"].any()


def test_gensim_is_told_the_tokens_of_the_text_it_reads(text, tmp_path, monkeypatch) -> None:
    """Told more, its threads would read on into each other's parts."""
    told = []

    def stop(path: Path, *arguments: object, n_tokens: int, **settings: object) -> None:
        told.append((n_tokens, len(path.read_text(encoding="utf-8").split())))
        if len(told) == 2:
            raise KeyboardInterrupt
        return real(path, *arguments, n_tokens=n_tokens, **settings)

    real = build_module.train_words
    monkeypatch.setattr(build_module, "train_words", stop)
    config = WordsConfig(dim=4, epochs=1, runs=2, bootstrap=True)
    with pytest.raises(KeyboardInterrupt):
        build_words(text, config, tmp_path, seed=1, workers=1)
    assert [said for said, _ in told] == [there for _, there in told]


def test_an_unseen_word_is_answered_by_its_ngrams_unless_spellings_are_asked_for(text, build) -> None:
    part, folder, _ = build(SMALL)
    found = part.lookup.look_up("only7x")
    ngrams = shared_ngrams(text.vocabulary.tokens, (3, 6))
    subwords, calibration = fit_unseen(part.words, ngrams, seed=1)
    assert found.source == "subwords"
    np.testing.assert_array_equal(found.vector, subwords.vector("only7x"))
    assert part.facts.confidence == calibration.to_json()
    stored = map_tensors(folder / "words.safetensors")
    assert (stored["ngrams"].dtype, stored["ngram_hashes"].dtype) == (np.float16, np.uint32)
    assert len(stored["ngrams"]) == len(ngrams.hashes) + 1
    spelt, folder, _ = build(SMALL.model_copy(update={"unseen": "spelling"}))
    assert spelt.lookup.look_up("only7x").source == "spelling"
    assert spelt.facts.ngrams == ()
    assert "ngrams" not in map_tensors(folder / "words.safetensors")
    np.testing.assert_array_equal(spelt.words.vectors, part.words.vectors)


def test_pieces_of_words_get_no_ngrams() -> None:
    pieces = Vocabulary.from_counts({f"▁walk{i}ing": 3 for i in range(40)})
    words = WordVectors(pieces, np.random.default_rng(0).normal(size=(44, 8)).astype(np.float32))
    assert build_module._ngrams(pieces, SMALL) is None
    stepped = SMALL.model_copy(update={"steps": ("ngrams:1",)})
    ngrams = build_module._ngrams(pieces, stepped)
    assert ngrams is not None
    subwords, calibration = build_module._unseen(
        words, words, None, PostProcessed(words.vectors, None), stepped, ngrams, 1
    )
    assert (subwords, calibration.weights) == (None, {})


def test_subsampling_beside_is_that_of_the_first_training_where_none_is_given() -> None:
    both = WordsConfig(beside="cbow", subsample=1e-3)
    assert trainings(both)[BESIDE].subsample == 1e-3
    assert trainings(both.model_copy(update={"beside_subsample": 2e-5}))[BESIDE].subsample == 2e-5


def test_what_words_spelt_alike_have_in_common_does_not_make_chance_stable(build) -> None:
    still = {"learning_rate": 1e-12, "min_learning_rate": 1e-12, "epochs": 1, "runs": 2}
    found = [build(SMALL.model_copy(update={**still, "steps": ("unit", *more)}))[2] for more in ((), ("ngrams:0.8",))]
    plain, spelt = (built.result["stability_of_words"] for built in found)
    assert spelt == plain < 0.15, "ten of some 120 words, by chance"


def test_the_step_of_ngrams_is_done_to_the_mean_of_runs(text, build) -> None:
    config = SMALL.model_copy(update={"steps": ("unit", "ngrams:0.5"), "runs": 2, "shortest_ngram": 2})
    part, folder, _ = build(config)
    raw = load_training(folder / "training.safetensors", text.vocabulary)["vectors"]
    ngrams = shared_ngrams(text.vocabulary.tokens, (2, 6))
    expected = post_process([(raw, None)], text.vocabulary.probabilities, config.steps, ngrams=ngrams)
    np.testing.assert_allclose(part.words.vectors, expected.vectors, atol=1e-6)
    assert part.facts.ngrams == (2, 6)
    trained = WordVectors(text.vocabulary, unit_rows(raw))
    assert part.facts.confidence == fit_unseen(part.words, ngrams, seed=1, trained=trained)[1].to_json()
