"""Which spaces of a bundle are looked at, and what is said where one cannot be."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from embedpipe.config import ProbesConfig
from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.baselines import Subject
from embedpipe.probes.findings import Findings, read_findings, write_findings
from embedpipe.probes.run import probe_bundle
from embedpipe.probes.spaces.geometry import MEANING
from embedpipe.probes.spaces.spaces import bundle_geometry, geometry_rows, sentence_geometry, word_geometry
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import EOS, Vocabulary
from embedpipe.words.bag import BagEncoder, fit_bag, plain_average
from embedpipe.words.lookup import Lookup
from embedpipe.words.table import WordVectors


@dataclass
class Bundle:
    """Some parts of a bundle."""

    codec: object
    words: object = None
    bag: object = None
    parts: tuple = ("words.safetensors",)

    @property
    def lookup(self):
        return Lookup(self.words)


@dataclass
class Text:
    """Two splits."""

    train: TokenStore
    test: TokenStore
    validation: TokenStore
    test_text: Path
    validation_text: Path
    report: dict = field(default_factory=lambda: {"units": "documents"})


def split(path, sentences):
    path.mkdir()
    ends = np.cumsum([0, *(len(sentence) + 1 for sentence, _ in sentences)])
    tokens = [i for sentence, _ in sentences for i in (*sentence, EOS)]
    np.save(path / "tokens.npy", np.array(tokens, dtype=np.uint32))
    np.save(path / "sentences.npy", ends.astype(np.uint64))
    np.save(path / "documents.npy", np.array([0, len(sentences)], dtype=np.uint64))
    (path / "text.txt").write_text("".join(f"{line}\n" for _, line in sentences))
    return TokenStore(path), path / "text.txt"


def text_of(planted, folder, n_test, n_validation):
    rng = np.random.default_rng(0)
    found = {}
    for name, n in (("test", n_test), ("validation", n_validation)):
        lines = [f"{name} {planted.sentence(rng, topic, 6)}" for topic in ("sea", "war", "law") for _ in range(n // 3)]
        lines += [f"{name} sea0 sea1 unheard"] * 50  # of too few known words
        found[name] = split(folder / name, [(planted.codec.encode(line).tolist(), line) for line in lines])
    return Text(
        found["validation"][0], found["test"][0], found["validation"][0], found["test"][1], found["validation"][1]
    )


class Heard:
    """Keeps the texts that it is given."""

    def __init__(self, encoder):
        self.encoder, self.texts = encoder, []

    def encode(self, texts):
        self.texts = list(texts)
        return self.encoder.encode(texts)


def cloud(n, dim, seed=0, shift=0.0):
    vocabulary = Vocabulary.from_counts({f"w{i}": n + 1 - i for i in range(n)})
    rows = np.random.default_rng(seed).standard_normal((n + 4, dim), dtype=np.float32) + np.float32(shift)
    rows[:4] = 0
    return WordVectors(vocabulary, rows, stability=np.linspace(0, 1, n + 4, dtype=np.float32))


def test_the_same_words_are_looked_at_before_and_after_and_beside_chance():
    words = cloud(300, 6)
    words.vectors[10] = 0
    before = words.vectors + np.float32(2)
    before[:4], before[20] = 0, 0
    found = word_geometry(words, {"words, as trained": before}, seed=1)
    assert list(found) == ["words", "words, as trained", "words, random vectors"]
    assert [facts["vectors"] for facts in found.values()] == [298, 298, 298]
    # Three quarters of a vector's squared length are the shift: 6 * 4 of 6 * 4 + 6.
    assert found["words, as trained"]["mean cosine"] == pytest.approx(0.8, abs=0.03)
    assert found["words"]["mean cosine"] == pytest.approx(0, abs=0.01)
    assert found["words, random vectors"]["mean cosine"] == pytest.approx(0, abs=0.01)
    assert found["words, as trained"]["IsoScore"] == pytest.approx(found["words"]["IsoScore"], abs=1e-3)
    kept = np.delete(words.stability[4:], [6, 16])
    assert found["words"]["neighbour stability"] == pytest.approx(kept.mean(), rel=1e-5)
    assert found["words"]["neighbour stability in text"] < found["words"]["neighbour stability"]
    assert found["words"]["unstable words"] == pytest.approx((kept < 0.3).mean())
    assert "neighbour stability" not in found["words, as trained"]
    assert word_geometry(words, {"words, as trained": before}, seed=1) == found


def test_held_out_sentences_under_the_encoder_and_beside_it(planted, tmp_path):
    text = text_of(planted, tmp_path, 90, 30)
    heard = Heard(BagEncoder(planted.codec, plain_average(planted.vectors)))
    sif = BagEncoder(planted.codec, fit_bag(planted.vectors, planted.vocabulary.probabilities))
    found = sentence_geometry(planted.subject(encoder=heard, sif=sif), text, " ".join, seed=1)
    assert list(found) == ["sentences", "sentences, SIF average", "sentences, random vectors"]
    assert len(set(heard.texts)) == len(heard.texts) == found["sentences"]["vectors"] == 90
    assert all(line.startswith("test ") and "unheard" not in line for line in heard.texts)
    # Within a topic cosines are near 1, between topics near 0, and three topics are equally large.
    assert found["sentences"]["mean cosine"] == pytest.approx(29 / 89, abs=0.12)
    assert found["sentences"]["dimensions used"] == pytest.approx(2, abs=0.5)
    assert found["sentences, SIF average"]["mean cosine"] < found["sentences"]["mean cosine"]


def test_validation_is_turned_to_where_the_test_split_is_too_small(planted, tmp_path):
    text = text_of(planted, tmp_path, 9, 30)
    heard = Heard(BagEncoder(planted.codec, plain_average(planted.vectors)))
    sentence_geometry(planted.subject(encoder=heard), text, " ".join, seed=1)
    assert all(line.startswith("validation ") for line in heard.texts)
    (tmp_path / "small").mkdir()
    small = text_of(planted, tmp_path / "small", 9, 9)
    with pytest.raises(NotEnoughDataError, match="has 9 different sentences of 5 known words at least, 20 are needed"):
        sentence_geometry(planted.subject(), small, " ".join, seed=1)


def test_what_cannot_be_looked_at_is_said(planted):
    found, rows = bundle_geometry(Bundle(planted.codec), Subject(codec=planted.codec), None, seed=1)
    assert (found, rows[0].note) == ({}, "skipped: the bundle has no word vectors")

    class Tokenizing(type(planted.codec)):
        tokenizer = type("Tokenizer", (), {"detokenize": staticmethod(" ".join)})

    codec = Tokenizing(planted.vocabulary)
    bundle = Bundle(codec, planted.subject().words)
    found, rows = bundle_geometry(bundle, planted.subject(), None, seed=1)
    assert list(found) == ["words", "words, random vectors"]
    assert (rows[0].task, rows[0].note) == ("geometry of sentences", "skipped: the prepared text is not at hand")


def test_a_probe_finds_associations_and_geometry_and_writes_them(planted, tmp_path):
    own = tmp_path / "own.tsv"
    sets = {"target_a": "sea0 sea1", "target_b": "war0 war1", "attribute_a": "sea8 sea9", "attribute_b": "war8 war9"}
    own.write_text("set\tword\n" + "".join(f"{name}\t{word}\n" for name, of in sets.items() for word in of.split()))

    class Tokenizing(type(planted.codec)):
        tokenizer = type("Tokenizer", (), {"detokenize": staticmethod(" ".join)})

    bag = fit_bag(planted.vectors, planted.vocabulary.probabilities)
    bundle = Bundle(Tokenizing(planted.vocabulary), planted.subject().words, bag)
    config = ProbesConfig(tasks=("weat", str(own), "geometry"), bootstrap=100)
    found = probe_bundle(bundle, text_of(planted, tmp_path, 60, 30), config, seed=1)
    assert found.rows == []
    assert [one.name for one in found.associations][-2:] == ["WEAT 10", "own"]
    assert found.associations[-1].p_value == pytest.approx(1 / 6)
    assert list(found.geometry) == [
        "words",
        "words, random vectors",
        "sentences, SIF average",
        "sentences, random vectors",
    ]
    write_findings(tmp_path / "probes.json", found)
    again = read_findings(tmp_path / "probes.json")
    assert again.as_dict() == found.as_dict()
    assert again.geometry["words"]["IsoScore"] == found.geometry["words"]["IsoScore"]
    assert set(again.geometry["words"]) <= set(MEANING)
    nothing = probe_bundle(Bundle(planted.codec, parts=()), None, config, seed=1)
    assert [row.note for row in nothing.rows] == ["skipped: the bundle has no word vectors"] * 3


def test_rows_stand_beside_the_same_fact_elsewhere():
    facts = {"vectors": 300.0, "mean cosine": 0.2, "mean cosine, low": 0.1, "mean cosine, high": 0.3,
             "vectors of the neighbour search": 100.0, "hubness": 2.0, "unstable words": 0.4}  # fmt: skip
    other = {**facts, "mean cosine": 0.0}
    del other["unstable words"]
    rows = geometry_rows(
        {"words": facts, "words, as trained": other, "words, random vectors": other, "sentences": other}
    )
    assert [(row.metric, row.value, row.n, row.baseline, row.baseline_value) for row in rows[:4]] == [
        ("mean cosine (words)", 0.2, 300, "as trained", 0.0),
        ("mean cosine (words)", 0.2, 300, "random vectors", 0.0),
        ("hubness (words)", 2.0, 100, "as trained", 2.0),
        ("hubness (words)", 2.0, 100, "random vectors", 2.0),
    ]
    assert (rows[0].low, rows[0].high) == (0.1, 0.3)
    assert (rows[4].metric, rows[4].baseline) == ("unstable words (words)", None)
    assert [(row.metric, row.baseline) for row in rows[5:]] == [
        ("mean cosine (sentences)", None),
        ("hubness (sentences)", None),
    ]
    assert rows[0].note.startswith("of all pairs")
    assert rows[5].note == ""
    assert geometry_rows(Findings().geometry) == []
