"""The text that a bundle was trained on, searched for the texts of tasks."""

from dataclasses import dataclass

import numpy as np
import pytest

from embedpipe.probes.leaks import training_text
from embedpipe.probes.leaks.leakage import find_leakage
from embedpipe.probes.leaks.training_text import TrainingText, find_in_training
from embedpipe.tasks.shapes import Classification, DocumentSimilarity
from embedpipe.text.codec import TextCodec
from embedpipe.text.sentences import SentenceSplitter
from embedpipe.text.store_writer import StoreWriter
from embedpipe.text.token_store import TokenStore
from embedpipe.text.tokenizer import RegexTokenizer
from embedpipe.text.vocabulary import Vocabulary

DOCUMENTS = [
    [
        "The harbour froze in January, and nobody could leave the town by sea for many weeks.",
        "Fishermen mended their nets.",
        "The mayor opened the granary to everyone who was hungry that cold winter.",
    ],
    ["A comet was seen over the hills on nine nights, and the priests explained it in three different ways."],
    ["Rubio's opened in 1983.", "Fishermen mended their boats and walked home."],
]


@dataclass(frozen=True)
class Corpus:
    training: TrainingText
    codec: TextCodec


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    sentences = [sentence for document in DOCUMENTS for sentence in document]
    tokens = [RegexTokenizer().tokenize(sentence) for sentence in sentences]
    counts = {token: 3 for words in tokens for token in words if token not in ("rubio", "1983", "comet", "priests")}
    codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts(counts))
    ids, lengths = codec.encode_flat(sentences)
    path = tmp_path_factory.mktemp("store") / "train"
    with StoreWriter(path, n_tokens=len(ids), n_sentences=len(sentences), n_documents=len(DOCUMENTS)) as writer:
        sizes = np.array(list(map(len, DOCUMENTS)), dtype=np.uint32)
        writer.append(ids, lengths.astype(np.uint32), sizes, np.ones(len(lengths), dtype=np.bool_))
    return Corpus(TrainingText(TokenStore(path), codec, SentenceSplitter()), codec)


@pytest.mark.parametrize("block", [1_000_000, 20])
@pytest.mark.parametrize(
    ("text", "kind", "sentence"),
    [
        ("the harbour froze in january and nobody could leave the town by sea for many weeks", "exact", 0),
        ("could leave the town by sea for many weeks. Fishermen mended their nets. The mayor", "exact", 0),
        ("The harbour froze in February, and nobody could leave the town by sea for many weeks.", "near", 0),
        (
            "The harbour froze in February, and nobody could leave the town by sea for many weeks. The mayor opened "
            "the granary to everyone who was hungry that cold winter.",
            "near",
            2,
        ),
        (
            "A star was seen over the hills on nine nights, and the monks explained it in three different ways.",
            "exact",
            3,
        ),
        ("that cold winter. A comet was seen over the hills on nine nights, it is said by many", "nowhere", -1),
        ("Fishermen mended their nets.", "unasked", -1),
        ("Rubio's lemurs sold burritos in 1983.", "unasked", -1),
        ("Nobody was hungry in the town by the sea, and the hills froze.", "nowhere", -1),
        ("...", "unasked", -1),
    ],
)
def test_what_stands_there(corpus, monkeypatch, block, text, kind, sentence):
    monkeypatch.setattr(training_text, "_BLOCK_TOKENS", block)
    found = find_in_training(["the mayor explained it in different ways to fishermen", text], corpus.training)
    assert (found.exact[1], found.near[1], found.asked[1]) == (kind == "exact", kind == "near", kind != "unasked")
    assert found.sentence.tolist() == [-1, sentence]


def test_questions_leak_from_the_training_text(corpus):
    there = DOCUMENTS[0][0].upper()
    near = "The harbour froze in February, and nobody could leave the town by sea for many weeks."
    texts = ["nobody explained it to the hungry town", there, near, "fishermen?"]
    labelled = Classification("labelled", list("abab"), texts, np.array([0, 0, 0, -1]))
    documents = DocumentSimilarity("documents", texts[:3], np.eye(3))
    first, second = find_leakage([labelled, documents], corpus.training)
    assert first.leaked.tolist() == [False, True, True, False]
    leak = first.leaks[0]
    assert (leak.place, leak.exact, leak.near, leak.n, leak.unasked) == ("training text", 1, 1, 3, 0)
    assert (
        leak.examples[0]
        == f"{near} ~ the harbour froze in january, and nobody could leave the town by sea for many weeks."
    )
    assert leak.examples[1] == there
    assert second.leaked.tolist() == [True, True, True]
    assert (second.leaks[0].exact, second.leaks[0].near, second.leaks[0].n) == (2, 1, 3)
