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


def test_the_planted_answer_comes_first(embedpipe_cli) -> None:
    outcome = embedpipe_cli("analogy", "x.bundle", "man", "king", "Woman", "--format", "json")
    assert outcome.exit_code == 0
    rows = json.loads(outcome.out)
    assert [row["word"] for row in rows] == ["queen", "salt"]
    assert rows[0]["similarity"] > 0.95
    assert rows[0]["count"] == 20


def test_order_of_the_words_matters(embedpipe_cli) -> None:
    outcome = embedpipe_cli("analogy", "x.bundle", "king", "man", "queen", "-k", "1", "--format", "csv")
    assert outcome.out.splitlines()[1].startswith("woman,")


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
