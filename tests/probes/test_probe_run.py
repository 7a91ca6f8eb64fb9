"""Every shape of task finds its probe, and nothing is left out in silence."""

from dataclasses import dataclass

import numpy as np

from embedpipe.config import ProbesConfig
from embedpipe.probes.baselines import Subject
from embedpipe.probes.measure import MeasureSettings
from embedpipe.probes.rows import chosen_on, skipped, stage_result
from embedpipe.probes.run import measure_settings, probe_bundle, run_probes
from embedpipe.runtime import Evaluated, StageStarted, Step, Warned
from embedpipe.tasks.builtin import BUILTIN_TASKS, MADE_TASKS
from embedpipe.tasks.shapes import (
    Analogies,
    Categories,
    Classification,
    DocumentSimilarity,
    Inference,
    Outliers,
    OutlierSet,
    Relations,
    SentenceSimilarity,
    WordSimilarity,
)
from embedpipe.words.bag import fit_bag
from embedpipe.words.lookup import Lookup
from embedpipe.words.table import WordVectors


def tasks(planted):
    rng = np.random.default_rng(0)
    sea, war = ([planted.sentence(rng, topic) for _ in range(10)] for topic in ("sea", "war"))
    pairs = [("sea0", f"sea{i}") for i in range(1, 5)] + [("sea0", f"war{i}") for i in range(6)]
    return [
        WordSimilarity("words", pairs, np.array([7.0, 8, 9, 10, 1, 2, 3, 4, 5, 6])),
        Analogies("analogies", {"s": [("sea0", "war0", "sea1", "war1")]}),
        Categories("categories", ["sea1", "sea2", "sea3", "war1", "war2", "war3"], ["s", "s", "s", "w", "w", "w"]),
        Outliers("outliers", [OutlierSet(str(i), (f"sea{i}", "sea8", "sea9"), (f"war{i}",)) for i in range(6)]),
        Relations("relations", [f"sea{i // 2}" for i in range(12)], ["kin", "random"] * 6, ["sea9", "war9"] * 6),
        SentenceSimilarity("sentences", sea + sea, sea + war, np.arange(20.0)[::-1].copy()),
        DocumentSimilarity("documents", sea + war, np.kron(np.eye(2), np.ones((10, 10)))),
        Classification("labels", ["a"] * 10 + ["b"] * 10, sea + war),
        Inference("inference", ["a", "b"] * 10, sea + war, war + sea),
    ]


def test_each_task_gives_rows_and_progress(planted):
    events = []
    rows = run_probes(
        planted.subject(), tasks(planted), MeasureSettings(bootstrap=100, folds=2, seeds=1), listener=events.append
    )
    found = {(row.task, row.metric) for row in rows}
    assert found == {
        ("words", "spearman"),
        ("analogies", "accuracy"),
        ("analogies", "accuracy (3CosMul)"),
        ("categories", "purity"),
        ("outliers", "accuracy"),
        ("outliers", "opp"),
        ("relations", "map"),
        ("relations", "map (kin)"),
        ("sentences", "spearman"),
        ("sentences", "pearson"),
        ("sentences", "spearman (trained)"),
        ("documents", "pearson"),
        ("documents", "spearman"),
        ("labels", "accuracy"),
        ("inference", "accuracy"),
    }
    assert [row.note for row in rows if row.baseline is None] == [
        "skipped: 20 pairs, 50 are needed to train on some and test on others"
    ]
    with_interval = [row for row in rows if row.baseline is not None and "too few for an interval" not in row.note]
    assert all(row.low <= row.value <= row.high for row in with_interval)
    assert events[0] == StageStarted("probes", 9, "task")
    steps = [event.done for event in events if isinstance(event, Step)]
    assert steps == list(range(10))
    # The other tasks ask fewer than 30 questions.
    told = {event.name for event in events if isinstance(event, Evaluated)}
    assert told == {"documents pearson", "documents spearman"}


def test_figures_of_a_set_that_settings_were_chosen_on_say_so(planted):
    words, sentences = (task for task in tasks(planted) if task.name in ("words", "sentences"))
    config = ProbesConfig(bootstrap=100, seeds=1, chosen_on=("words", "not asked"))
    rows = run_probes(planted.subject(), [words, sentences], measure_settings(config, 1))
    assert {row.task for row in rows if row.note.endswith("settings were chosen on this set")} == {"words"}
    assert chosen_on(rows) == ["words"]
    assert all("chosen" not in row.note for row in rows if row.task == "sentences")
    assert stage_result(rows) == {"scores": {}, "chosen_on": ["words"]}, "ten pairs are no headline"
    assert stage_result(rows[-1:]) == {"scores": {}}


def test_missing_parts_give_one_row_each_that_says_so(planted):
    passed_on = skipped("documents", "accuracy", "no text")
    rows = run_probes(
        Subject(codec=planted.codec), [*tasks(planted), passed_on], MeasureSettings(bootstrap=100, seeds=1)
    )
    assert len(rows) == 10
    assert all(row.note.startswith("skipped: ") for row in rows)


def test_a_bundle_without_an_encoder_is_probed_with_its_bag(planted):
    @dataclass
    class Halfway:
        codec: object
        words: object
        bag: object
        lookup: Lookup
        parts: tuple = ("words.safetensors",)

    bag = fit_bag(planted.vectors, planted.vocabulary.probabilities, 1e-3)
    words = WordVectors(planted.vocabulary, planted.vectors)
    bundle = Halfway(planted.codec, words, bag, Lookup(words))
    config = ProbesConfig(tasks=("wordsim353", "lee", "documents"), bootstrap=100)
    events = []
    rows = probe_bundle(bundle, None, config, seed=1, listener=events.append).rows
    assert events[0] == StageStarted("probes", 7, "step")
    assert [(event.done, event.note) for event in events if isinstance(event, Step)] == [
        (0, "making tasks"),
        (1, "looking for leaks"),
        (2, "wordsim353"),
        (3, "lee"),
        (4, "documents"),
        (5, "learning curves"),
        (6, "maps"),
        (7, ""),
    ]
    assert {row.task for row in rows} == {"wordsim353", "lee", "documents"}
    assert next(row for row in rows if row.task == "lee").system == "SIF average"
    assert next(row for row in rows if row.task == "lee").note.startswith("not defined")  # no English word is known
    assert rows[-1].note == "skipped: the prepared text is not at hand"


def test_texts_that_are_hardly_in_the_vocabulary_are_measured_and_that_is_said(planted):
    events = []
    task = SentenceSimilarity("zh", [f"x{i} y" for i in range(12)], [f"z{i} sea1" for i in range(12)], np.arange(12.0))
    rows = run_probes(planted.subject(), [task], MeasureSettings(bootstrap=20), listener=events.append)
    said = "25% of the tokens of its texts are in the vocabulary: another language or subject"
    assert rows[0].note.endswith(f"; {said}")
    assert [event.message for event in events if isinstance(event, Warned)] == [f"zh: {said}"]
    known = run_probes(planted.subject(), [tasks(planted)[5]], MeasureSettings(bootstrap=20), listener=events.append)
    assert "in the vocabulary" not in known[0].note


def test_a_run_measures_every_task_that_has_a_name():
    assert set(ProbesConfig().tasks) == {*BUILTIN_TASKS, *MADE_TASKS}
