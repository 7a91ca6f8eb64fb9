"""The verb `probe` on the toy bundle."""

import json
import shutil

import pytest

from embedpipe.tasks.builtin import CORPUS_TASKS

PROMISED = {"task", "metric", "value", "low", "high", "n", "coverage", "baseline", "baseline_value"}


@pytest.fixture
def own_tasks(tmp_path):
    """A labelled file of ours, small enough to be quick."""
    path = tmp_path / "mood.cls.tsv"
    lines = [f"{'good' if i % 2 else 'bad'}\tthe king {'loves' if i % 2 else 'fears'} the queen {i}" for i in range(20)]
    path.write_text("label\ttext\n" + "\n".join(lines) + "\n")
    return path


def test_json_is_a_list_of_rows_with_the_promised_keys(toy_bundle, own_tasks, embedpipe_cli):
    outcome = embedpipe_cli("probe", toy_bundle.path, "documents", own_tasks, "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    rows = json.loads(outcome.out)
    assert {row["task"] for row in rows} == {"documents", "mood"}
    assert all(row.keys() >= PROMISED for row in rows)
    measured = [row for row in rows if row["value"] is not None]
    assert measured
    assert all(row["low"] <= row["value"] <= row["high"] for row in measured)
    assert {row["baseline"] for row in rows if row["task"] == "mood"} == {
        "majority",
        "tf-idf",
        "SIF average",
        "plain average",
        "random encoder",
        "random vectors",
    }


def test_the_same_seed_gives_the_same_figures(toy_bundle, own_tasks, embedpipe_cli):
    first, again = (embedpipe_cli("probe", toy_bundle.path, own_tasks, "--seed", 3, "--format", "csv") for _ in "ab")
    assert first.out == again.out
    assert first.out.startswith("task,metric,value,low,high,n,coverage,baseline,baseline_value")


def test_table_is_one_line_for_each_figure_and_notes_go_to_stderr(toy_bundle, own_tasks, embedpipe_cli):
    outcome = embedpipe_cli("probe", toy_bundle.path, own_tasks)
    header, line = outcome.out.splitlines()
    assert header.split()[:4] == ["task", "metric", "system", "value"]
    assert line.startswith("mood")
    assert "majority" in line
    assert "mood accuracy: 2 labels, 3 folds" in outcome.err


def test_unknown_task(toy_bundle, embedpipe_cli):
    outcome = embedpipe_cli("probe", toy_bundle.path, "simlex")
    assert outcome.exit_code == 1
    assert "did you mean 'simlex999'?" in outcome.err
    assert outcome.out == ""


def test_documents_without_the_prepared_text(toy_bundle, tmp_path, embedpipe_cli):
    alone = tmp_path / "alone.bundle"
    shutil.copytree(toy_bundle.path, alone)
    outcome = embedpipe_cli("probe", alone, "documents")
    assert outcome.exit_code == 1
    assert "--corpus FOLDER or SOURCE" in outcome.err
    given = embedpipe_cli("probe", alone, "documents", "--corpus", f"{toy_bundle.path}.work/text", "--format", "jsonl")
    assert given.exit_code == 0, given.err
    assert {json.loads(line)["task"] for line in given.out.splitlines()} == {"documents"}


def test_a_corpus_that_is_none(toy_bundle, tmp_path, embedpipe_cli):
    outcome = embedpipe_cli("probe", toy_bundle.path, "documents", "--corpus", tmp_path)
    assert outcome.exit_code == 1
    assert str(tmp_path) in outcome.err


def test_curves_stand_in_place_of_the_figures(toy_bundle, own_tasks, embedpipe_cli):
    outcome = embedpipe_cli("probe", toy_bundle.path, own_tasks, "wordsim353", "--curves", "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    table = json.loads(outcome.out)
    assert {line["task"] for line in table} == {"mood"}
    assert {line["labels"] for line in table} == {"16", "4 of each", "8 of each"}
    assert {line["system"] for line in table} == {"encoder", "SIF average", "random encoder", "tf-idf", "majority"}
    assert {line["n"] for line in table} == {20}
    # One word in each text says which it is.
    assert all(line["accuracy"] == 1 for line in table if line["system"] == "tf-idf" and line["labels"] == "16")
    assert "no curve of wordsim353: not texts with labels, or too few of them" in outcome.err


def test_curves_in_files_and_beside_others(toy_bundle, own_tasks, tmp_path, embedpipe_cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lengths_of.py").write_text("def encode(texts):\n    return [[len(text)] for text in texts]\n")
    ask = ("probe", toy_bundle.path, own_tasks, "--curves", "--against", "lengths_of:encode", "-o")
    assert embedpipe_cli(*ask, tmp_path / "c.json").out == ""
    curves = json.loads((tmp_path / "c.json").read_text())["curves"]
    assert {"lengths_of:encode", "encoder", "majority"} <= {curve["system"] for curve in curves}
    assert embedpipe_cli(*ask, tmp_path / "c.md").exit_code == 0
    said = (tmp_path / "c.md").read_text()
    assert "| task | labels | system | accuracy | low | high | n |" in said
    assert "- mood: mean of 5 draws of labelled texts, each tested on one of 5 folds; the 95 % interval is of" in said


def test_no_curve_is_an_error(toy_bundle, embedpipe_cli):
    outcome = embedpipe_cli("probe", toy_bundle.path, "wordsim353", "--curves")
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert "no curve of wordsim353: not texts with labels, or too few of them" in outcome.err
    outcome = embedpipe_cli("probe", toy_bundle.path, "wordsim353", "--curves", "--no-leakage")
    assert outcome.exit_code == 2
    assert "--no-leakage goes with figures" in outcome.err


def test_a_row_without_a_figure_says_why_and_shared_notes_are_one_line(toy_bundle, tmp_path, embedpipe_cli):
    (tmp_path / "few.tsv").write_text("label\ttext\na\tthe king\nb\tthe queen\n")
    words = ("king", "queen", "old", "young", "winter", "night")
    pairs = [f"{i % 5}\tthe {words[i % 6]}\tthe {words[i * i % 5]}" for i in range(12)]
    (tmp_path / "near.tsv").write_text("score\ttext_a\ttext_b\n" + "\n".join(pairs) + "\n")
    outcome = embedpipe_cli("probe", toy_bundle.path, tmp_path / "few.tsv", tmp_path / "near.tsv")
    _, few, *_, trained = outcome.out.splitlines()
    assert few.endswith("  skipped: 2 texts, 6 are needed")
    assert trained.endswith("  skipped: 12 pairs, 50 are needed to train on some and test on others")
    assert "near spearman, pearson: zero-shot cosine" in outcome.err
    assert "skipped" not in outcome.err


def test_tasks_made_of_another_corpus(toy_bundle, few_documents, tmp_path, embedpipe_cli):
    alone = tmp_path / "alone.bundle"
    shutil.copytree(toy_bundle.path, alone)
    outcome = embedpipe_cli("probe", alone, "bigram-shift", "adjacency", "--corpus", few_documents, "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    rows = json.loads(outcome.out)
    assert {row["task"] for row in rows} == {"bigram-shift", "adjacency"}
    assert all(row["value"] is not None for row in rows)
    assert {"bigram counts", "SIF average", "tf-idf"} <= {row["baseline"] for row in rows}
    assert "held-out tokens" in outcome.err
    assert "% outside the vocabulary" in outcome.err


def test_what_needs_a_text_is_left_out_where_there_is_none_and_says_so(toy_bundle, tmp_path, embedpipe_cli):
    alone = tmp_path / "alone.bundle"
    shutil.copytree(toy_bundle.path, alone)
    outcome = embedpipe_cli("probe", alone, "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    measured = {row["task"] for row in json.loads(outcome.out)}
    assert {"wordsim353", "simlex999", "analogies", "lee"} <= measured
    assert not measured & set(CORPUS_TASKS)
    assert "left out: documents, length, word-content, bigram-shift, odd-word, adjacency, order, topic" in outcome.err


def test_what_leaked_is_said_and_the_score_without_it_given(toy_bundle, own_tasks, embedpipe_cli):
    text = "the old king of the distant country walked with the young queen through the long dark winter night"
    with own_tasks.open("a") as file:
        file.write(f"good\t{text}\nbad\t{text.upper()}!\nbad\t{text.replace('young', 'proud')}\n")
    outcome = embedpipe_cli("probe", toy_bundle.path, own_tasks)
    assert outcome.exit_code == 0, outcome.err
    assert (
        "mood: 3 of 23 questions leaked from the training part (2 exactly, 1 nearly), e.g. the old king" in outcome.err
    )
    assert "nothing leaked from the training text: mood (0 of 23" in outcome.err
    whole, unleaked = outcome.out.splitlines()[1:]
    assert "accuracy (unleaked)" not in whole
    assert "accuracy (unleaked)" in unleaked
    without = embedpipe_cli("probe", toy_bundle.path, own_tasks, "--no-leakage")
    assert "leaked" not in without.err + without.out


def test_without_the_training_text_it_is_said_that_nothing_was_looked_for_there(
    toy_bundle, own_tasks, tmp_path, embedpipe_cli
):
    alone = tmp_path / "alone.bundle"
    shutil.copytree(toy_bundle.path, alone)
    outcome = embedpipe_cli("probe", alone, own_tasks)
    assert "leaks from the training text not asked: the training text is not at hand: mood" in outcome.err
    assert "nothing leaked from the training part: mood (0 of 20)" in outcome.err
