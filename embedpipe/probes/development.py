"""One figure between 0 and 1 for a table of word vectors, to choose settings by: on development data alone.

What is chosen by a figure looks better on it than it is. Tasks that are named here are therefore no proof afterwards,
and the test split of the corpus is never read. One part of the figure needs no labels (`next_sentence`), so that the
choice does not fit to a few hundred rated words, and so that there is a figure for every language.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import ConfigError, NotEnoughDataError
from embedpipe.probes.next_sentence import CANDIDATES, NextSentences, draw_next_sentences, reciprocal_rank
from embedpipe.probes.words.analogies import analogy_accuracy
from embedpipe.probes.words.word_similarity import word_similarity_rows
from embedpipe.tasks.builtin import find_task
from embedpipe.tasks.shapes import Analogies, Task, WordSimilarity
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.bag import Bag, sif_weights
from embedpipe.words.postprocess import unit_rows
from embedpipe.words.table import WordVectors

if TYPE_CHECKING:
    from embedpipe.text.prepared import PreparedText

__all__ = ["DEVELOPMENT_TASKS", "NEXT_SENTENCE", "Development", "development", "find_word_tasks"]

DEVELOPMENT_TASKS = ("wordsim353", "simlex999", "analogies")
"""The built-in sets that settings are chosen by where no others are named."""
NEXT_SENTENCE = "next sentence"
"""Name of the part that needs no labels."""

_MIN_QUESTIONS = 30
_MOST_QUESTIONS = 3_000
_BOOTSTRAP = 100
WordTask = WordSimilarity | Analogies


@dataclass(frozen=True, eq=False)
class Development:
    """What word vectors over one vocabulary are measured on while settings are chosen.

    Parameters
    ----------
    vocabulary : the id space.
    tasks : word pairs and analogies, with the questions that the vocabulary can answer.
    pairs : neighbouring sentences of the validation split; none where it is too short.
    left_out : why tasks that were named are not among `tasks`, a line for each.
    sif_a : smoothing of the weights of words in a sentence.
    seed : of what is drawn.
    """

    vocabulary: Vocabulary
    tasks: Sequence[WordTask]
    pairs: NextSentences
    left_out: tuple[str, ...]
    sif_a: float
    seed: int

    @property
    def described(self) -> str:
        """The figure in words."""
        names = [task.name for task in self.tasks]
        if len(self.pairs):
            among = min(CANDIDATES, len(self.pairs))
            names.append(f"{NEXT_SENTENCE} (reciprocal rank among {among}, validation split)")
        return f"the mean of {', '.join(names)}" if len(names) > 1 else names[0]

    def figures(self, vectors: NDArray[np.float32]) -> dict[str, float]:
        """Return one figure in [0, 1] for each task and the next sentence; what is below 0 or undefined is 0.

        Parameters
        ----------
        vectors : float32 array of shape (len(vocabulary), dim), as they would be published.
        """
        words = WordVectors(self.vocabulary, vectors)
        found = {task.name: _figure(task, words, self.seed) for task in self.tasks}
        if len(self.pairs):
            bag = Bag(unit_rows(vectors), sif_weights(self.vocabulary.probabilities, self.sif_a))
            found[NEXT_SENTENCE] = reciprocal_rank(bag, self.pairs)
        return {name: value if value > 0 else 0.0 for name, value in found.items()}


def find_word_tasks(names: Sequence[str]) -> list[WordTask]:
    """Return the tasks of these names or paths.

    Raises
    ------
    InputError
        If one cannot be found or read.
    ConfigError
        If one is neither word pairs nor analogies.
    """
    return [_of_words(find_task(name)) for name in names]


def development(
    text: "PreparedText", tasks: Sequence[WordTask], *, restrict: int, sif_a: float, seed: int
) -> Development:
    """Return what can be measured on a prepared text: the tasks it has words for, and its validation split.

    Parameters
    ----------
    text : the prepared text.
    tasks : word pairs and analogies. Of analogies, 3,000 are drawn.
    restrict : analogies are asked over so many of the most frequent words.
    sif_a : smoothing of the weights of words in a sentence.
    seed : of the draws.

    Raises
    ------
    NotEnoughDataError
        If no task has 30 questions in the vocabulary and the validation split has no 30 neighbouring sentences.
    """
    vocabulary = text.vocabulary
    kept, left_out = list[WordTask](), list[str]()
    for task in tasks:
        covered = _covered(task, vocabulary, restrict, seed)
        n = _size(covered)
        if n >= _MIN_QUESTIONS:
            kept.append(covered)
        else:
            left_out.append(f"{task.name}: {n} of its questions are in the vocabulary, {_MIN_QUESTIONS} are needed")
    pairs = draw_next_sentences(text.validation, seed=seed)
    if len(pairs) < _MIN_QUESTIONS:
        left_out.append(
            f"{NEXT_SENTENCE}: {len(pairs)} pairs of neighbours in the validation split, {_MIN_QUESTIONS} are needed"
        )
        pairs = NextSentences([], [])
    if not kept and not len(pairs):
        raise NotEnoughDataError("there is nothing to choose settings by: " + "; ".join(left_out))
    return Development(vocabulary, kept, pairs, tuple(left_out), sif_a, seed)


def _of_words(task: Task) -> WordTask:
    if not isinstance(task, WordSimilarity | Analogies):
        raise ConfigError(
            f"the task '{task.name}' is neither word pairs nor analogies: settings of words are chosen by files of "
            "'word_a word_b score' or of ': section' lines of four words"
        )
    return task


def _covered(task: WordTask, vocabulary: Vocabulary, restrict: int, seed: int) -> WordTask:
    if isinstance(task, WordSimilarity):
        inside = _known(task.pairs, vocabulary, len(vocabulary))
        pairs = [task.pairs[i] for i in np.flatnonzero(inside).tolist()]
        return WordSimilarity(task.name, pairs, task.scores[inside])
    questions = [question for section in task.sections.values() for question in section]
    inside = _known(questions, vocabulary, min(restrict + len(SPECIALS), len(vocabulary)))
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(inside))[:_MOST_QUESTIONS]
    return Analogies(task.name, {"all": [questions[i] for i in np.sort(drawn).tolist()]})


def _known(rows: Sequence[Sequence[str]], vocabulary: Vocabulary, limit: int) -> NDArray[np.bool_]:
    """Return which of the rows hold words of the `limit` first ids alone; each different word is looked up once."""
    found = {word: vocabulary.find(word) for word in {word for row in rows for word in row}}
    inside = {word for word, i in found.items() if i is not None and i < limit}
    return np.array([inside.issuperset(row) for row in rows], dtype=bool)


def _size(task: WordTask) -> int:
    return len(task.pairs) if isinstance(task, WordSimilarity) else len(task.sections["all"])


def _figure(task: WordTask, words: WordVectors, seed: int) -> float:
    if isinstance(task, WordSimilarity):
        return word_similarity_rows(task, words, bootstrap=_BOOTSTRAP, seed=seed)[0].value
    return analogy_accuracy(task, words, restrict=len(words.vocabulary))
