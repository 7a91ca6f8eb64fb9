"""Words that go on: from a bundle with more text, or from vectors of another program."""

from pathlib import Path

import numpy as np
import pytest

import embedpipe
from embedpipe.bundle.recorded import recorded_config
from embedpipe.bundle.tensors import map_tensors
from embedpipe.config import PipelineConfig
from embedpipe.errors import BundleError, ConfigError, InputError, OutputError
from embedpipe.pipeline.word_start import sized_settings
from embedpipe.presets import PRESETS
from embedpipe.runtime import Event, StageSkipped, UpToDate
from embedpipe.text.toy import toy_corpus, toy_truth
from embedpipe.words.table import WordVectors

GOLDEN = Path(__file__).parents[1] / "golden"
STILL = {"learning_rate": 1e-12, "min_learning_rate": 1e-12, "epochs": 1}


def corpus(names: list[str], n: int = 120) -> str:
    """Short documents about `names`."""
    return "\n\n".join(
        f"number {i} : the {names[i % len(names)]} sees the {names[i * 7 % len(names)]} near the sea ."
        for i in range(n)
    )


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two texts, the second with new words and without some of the first, and vectors of the words of both."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "old.txt").write_text(corpus(["cat", "dog", "bird", "fish"]))
    (folder / "new.txt").write_text(corpus(["cat", "dog", "emu", "yak"], 90))
    (folder / "vectors.txt").write_text("3 5\ncat 1 2 3 4 5\nEmu 0 0 0 0 1\nsea 2 0 0 0 0\n")
    return folder


def run(texts: Path, name: str, target: Path, words: dict, text: dict | None = None, **options) -> embedpipe.Bundle:
    settings = {"words": words, "text": {"deduplicate": "none", "min_count": 2, **(text or {})}}
    options = {"preset": "tiny", "stages": ["words"], **options}
    return embedpipe.run([texts / name], target, settings=settings, **options)


def make_old(texts: Path, target: Path, **words) -> embedpipe.Bundle:
    defaults = {"dim": 6, "epochs": 2, "steps": [], "buckets": 50, "architecture": "skipgram", "beside": "none"}
    return run(texts, "old.txt", target, {**defaults, **words})


def go_on(texts: Path, old: Path, target: Path, words: dict, text: dict | None = None, **options) -> embedpipe.Bundle:
    return run(texts, "new.txt", target, words, {"continue_from": str(old), **(text or {})}, **options)


@pytest.fixture(scope="module")
def old(texts: Path) -> embedpipe.Bundle:
    """A bundle of the first text."""
    return make_old(texts, texts / "old")


def training(bundle: embedpipe.Bundle) -> dict[str, np.ndarray]:
    return dict(map_tensors(bundle.path / "training.safetensors"))


def test_a_fixed_vocabulary_keeps_its_ids_and_its_counts_add_up(texts, old, tmp_path) -> None:
    new = go_on(texts, old.path, tmp_path / "new", STILL, {"grow_vocabulary": False})
    before, after = old.vocabulary, new.vocabulary
    assert after.tokens == before.tokens
    assert "emu" not in after
    counts = {token: int(n) for token, n in zip(after.tokens, after.counts - before.counts, strict=True)}
    lines = new.manifest.corpus["train"]
    assert sum(counts.values()) == lines["tokens"]
    assert counts["bird"] == counts["fish"] == 0 < counts["cat"] < counts["the"]
    assert counts["<unk>"] == round(lines["unknown_rate"] * lines["tokens"])
    np.testing.assert_allclose(training(new)["vectors"], training(old)["vectors"], atol=1e-6)
    np.testing.assert_allclose(training(new)["contexts"], training(old)["contexts"], atol=1e-6)
    assert new.words.dim == 6
    assert new.manifest.stages["words"].summary.endswith(f", from {len(after) - 4} known words of old")


@pytest.mark.parametrize("changes", [{}, {"subwords": True}, {"beside": "cbow", "beside_epochs": 2}])
def test_a_grown_vocabulary_starts_known_words_where_they_ended(texts, tmp_path, changes) -> None:
    old = make_old(texts, tmp_path / "old", **changes)
    still = {**STILL, **({"beside_epochs": 1} if "beside" in changes else {})}
    new = go_on(texts, old.path, tmp_path / "new", still)
    before, after = old.vocabulary, new.vocabulary
    assert set(after.tokens) - set(before.tokens) >= {"emu", "yak"}
    assert set(before.tokens) <= set(after.tokens)
    added = [int(after.counts[after.id(word)] - before.counts[before.id(word)]) for word in ("the", "bird")]
    assert added[0] > 100
    assert added[1] == 0
    known = [after.id(token) for token in before.tokens[4:]]
    tables, earlier = training(new), training(old)
    assert tables.keys() == earlier.keys()
    for name in sorted(earlier.keys() - {"subwords"}):
        np.testing.assert_allclose(tables[name][known], earlier[name][4:], atol=1e-5, err_msg=name)
    if "subwords" in earlier:
        np.testing.assert_allclose(tables["subwords"], earlier["subwords"], atol=1e-5)
    assert np.linalg.norm(tables["vectors"][[after.id("emu"), after.id("yak")]], axis=1).min() > 0
    start = new.word_part.facts.start
    assert (start["from"], start["known"], start["words"]) == ("old", len(before) - 4, len(after) - 4)


def test_what_was_learnt_survives_a_little_text_more(toy_bundle, tmp_path) -> None:
    """With the settings that are there by default; at the rate of a first training three in ten analogies are lost."""
    more = toy_corpus("en", seed=5, n_documents=12)
    (tmp_path / "more.txt").write_text("\n\n".join(document.text for document in more))
    new = embedpipe.run(
        [tmp_path / "more.txt"],
        tmp_path / "new",
        settings={"text": {"continue_from": str(toy_bundle.path)}},
        stages=["words"],
    )
    truth = toy_truth("en")

    def found(words: WordVectors) -> tuple[float, float]:
        answers = [words.analogy(a, b, c, k=1)[0].word == d for a, b, c, d in truth.analogies]
        near = [b in [neighbour.word for neighbour in words.similar(a, k=3)] for a, b in truth.synonyms]
        return float(np.mean(answers)), float(np.mean(near))

    before, after = found(toy_bundle.words), found(new.words)
    assert after[0] >= before[0] - 0.1
    assert after[1] >= before[1] - 0.1
    n_new, n_both = new.manifest.corpus["train"]["tokens"], int(new.vocabulary.counts.sum())
    config = recorded_config(new.path / "config.toml").words
    assert config.learning_rate == pytest.approx(PRESETS["tiny"]["words"]["learning_rate"] * n_new / n_both)
    assert config.beside_subsample is None
    result = new.manifest.stages["words"].result
    losses, (start,) = result["held_out_losses"][0], result["start"]["held_out_losses"]
    assert result["epochs"] == [int(np.argmin([start, *losses]))]
    assert f"{n_both:,} training tokens" in result["chosen"]


def test_the_words_take_the_preset_of_both_texts_and_the_rest_that_of_the_new_one(texts, old) -> None:
    settings = {"text": {"continue_from": str(old.path)}, "words": {"dim": 6}}
    n_old, n_new = int(old.vocabulary.counts.sum()), 1_499_990
    config, reason = sized_settings("auto", settings, n_new)
    assert (config.preset, config.words.epochs) == ("tiny", PRESETS["small"]["words"]["epochs"])
    assert config.generation == PipelineConfig.of("tiny", {}).generation
    assert config.words.learning_rate == pytest.approx(0.05 * n_new / (n_old + n_new))
    assert reason == f"preset small for {n_old + n_new:,} training tokens (1.5 to 12 million)"
    given, reason = sized_settings("base", {**settings, "words": {"learning_rate": 0.03}}, n_new)
    assert (given.words.learning_rate, given.words.epochs, reason) == (0.03, PRESETS["base"]["words"]["epochs"], "")


def test_no_epochs_keep_both_tables_of_a_bundle(texts, tmp_path) -> None:
    old = make_old(texts, tmp_path / "old", beside="cbow", beside_epochs=1, steps=["join-contexts"])
    new = go_on(texts, old.path, tmp_path / "new", {"epochs": 0})
    assert new.words.dim == 24
    known = [new.vocabulary.id(token) for token in old.vocabulary.tokens[4:]]
    assert np.array_equal(new.words.vectors[known], old.words.vectors[4:])


def test_published_vectors_are_started_from_where_there_are_no_others_and_that_is_said(texts, tmp_path) -> None:
    old = make_old(texts, tmp_path / "old", keep_training=False, steps=["unit"])
    new = go_on(texts, old.path, tmp_path / "new", {**STILL, "steps": []})
    known = [new.vocabulary.id(token) for token in old.vocabulary.tokens[4:]]
    np.testing.assert_allclose(new.words.vectors[known], old.words.vectors[4:], atol=1e-6)
    assert new.manifest.stages["words"].summary.endswith("of old (its published vectors: it keeps no training)")
    with pytest.raises(ConfigError, match=r"words\.epochs=0 has nothing to publish but its vectors"):
        go_on(texts, old.path, tmp_path / "none", {"epochs": 0, "steps": ["add-contexts"]})

    joined = make_old(texts, tmp_path / "joined", keep_training=False, steps=["join-contexts"])
    with pytest.raises(ConfigError, match=r"joined: keeps no training .* have 12 dimensions where its training had 6"):
        go_on(texts, joined.path, tmp_path / "none", STILL)
    assert not (tmp_path / "none").exists()


def test_a_bundle_of_format_1_goes_on(texts, tmp_path) -> None:
    new = go_on(texts, GOLDEN / "format-1", tmp_path / "new", STILL)
    assert (new.words.dim, new.word_part.facts.steps) == (4, ("whiten:0.5",))
    assert "its published vectors" in new.word_part.facts.start["from"]


def test_settings_that_do_not_fit_the_start_are_named_with_both_values(texts, old, tmp_path) -> None:
    for key, value, before in (("dim", 8, 6), ("architecture", "cbow", "skipgram"), ("subwords", True, False)):
        with pytest.raises(ConfigError, match=rf"words\.{key} is to be {value}, but .*old, .* has {before}: leave"):
            go_on(texts, old.path, tmp_path / "new", {key: value})
    with pytest.raises(ConfigError, match=r"words\.dim is to be 8, but .*vectors\.txt has 5: leave"):
        run(texts, "new.txt", tmp_path / "new", {"dim": 8, "vectors": str(texts / "vectors.txt")})
    with pytest.raises(InputError, match="no such file"):
        run(texts, "new.txt", tmp_path / "new", {"vectors": str(texts / "none.txt")})
    with pytest.raises(ConfigError, match="keeps its own phrases"):
        go_on(texts, old.path, tmp_path / "new", STILL, {"phrases": "pairs"})
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_continued_says_so(texts, old, tmp_path) -> None:
    before = (old.path / "manifest.json").read_bytes()
    with pytest.raises(OutputError, match="old: is the bundle that is continued, and would be replaced"):
        go_on(texts, old.path, old.path, STILL, force=True)
    assert (old.path / "manifest.json").read_bytes() == before
    from embedpipe.pipeline.imported import import_vectors

    import_vectors(texts / "vectors.txt", tmp_path / "imported")
    with pytest.raises(BundleError, match=r"its vectors were imported; start from their file .*words\.vectors"):
        go_on(texts, tmp_path / "imported", tmp_path / "new", STILL)
    with pytest.raises(BundleError, match="no such bundle"):
        go_on(texts, tmp_path / "none", tmp_path / "new", STILL)


def test_the_same_command_is_up_to_date_and_a_changed_base_is_a_conflict(texts, tmp_path) -> None:
    base, target = tmp_path / "base", tmp_path / "new"
    make_old(texts, base)
    go_on(texts, base, target, STILL, preset="auto")
    events: list[Event] = []
    go_on(texts, base, target, STILL, preset="auto", listener=events.append)
    assert [type(event) for event in events if isinstance(event, StageSkipped | UpToDate)] == [
        StageSkipped, StageSkipped, UpToDate
    ]  # fmt: skip
    shapes = {"dim": 6, "architecture": "skipgram", "beside": "none"}
    run(texts, "old.txt", base, {**shapes, "epochs": 1, "steps": []}, force=True)
    with pytest.raises(OutputError, match=rf"\(stage 'words'\): the content of {base}; choose another"):
        go_on(texts, base, target, STILL)
    run(texts, "new.txt", base, {**shapes, "epochs": 1, "steps": []}, force=True)
    with pytest.raises(OutputError, match=rf"\(stage 'text'\): the content of {base}; choose another"):
        go_on(texts, base, target, STILL)
    with pytest.raises(OutputError, match=r"\(stage 'text'\): text\.continue_from .*base -> ;"):
        run(texts, "new.txt", target, STILL)


def test_vectors_of_another_program_start_a_training_or_are_kept(texts, tmp_path) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_bytes((texts / "vectors.txt").read_bytes())
    kept = run(texts, "new.txt", tmp_path / "kept", {"vectors": str(vectors), "epochs": 0, "steps": []})
    assert kept.words.vectors[kept.vocabulary.id("cat")].tolist() == [1, 2, 3, 4, 5]
    assert kept.words.vectors[kept.vocabulary.id("emu")].tolist() == [0, 0, 0, 0, 1]
    assert not kept.words.vectors[kept.vocabulary.id("the")].any()
    started = run(
        texts, "new.txt", tmp_path / "started", {"vectors": str(vectors), "steps": [], "beside": "none", **STILL}
    )
    np.testing.assert_allclose(started.words.vectors[started.vocabulary.id("cat")], [1, 2, 3, 4, 5], atol=1e-5)
    assert started.words.vectors[started.vocabulary.id("the")].any()
    assert started.manifest.stages["words"].summary.endswith("from 3 known words of vectors.txt")
    vectors.write_text("1 5\ncat 1 2 3 4 6\n")
    with pytest.raises(OutputError, match=rf"\(stage 'words'\): the content of {vectors}; choose another"):
        run(texts, "new.txt", tmp_path / "kept", {"vectors": str(vectors), "epochs": 0, "steps": []})
    with pytest.raises(ConfigError, match="epochs=0 takes one table from a file"):
        run(texts, "new.txt", tmp_path / "x", {"vectors": str(vectors), "epochs": 0, "steps": ["add-contexts"]})


def test_the_command_line_continues(texts, old, tmp_path, embedpipe_cli) -> None:
    target = tmp_path / "new"
    options = ["--stages", "words", "--set", "words.epochs=1", "--set", "text.deduplicate=none"]
    outcome = embedpipe_cli("run", texts / "new.txt", "-o", target, "--continue", old.path, "--runs", 2, *options)
    assert outcome.exit_code == 0, outcome.err
    assert "known words of old; 2 runs share" in outcome.err
    both = embedpipe_cli(
        "run", texts / "new.txt", "-o", target, "--continue", old.path, "--vectors", texts / "vectors.txt", *options
    )
    assert both.exit_code == 2
    assert "give one of them" in both.err
