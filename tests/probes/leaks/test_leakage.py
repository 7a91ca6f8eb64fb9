"""What was met in training is found, said, and its effect removed."""

from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from embedpipe.config import SentencesConfig
from embedpipe.probes.baselines import Subject
from embedpipe.probes.findings import Leak
from embedpipe.probes.leaks.labelled_texts import labelled_texts
from embedpipe.probes.leaks.leakage import find_leakage
from embedpipe.probes.measure import MeasureSettings, measure
from embedpipe.probes.rows import skipped
from embedpipe.probes.run import run_probes
from embedpipe.probes.texts.similarity import trained_folds
from embedpipe.tasks.shapes import (
    Classification,
    DocumentSimilarity,
    Inference,
    SentenceSimilarity,
    WordSimilarity,
    with_test_part,
)

LONG = "the old harbour froze in the winter of that year and nobody in town remembered a colder january at all"
NEAR = LONG.replace("winter", "autumn")
OTHERS = ["the ministers met to talk about bread", "two dogs ran along the beach", "a train left the station at nine"]


def of_part(task, threshold=0.8):
    found = find_leakage([task], None, threshold=threshold)[0]
    return found, next(leak for leak in found.leaks if leak.place == "training part")


def test_a_copy_in_another_fold_leaks_and_one_in_the_same_fold_does_not():
    texts = [LONG, OTHERS[0], NEAR, OTHERS[1], OTHERS[1].upper() + "!", OTHERS[2], OTHERS[2]]
    task = Classification("t", list("abababa"), texts, np.array([0, 0, 1, 1, 0, 1, 1]))
    found, leak = of_part(task)
    assert found.leaked.tolist() == [True, False, True, True, True, False, False]
    assert (leak.exact, leak.near, leak.n) == (2, 2, 7)
    assert leak.examples[0] == f"{LONG} ~ {NEAR}"
    assert leak.examples[2:] == (OTHERS[1], OTHERS[1].upper() + "!")
    assert found.parts["unleaked"].tolist() == (~found.leaked).tolist()


def test_a_text_within_a_longer_one_leaks_and_the_longer_one_does_not():
    longer = [
        f"it is said that {LONG} and so on, as far as anyone could tell",
        f"once upon a time {LONG}, amen to that and more",
    ]
    found, leak = of_part(Classification("t", list("abab"), [LONG, *longer, OTHERS[0]]))
    assert found.leaked.tolist() == [True, False, False, False]
    assert (leak.exact, leak.near) == (1, 0)


def test_texts_without_words_are_no_copies_of_each_other_and_repeated_ones_are():
    found, _ = of_part(Classification("t", list("abab") * 2, ["...", "?!", "good", "Good!", "good", ".", "bad", ""]))
    assert found.leaked.tolist() == [False, False, True, True, True, False, False, False]


def test_with_a_given_split_only_what_is_tested_leaks():
    train = Classification("train", list("abab"), [LONG, *OTHERS])
    test = Classification("test", list("bab"), [OTHERS[0], "nothing of the kind was ever seen", NEAR])
    found, leak = of_part(with_test_part(train, test))
    assert found.leaked.tolist() == [False] * 4 + [True, False, True]
    assert (leak.task, leak.exact, leak.near, leak.n) == ("test", 1, 1, 3)


def test_without_folds_of_the_task_every_copy_is_taken_to_be_in_another():
    found, leak = of_part(Classification("t", list("abab"), [LONG, *OTHERS[:2], LONG]))
    assert found.leaked.tolist() == [True, False, False, True]
    assert (leak.exact, leak.near, leak.n) == (2, 0, 4)


def test_a_pair_leaks_if_both_its_texts_are_in_another_in_any_order():
    texts_a, texts_b = [LONG, OTHERS[0], LONG, OTHERS[2]], [OTHERS[0], NEAR, OTHERS[1], OTHERS[2]]
    found, leak = of_part(Inference("t", list("abab"), texts_a, texts_b))
    assert found.leaked.tolist() == [True, True, False, False]
    assert (leak.exact, leak.near, leak.n) == (0, 2, 4)
    assert leak.examples[0] == f"{LONG} | {OTHERS[0]} ~ {OTHERS[0]} | {NEAR}"


def test_pairs_with_given_folds_leak_from_the_training_part_alone():
    texts_a, texts_b = ([f"{side}{i} word{i} thing{i} more{i}" for i in range(40)] for side in "pq")
    texts_a[25], texts_b[25] = texts_b[3].upper(), texts_a[3]
    texts_a[31], texts_b[31] = texts_a[32], texts_b[32]  # both are tested, by one classifier
    folds = np.repeat([-1, 0], 20)
    found, leak = of_part(Inference("t", ["a", "b"] * 20, texts_a, texts_b, folds))
    assert (leak.exact, leak.near, leak.n) == (1, 0, 20)
    assert np.flatnonzero(found.leaked).tolist() == [25]


def similarity(n, seed=0):
    texts_a, texts_b = ([f"{side}{i}x{seed} word{i}x{seed} it" for i in range(n)] for side in "pq")
    return SentenceSimilarity("t", texts_a, texts_b, np.random.default_rng(seed).random(n))


def test_pairs_leak_from_a_given_training_part_into_what_is_trained_on_it():
    task, train = similarity(30), similarity(50, seed=1)
    train.texts_a[7], train.texts_b[7] = task.texts_b[2].upper(), task.texts_a[2]
    train.texts_a[8] = task.texts_a[4]  # the other text of the pair is not there
    task = replace(task, train=train)
    found, leak = of_part(task)
    assert (leak.exact, leak.near, leak.n) == (1, 0, 30)
    assert np.flatnonzero(~found.trained_parts["unleaked"]).tolist() == [2]
    assert found.parts == {}
    rows = run_probes(Subject(encoder=Memory()), [task], MeasureSettings(bootstrap=20), leakage=[found])
    notes = {row.metric: row.note for row in rows}
    assert notes.keys() == {
        "spearman",
        "pearson",
        *(f"{kind} (trained{part})" for kind in ("spearman", "pearson") for part in ("", ", unleaked")),
    }
    assert notes["spearman (trained, unleaked)"] == "without 1 of 30 questions that leaked from the training part"


def test_pairs_without_a_training_part_leak_across_the_folds_that_are_measured():
    task = similarity(60)
    task.texts_a[1], task.texts_b[1] = task.texts_a[0], task.texts_b[0]  # shares a text, so it is in the same fold
    task.texts_a[3], task.texts_b[3] = task.texts_a[2].upper(), task.texts_b[2].upper()
    seen = set()
    for seed in range(8):
        folds = trained_folds(task, seed)
        found = find_leakage([task], None, seed=seed)[0]
        assert found.trained[:4].tolist() == [False, False, *[folds[2] != folds[3]] * 2]
        assert not found.leaked.any()
        seen.add(bool(found.trained.any()))
    assert seen == {True, False}


def test_a_higher_threshold_finds_less():
    task = Classification("t", list("ab"), [LONG, NEAR])
    assert of_part(task)[1].near == 2
    assert of_part(task, threshold=0.95)[1].near == 0


def test_where_nothing_leaks_there_is_no_part_and_the_record_says_so():
    found, leak = of_part(Classification("t", list("aba"), OTHERS))
    assert not found.parts
    assert leak == Leak("t", "training part", 0, 0, 3, note="near: similarity 0.8 or more")


def test_what_cannot_be_asked_says_why():
    words = WordSimilarity("words", [("a", "b")], np.ones(1))
    documents = DocumentSimilarity("documents", OTHERS, np.eye(3))
    gone = skipped("gone", "accuracy", "no text")
    of_words, of_documents, of_nothing = find_leakage([words, documents, gone], None)
    assert [leak.note for leak in of_words.leaks] == ["not asked: words are meant to stand in the training text"]
    assert [(leak.place, leak.note) for leak in of_documents.leaks] == [
        ("training text", "not asked: the training text is not at hand")
    ]
    assert of_nothing.leaks == ()
    assert not of_words.parts
    assert not of_documents.parts


def test_questions_leak_from_the_labelled_data_if_all_their_texts_stand_there(tmp_path):
    pairs, scores = tmp_path / "pairs.tsv", tmp_path / "scores.tsv"
    pairs.write_text(f"text_a\ttext_b\n{LONG}\tsomething else\n")
    scores.write_text(f"score\ttext_a\ttext_b\n1\t{OTHERS[0]}\t{OTHERS[1]}\n2\t{OTHERS[2]}\tnothing\n")
    config = SentencesConfig(pairs=(str(pairs),), scores=(str(scores),))
    learnt = labelled_texts(config, [{"inference": [str(tmp_path / "gone.tsv")], "scores": [str(scores)]}])
    assert learnt.texts == (LONG, "something else", OTHERS[0], OTHERS[2], OTHERS[1], "nothing")
    assert labelled_texts(SentencesConfig()) is None
    task = SentenceSimilarity("t", [NEAR, OTHERS[1], NEAR], [OTHERS[0].upper(), OTHERS[2], "new"], np.arange(3.0))
    found = find_leakage([task], None, learnt)[0]
    assert found.leaked.tolist() == [True, True, False]
    leak = next(leak for leak in found.leaks if leak.place == "labelled data")
    assert (leak.exact, leak.near, leak.n) == (1, 1, 3)
    assert leak.examples[0] == f"{NEAR} | {OTHERS[0].upper()} ~ {LONG} | {OTHERS[0]}"
    assert leak.note == f"near: similarity 0.8 or more; not there any more: {tmp_path / 'gone.tsv'}"


class Memory:
    """Vectors that tell a topic, and are so long and so different that a classifier can learn texts by heart."""

    def encode(self, texts):
        rows = [np.random.default_rng(crc32(text.lower().strip("!").encode())).normal(size=80) for text in texts]
        vectors = np.stack(rows).astype(np.float32)
        vectors[:, :5] += [[6] if "sea" in text.lower() else [-6] for text in texts]
        return vectors


def noisy_task(rng, planted, n):
    """Return texts of two topics, of which a quarter has the label of the other."""
    topics = rng.integers(0, 2, n)
    texts = [planted.sentence(rng, ("sea", "war")[topic], 12) for topic in topics]
    labels = np.where(rng.random(n) < 1 / 4, 1 - topics, topics)
    return Classification("noisy", [f"label {label}" for label in labels], texts)


def rows_of(task):
    leakage = find_leakage([task], None)
    rows = run_probes(Subject(encoder=Memory()), [task], MeasureSettings(bootstrap=100), leakage=leakage)
    return {row.metric: row for row in rows if row.baseline in ("majority", None)}, leakage[0]


def with_and_without_a_leak(rng, planted):
    """Return two tasks with the same test part: the training part of the second holds copies of half of it."""
    train, fresh, test = (noisy_task(rng, planted, n) for n in (60, 80, 160))
    copies = Classification("copies", test.labels[:80], [f"{text}!".upper() for text in test.texts[:80]])
    trained = [
        Classification("train", [*train.labels, *more.labels], [*train.texts, *more.texts]) for more in (fresh, copies)
    ]
    return [with_test_part(one, test) for one in trained]


def test_a_planted_leak_raises_the_score_and_its_effect_is_removed(planted):
    without, with_leak = with_and_without_a_leak(np.random.default_rng(0), planted)
    clean, found = rows_of(without)
    assert not found.parts
    assert set(clean) == {"accuracy"}
    dirty, found = rows_of(with_leak)
    assert found.leaked[-160:].tolist() == [True] * 80 + [False] * 80
    assert next(leak.exact for leak in found.leaks if leak.place == "training part") == 80
    assert dirty["accuracy"].value > max(clean["accuracy"].value, dirty["accuracy (unleaked)"].value)
    assert dirty["accuracy (unleaked)"].n == 80
    assert dirty["accuracy (unleaked)"].note == "without 80 of 160 questions that leaked from the training part"
    assert clean["accuracy"].low <= dirty["accuracy (unleaked)"].value <= clean["accuracy"].high


@pytest.mark.slow
def test_over_many_tasks_the_unleaked_score_is_that_of_the_clean_task(planted):
    raised, left = [], []
    for seed in range(40):
        without, with_leak = with_and_without_a_leak(np.random.default_rng(seed), planted)
        kept = find_leakage([with_leak], None)[0].parts
        settings, subject = MeasureSettings(bootstrap=100), Subject(encoder=Memory())
        clean, dirty = (
            {row.metric: row.value for row in measure(subject, task, settings, kept)} for task in (without, with_leak)
        )
        raised.append(dirty["accuracy"] - clean["accuracy"])
        left.append(dirty["accuracy (unleaked)"] - clean["accuracy (unleaked)"])
    error = np.std(left, ddof=1) / np.sqrt(len(left))
    assert np.mean(raised) > 0.03
    assert abs(np.mean(left)) < 3 * error < 0.04


def test_where_all_leaked_a_row_says_that_there_is_no_other_score(planted):
    texts = [planted.sentence(np.random.default_rng(i), ("sea", "war")[i % 2], 8) for i in range(20)]
    rows, _ = rows_of(Classification("t", list("ab") * 20, [*texts, *texts]))
    assert set(rows) == {"accuracy", "accuracy (unleaked)"}
    assert rows["accuracy (unleaked)"].note == "skipped: all of the 40 questions leaked"
