"""Which questions of a task were met in training: in the text of the bundle, or in the training part of the task.

Each score can then be given without them (``accuracy (unleaked)``): what was trained is the same, and the questions
that leaked are not asked.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.comparison import Parts
from embedpipe.probes.findings import Leak
from embedpipe.probes.leaks.copies import SIMILARITY, CopyFinder, Matches, number_groups, pair_numbers
from embedpipe.probes.leaks.labelled_texts import LabelledTexts
from embedpipe.probes.leaks.training_text import FoundTexts, TrainingText, find_in_training
from embedpipe.probes.leaks.word_rows import word_rows
from embedpipe.probes.rows import Row, is_whole, skipped
from embedpipe.tasks.shapes import Classification, DocumentSimilarity, Inference, SentenceSimilarity, Task

__all__ = ["LABELLED_DATA", "TRAINING_PART", "TRAINING_TEXT", "UNLEAKED", "TaskLeakage", "find_leakage", "leak_lines"]

TRAINING_TEXT, TRAINING_PART, LABELLED_DATA = "training text", "training part", "labelled data"
UNLEAKED = "unleaked"
"""The part of a task without the questions that leaked."""

_EXAMPLES = 5
_EXAMPLE_CHARACTERS = 160
_BLOCK_TEXTS = 50_000
_NO_FOLD = 1 << 40

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class TaskLeakage:
    """What leaked of one task.

    Parameters
    ----------
    leaks : what was found, one for each place that was searched.
    leaked : bool of shape (n_questions,), in any of the places; None where nothing was looked for.
    tested : bool of the same shape: the questions that are asked.
    """

    leaks: tuple[Leak, ...] = ()
    leaked: Flags | None = None
    tested: Flags | None = None

    @property
    def parts(self) -> Parts:
        """The part without what leaked; nothing where nothing did."""
        if self.leaked is None or not self.leaked.any():
            return {}
        return {UNLEAKED: ~self.leaked}

    def rows_of_nothing(self, rows: Sequence[Row]) -> list[Row]:
        """Return a row that says so for each metric of `rows` if all questions leaked, else nothing."""
        if self.leaked is None or self.tested is None or not self.tested.any() or not self.leaked[self.tested].all():
            return []
        metrics = dict.fromkeys((row.task, row.metric) for row in rows if is_whole(row.metric) and row.n)
        reason = f"all of the {int(self.tested.sum()):,} questions leaked"
        return [skipped(task, f"{metric} ({UNLEAKED})", reason) for task, metric in metrics]


@dataclass(frozen=True, eq=False)
class _Questions:
    """The texts of a task, the numbers of those of each question (n_questions, 1 or 2), and who is trained on whom.

    `folds` is None where nothing is trained; questions of one fold are tested together, those of fold -1 never.
    """

    name: str
    texts: Sequence[str]
    members: NDArray[np.int64]
    folds: NDArray[np.int64] | None

    @property
    def tested(self) -> Flags:
        return np.ones(len(self.members), dtype=np.bool_) if self.folds is None else self.folds >= 0

    def show(self, question: int) -> str:
        return " | ".join(_clip(self.texts[i]) for i in self.members[question].tolist())


def find_leakage(
    tasks: Sequence[Task | Row],
    training: TrainingText | None,
    labelled: LabelledTexts | None = None,
    *,
    threshold: float = SIMILARITY,
) -> list[TaskLeakage]:
    """Return what leaked of each of `tasks`, in their order.

    A question leaks from the training text if one of its texts stands there: word for word, within a document, or
    nearly, sentence by sentence, in four fifths of its words. Words that are not in the vocabulary are all alike, so
    texts with fewer than five known words, or of which more than a third are unknown, are counted as `unasked`.

    A question leaks from the labelled data that the encoder learnt from if all its texts stand there, as whole texts or
    within longer ones.

    A question leaks from the training part of its task if a copy of it, exact or near, or a longer text that it stands
    in, is in another fold than it; a pair of texts leaks if both have copies that are a pair there, in either order.
    Where the probe makes its own folds, any other question is taken to be in another one. Tasks of words are not asked:
    words are meant to stand in the training text.

    Parameters
    ----------
    tasks : labelled data; a `Row` among them (a task that could not be made) has no leaks.
    training : what the bundle was trained on; None where it is not at hand, and each leak says so. It is read once,
        for all tasks together, a million tokens at a time.
    labelled : what else the encoder learnt from; None where there is nothing else.
    threshold : the Jaccard similarity of words and pairs of words from which texts are near-duplicates, in (0, 1].
    """
    asked = [None if isinstance(task, Row) else _questions(task) for task in tasks]
    present = [questions for questions in asked if questions is not None]
    found = None
    if training is not None and present:
        found = find_in_training([text for questions in present for text in questions.texts], training, threshold)
    result, start = [], 0
    for task, questions in zip(tasks, asked, strict=True):
        if isinstance(task, Row):
            result.append(TaskLeakage())
            continue
        if questions is None:
            result.append(TaskLeakage((_not_asked(task.name, "words are meant to stand in the training text"),)))
            continue
        leaks, leaked = [], np.zeros(len(questions.members), dtype=np.bool_)
        if found is None or training is None:
            leaks.append(_not_asked(task.name, "the training text is not at hand"))
        else:
            leak, leaked = _in_training_text(questions, start, found, training, threshold)
            leaks.append(leak)
        if labelled is not None:
            leak, learnt = _in_labelled_data(questions, labelled, threshold)
            leaks.append(leak)
            leaked = leaked | learnt
        if questions.folds is not None:
            leak, copied = _in_training_part(questions, questions.folds, threshold)
            leaks.append(leak)
            leaked = leaked | copied
        start += len(questions.texts)
        result.append(TaskLeakage(tuple(leaks), leaked, questions.tested))
    return result


def leak_lines(leaks: Sequence[Leak]) -> list[str]:
    """Return what was found in lines to read: tasks where nothing leaked, or that were not asked, share one.

    Examples
    --------
    >>> found = Leak("trec", "training part", 11, 2, 500, ("What is leukemia ?",))
    >>> for line in leak_lines([found, Leak("sst", "training text", 0, 0, 900, unasked=40)]):
    ...     print(line)
    trec: 13 of 500 questions leaked from the training part (11 exactly, 2 nearly), e.g. What is leukemia ?
    nothing leaked from the training text: sst (0 of 900, 40 too short or unknown to tell)
    """
    lines: list[str] = []
    clean: dict[str, list[str]] = {}
    not_asked: dict[str, list[str]] = {}
    for leak in leaks:
        unasked = f"{leak.unasked:,} too short or unknown to tell"
        if leak.exact + leak.near:
            how = f"{leak.exact:,} exactly, {leak.near:,} nearly" + (f", {unasked}" if leak.unasked else "")
            line = (
                f"{leak.task}: {leak.exact + leak.near:,} of {leak.n:,} questions leaked from the {leak.place} ({how})"
            )
            lines.append(line + "".join(f", e.g. {example}" for example in leak.examples[:1]))
        elif leak.n:
            figure = f"{leak.task} (0 of {leak.n:,}" + (f", {unasked})" if leak.unasked else ")")
            clean.setdefault(f"nothing leaked from the {leak.place}", []).append(figure)
        else:
            not_asked.setdefault(f"leaks from the {leak.place} {leak.note}", []).append(leak.task)
    return lines + [f"{what}: {', '.join(tasks)}" for what, tasks in (clean | not_asked).items()]


def _questions(task: Task) -> _Questions | None:
    if isinstance(task, Classification):
        n = len(task.texts)
        folds = np.arange(n) if task.folds is None else task.folds
        return _Questions(task.name, task.texts, np.arange(n)[:, None], folds)
    if isinstance(task, Inference | SentenceSimilarity):
        n = len(task.texts_a)
        members = np.stack([np.arange(n), np.arange(n) + n], axis=1)
        return _Questions(task.name, [*task.texts_a, *task.texts_b], members, np.arange(n))
    if isinstance(task, DocumentSimilarity):
        pairs = np.stack(np.triu_indices(len(task.texts), 1), axis=1)
        return _Questions(task.name, task.texts, pairs, None)
    return None


def _in_training_text(
    questions: _Questions, start: int, found: FoundTexts, training: TrainingText, threshold: float
) -> tuple[Leak, Flags]:
    """Return what leaked from the training text; the texts of the questions begin at `start` of those looked for."""
    texts = questions.members + start
    exact = found.exact[texts].any(axis=1) & questions.tested
    leaked = (found.exact | found.near)[texts].any(axis=1) & questions.tested
    unasked = int((~found.asked[texts].any(axis=1) & questions.tested).sum())

    def copy(question: int) -> str:
        places = found.sentence[texts[question]]
        return _clip(training.sentence(int(places[places >= 0][0])))

    examples = _examples(questions, exact, leaked, copy)
    return _leak(questions, TRAINING_TEXT, exact, leaked, examples, unasked, threshold), leaked


def _in_labelled_data(questions: _Questions, labelled: LabelledTexts, threshold: float) -> tuple[Leak, Flags]:
    finder = CopyFinder(word_rows(questions.texts), threshold)
    copies = np.full((2, len(questions.texts)), -1)
    for start in range(0, len(labelled.texts), _BLOCK_TEXTS):
        matches = finder.find(word_rows(labelled.texts[start : start + _BLOCK_TEXTS]))
        for kind, wanted in enumerate((matches.exact, ~matches.exact)):
            copies[kind, matches.known[wanted]] = start + matches.other[wanted]
    found = np.where(copies[0] >= 0, copies[0], copies[1])
    exact, leaked = ((place[questions.members] >= 0).all(axis=1) & questions.tested for place in (copies[0], found))

    def copy(question: int) -> str:
        return " | ".join(_clip(labelled.texts[i]) for i in found[questions.members[question]].tolist())

    examples = _examples(questions, exact, leaked, copy)
    missing = f"; not there any more: {', '.join(labelled.missing)}" if labelled.missing else ""
    return _leak(questions, LABELLED_DATA, exact, leaked, examples, 0, threshold, missing), leaked


def _in_training_part(questions: _Questions, folds: NDArray[np.int64], threshold: float) -> tuple[Leak, Flags]:
    rows = word_rows(questions.texts)
    _, first, number = np.unique(rows.digests(), return_index=True, return_inverse=True)
    distinct = rows.take(first)
    matches = _both_ways(CopyFinder(distinct, threshold).find(distinct))
    texts = number[questions.members]
    asked = questions.tested & (rows.sizes[questions.members] > 0).all(axis=1)
    same = alike = _Kinds(texts[:, 0], matches.known, matches.other)
    if texts.shape[1] == 1:
        same = _Kinds(texts[:, 0], matches.known[matches.exact], matches.other[matches.exact])
    else:
        # A text within a much longer one is not what the longer one is.
        near = distinct.sizes[matches.known] >= threshold * distinct.sizes[matches.other]
        groups = number_groups(len(distinct), matches.known[near], matches.other[near])
        same, alike = _Kinds.of_pairs(texts), _Kinds.of_pairs(groups[texts])
    exact, leaked = (kinds.in_another_fold(folds) & asked for kinds in (same, alike))
    leaked |= exact

    def copy(question: int) -> str:
        return questions.show(int(np.flatnonzero(alike.copies(question) & (folds != folds[question]))[0]))

    examples = _examples(questions, exact, leaked, copy)
    return _leak(questions, TRAINING_PART, exact, leaked, examples, 0, threshold), leaked


def _both_ways(matches: Matches) -> Matches:
    """Return matches of texts among themselves, with each near one in the other direction too."""
    near = ~matches.exact
    return Matches(
        np.concatenate([matches.known, matches.other[near]]),
        np.concatenate([matches.other, matches.known[near]]),
        np.concatenate([matches.exact, matches.exact[near]]),
    )


@dataclass(frozen=True, eq=False)
class _Kinds:
    """The kind of each question, and which kinds (`known`) have copies in which others, or in the same."""

    of: NDArray[np.int64]
    known: NDArray[np.int64]
    other: NDArray[np.int64]

    @classmethod
    def of_pairs(cls, texts: NDArray[np.int64]) -> "_Kinds":
        """Pairs of the same two texts, in any order, are of one kind, and copies of those of their kind alone."""
        ordered = np.sort(texts, axis=1)
        keys = pair_numbers(ordered[:, 0], ordered[:, 1], int(texts.max(initial=0)) + 1)
        kind = np.unique(keys, return_inverse=True)[1]
        every = np.arange(len(keys))
        return cls(kind, every, every)

    def in_another_fold(self, folds: NDArray[np.int64]) -> Flags:
        """Return which questions have a copy in another fold: in a lower one, or in a higher one."""
        n = 1 + max(int(numbers.max(initial=0)) for numbers in (self.of, self.known, self.other))
        low, high = np.full(n, _NO_FOLD), np.full(n, -_NO_FOLD)
        np.minimum.at(low, self.of, folds)
        np.maximum.at(high, self.of, folds)
        lowest, highest = np.full(n, _NO_FOLD), np.full(n, -_NO_FOLD)
        np.minimum.at(lowest, self.known, low[self.other])
        np.maximum.at(highest, self.known, high[self.other])
        flags: Flags = (lowest[self.of] < folds) | (highest[self.of] > folds)
        return flags

    def copies(self, question: int) -> Flags:
        """Return which questions are copies of one."""
        return np.isin(self.of, self.other[self.known == self.of[question]])


def _examples(questions: _Questions, exact: Flags, leaked: Flags, copy: Callable[[int], str]) -> tuple[str, ...]:
    """Return some of the questions that leaked: first near ones, each beside its copy, for they are to be judged."""
    near = np.flatnonzero(leaked & ~exact)[:_EXAMPLES].tolist()
    same = np.flatnonzero(exact)[: _EXAMPLES - len(near)].tolist()
    return (*(f"{questions.show(i)} ~ {copy(i)}" for i in near), *map(questions.show, same))


def _leak(
    questions: _Questions,
    place: str,
    exact: Flags,
    leaked: Flags,
    examples: tuple[str, ...],
    unasked: int,
    threshold: float,
    missing: str = "",
) -> Leak:
    n_exact, n = int(exact.sum()), int(questions.tested.sum())
    how = f"near: similarity {threshold:g} or more{missing}"
    return Leak(questions.name, place, n_exact, int(leaked.sum()) - n_exact, n, examples, unasked, how)


def _not_asked(task: str, reason: str) -> Leak:
    return Leak(task, TRAINING_TEXT, 0, 0, 0, note=f"not asked: {reason}")


def _clip(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _EXAMPLE_CHARACTERS else flat[: _EXAMPLE_CHARACTERS - 1] + "…"
