"""Maps keep planted clusters together, the same way each time; words and sentences are named and grouped."""

import numpy as np
import pytest

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.maps import maps_of
from embedpipe.probes.projection import project, sentence_map, word_map
from embedpipe.probes.vocabulary_facts import vocabulary_facts
from embedpipe.tasks.shapes import Classification
from embedpipe.text.vocabulary import Vocabulary
from embedpipe.words.table import WordVectors


def clusters(rng, n_each=20, dim=12):
    centres = 3 * np.eye(3, dim)
    return np.concatenate([centre + 0.3 * rng.normal(size=(n_each, dim)) for centre in centres]).astype(np.float32)


def test_planted_clusters_stay_together_and_the_seed_fixes_the_layout() -> None:
    rows = clusters(np.random.default_rng(0))
    places = project(rows, seed=1)
    assert places.shape == (60, 2)
    assert np.abs(places).max() == 1.0
    assert (places == places.round(3)).all()
    assert (places == project(rows, seed=1)).all()
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argsort(distances, axis=1)[:, :10] // 20
    assert (nearest == np.repeat([0, 1, 2], 20)[:, None]).mean() > 0.97


def test_words_are_in_five_bands_of_frequency_with_their_true_neighbours(planted) -> None:
    found = word_map(WordVectors(planted.vocabulary, planted.vectors), n=30, seed=1)
    assert "no map: 0 words" in found.note, "names with digits are not words"
    letters = {word: f"{word[:3]}{'abcdefghij'[int(word[3])]}" for word in planted.vocabulary.tokens[4:]}
    counts = {
        letters[word]: int(n)
        for word, n in zip(planted.vocabulary.tokens[4:], planted.vocabulary.counts[4:], strict=True)
    }
    words = WordVectors(Vocabulary.from_counts(counts), planted.vectors)
    found = word_map(words, n=30, seed=1)
    assert found.groups[0] == "100 to 95 times"
    assert np.bincount(found.group).tolist() == [6] * 5
    for i, text in enumerate(found.texts):
        truth = [near.word for near in words.similar([text], k=8)]
        assert [found.texts[j] for j in found.nearest[i]] == truth
    assert found.cosines[0][0] == round(words.similar([found.texts[0]], k=1)[0].similarity, 2)
    assert len(word_map(words, n=12, seed=1).texts) == 12


def test_the_most_frequent_words_are_left_out_where_enough_remain() -> None:
    names = [a + b for a in "abcdefghijklm" for b in "abcdefghij"]
    vocabulary = Vocabulary.from_counts({name: 1000 - i for i, name in enumerate(names)})
    vectors = np.random.default_rng(0).normal(size=(len(vocabulary), 5)).astype(np.float32)
    found = word_map(WordVectors(vocabulary, vectors), n=20, seed=1)
    assert found.texts[0] == names[100]
    assert "the 100 most frequent left out" in found.note
    vectors[104 + np.arange(5)] = 0
    assert word_map(WordVectors(vocabulary, vectors), n=20, seed=1).texts[0] == names[100 + 5]


class Settings:
    map_words = 30
    map_sentences = 48


def test_sentences_are_named_by_what_their_documents_are_about(planted) -> None:
    rng = np.random.default_rng(0)
    texts = [planted.sentence(rng, topic) for topic in ("sea", "war") for _ in range(8)]
    texts.append("nothing known")
    labels = ["document 1"] * 8 + ["document 2"] * 9

    def documents(n, each):
        assert (n, each) == (12, 4)
        return Classification("documents", labels, texts, None, "2 documents")

    word, sentences = maps_of(planted.subject(), documents, Settings(), seed=1)
    assert word.texts == ()
    assert len(sentences.texts) == 16, "a sentence without a vector is left out"
    assert [name.split(": ")[0] for name in sentences.groups] == ["document 1", "document 2"]
    assert all(topic.startswith("sea") for topic in sentences.groups[0].split(": ")[1].split(", "))
    assert all(sentences.group[j] == sentences.group[i] for i in range(16) for j in sentences.nearest[i])
    assert "2 documents, by the encoder" in sentences.note


def test_a_map_that_cannot_be_made_says_why(planted) -> None:
    def documents(n, each):
        raise NotEnoughDataError("the prepared text is not at hand")

    maps = maps_of(planted.subject(), documents, Settings(), seed=1)
    assert [one.note for one in maps][1] == "no map: the prepared text is not at hand"
    few = sentence_map(planted.subject().encoder, ["sea1 sea2"], ["d"], note="", seed=1)
    assert few.note == "no map: 1 sentences have a vector, 10 are needed"


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.3])
def test_the_exponent_of_planted_words_is_found(exponent: float) -> None:
    counts = {f"w{rank}": max(1, round(1e7 * rank**-exponent)) for rank in range(1, 2001)}
    facts = vocabulary_facts(Vocabulary.from_counts(counts))
    assert facts.exponent == pytest.approx(exponent, abs=2e-3)
    assert facts.ranks[0] == 1
    assert facts.ranks[-1] == 2000
    assert facts.counts[-1] == min(counts.values())


def test_words_outside_the_vocabulary_are_part_of_the_text_that_is_covered() -> None:
    facts = vocabulary_facts(Vocabulary.from_counts({"a": 50, "b": 30, "c": 1, "d": 19}, min_count=2))
    assert facts.covered == (0.99,)
    assert vocabulary_facts(Vocabulary(["<pad>", "<unk>", "<bos>", "<eos>", "a", "b"], [0] * 6)) is None
