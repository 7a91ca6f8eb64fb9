"""The verb ``ladder``: what teachers read, and what is said of wrong arguments."""

import json

import pytest

from embedpipe.pipeline.ladder_rungs import RUNGS


def test_the_list_explains_every_rung(embedpipe_cli) -> None:
    result = embedpipe_cli("ladder", "--list", "--format", "json")
    assert result.exit_code == 0
    rows = json.loads(result.out)
    assert [row["name"] for row in rows] == list(RUNGS)
    assert rows[0] == {
        "name": "kneser-ney",
        "group": "ladder",
        "against": None,
        "explains": RUNGS["kneser-ney"].explains,
        "source": RUNGS["kneser-ney"].source,
    }


def test_the_list_fits_on_a_screen(embedpipe_cli) -> None:
    lines = embedpipe_cli("ladder", "--list").out.splitlines()
    assert max(map(len, lines)) <= 88
    assert lines[0] == "kneser-ney (ladder)"
    assert "awd-lstm-cache (ladder, compared with awd-lstm)" in lines
    assert " ".join(" ".join(lines).split()).count("Elman, 1990") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["ladder"], 2, "name a SOURCE"),
        (["ladder", "builtin:toy-en"], 2, "name a folder to write with -o"),
        (["ladder", "builtin:toy-en", "-o", "x", "--rungs", "trasformer"], 2, "did you mean 'transformer'?"),
        (["ladder", "builtin:toy-en", "-o", "x", "--rungs", ","], 2, "no rung is named"),
        (["ladder", "builtin:toy-en", "-o", "x", "--seconds", "0"], 2, "--seconds"),
        (
            ["ladder", "builtin:toy-en", "-o", "x", "--set", "generation.hiden=3"],
            2,
            "did you mean 'generation.hidden'?",
        ),
        (["ladder", "nowhere.txt", "-o", "x"], 1, "nowhere.txt"),
    ],
)
def test_wrong_arguments(embedpipe_cli, tmp_path, monkeypatch, arguments, code, said) -> None:
    monkeypatch.chdir(tmp_path)
    result = embedpipe_cli(*arguments)
    assert (result.exit_code, result.out) == (code, "")
    assert said in result.err


@pytest.mark.slow
def test_a_text_that_is_too_small(embedpipe_cli, tmp_path) -> None:
    (tmp_path / "small.txt").write_text("one two three. four five six.\n\n" * 5, encoding="utf-8")
    result = embedpipe_cli("ladder", tmp_path / "small.txt", "-o", tmp_path / "x", "--rungs", "rnn")
    assert result.exit_code == 1
    assert result.err.splitlines()[-1].startswith("Error: ")


@pytest.mark.slow
def test_a_ladder_from_the_command_line(embedpipe_cli, tmp_path) -> None:
    call = [
        "ladder",
        "builtin:toy-en",
        "-o",
        tmp_path / "x",
        "--rungs",
        "rnn,kneser-ney",
        "--seconds",
        0.5,
        "--seeds",
        2,
    ]
    result = embedpipe_cli(*call, "--format", "json")
    assert result.exit_code == 0, result.err
    lowest, rnn = json.loads(result.out)
    assert (lowest["rung"], lowest["against"], lowest["change"]) == ("kneser-ney", None, None)
    assert rnn["against"] == "kneser-ney"
    assert "word vectors took" not in result.err, "no rung asked for them"
    again = embedpipe_cli(*call)
    assert again.out.splitlines()[0].split()[:2] == ["rung", "perplexity"]
    assert "kept" in again.err
