"""The task that a corpus makes of itself."""

import numpy as np
import pytest

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.linguistic.documents import documents_task
from embedpipe.probes.linguistic.pool import HeldOutSplit
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, UNK


def store(path, documents):
    path.mkdir()
    sentences = [sentence for document in documents for sentence in document]
    tokens = [i for sentence in sentences for i in (*sentence, EOS)]
    np.save(path / "tokens.npy", np.array(tokens, dtype=np.uint32))
    ends = np.cumsum([0, *(len(s) + 1 for s in sentences)])
    np.save(path / "sentences.npy", ends.astype(np.uint64))
    np.save(path / "documents.npy", np.cumsum([0, *map(len, documents)]).astype(np.uint64))
    lines = (" ".join("unheard" if i == UNK else str(i) for i in sentence) for sentence in sentences)
    (path / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    return HeldOutSplit(TokenStore(path), path / "text.txt")


class Spaces:
    """Tokens between spaces."""

    def detokenize(self, tokens):
        return " ".join(tokens)


def document(word, n):
    return [[word, word, word, word, 100 + i] for i in range(n)]


def draw(stores, **settings):
    return documents_task(stores, Spaces(), **{"max_documents": 9, "sentences_per_document": 10, "seed": 1, **settings})


def test_labels_are_documents_and_folds_are_even(tmp_path):
    test = store(tmp_path / "test", [document(10, 12), document(11, 3), document(12, 30), document(13, 9)])
    task = draw([test, store(tmp_path / "validation", [document(14, 9)])])
    words = {
        label: {text.split()[0] for text, at in zip(task.texts, task.labels, strict=True) if at == label}
        for label in task.labels
    }
    assert [len(found) for found in words.values()] == [1, 1, 1]
    # The document of three sentences is too short, and validation is not needed.
    assert set().union(*words.values()) == {"10", "12", "13"}
    assert sorted(task.labels.count(f"document {i}") for i in (1, 2, 3)) == [9, 10, 10]
    assert np.bincount(task.folds).tolist() == [6, 6, 6, 6, 5]
    assert len(set(task.texts)) == len(task.texts)


def test_the_next_split_is_used_only_where_one_holds_too_little(tmp_path):
    test = store(tmp_path / "test", [document(10, 12), document(11, 3)])
    task = draw([test, store(tmp_path / "validation", [document(13, 9)])])
    assert {text.split()[0] for text in task.texts} == {"10", "13"}


def test_short_unknown_and_repeated_sentences_are_not_used(tmp_path):
    poor = [[20, 21, 22, 23], [20, 21, 22, 23, UNK], *[[20, 21, 22, 23, 24]] * 20]
    held_out = store(tmp_path / "s", [poor + document(10, 8), document(11, 8), poor])
    task = draw([held_out], sentences_per_document=50)
    assert sorted(set(task.labels)) == ["document 1", "document 2"]
    assert sorted([task.labels.count(label) for label in set(task.labels)]) == [8, 9]


def test_words_outside_the_vocabulary_stay_in_the_text(tmp_path):
    unknown = [[*sentence, UNK] for sentence in document(10, 9)]
    task = draw([store(tmp_path / "s", [unknown, document(11, 9)])], units="runs of sentences")
    assert sum("unheard" in text for text in task.texts) == 9
    assert task.note == "2 held-out runs of sentences, up to 10 sentences each"


def test_the_draw_follows_the_seed_and_the_limit(tmp_path):
    held_out = store(tmp_path / "s", [document(10 + i, 12) for i in range(8)])
    first, again, other = (draw([held_out], max_documents=3, seed=seed) for seed in (1, 1, 2))
    assert len(set(first.labels)) == 3
    assert first.texts == again.texts
    assert first.texts != other.texts


def test_one_document_is_not_enough(tmp_path):
    with pytest.raises(NotEnoughDataError, match="hold 1 with 8 sentences"):
        draw([store(tmp_path / "s", [document(10, 12)])])
