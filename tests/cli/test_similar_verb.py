"""`embedpipe similar` on a bundle of word vectors whose neighbours are known."""

import json
import subprocess
import sys

import numpy as np
import pytest

from embedpipe.bundle.manifest import Manifest, StageRecord
from embedpipe.bundle.save import save_bundle
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.bag import plain_average
from embedpipe.words.part import save_words
from embedpipe.words.table import WordVectors

HEAVY = {"torch", "gensim", "sklearn", "scipy", "pydantic", "nltk", "accelerate", "rich", "pandas"}
ROWS = {"king": [1.0, 1.0], "queen": [1.0, 0.9], "man": [0.0, 1.0], "salt": [-1.0, 0.0], "new york": [-1.0, -0.5]}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A bundle of word vectors alone."""
    folder, target = tmp_path_factory.mktemp("parts"), tmp_path_factory.mktemp("out") / "planted.bundle"
    vocabulary = Vocabulary([*SPECIALS, *ROWS], [0, 0, 0, 0, 5000, 400, 30, 20, 10])
    vocabulary.save(folder / "vocabulary.json")
    vectors = np.array([[0.0, 0.0]] * 4 + list(ROWS.values()), dtype=np.float32)
    save_words(folder, vectors, plain_average(vectors))
    record = StageRecord("0" * 64, "planted", 0.0)

    def manifest(files) -> Manifest:
        stages = {"text": record, "words": record}
        return Manifest("test", "test", "tiny", 1, True, "planted", [], {}, stages, {}, files)

    save_bundle(target, {path.name: path for path in folder.iterdir()}, manifest)
    return target


def test_json_holds_the_numbers(planted, embedpipe_cli) -> None:
    outcome = embedpipe_cli("similar", planted, "king", "--format", "json", "-k", 2)
    assert outcome.exit_code == 0
    cosine = 1.9 / np.sqrt(2 * 1.81)
    assert json.loads(outcome.out) == [
        {"word": "queen", "similarity": pytest.approx(cosine, abs=1e-6), "count": 400},
        {"word": "man", "similarity": pytest.approx(np.sqrt(0.5), abs=1e-6), "count": 30},
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
    assert lines[0] == "word,similarity,count"
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
    outcome = embedpipe_cli("similar", planted, "Quen", "--format", "json")
    assert outcome.exit_code == 1
    assert outcome.out == ""
    assert "'Quen' is not in the vocabulary; near spellings: queen" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument 'WORD...'"),
        (["king", "-k", "0"], 2, "-k"),
        (["king", "--not", "king"], 1, "add up to a zero vector"),
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

    monkeypatch.setattr("embedpipe.cli.similar.load", lambda path: Opened())
    lines = embedpipe_cli("similar", "x.bundle", "king", "-k", 2).out.splitlines()
    assert [line.split()[3:] for line in lines] == [["stability"], ["0.750"], ["0.250", "unstable"]]
    rows = json.loads(embedpipe_cli("similar", "x.bundle", "king", "-k", 2, "--format", "json").out)
    assert [row["stability"] for row in rows] == [0.75, 0.25]
    csv = embedpipe_cli("similar", "x.bundle", "king", "-k", 1, "--format", "csv").out.splitlines()
    assert csv[0] == "word,similarity,count,stability"
