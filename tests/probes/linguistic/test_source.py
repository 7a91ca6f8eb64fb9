"""Another corpus than the bundle's own: read by the bundle's rules, with its ids."""

import json

import numpy as np
import pytest

from embedpipe.config import TextConfig
from embedpipe.errors import BundleError, InputError
from embedpipe.probes.linguistic.make import ProbedCorpus, corpus_task
from embedpipe.probes.linguistic.pool import HeldOutSplit
from embedpipe.probes.linguistic.source import prepare_source
from embedpipe.tasks.builtin import BIGRAM_SHIFT
from embedpipe.text.codec import TextCodec
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import UNK, Vocabulary

CODEC = TextCodec(RegexTokenizer(), Vocabulary.from_counts({"the": 9, "king": 8, "saw": 7, "a": 6, "ship": 5, ".": 4}))


def prepared(tmp_path, spec, source=None):
    text = "\n\n".join(
        " ".join(f"The king no. {i} saw a ship at {d}." for i in range(d % 7, d % 7 + 6)) for d in range(40)
    )
    (tmp_path / "other.txt").write_text(text, encoding="utf-8")
    (tmp_path / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
    source = str(source or tmp_path / "other.txt")
    return prepare_source(
        source, CODEC, tmp_path / "spec.json", TextConfig(deduplicate="none"), tmp_path / "text", seed=1
    )


def test_ids_and_sentence_ends_are_those_of_the_bundle(tmp_path):
    learnt = {**CODEC.tokenizer.spec(), "sentences": {**_splitter(), "abbreviations": ["no"]}}
    text = prepared(tmp_path, learnt)
    assert text.vocabulary.tokens == CODEC.vocabulary.tokens
    assert [text.report[split]["documents"] for split in ("train", "validation", "test")] == [20, 10, 10]
    ids = np.array(text.test.sentence(0))
    assert CODEC.decode(ids) == "the king. saw a ship."  # "no.", the number and "at 3" are not known
    assert (ids == UNK).sum() == 4
    assert text.test.n_sentences == 60


def test_imported_vectors_do_not_say_how_sentences_end(tmp_path):
    text = prepared(tmp_path, CODEC.tokenizer.spec())
    assert text.test.n_sentences == 120  # "no." ends one


def test_tasks_are_made_of_it(tmp_path):
    text = prepared(tmp_path, {**CODEC.tokenizer.spec(), "sentences": {**_splitter(), "abbreviations": ["no"]}})
    held_out = [HeldOutSplit(text.test, text.test_text), HeldOutSplit(text.validation, text.validation_text)]
    corpus = ProbedCorpus(held_out, text.train, CODEC, 600, 40, 30, seed=1)
    task = corpus_task(BIGRAM_SHIFT, corpus)
    assert len(task.texts) == 120
    assert sum(text in (tmp_path / "other.txt").read_text().lower() for text in task.texts) == task.labels.count(
        "as written"
    )
    assert task.note.endswith("of 20 held-out documents, folds by document")


def test_a_source_that_is_none_and_rules_that_are_none(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        prepared(tmp_path, CODEC.tokenizer.spec(), tmp_path / "nowhere.txt")
    with pytest.raises(BundleError, match="does not say how sentences end"):
        prepared(tmp_path, {"sentences": 3})


def _splitter():
    from embedpipe.text.sentences import SentenceSplitter

    return SentenceSplitter().spec()
