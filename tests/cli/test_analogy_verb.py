"""`embedpipe analogy` on vectors with a planted parallelogram."""

import json

import numpy as np
import pytest

from embedpipe.text.vocabulary import SPECIALS, Vocabulary
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

    monkeypatch.setattr("embedpipe.cli.analogy.load", lambda path: Opened())


def test_json_holds_answers_baselines_and_what_was_left_out(embedpipe_cli) -> None:
    outcome = embedpipe_cli("analogy", "x.bundle", "man", "king", "Woman", "--format", "json")
    assert outcome.exit_code == 0
    found = json.loads(outcome.out)
    assert found["question"] == {"a": "man", "b": "king", "c": "woman"}
    for method in ("3CosAdd", "3CosMul"):
        assert [row["word"] for row in found[method]] == ["queen", "salt"]
    assert found["3CosAdd"][0] == {"rank": 1, "word": "queen", "score": pytest.approx(0.99, abs=0.02), "count": 20}
    assert [row["word"] for row in found["nearest to b"]] == ["queen", "salt"]
    assert [row["word"] for row in found["nearest to c"]] == ["queen", "salt"]
    left_out = {row["word"]: row for row in found["left out"]}
    assert list(left_out) == ["man", "king", "woman"]
    assert left_out["king"]["3CosAdd"]["rank"] == 2
    assert left_out["king"]["3CosAdd"]["score"] < found["3CosAdd"][0]["score"]


def test_order_of_the_words_matters_and_rows_name_their_method(embedpipe_cli) -> None:
    outcome = embedpipe_cli("analogy", "x.bundle", "king", "man", "queen", "-k", "1", "--format", "csv")
    header, *lines = outcome.out.splitlines()
    assert header == "method,rank,word,score,count"
    assert lines[0].startswith("3CosAdd,1,woman,")
    assert [line.split(",")[0] for line in lines] == [
        *("3CosAdd", "3CosMul", "nearest to b", "nearest to c"),
        *["left out of 3CosAdd"] * 3,
        *["left out of 3CosMul"] * 3,
    ]
    rows = embedpipe_cli("analogy", "x.bundle", "king", "man", "queen", "-k", "1", "--format", "jsonl").out
    assert [",".join(map(str, json.loads(row).values())) for row in rows.splitlines()] == lines


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
        (["man", "king", "womann"], 1, "'womann' is not in the vocabulary; near spellings: woman"),
        (["man", "king", "woman", "extra"], 2, "unexpected extra argument"),
    ],
)
def test_bad_questions(embedpipe_cli, arguments, code, message) -> None:
    outcome = embedpipe_cli("analogy", "x.bundle", *arguments)
    assert outcome.exit_code == code
    assert outcome.out == ""
    assert message in outcome.err
