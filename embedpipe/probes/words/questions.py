"""Pairs and analogies as rows of a table: which of them a vocabulary knows, and what its vectors answer."""

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Words
from embedpipe.probes.words.analogy_answers import answer_analogies
from embedpipe.probes.words.word_lookup import find_words
from embedpipe.tasks.shapes import Analogies, WordSimilarity
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["kinds_of", "known_questions", "right_answers", "searched"]

Questions = NDArray[np.int64]


def known_questions(
    task: WordSimilarity | Analogies, words: Words, restrict: int
) -> tuple[NDArray[np.bool_], Questions]:
    """Return which questions a vocabulary covers, bool of shape (n,), and the ids of their words, -1 for unknown ones.

    Parameters
    ----------
    task : pairs, or analogies, whose words must be among the `restrict` most frequent.
    words : the vocabulary and the vectors; a word is looked up as `find_words` does.
    restrict : how many words analogies search.
    """
    if isinstance(task, WordSimilarity):
        asked: list[tuple[str, ...]] = list(task.pairs)
        width, limit = 2, len(words.vocabulary)
    else:
        asked = [question for section in task.sections.values() for question in section]
        width, limit = 4, searched(words, restrict)
    ids = find_words(words, (word for question in asked for word in question)).reshape(-1, width)
    return np.all((ids >= 0) & (ids < limit), axis=1), ids


def searched(words: Words, restrict: int) -> int:
    """Return how many rows of a table analogies search: the specials and the `restrict` most frequent words."""
    return min(restrict + len(SPECIALS), len(words.vocabulary))


def right_answers(words: Words, questions: Questions, restrict: int) -> NDArray[np.bool_]:
    """Return which analogies 3CosAdd answers rightly, bool of shape (n,).

    Parameters
    ----------
    words : the vectors.
    questions : int64, shape (n, 4): rows among those that are `searched`.
    restrict : how many words are searched.
    """
    answers = answer_analogies(np.asarray(words.vectors[: searched(words, restrict)]), questions, multiply=False)
    right: NDArray[np.bool_] = answers["3CosAdd"] == questions[:, 3]
    return right


def kinds_of(task: Analogies) -> dict[str, NDArray[np.bool_]]:
    """Return the semantic and the syntactic questions, bool of shape (n,); none where all are of one kind.

    >>> kinds_of(Analogies("a", {"gram1": [("a", "b", "c", "d")], "capitals": [("e", "f", "g", "h")]}))["syntactic"]
    array([ True, False])
    """
    names = [name for name, questions in task.sections.items() for _ in questions]
    syntactic = np.array([name.startswith("gram") for name in names], dtype=np.bool_)
    return {"semantic": ~syntactic, "syntactic": syntactic} if syntactic.any() and not syntactic.all() else {}
