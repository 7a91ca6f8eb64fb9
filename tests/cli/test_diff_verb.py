"""The verb `diff`: the toy bundle beside one of noise over some of its words."""

import json

import numpy as np
import pytest

COLUMNS = ["task", "metric", "A", "B", "A - B", "interval", "effect", "p", "Holm p", "n", "verdict"]


@pytest.fixture(scope="module")
def noise(toy_bundle, tmp_path_factory):
    """Words of the toy bundle with random vectors: a bundle that is worse by construction, and has no encoder."""
    from embedpipe.cli import cli

    folder = tmp_path_factory.mktemp("noise")
    words = toy_bundle.vocabulary.tokens[4:-40]
    vectors = np.random.default_rng(0).normal(size=(len(words), 6)).round(4)
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, vectors.tolist(), strict=True)]
    (folder / "noise.txt").write_text("\n".join([f"{len(words)} 6", *lines]) + "\n", encoding="utf-8")
    cli.main(["import", str(folder / "noise.txt"), "-o", str(folder / "noise.bundle")], standalone_mode=False)
    return folder / "noise.bundle"


@pytest.fixture(scope="module")
def topics(toy_bundle, tmp_path_factory):
    """A folder with the analogies that the toy corpus plants, and a file that is no task."""
    from embedpipe.tasks.builtin import find_task

    folder = tmp_path_factory.mktemp("tasks")
    known = toy_bundle.vocabulary.index
    questions = {
        section: [question for question in questions if all(word in known for word in question)]
        for section, questions in find_task("analogies").sections.items()
    }
    lines = [line for name, rows in questions.items() if rows for line in (f": {name}", *map(" ".join, rows))]
    (folder / "planted.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "readme.md").write_text("no task\n")
    return folder


def test_the_table_names_the_better_one_and_sums_up(toy_bundle, noise, topics, embedpipe_cli):
    outcome = embedpipe_cli("diff", toy_bundle.path, noise, topics)
    assert outcome.exit_code == 0, outcome.err
    header, first, *_, last = outcome.out.splitlines()
    assert [name for name in COLUMNS if name in header] == COLUMNS
    assert first.startswith("planted  accuracy ")
    assert first.endswith("A better")
    assert last.startswith("A better on 1 of 1 tasks (planted), B better on 0 of 1 tasks")
    assert f"A is {toy_bundle.path}, B is {noise}" in outcome.err
    assert "left out: " in outcome.err
    assert "readme.md" in outcome.err
    assert "planted accuracy: 3CosAdd; " in outcome.err


@pytest.mark.parametrize(("worse_first", "code"), [(True, 3), (False, 0)])
def test_fail_if_worse(toy_bundle, noise, topics, embedpipe_cli, worse_first, code):
    pair = (noise, toy_bundle.path) if worse_first else (toy_bundle.path, noise)
    outcome = embedpipe_cli("diff", *pair, topics / "planted.txt", "--fail-if-worse", "--format", "json")
    assert outcome.exit_code == code, outcome.err
    (row, *parts) = json.loads(outcome.out)
    assert row["verdict"] == ("B better" if worse_first else "A better")
    assert row["p_holm"] <= 0.05
    assert all(part["verdict"] == "" and part["p_holm"] is None for part in parts)
    assert ("A is worse than B on planted accuracy" in outcome.err) == worse_first


def test_a_bundle_beside_itself_is_not_worse(toy_bundle, topics, embedpipe_cli):
    same = (toy_bundle.path, toy_bundle.path)
    outcome = embedpipe_cli("diff", *same, topics / "planted.txt", "--fail-if-worse", "--format", "csv")
    assert outcome.exit_code == 0, outcome.err
    assert outcome.out.startswith("task,metric,a,b,difference,low,high,effect,p_value,p_holm,n,coverage_a,coverage_b,")
    assert "no difference found" in outcome.out


@pytest.mark.slow
def test_documents_are_compared_where_both_hold_out_the_same(toy_bundle, noise, embedpipe_cli):
    outcome = embedpipe_cli("diff", toy_bundle.path, toy_bundle.path, "--format", "json")
    found = {row["task"]: row["verdict"] for row in json.loads(outcome.out)}
    assert found["documents"] == "no difference found"
    assert found["wordsim353"] in ("no difference found", "not compared")
    outcome = embedpipe_cli("diff", toy_bundle.path, noise, "--format", "jsonl")
    found = [json.loads(line) for line in outcome.out.splitlines()]
    (documents,) = [row for row in found if row["task"] == "documents"]
    assert documents["verdict"] == "not compared"
    assert "the prepared text of both bundles is needed" in documents["note"]


def test_nothing_to_compare_by_is_an_error(toy_bundle, noise, tmp_path, embedpipe_cli):
    (tmp_path / "strange.tsv").write_text("word_a\tword_b\tscore\nqxqx\tqyqy\t1\nqzqz\tqyqy\t2\n")
    outcome = embedpipe_cli("diff", toy_bundle.path, noise, tmp_path, "--fail-if-worse")
    assert outcome.exit_code == 1
    assert "no task tells the two bundles apart or alike: strange: " in outcome.err
    (tmp_path / "strange.tsv").unlink()
    assert "holds no task file" in embedpipe_cli("diff", toy_bundle.path, noise, tmp_path).err
    outcome = embedpipe_cli("diff", toy_bundle.path, noise, "topic")
    assert outcome.exit_code == 1
    assert "topic: skipped: the prepared text of both bundles is needed" in outcome.err
    for name in ("weat", "geometry"):
        outcome = embedpipe_cli("diff", toy_bundle.path, noise, name)
        assert outcome.exit_code == 1
        assert "with embedpipe probe" in outcome.err
    (tmp_path / "broken.tsv").write_text("word_a\tword_b\tscore\nking\tqueen\n")
    outcome = embedpipe_cli("diff", toy_bundle.path, noise, tmp_path)
    assert outcome.exit_code == 1
    assert "broken.tsv:2: " in outcome.err


def test_probe_stands_what_is_named_beside_the_bundle(toy_bundle, noise, topics, tmp_path, embedpipe_cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "encode_by_length.py").write_text(
        "def encode(texts):\n    return [[len(text), 1.0] for text in texts]\n"
    )
    (tmp_path / "pairs.tsv").write_text(
        "score\ttext_a\ttext_b\n" + "".join(f"{i % 4}\tthe king {i}\tthe queen {'x' * i}\n" for i in range(12))
    )
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(24, 3)), allow_pickle=False)
    rivals = [noise, "encode_by_length:encode", "rows.npy"]
    against = [part for rival in rivals for part in ("--against", rival)]
    outcome = embedpipe_cli("probe", toy_bundle.path, "pairs.tsv", *against, "--format", "json")
    assert outcome.exit_code == 0, outcome.err
    assert {"noise.bundle", "encode_by_length:encode", "rows.npy"} <= {
        row["baseline"] for row in json.loads(outcome.out)
    }
    task = topics / "planted.txt"
    outcome = embedpipe_cli("probe", toy_bundle.path, task, "--against", noise, "--format", "json")
    beside = [row for row in json.loads(outcome.out) if row["baseline"] == "noise.bundle"]
    assert beside
    assert all(row["value"] > row["baseline_value"] for row in beside)
    outcome = embedpipe_cli("probe", toy_bundle.path, task, "--against", "rows.npy")
    assert outcome.exit_code == 1
    assert "'rows.npy' has 24 rows; expected" in outcome.err
