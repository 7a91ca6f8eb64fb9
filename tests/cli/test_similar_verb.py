"""`embedpipe similar` on a bundle of word vectors whose neighbours are known."""

import json
import subprocess
import sys

import numpy as np
import pytest

from embedpipe.bundle.manifest import Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.cli.origin import origin_columns
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.bag import plain_average
from embedpipe.words.lookup import Found, Lookup
from embedpipe.words.part import WordFacts, save_words
from embedpipe.words.subword import Subwords, ngram_rows
from embedpipe.words.table import WordVectors

HEAVY = {"torch", "gensim", "sklearn", "scipy", "pydantic", "nltk", "accelerate", "rich", "pandas"}
ROWS = {"king": [1.0, 1.0], "queen": [1.0, 0.9], "man": [0.0, 1.0], "salt": [-1.0, 0.0], "new york": [-1.0, -0.5]}


def planted_bundle(tmp_path_factory, facts, subwords=None):
    """A bundle of word vectors alone."""
    folder, target = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("out") / "planted.bundle"
    vocabulary = Vocabulary([*SPECIALS, *ROWS], [0, 0, 0, 0, 5000, 400, 30, 20, 10])
    vocabulary.save(folder / "vocabulary.json")
    vectors = np.array([[0.0, 0.0]] * 4 + list(ROWS.values()), dtype=np.float32)
    save_words(folder, vectors, plain_average(vectors), facts, subwords=subwords)
    record = StageRecord("0" * 64, "planted", 0.0)

    def manifest(files) -> Manifest:
        stages = {"text": record, "words": record}
        return Manifest("test", "test", "tiny", 1, True, "planted", [], {}, stages, {}, files)

    save_bundle(target, {path.name: path for path in folder.iterdir()}, manifest)
    return target


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Words whose neighbours are known."""
    return planted_bundle(tmp_path_factory, WordFacts())


def test_json_holds_the_numbers(planted, embedpipe_cli) -> None:
    outcome = embedpipe_cli("similar", planted, "king", "--format", "json", "-k", 2)
    assert outcome.exit_code == 0
    origin = {"query_source": "vocabulary", "query_confidence": 1.0, "query_via": None}
    cosine = 1.9 / np.sqrt(2 * 1.81)
    assert json.loads(outcome.out) == [
        {"word": "queen", "similarity": pytest.approx(cosine, abs=1e-6), "count": 400, **origin},
        {"word": "man", "similarity": pytest.approx(np.sqrt(0.5), abs=1e-6), "count": 30, **origin},
    ]
    assert outcome.err == ""


@pytest.mark.parametrize(
    ("arguments", "best"),
    [
        (["king"], "queen"),
        (["KING"], "queen"),
        (["new york"], "salt"),
        (["king", "--not", "man"], "queen"),
        (["king", "--not", "man", "--not", "queen"], "new york"),
        (["queen", "man"], "king"),
    ],
)
def test_words_are_added_and_subtracted(planted, embedpipe_cli, arguments, best) -> None:
    outcome = embedpipe_cli("similar", planted, *arguments, "--format", "csv")
    lines = outcome.out.splitlines()
    assert lines[0] == "word,similarity,count,query_source,query_confidence,query_via"
    assert lines[1].split(",")[0] == best
    shown = {line.split(",")[0] for line in lines[1:]}
    assert shown.isdisjoint({word.lower() for word in arguments})


def test_table_and_lines(planted, embedpipe_cli) -> None:
    table = embedpipe_cli("similar", planted, "salt").out.splitlines()
    assert table[0].split() == ["word", "similarity", "count"]
    assert table[1].split() == ["new", "york", "0.894", "10"]
    lines = embedpipe_cli("similar", planted, "salt", "--format", "jsonl", "-k", 99).out.splitlines()
    assert [json.loads(line)["word"] for line in lines] == ["new york", "man", "king", "queen"]


def test_unknown_word_names_near_spellings_on_stderr(planted, embedpipe_cli) -> None:
    outcome = embedpipe_cli("similar", planted, "Quenix", "--format", "json")
    assert outcome.exit_code == 1
    assert outcome.out == ""
    assert "'Quenix' is not in the vocabulary; near spellings: queen" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument 'WORD...'"),
        (["king", "-k", "0"], 2, "-k"),
        (["king", "--not", "king"], 1, "add up to a zero vector, which has no neighbours: name other words"),
        (["xqzv"], 1, "'xqzv' is not in the vocabulary; ask for a word that the text of the bundle holds"),
        ([""], 1, "'' is not in the vocabulary; ask for a word that the text of the bundle holds"),
        (["zz xq"], 1, "is not in the vocabulary; it is several words: ask for each of them without quotes (zz xq)"),
        (["<unk>"], 1, "'<unk>' is not in the vocabulary"),
        (["king", "--window", "3"], 2, "they need --why"),
        (["king", "--why", "-k", "101"], 2, "at most 100 neighbours"),
    ],
)
def test_bad_queries(planted, embedpipe_cli, arguments, code, message) -> None:
    outcome = embedpipe_cli("similar", planted, *arguments)
    assert outcome.exit_code == code
    assert outcome.out == ""
    assert message in outcome.err


@pytest.mark.parametrize("arguments", [["similar", "king"], ["analogy", "man", "king", "salt"]])
def test_a_query_imports_no_heavy_library(planted, arguments) -> None:
    code = (
        "import sys\nfrom embedpipe.cli import main\n"
        "try:\n    main()\nfinally:\n    print(*sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)\n"
    )
    verb, *words = arguments
    result = subprocess.run(
        [sys.executable, "-c", code, verb, str(planted), *words], capture_output=True, text=True, check=True
    )
    assert "queen" in result.stdout
    assert set(result.stderr.split()) & HEAVY == set()


def test_stability_has_a_column_and_unstable_words_are_marked(embedpipe_cli, monkeypatch) -> None:
    vocabulary = Vocabulary([*SPECIALS, *ROWS], [0, 0, 0, 0, 5000, 400, 30, 20, 10])
    vectors = np.array([[0.0, 0.0]] * 4 + list(ROWS.values()), dtype=np.float32)

    class Opened:
        words = WordVectors(vocabulary, vectors, np.array([0, 0, 0, 0, 0.9, 0.75, 0.25, 0.5, 0.5], dtype=np.float32))
        lookup = Lookup(words)

    monkeypatch.setattr("embedpipe.cli.similar.load", lambda path: Opened())
    lines = embedpipe_cli("similar", "x.bundle", "king", "-k", 2).out.splitlines()
    assert [line.split()[3:] for line in lines] == [["stability"], ["0.750"], ["0.250", "unstable"]]
    rows = json.loads(embedpipe_cli("similar", "x.bundle", "king", "-k", 2, "--format", "json").out)
    assert [row["stability"] for row in rows] == [0.75, 0.25]
    csv = embedpipe_cli("similar", "x.bundle", "king", "-k", 1, "--format", "csv").out.splitlines()
    assert csv[0] == "word,similarity,count,stability,query_source,query_confidence,query_via"


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    """The planted words with n-grams: those of "queen" were trained, to the vector of "salt"; calibrated by hand."""
    facts = WordFacts("fasttext", (), 5, (3, 4), confidence={"subwords": [0.0, 1.0, 0.0]})
    table = np.zeros((50_000, 2), dtype=np.float32)
    table[ngram_rows(["queen"], 3, 4, 50_000).rows] = ROWS["salt"]
    return planted_bundle(tmp_path_factory, facts, Subwords(table, 3, 4))


def test_the_nearest_spelling_answers_and_says_so(planted, embedpipe_cli) -> None:
    outcome = embedpipe_cli("similar", planted, "Quen", "king", "--not", "Salts", "--format", "jsonl")
    assert outcome.exit_code == 0
    first, second = outcome.err.splitlines()
    assert first.startswith(
        "Quen: not in the vocabulary; its vector is that of the nearest spelling 'queen' (source spelling, "
        "confidence unknown"
    )
    assert "nearest spelling 'salt'" in second
    rows = [json.loads(line) for line in outcome.out.splitlines()]
    plain = embedpipe_cli("similar", planted, "queen", "king", "--not", "salt", "--format", "jsonl").out.splitlines()
    assert [row["word"] for row in rows] == ["man", "new york"]
    assert {(row["query_source"], row["query_confidence"], row["query_via"]) for row in rows} == {
        ("spelling", None, "queen")
    }
    known = {"query_source": "vocabulary", "query_confidence": 1.0, "query_via": None}
    assert [row | known for row in rows] == [json.loads(line) for line in plain]


def test_ngrams_answer_with_their_confidence(composed, embedpipe_cli) -> None:
    outcome = embedpipe_cli("similar", composed, "queens", "-k", 2, "--format", "csv")
    # "<queens>" has 6 trigrams and 5 four-grams, of which "<queen>" has <qu que uee een and <que quee ueen.
    confidence = 1 / (1 + np.exp(-7 / 11))
    assert outcome.err == (
        "queens: not in the vocabulary; its vector is the mean of its character n-grams (source subwords, confidence "
        f"{confidence:.2f}: the chance that training on such a word would have put it among the ten nearest of a "
        "vector so made); near spelling: queen\n"
    )
    header, first, second = outcome.out.splitlines()
    assert header == "word,similarity,count,query_source,query_confidence,query_via"
    assert first == f"salt,1.0,20,subwords,{round(confidence, 6)},"
    assert second.startswith("new york,0.894427,10,subwords,")
    table = embedpipe_cli("similar", composed, "queens", "-k", 1).out.splitlines()
    assert [line.split() for line in table] == [["word", "similarity", "count"], ["salt", "1.000", "20"]]


def test_why_of_a_word_made_of_ngrams_names_those_that_its_neighbours_share(composed, embedpipe_cli) -> None:
    outcome = embedpipe_cli("similar", composed, "queens", "--why", "--format", "json")
    assert "queens: no text evidence" in outcome.err
    assert "is not there" not in outcome.err, "no text is looked for"
    reasons = {row["word"]: row["shared_ngrams"] for row in json.loads(outcome.out)}
    assert reasons["queen"] == ["<que", "quee", "ueen", "<qu"]
    assert reasons["salt"] == []
    assert embedpipe_cli("similar", composed, "queens", "--why").out.splitlines()[0].endswith("  shared n-grams")


def test_compare_of_a_word_made_of_ngrams(composed, embedpipe_cli) -> None:
    outcome = embedpipe_cli("compare", composed, "queens", "king", "--format", "json")
    assert "queens: not in the vocabulary; its vector is the mean" in outcome.err
    assert "queens: no text evidence" in outcome.err
    found = json.loads(outcome.out)
    assert found["similarity"] == pytest.approx(-np.sqrt(0.5), abs=1e-6)
    queens, king = found["words"]
    assert (queens["source"], queens["count"], queens["neighbour_rank"]) == ("subwords", None, 3)
    assert (king["source"], king["confidence"], king["count"], king["neighbour_rank"]) == ("vocabulary", 1.0, 5000, 4)
    assert found["text"] is None
    table = embedpipe_cli("compare", composed, "queens", "king").out
    assert "source" in table
    assert "subwords" in table


def test_the_least_certain_word_speaks_for_the_query() -> None:
    def found(source, confidence, via=None):
        return Found("x", None, np.zeros(1, dtype=np.float32), source, via, confidence)

    known, made = found("vocabulary", 1.0), found("subwords", 0.9)
    spelt, sure = found("spelling", None, "queen"), found("spelling", 0.5, "king")
    names = ("query_source", "query_confidence", "query_via")
    for asked, origin in (
        ([known], ("vocabulary", 1.0, None)),
        ([made, known], ("subwords", 0.9, None)),
        ([known, sure, spelt, made], ("spelling", None, "queen")),
    ):
        assert origin_columns(asked) == dict(zip(names, origin, strict=True))
