"""`embedpipe compare` and `similar --why` on the toy bundle, its text beside it, gone, foreign, or named."""

import json
import shutil

import numpy as np
import pytest

from embedpipe.bundle.folder import work_folder
from embedpipe.cli.compare_show import _show_lines
from embedpipe.cli.output import display_width
from embedpipe.errors import BundleError
from embedpipe.loading import load
from embedpipe.pipeline.imported import import_vectors
from embedpipe.text.pieces import load_splitter, store_pieces, text_pieces
from embedpipe.text.prepared import PreparedText
from embedpipe.text.read_types import ReadOptions
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS


@pytest.fixture(scope="module")
def alone(toy_bundle, tmp_path_factory):
    """The toy bundle without its working folder."""
    return shutil.copytree(toy_bundle.path, tmp_path_factory.mktemp("alone") / "toy.bundle")


def in_windows(toy_work, a: int, b: int, window: int) -> int:
    """How often `b` stands within the window of `a`, by a plain loop over the sentences."""
    found = 0
    for sentence in PreparedText(toy_work / "text").train:
        for place in np.flatnonzero(sentence == a).tolist():
            around = np.delete(sentence[max(0, place - window) : place + window + 1], min(place, window))
            found += int((around == b).sum())
    return found


def test_json_agrees_with_the_text(toy_bundle, toy_work, embedpipe_cli) -> None:
    outcome = embedpipe_cli("compare", toy_bundle.path, "king", "Queen", "--format", "json")
    assert (outcome.exit_code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    words, vocabulary = toy_bundle.words, toy_bundle.vocabulary
    king, queen = vocabulary.id("king"), vocabulary.id("queen")
    assert found["similarity"] == pytest.approx(words.similarity("king", "queen"), abs=1e-6)
    assert [word["word"] for word in found["words"]] == ["king", "queen"]
    assert [word["count"] for word in found["words"]] == vocabulary.counts[[king, queen]].tolist()
    place = [n.word for n in words.similar("queen", k=len(words))].index("king") + 1
    assert found["words"][0]["neighbour_rank"] == place
    assert found["hubness"] == {"k": 10, "sample": len(words) - 4, "expected": 10.0}
    text = found["text"]
    assert text["window"] == 4  # as the bundle was trained
    assert text["occurrences"] == vocabulary.counts[[king, queen]].tolist()
    assert text["together"] == in_windows(toy_work, king, queen, 4)
    assert text["shared_contexts"]
    for row in text["shared_contexts"][:3]:
        assert row["counts"] == [in_windows(toy_work, i, vocabulary.id(row["context"]), 4) for i in (king, queen)]
        assert min(row["pmi"]) > 0
    assert all(min(row["pmi"]) <= 0 for row in text["contexts_of_a"] + text["contexts_of_b"])
    assert [line["word"] for line in text["lines_of_a"]] == ["king"] * 3


def test_rows_and_table_hold_the_same(toy_bundle, embedpipe_cli, monkeypatch) -> None:
    call = ("compare", toy_bundle.path, "king", "queen", "-k", 2, "--lines", 1)
    content = json.loads(embedpipe_cli(*call, "--format", "json").out)
    rows = [json.loads(line) for line in embedpipe_cli(*call, "--format", "jsonl").out.splitlines()]
    values = {row["what"]: row["is"] for row in rows}
    assert len(values) == len(rows), "no place stands twice"
    assert values["similarity"] == content["similarity"]
    assert values["words.1.neighbour_rank"] == content["words"][1]["neighbour_rank"]
    assert values["text.shared_contexts.0.pmi.1"] == content["text"]["shared_contexts"][0]["pmi"][1]
    csv = embedpipe_cli(*call, "--format", "csv").out
    assert csv.startswith(f"what,is\nsimilarity,{content['similarity']}\nwords.0.word,king\n")
    monkeypatch.setenv("COLUMNS", "60")
    table = embedpipe_cli(*call).out
    assert table.startswith(f"king and queen: similarity {content['similarity']:.3f}\n")
    line = content["text"]["lines_of_a"][0]
    (shown,) = [row for row in table.splitlines() if row.endswith(f"  king  {line['right'][:26]}".rstrip())]
    assert shown.index("  king  ") == 26  # (60 columns - 4 of the word - 4 spaces) / 2
    assert table == embedpipe_cli(*call).out


def test_why_names_contexts_that_stand_near_both(toy_bundle, toy_work, embedpipe_cli) -> None:
    outcome = embedpipe_cli("similar", toy_bundle.path, "king", "--why", "-k", 3, "--format", "json")
    assert (
        outcome.err
        == f"king: {toy_bundle.vocabulary.counts[toy_bundle.vocabulary.id('king')]:,} times in the training text\n"
    )
    plain = json.loads(embedpipe_cli("similar", toy_bundle.path, "king", "-k", 3, "--format", "json").out)
    rows = json.loads(outcome.out)
    assert [{**row, "shared_contexts": why["shared_contexts"]} for row, why in zip(plain, rows, strict=True)] == rows
    identify = toy_bundle.vocabulary.id
    for shared in rows[0]["shared_contexts"]:
        both = [identify(word) for word in ("king", rows[0]["word"])]
        assert shared["counts"] == [in_windows(toy_work, word, identify(shared["context"]), 4) for word in both]
    compared = embedpipe_cli("compare", toy_bundle.path, "king", rows[0]["word"], "-k", 4, "--format", "json").out
    assert rows[0]["shared_contexts"] == json.loads(compared)["text"]["shared_contexts"]
    table = embedpipe_cli("similar", toy_bundle.path, "king", "--why", "-k", 1).out
    assert " ".join(shared["context"] for shared in rows[0]["shared_contexts"]) in table


def test_what_made_a_bundle_is_told_by_its_manifest_and_not_by_a_name(alone, tmp_path, embedpipe_cli) -> None:
    copy = shutil.copytree(alone, tmp_path / "b")
    path = copy / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"command": "embedpipe run important.txt -o b"}))
    said = embedpipe_cli("compare", copy, "king", "queen").err
    assert said.rstrip().endswith(f"run this again: embedpipe run important.txt -o {copy}")
    (tmp_path / "a.vec").write_text("king 1 0.5\nqueen 1 0\n")
    import_vectors(tmp_path / "a.vec", tmp_path / "vectors.bundle", command="embedpipe.import_vectors('a.vec')")
    said = embedpipe_cli("compare", tmp_path / "vectors.bundle", "king", "queen").err
    assert said.rstrip().endswith("name the text with --text SOURCE")


@pytest.mark.parametrize("call", [["compare", "king", "queen"], ["similar", "king", "--why"]])
def test_without_the_text_the_bundle_says_what_it_knows(alone, embedpipe_cli, call) -> None:
    verb, *words = call
    outcome = embedpipe_cli(verb, alone, *words, "--format", "json")
    assert outcome.exit_code == 0
    said = f"{work_folder(alone)}/text: is not there, so contexts and lines are left out; name the text with"
    assert said in outcome.err
    assert outcome.err.rstrip().endswith(f"run this again: {load(alone).manifest.command}"), "no command line made it"
    found = json.loads(outcome.out)
    assert (
        found["text"] is None
        if verb == "compare"
        else set(found[0]) == {"word", "similarity", "count", "query_source", "query_confidence", "query_via"}
    )
    assert "contexts of both" not in embedpipe_cli(verb, alone, *words).out


def test_text_that_is_named_is_read_by_the_bundles_own_rules(alone, toy_work, embedpipe_cli, tmp_path) -> None:
    (tmp_path / "new.txt").write_text("The king saw the Queen. Nobody saw the king\n\nA queen\n", encoding="utf-8")
    outcome = embedpipe_cli(
        "compare", alone, "king", "queen", "--text", tmp_path / "new.txt", "--window", 3, "--format", "json"
    )
    text = json.loads(outcome.out)["text"]
    assert (text["occurrences"], text["together"], text["window"]) == ([2, 2], 1, 3)
    (line,) = text["lines_of_both"]
    assert (line["left"], line["word"], line["right"].replace("<unk>", "saw")) == ("the", "king", "saw the queen.")


def test_sources_give_the_ids_that_the_run_stored(alone, toy_work) -> None:
    bundle = load(alone)
    splitter = load_splitter(bundle.parts.file("tokenizer_spec.json", "text"))
    read = np.concatenate(list(text_pieces(["builtin:toy-en"], bundle.codec, splitter, ReadOptions())))
    prepared = PreparedText(toy_work / "text")
    stored = np.concatenate([store.tokens for store in (prepared.train, prepared.validation, prepared.test)])
    n_words = len(bundle.vocabulary)
    assert np.bincount(read, minlength=n_words).tolist() == np.bincount(stored, minlength=n_words).tolist()


def test_pieces_of_a_store_are_whole_sentences(toy_work, monkeypatch) -> None:
    store = PreparedText(toy_work / "text").train
    for size in (100, 1_000_000):
        monkeypatch.setattr("embedpipe.text.pieces._PIECE", size)
        pieces = list(store_pieces(store))
        assert np.array_equal(np.concatenate(pieces), store.tokens)
        assert all(piece[-1] == EOS for piece in pieces)
    assert len(pieces) == 1


def test_a_damaged_store_is_refused(toy_work, tmp_path) -> None:
    store = shutil.copytree(toy_work / "text" / "train", tmp_path / "train")
    tokens = np.load(store / "tokens.npy", allow_pickle=False)
    np.save(store / "tokens.npy", tokens[:-1], allow_pickle=False)
    with pytest.raises(BundleError, match=r"train: damaged: sentences and tokens do not fit; prepare the text again"):
        list(store_pieces(TokenStore(store)))


def test_the_text_of_another_bundle_is_refused(alone, toy_work, embedpipe_cli, tmp_path) -> None:
    copy = shutil.copytree(alone, tmp_path / "x.bundle")
    text = shutil.copytree(toy_work / "text", work_folder(copy) / "text")
    (text / "vocabulary.json").write_text((text / "vocabulary.json").read_text().replace('"king"', '"keng"'))
    outcome = embedpipe_cli("compare", copy, "king", "queen")
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert f"{text}/vocabulary.json: is not the vocabulary of {copy}: the text was prepared again since" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["king"], 2, "Missing argument 'B'"),
        (["king", "KING"], 1, "'king' and 'KING' are the same word"),
        (["king", "quexx"], 1, "'quexx' is not in the vocabulary; near spellings: queen"),
        (["queen", "quen"], 1, "'queen' and 'quen' are the same word of the vocabulary, 'queen'"),
        (["king", "queen", "--text", "nowhere.txt"], 1, "nowhere.txt"),
    ],
)
def test_bad_questions(alone, embedpipe_cli, arguments, code, message) -> None:
    outcome = embedpipe_cli("compare", alone, *arguments)
    assert (outcome.exit_code, outcome.out) == (code, "")
    assert message in outcome.err


def test_lines_of_wide_characters_are_aligned_and_fit(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = [("我们" * 20, "北京", "大学" * 20), ("在", "北京", "。")]
    _show_lines("北京", [{"left": left, "word": word, "right": right} for left, word, right in lines])
    _, _, first, second = capsys.readouterr().out.splitlines()
    assert first == "我们" * 4 + "  北京  " + "大学" * 4
    assert display_width(first.split("北京")[0]) == display_width(second.split("北京")[0]) == 18
