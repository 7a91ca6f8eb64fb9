"""Probing and comparing bundles from Python: by path or opened, by name, file or object, as the command line does."""

import json
import shutil

import numpy as np
import pytest

import embedpipe
from embedpipe.errors import InputError
from embedpipe.tasks.shapes import WordSimilarity

WORDS = ["ship", "captain", "island", "waves", "chef", "bowl", "cabbage", "kettle"]
PAIRS = [(a, b) for i, a in enumerate(WORDS) for b in WORDS[:i]]
OWN = WordSimilarity("own", PAIRS, np.array([float((a in WORDS[:4]) == (b in WORDS[:4])) for a, b in PAIRS]))


@pytest.fixture
def pairs_file(tmp_path):
    lines = [f"{a}\t{b}\t{score}" for (a, b), score in zip(OWN.pairs, OWN.scores, strict=True)]
    path = tmp_path / "own.tsv"
    path.write_text("\n".join(["word_a\tword_b\tscore", *lines]) + "\n", encoding="utf-8")
    return path


def test_an_object_a_file_and_the_command_line_give_the_same(toy_bundle, pairs_file, embedpipe_cli):
    noise = np.random.default_rng(0).normal(size=toy_bundle.words.vectors.shape)
    of_object = embedpipe.probe(toy_bundle, [OWN], against={"noise": noise}, seed=3)
    of_file = embedpipe.probe(str(toy_bundle.path), [pairs_file], against={"noise": noise}, seed=3)
    assert of_object.as_dict() == of_file.as_dict()
    assert {row.baseline for row in of_object.rows} == {"spelling", "random vectors", "noise"}
    assert [(leak.task, leak.place) for leak in of_object.leaks] == [("own", "training text")]
    np.save(pairs_file.with_name("noise.npy"), noise, allow_pickle=False)
    shown = embedpipe_cli(
        *("probe", toy_bundle.path, pairs_file, "--seed", 3, "--format", "json"),
        *("--against", pairs_file.with_name("noise.npy")),
    )
    values = [(row["metric"], row["value"], row["baseline_value"]) for row in json.loads(shown.out)]
    assert values == [(row.metric, row.value, row.baseline_value) for row in of_file.rows]


def test_a_task_that_needs_a_text_where_there_is_none(toy_bundle, tmp_path):
    copy = shutil.copytree(toy_bundle.path, tmp_path / "copy.bundle")
    with pytest.raises(InputError, match="the task 'topic' needs it, or a corpus"):
        embedpipe.probe(copy, ["topic"])


def test_a_bundle_does_not_differ_from_itself(toy_bundle, pairs_file):
    (found,) = embedpipe.diff(toy_bundle, toy_bundle.path, [pairs_file], seed=1)
    assert (found.task, found.difference, found.verdict) == ("own", 0.0, "no difference found")
    assert embedpipe.diff(toy_bundle, toy_bundle, [OWN])[0].a == found.a
    with pytest.raises(InputError, match="did you mean 'simlex999'"):
        embedpipe.diff(toy_bundle, toy_bundle, ["simlex"])
