"""Corpora that this project writes itself, with known ground truth: planted analogies, synonyms and topics.

Each document keeps to one topic. The two words of an analogy pair share what is said about the pair (a river, a
throne) and each of them shares what is said about its side of the relation (a mayor, a beard), so that their
difference is the same for every pair. Two synonyms fill the same places in the same sentences by the toss of a coin.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from embedpipe.text.read_types import Document

__all__ = ["Grammar", "Side", "Topic", "ToyTruth", "toy_corpus", "toy_truth", "word_pairs"]

Language = Literal["en", "zh"]
_DOCUMENTS = 420
_PARAGRAPHS, _SENTENCES = (3, 5), (4, 7)
_TRIES = 20


@dataclass(frozen=True)
class Side:
    """One side of a relation: its sentences, in which ``{x}`` is the word of this side, and words of its own."""

    name: str
    sentences: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Topic:
    """What the documents of a topic are made of.

    Parameters
    ----------
    sentences : with ``{slot}`` where a word of `slots`, or of the pair that the document is about, goes.
    slots : the words of each slot; a slot that is named in the grammar's `synonyms` is filled by either word.
    pairs : for a topic about pairs: the words that belong to each pair, with one for the name of each side.
    sides : the two sides of the pairs.
    """

    sentences: tuple[str, ...]
    slots: Mapping[str, tuple[str, ...]]
    pairs: tuple[Mapping[str, str], ...] = ()
    sides: tuple[Side, ...] = ()


@dataclass(frozen=True)
class Grammar:
    """A toy language: its topics, its synonyms (by slot), and how words are joined and sentences closed."""

    topics: Mapping[str, Topic]
    synonyms: Mapping[str, tuple[str, str]]
    space: str


@dataclass(frozen=True)
class ToyTruth:
    """What is planted in a toy corpus, in lower case.

    Parameters
    ----------
    analogies : (a, b, c, d): a is to b as c is to d, all ordered pairs of pairs of each relation.
    synonyms : pairs of words that are used interchangeably.
    topics : the words that occur in documents of one topic only.
    """

    analogies: tuple[tuple[str, str, str, str], ...]
    synonyms: tuple[tuple[str, str], ...]
    topics: Mapping[str, tuple[str, ...]]


def word_pairs(names: str, *rows: str) -> tuple[Mapping[str, str], ...]:
    """Return the pairs of a `Topic`: for each row of words, the words by name.

    >>> word_pairs("male female thing", "king queen crown")
    ({'male': 'king', 'female': 'queen', 'thing': 'crown'},)
    """
    return tuple(dict(zip(names.split(), row.split(), strict=True)) for row in rows)


def toy_corpus(language: Language, *, seed: int = 0, n_documents: int = _DOCUMENTS) -> Iterator[Document]:
    """Yield the documents of a toy corpus; the same arguments give the same text on every machine.

    The origin of a document is ``builtin:toy-en: sea 12``: its topic, and its number. Topics take turns.

    Examples
    --------
    >>> documents = list(toy_corpus("en"))
    >>> len(documents), documents[2].origin
    (420, 'builtin:toy-en: kitchen 2')
    """
    grammar = _grammar(language)
    topics = list(grammar.topics)
    for number in range(n_documents):
        name = topics[number % len(topics)]
        # A generator of its own makes each document independent of how many there are.
        rng = random.Random(f"{seed} {language} {number}")
        yield Document(_document(grammar, grammar.topics[name], rng), f"builtin:toy-{language}: {name} {number}")


def toy_truth(language: Language) -> ToyTruth:
    """Return what is planted in `toy_corpus` of the same language.

    Examples
    --------
    >>> truth = toy_truth("en")
    >>> truth.analogies[0], truth.synonyms[0]
    (('france', 'paris', 'italy', 'rome'), ('cook', 'chef'))
    """
    grammar = _grammar(language)
    analogies = [
        tuple(pair[side.name].lower() for pair in (first, second) for side in topic.sides)
        for topic in grammar.topics.values()
        for first in topic.pairs
        for second in topic.pairs
        if first is not second
    ]
    words = {name: _words(grammar, topic) for name, topic in grammar.topics.items()}
    return ToyTruth(
        tuple((a, b, c, d) for a, b, c, d in analogies),
        tuple(grammar.synonyms.values()),
        {
            name: tuple(sorted(own.difference(*(other for key, other in words.items() if key != name))))
            for name, own in words.items()
        },
    )


@cache
def _grammar(language: Language) -> Grammar:
    if language == "en":
        from embedpipe.text.toy_english import ENGLISH

        return ENGLISH
    if language == "zh":
        from embedpipe.text.toy_chinese import CHINESE

        return CHINESE
    raise ValueError(f"there is a toy corpus in 'en' and in 'zh', none in '{language}'")


def _words(grammar: Grammar, topic: Topic) -> set[str]:
    slots = {word for values in topic.slots.values() for word in values}
    pairs = {word for pair in topic.pairs for word in pair.values()}
    said = " ".join(topic.sentences)
    synonyms = {word for slot, both in grammar.synonyms.items() if f"{{{slot}}}" in said for word in both}
    return {word.lower() for word in slots | pairs | synonyms}


def _document(grammar: Grammar, topic: Topic, rng: random.Random) -> str:
    # A document speaks of a part of its topic, so that neighbouring sentences share words.
    cast = {slot: rng.sample(words, max(2, len(words) * 2 // 3)) for slot, words in topic.slots.items()}
    cast |= {slot: list(both) for slot, both in grammar.synonyms.items()}
    pairs = rng.sample(topic.pairs, 2) if topic.pairs else []
    paragraphs, said = [], [""]
    for _ in range(rng.randint(*_PARAGRAPHS)):
        sentences = []
        for _ in range(rng.randint(*_SENTENCES)):
            tries = (_sentence(grammar, topic, cast, pairs, rng) for _ in range(_TRIES))
            sentences.append(next((sentence for sentence in tries if sentence not in said), said[-1]))
            said.append(sentences[-1])
        paragraphs.append(grammar.space.join(sentences))
    return "\n".join(paragraphs)


def _sentence(
    grammar: Grammar,
    topic: Topic,
    cast: Mapping[str, list[str]],
    pairs: list[Mapping[str, str]],
    rng: random.Random,
) -> str:
    words = {}
    template = rng.choice(topic.sentences)
    if pairs:
        pair, side = rng.choice(pairs), rng.choice(topic.sides)
        words = {**pair, **side.words, "x": pair[side.name]}
        template = rng.choice(side.sentences if rng.random() < 0.75 else topic.sentences)
    words |= {slot: rng.choice(values) for slot, values in cast.items()}
    sentence = template.format_map(words)
    if not grammar.space:
        return sentence.replace(" ", "")
    return sentence[0].upper() + sentence[1:]
