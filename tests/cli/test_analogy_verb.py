"""`embedpipe analogy` on vectors with a planted parallelogram."""

import json

import numpy as np
import pytest

from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.lookup import Lookup
from embedpipe.words.table import WordVectors

ROWS = {
    "man": [1, 0, 0.2],
    "king": [1, 1, 0.2],
    "woman": [1, 0, -0.2],
    "queen": [1, 1, -0.2],
    "salt": [0, 0, 1],
}


@pytest.fixture(autouse=True)
def planted(monkeypatch) -> None:
    """Any bundle that is opened holds the planted words."""
    vocabulary = Vocabulary([*SPECIALS, *ROWS], [0, 0, 0, 0, 50, 40, 30, 20, 10])
    vectors = np.array([[0, 0, 0]] * 4 + list(ROWS.values()), dtype=np.float32)

    class Opened:
        words = WordVectors(vocabulary, vectors)
        lookup = Lookup(words)

    monkeypatch.setattr("embedpipe.cli.analogy.load", lambda path: Opened())


def test_json_holds_answers_baselines_and_what_was_left_out(embedpipe_cli) -> None:
    outcome = embedpipe_cli("analogy", "x.bundle", "man", "king", "Woman", "--format", "json")
    assert (outcome.exit_code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert found["question"] == {"a": "man", "b": "king", "c": "woman"}
    assert (found["query_source"], found["query_confidence"], found["query_via"]) == ("vocabulary", 1.0, None)
    for method in ("cos_add", "cos_mul", "nearest_b", "nearest_c"):
        assert [row["word"] for row in found[method]] == ["queen", "salt"]
    assert found["cos_add"][0] == {
        "rank": 1,
        "word": "queen",
        "similarity": pytest.approx(0.99, abs=0.02),
        "count": 20,
    }
    assert found["cos_mul"][0]["score"] == pytest.approx(1.0, abs=0.05)
    added, multiplied = found["left_out"]["cos_add"], found["left_out"]["cos_mul"]
    assert [row["word"] for row in added] == [row["word"] for row in multiplied] == ["man", "king", "woman"]
    assert added[1]["rank"] == 2
    assert added[1]["similarity"] < found["cos_add"][0]["similarity"]


def test_order_of_the_words_matters_and_rows_name_their_method(embedpipe_cli) -> None:
    call = ("analogy", "x.bundle", "king", "man", "queen", "-k", "1")
    header, *lines = embedpipe_cli(*call, "--format", "csv").out.splitlines()
    assert header == "method,left_out,rank,word,similarity,score,count,query_source,query_confidence,query_via"
    assert lines[0].startswith("cos_add,False,1,woman,")
    assert [line.split(",")[:2] for line in lines] == [
        *([method, "False"] for method in ("cos_add", "cos_mul", "nearest_b", "nearest_c")),
        *[["cos_add", "True"]] * 3,
        *[["cos_mul", "True"]] * 3,
    ]
    rows = [json.loads(row) for row in embedpipe_cli(*call, "--format", "jsonl").out.splitlines()]
    shown = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
    assert shown == lines
    for row in rows:
        assert (row["score"] is None) == (row["method"] != "cos_mul")
        assert (row["similarity"] is None) == (row["method"] == "cos_mul")


def test_a_word_outside_the_vocabulary_is_answered_for_as_in_similar(embedpipe_cli) -> None:
    call = ("analogy", "x.bundle", "man", "king")
    outcome = embedpipe_cli(*call, "womann", "--format", "json")
    assert outcome.exit_code == 0
    assert outcome.err.startswith("womann: not in the vocabulary; its vector is that of the nearest spelling 'woman'")
    found, known = json.loads(outcome.out), json.loads(embedpipe_cli(*call, "woman", "--format", "json").out)
    assert (found["query_source"], found["query_via"]) == ("spelling", "woman")
    assert all(found[name] == known[name] for name in known if not name.startswith("query_"))


def test_the_table_shows_both_methods_side_by_side(embedpipe_cli) -> None:
    lines = embedpipe_cli("analogy", "x.bundle", "man", "king", "woman").out.splitlines()
    assert lines[0] == "man is to king as woman is to"
    assert lines[1].split() == ["3CosAdd", "score", "count", "3CosMul", "score", "count"]
    assert (lines[2].split()[0], lines[2].split()[3]) == ("queen", "queen")
    assert [line.split()[0] for line in lines[6:9]] == ["man", "king", "woman"]
    assert lines[10].split() == ["nearest", "to", "king", "score", "count", "nearest", "to", "woman", "score", "count"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["man", "king"], 2, "Missing argument 'C'"),
        (["man", "king", "xqzv"], 1, "'xqzv' is not in the vocabulary"),
        (["man", "king", "woman", "extra"], 2, "unexpected extra argument"),
    ],
)
def test_bad_questions(embedpipe_cli, arguments, code, message) -> None:
    outcome = embedpipe_cli("analogy", "x.bundle", *arguments)
    assert outcome.exit_code == code
    assert outcome.out == ""
    assert message in outcome.err
