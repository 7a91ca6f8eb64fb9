"""Labelled data as ids: what is kept, what is counted, and how it is split."""

from pathlib import Path

import numpy as np
import pytest

from embedpipe.config import SentencesConfig
from embedpipe.errors import InputError, NotEnoughDataError
from embedpipe.sentences.labelled import encode_task, held_out_tenth, read_labelled
from embedpipe.tasks.labelled import labelled_files, read_labelled_tasks
from embedpipe.tasks.shapes import Inference, Paraphrases, SentenceSimilarity
from embedpipe.text.codec import TextCodec
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import Vocabulary

WORDS = [f"w{i}" for i in range(300)]
CODEC = TextCodec(RegexTokenizer(), Vocabulary.from_counts({word: 1_000 - i for i, word in enumerate(WORDS)}))


def texts_of(data, row: int) -> list[str]:
    texts = data.texts
    return [
        CODEC.decode(texts.tokens[texts.starts[i] : texts.starts[i] + texts.lengths[i]])
        for i in data.members[row]
        if i >= 0
    ]


def test_texts_without_known_words_leave_their_group_and_rows_of_one_are_counted() -> None:
    task = Paraphrases("p", [("w1 w2", "?", "w3"), ("?", "w4"), ("? w5", "w6")])
    data = encode_task(task, CODEC)
    assert (len(data), data.dropped) == (2, 1)
    assert texts_of(data, 0) == ["w1 w2", "w3"]
    assert data.texts.lengths.tolist() == [2, 1, 1, 2, 1], "an unknown word counts where another is known"
    hard = encode_task(Paraphrases("n", [("w1", "w2"), ("w3", "w4")], ["?", "w5"]), CODEC)
    assert (len(hard), hard.dropped, texts_of(hard, 0)) == (1, 1, ["w3", "w4"])
    with pytest.raises(NotEnoughDataError, match="is it in the language of the corpus"):
        encode_task(Paraphrases("none", [("a", "b")]), CODEC)


def test_rows_of_a_single_text_are_counted_too(tmp_path: Path) -> None:
    (tmp_path / "g.tsv").write_text("text\ttext\nw1\tw2\nw3\t\nw4\t?\n")
    (data,) = read_labelled(SentencesConfig(pairs=(str(tmp_path / "g.tsv"),)), CODEC)
    assert (len(data), data.dropped) == (1, 2)


def test_scores_are_scaled_by_their_own_range_and_labels_numbered() -> None:
    scored = encode_task(SentenceSimilarity("s", ["w1", "w2", "w3"], ["w4"] * 3, np.array([1.0, 5.0, 2.0])), CODEC)
    assert scored.values.tolist() == [0.0, 1.0, 0.25]
    inferred = encode_task(Inference("i", ["no", "yes", "no"], ["w1", "w2", "?"], ["w4"] * 3), CODEC)
    assert (inferred.labels, inferred.values.tolist(), inferred.dropped) == (("no", "yes"), [0.0, 1.0], 1)


def test_keys_are_equal_for_equal_texts_alone() -> None:
    data = encode_task(Paraphrases("k", [("w1 w2", "w2 w1"), ("w1 w2", "w1"), ("w1 w2 w1", "w2")]), CODEC)
    keys = data.texts.keys()
    assert keys[0] == keys[2]
    assert len(set(keys.tolist())) == 5


def test_a_tenth_is_held_out_and_shares_no_text_with_the_rest() -> None:
    # Three hypotheses to each premise; every tenth premise is also a hypothesis elsewhere.
    premises = [f"w{i // 3} w1" for i in range(600)]
    hypotheses = [f"w{(i // 3 + 1) % 200} w1" if i % 30 == 0 else f"w{i // 3} w{i % 3} w2" for i in range(600)]
    data = encode_task(Inference("i", ["a", "b"] * 300, premises, hypotheses), CODEC)
    train, held = held_out_tenth(data, seed=1)
    assert held is not None
    keys = data.texts.keys()
    assert not set(keys[train.used()].tolist()) & set(keys[held.used()].tolist())
    assert len(train) == 540, "a tenth of the premises, three rows each"
    assert 45 <= len(held) < 60
    again, other = held_out_tenth(data, seed=1)[1], held_out_tenth(data, seed=2)[1]
    assert again is not None
    assert other is not None
    assert again.members.tolist() == held.members.tolist() != other.members.tolist()
    few = data.rows(np.arange(19))
    assert held_out_tenth(few, seed=1) == (few, None)


def test_files_are_read_as_the_settings_name_them(tmp_path: Path) -> None:
    (tmp_path / "p1.txt").write_text("w1\nw2\n")
    (tmp_path / "p2.txt").write_text("w3\nw4\n")
    (tmp_path / "n.tsv").write_text("label\ttext_a\ttext_b\nx\tw1\tw2\ny\tw1\tw3\n")
    (tmp_path / "s.tsv").write_text("score\ttext_a\ttext_b\n1\tw1\tw2\n3\tw1\tw3\n")
    names = {name: str(tmp_path / name) for name in ("p?.txt", "n.tsv", "s.tsv")}
    config = SentencesConfig(pairs=(names["p?.txt"],), inference=(names["n.tsv"],), scores=(names["s.tsv"],))
    assert [path.name for path in labelled_files(config)] == ["p1.txt", "p2.txt", "n.tsv", "s.tsv"]
    assert [(data.kind, data.name, len(data)) for data in read_labelled(config, CODEC)] == [
        ("pairs", "p1", 2),
        ("inference", "n", 2),
        ("scores", "s", 2),
    ]
    twice = SentencesConfig(inference=(names["n.tsv"], names["n.tsv"]))
    assert [data.name for data in read_labelled(twice, CODEC)] == ["n", "n-2"]
    (tmp_path / "s.tsv").write_text("score\ttext_a\ttext_b\n1\tw1\tw2\n1\tw1\tw3\n")
    with pytest.raises(InputError, match="every row has the score 1"):
        read_labelled_tasks(SentencesConfig(scores=(names["s.tsv"],)))
