"""The verbs ``export`` and ``import``: there and back."""

import json

import numpy as np
import pytest
from gensim.models import FastText
from gensim.models.fasttext import ft_hash_bytes, save_facebook_model

import embedpipe
from embedpipe.bundle.folder import verify_bundle
from embedpipe.integrations.gensim import from_keyed_vectors
from embedpipe.pipeline.imported import save_foreign
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.read_vectors import read_vectors
from embedpipe.words.subword import ngram_strings

ROWS = "the 1 0 0.5\nCat 0.5 1 0\ndog 0.5 0.9 0\n<unk> 9 9 9\ncar -1 0 2\n"


@pytest.mark.parametrize("format_", ["word2vec", "word2vec-binary", "glove", "fasttext-vec"])
def test_there_and_back_nothing_changes(embedpipe_cli, toy_bundle, tmp_path, format_) -> None:
    file, again = tmp_path / "v.gz", tmp_path / "again.bundle"
    outcome = embedpipe_cli("export", toy_bundle.path, file, "--as", format_)
    assert (outcome.exit_code, outcome.out) == (0, "")
    assert f"48 dimensions, {format_}" in outcome.err
    assert read_vectors(file).tokens == toy_bundle.vocabulary.tokens[len(SPECIALS) :]
    outcome = embedpipe_cli("import", file, "-o", again)
    assert outcome.exit_code == 0, outcome.err
    assert "counts are unknown (shown as 0)" in outcome.err
    words = embedpipe.load(again).words
    assert words.vocabulary.tokens == toy_bundle.vocabulary.tokens
    assert np.array_equal(words.vectors, toy_bundle.words.vectors)
    assert [near.word for near in words.similar("king")] == [near.word for near in toy_bundle.words.similar("king")]


def test_an_imported_bundle_answers_every_query_about_words(embedpipe_cli, tmp_path) -> None:
    (tmp_path / "glove.txt").write_text(ROWS)
    target = tmp_path / "g.bundle"
    outcome = embedpipe_cli("import", tmp_path / "glove.txt", "-o", target)
    assert outcome.exit_code == 0, outcome.err
    assert "read as glove: 4 words, 3 dimensions" in outcome.err
    assert "left out, their names mean something else here: <unk>" in outcome.err
    assert "case kept" in outcome.err
    assert {check.problem for check in verify_bundle(target)} == {""}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.bundle", "glove.txt"]
    found = json.loads(embedpipe_cli("similar", target, "dog", "--format", "json").out)
    assert [row["word"] for row in found] == ["Cat", "the", "car"]
    assert found[0]["similarity"] == pytest.approx((0.25 + 0.9) / np.sqrt(1.25 * 1.06), abs=1e-6)
    assert embedpipe_cli("analogy", target, "the", "dog", "car").exit_code == 0
    assert "4 words of a glove file, counts unknown" in embedpipe_cli("info", target).out
    (tmp_path / "lines.txt").write_text("the dog\nnothing known\n")
    outcome = embedpipe_cli("encode", target, tmp_path / "lines.txt", "--with", "words")
    vectors = np.array([json.loads(line)["vector"] for line in outcome.out.splitlines()])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0], atol=1e-6)
    (tmp_path / "pairs.tsv").write_text("word_a\tword_b\tscore\nCat\tdog\t9\nthe\tcar\t1\ndog\tcar\t2\nthe\tdog\t3\n")
    outcome = embedpipe_cli("probe", target, tmp_path / "pairs.tsv", "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    assert embedpipe_cli("generate", target).exit_code == 1


@pytest.mark.parametrize("by", ["file", "keyed vectors"])
def test_the_ngrams_of_a_fasttext_model_answer_for_words_outside_it(embedpipe_cli, tmp_path, by) -> None:
    model = FastText([["cathat", "hatcat", "dog"]] * 5, vector_size=6, min_count=1, bucket=900, epochs=2, workers=1)
    target = tmp_path / "ft.bundle"
    if by == "file":
        save_facebook_model(model, str(tmp_path / "ft.bin"))
        outcome = embedpipe_cli("import", tmp_path / "ft.bin", "-o", target)
        assert "with 900 rows of character n-grams" in outcome.err
    else:
        save_foreign(from_keyed_vectors(model.wv), target, source="gensim")
    assert {check.problem for check in verify_bundle(target)} == {""}
    bundle = embedpipe.load(target)
    trained = {ngram for word in model.wv.key_to_index for ngram in ngram_strings(word, 3, 6)}
    for word in ("cathatcat", "hat", "dogcat"):
        found = bundle.lookup.look_up(word)
        rows = [model.wv.vectors_ngrams[ft_hash_bytes(ngram.encode()) % 900] for ngram in ngram_strings(word, 3, 6)]
        known = [row for row, ngram in zip(rows, ngram_strings(word, 3, 6), strict=True) if ngram in trained]
        assert (found.source, 0 < len(known) < len(rows)) == ("subwords", True)
        np.testing.assert_allclose(found.vector, np.mean(known, axis=0), atol=1e-6)
        np.testing.assert_allclose(model.wv.get_vector(word), np.mean(rows, axis=0), atol=1e-6)
    assert np.array_equal(bundle.lookup.vectors(["hat"], oov="subword")[0], bundle.lookup.look_up("hat").vector)


def test_a_model_with_a_broken_ngram_is_refused_by_its_row(embedpipe_cli, tmp_path) -> None:
    model = FastText([["cat", "dog"]] * 5, vector_size=2, min_count=1, bucket=50, epochs=1, workers=1)
    used = {ft_hash_bytes(ngram.encode()) % 50 for word in ("cat", "dog") for ngram in ngram_strings(word, 3, 6)}
    unused = min(set(range(50)) - used)
    model.wv.vectors_ngrams[unused] = np.inf
    save_facebook_model(model, str(tmp_path / "ft.bin"))
    outcome = embedpipe_cli("import", tmp_path / "ft.bin", "-o", tmp_path / "b")
    assert outcome.exit_code == 1
    assert f"n-gram row {unused + 1} of 50: a number is not finite" in outcome.err


def test_nothing_that_stands_there_is_replaced_unless_forced(embedpipe_cli, toy_bundle, tmp_path) -> None:
    (tmp_path / "v").write_text(ROWS)
    outcome = embedpipe_cli("export", toy_bundle.path, tmp_path / "v")
    assert outcome.exit_code == 1
    assert "--force replaces it" in outcome.err
    target = tmp_path / "g.bundle"
    assert embedpipe_cli("import", tmp_path / "v", "-o", target).exit_code == 0
    outcome = embedpipe_cli("import", tmp_path / "v", "-o", target)
    assert outcome.exit_code == 1
    assert "a bundle stands there already; --force replaces it" in outcome.err
    (tmp_path / "v").write_text("one 1 2\n")
    assert embedpipe_cli("import", tmp_path / "v", "-o", target, "--force").exit_code == 0
    assert embedpipe.load(target).vocabulary.tokens[4:] == ["one"]
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "file").touch()
    outcome = embedpipe_cli("import", tmp_path / "v", "-o", folder, "--force")
    assert "is not a bundle" in outcome.err
    assert (folder / "file").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cat 1 2\ncat 3 4\n", "v:2: token 'cat' stands twice"),
        ("<unk> 1 2\n", "v: holds no words"),
        ("cat 1\n", "setting 'words.dim'"),
    ],
)
def test_a_bad_file_leaves_nothing_behind(embedpipe_cli, tmp_path, content, message) -> None:
    (tmp_path / "v").write_text(content)
    outcome = embedpipe_cli("import", tmp_path / "v", "-o", tmp_path / "g.bundle")
    assert outcome.exit_code in (1, 2)
    assert message in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["v"]
