"""The curve of a corpus: nested parts, common questions, one law, and going on after a kill."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm

from embedpipe.errors import ConfigError, OutputError
from embedpipe.pipeline.curve import Curve, CurvePoint, curve
from embedpipe.pipeline.curve_tasks import fitted
from embedpipe.probes.growth import Common
from embedpipe.probes.resampling import bootstrap_means
from embedpipe.runtime import StageSkipped, StageStarted
from embedpipe.text.vocabulary import Vocabulary

SETTINGS = {"words": {"dim": 16, "epochs": 2, "beside": "none", "steps": []}, "probes": {"bootstrap": 100}}


@pytest.fixture(scope="module")
def toy_curve(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curve") / "toy.curve"
    pairs = folder.parent / "pairs.tsv"
    words = ["ship", "captain", "island", "waves", "anchor", "tide", "chef", "bowl", "cabbage", "kettle"]
    rows = [f"{a}\t{b}\t{i + j}" for i, a in enumerate(words) for j, b in enumerate(words) if i < j]
    pairs.write_text("word_a\tword_b\tscore\n" + "\n".join(rows) + "\n", encoding="utf-8")
    call = {"tasks": [str(pairs), "documents", "wordsim353"], "preset": "tiny", "settings": SETTINGS}
    return folder, call, curve(["builtin:toy-en"], folder, **call)


SIZES = [1e6, 2e6, 4e6, 8e6]


def answered(accuracies, rng, n=400):
    """Right and wrong answers of several sizes to the same questions, which are hard or easy for all alike."""
    difficulty = rng.normal(size=n)
    own = (np.sqrt(0.7) * difficulty + np.sqrt(0.3) * rng.normal(size=n) for _ in accuracies)
    return [(of_size < norm.ppf(accuracy)).astype(float) for of_size, accuracy in zip(own, accuracies, strict=True)]


def common_of(right, repeats, seed):
    values = np.array([[one.mean()] for one in right])
    replicates = np.concatenate([values, bootstrap_means(right, repeats=repeats, seed=seed)], axis=1)
    return Common("t", "accuracy", len(right[0]), (np.nan,) * len(right), replicates)


@pytest.mark.slow
def test_the_interval_of_what_more_text_buys_holds_it():
    """With one draw of noise for all sizes, which the gain does not feel, 79 of 100 intervals held it."""
    law = [0.8 - 9 * n**-0.28 for n in (*SIZES, 2 * SIZES[-1])]
    held = 0
    for seed in range(40):
        right = answered(law[:4], np.random.default_rng(seed))
        twice = fitted([common_of(right, 100, seed)], SIZES, seed).forecasts[0]
        held += twice.gain_low <= law[4] - law[3] <= twice.gain_high
    assert held >= 36


def test_the_gain_that_is_said_is_counted_from_what_the_table_shows():
    found = fitted([common_of(answered([0.5, 0.58, 0.62, 0.66], np.random.default_rng(1)), 20, 1)], SIZES, 1)
    twice = found.forecasts[0]
    assert found.by_law + twice.gain == pytest.approx(twice.value)
    assert abs(found.by_law - found.values[-1]) > 0.0003
    points = [CurvePoint(n / SIZES[-1], int(n), "tiny", 1.0) for n in SIZES]
    line = Curve(points, [found], 1).advice[0]
    assert line.startswith(f"t accuracy {found.values[-1]:.3f} ({found.by_law:.3f} by the law): twice the text")
    falling = fitted([common_of(answered([0.7, 0.6, 0.5, 0.4], np.random.default_rng(1)), 20, 1)], SIZES, 1)
    assert not falling.grows
    assert "nothing can be said of more text" in Curve(points, [falling], 1).advice[0]


def counts_of(bundle):
    vocabulary = Vocabulary.load(bundle / "vocabulary.json")
    return dict(zip(vocabulary.tokens, vocabulary.counts.tolist(), strict=True))


@pytest.mark.slow
def test_sizes_double_and_are_parts_of_each_other(toy_curve):
    folder, _, found = toy_curve
    assert [point.share for point in found.points] == [0.125, 0.25, 0.5, 1.0]
    tokens = [point.n_tokens for point in found.points]
    assert all(1.5 < later / earlier < 2.6 for earlier, later in pairwise(tokens))
    counts = [counts_of(folder / f"1-of-{part}-seed-1.bundle") for part in (8, 4, 2, 1)]
    assert all(fewer.get(word, 0) <= more.get(word, 0) for fewer, more in pairwise(counts) for word in list(fewer)[4:])
    held_out = {
        (folder / f"1-of-{part}-seed-1.bundle.work/text/test.txt").read_text().casefold() for part in (8, 4, 2, 1)
    }
    assert len(held_out) == 1


@pytest.mark.slow
def test_figures_are_of_common_questions_and_the_advice_is_said(toy_curve):
    folder, _, found = toy_curve
    pairs, coverage, documents, wordsim, _ = found.tasks
    assert (coverage.task, coverage.metric) == ("pairs", "coverage")
    assert coverage.values == pairs.coverage
    assert 0 < coverage.values[0] <= coverage.values[-1] <= 1
    assert (pairs.task, pairs.metric, len(pairs.values)) == ("pairs", "spearman", 4)
    assert pairs.n >= 30
    assert [forecast.times for forecast in pairs.forecasts] == [2.0, 8.0]
    assert documents.metric == "accuracy"
    assert wordsim.note.startswith("no figure: every size can answer 3 questions")
    written = json.loads((folder / "curve.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(found.as_dict()))
    assert written["advice"][-1].startswith("preset for")
    assert "one seed: the chance of the training shows only" in written["advice"][-2]


@pytest.mark.slow
def test_the_same_call_goes_on_from_what_is_there(toy_curve):
    folder, call, found = toy_curve
    events = []
    again = curve(["builtin:toy-en"], folder, **call, listener=events.append)
    assert again.as_dict() == found.as_dict()
    assert {event.stage for event in events if isinstance(event, StageSkipped)} == {"text", "words"}
    assert [event.stage for event in events if isinstance(event, StageStarted)] == ["curve"]


def test_what_a_curve_cannot_be_made_of(tmp_path, embedpipe_cli):
    with pytest.raises(ConfigError, match="4 are needed"):
        curve(["builtin:toy-en"], tmp_path / "c", sizes=3)
    with pytest.raises(ConfigError, match=r"text\.share is what a curve varies"):
        curve(["builtin:toy-en"], tmp_path / "c", settings={"text": {"share": 0.5}})
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists and is not the folder of a curve"):
        curve(["builtin:toy-en"], tmp_path / "own")
    outcome = embedpipe_cli("curve", "--help")
    assert "embedpipe curve builtin:wikipedia -o wiki.curve" in outcome.out
