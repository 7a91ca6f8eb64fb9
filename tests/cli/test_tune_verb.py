"""The verb ``tune``: a table of trials, a file of settings that ``run`` takes, and honest words about both."""

import json

import pytest

from embedpipe.cli.tune_words import seconds_of
from embedpipe.text.toy import toy_corpus

pytestmark = pytest.mark.extra


@pytest.mark.parametrize(
    ("text", "seconds"), [("600", 600), ("90s", 90), ("10m", 600), ("1.5h", 5_400), (" 2 M ", 120)]
)
def test_times(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


def test_a_search_from_the_command_line(embedpipe_cli, tmp_path) -> None:
    source, output = tmp_path / "toy.txt", tmp_path / "best.toml"
    source.write_text("\n\n".join(document.text for document in toy_corpus("en", n_documents=80)))
    settings = ["words.dim=8", "words.epochs=1", "words.steps=[]"]
    given = [part for setting in settings for part in ("--set", setting)]
    search = [
        "tune",
        source,
        "-o",
        output,
        "--trials",
        2,
        "--tasks",
        "simlex999",
        "--preset",
        "tiny",
        *given,
        "--format",
        "json",
    ]

    outcome = embedpipe_cli(*search)
    assert outcome.exit_code == 0, outcome.err
    rows = json.loads(outcome.out)
    assert sorted(row["trial"] for row in rows) == [0, 1]
    assert rows[0]["score"] == rows[0]["next_sentence"] >= rows[1]["score"]
    assert rows[0].keys() >= {"architecture", "window", "negatives", "subsample", "learning_rate", "steps", "seconds"}
    assert "dim" not in rows[0], "what is given is not searched"
    assert "of its questions are in the vocabulary, 30 are needed" in outcome.err
    assert "optimised: next sentence (reciprocal rank among " in outcome.err
    assert "judge the settings by other tasks" in outcome.err

    assert embedpipe_cli(*search).out == outcome.out, "nothing is tried again"
    target = tmp_path / "b"
    made = embedpipe_cli("run", source, "--config", output, "-o", target, "--stages", "words")
    assert made.exit_code == 0, made.err


def test_a_time_that_is_none_is_a_usage_error(embedpipe_cli, tmp_path) -> None:
    outcome = embedpipe_cli("tune", "x.txt", "-o", tmp_path / "best.toml", "--budget", "soon")
    assert outcome.exit_code == 2
    assert "'soon' is no time; give seconds" in outcome.err
