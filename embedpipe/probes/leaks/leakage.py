"""Which questions of a task were met in training: in the text of the bundle, or in the training part of the task.

Each score can then be given without them (``accuracy (unleaked)``): what was trained is the same, and the questions
that leaked are not asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from embedpipe.probes.comparison import Parts
from embedpipe.probes.findings import Leak
from embedpipe.probes.leaks.copies import SIMILARITY, CopyFinder
from embedpipe.probes.leaks.labelled_texts import LabelledTexts
from embedpipe.probes.leaks.questions import Flags, Questions, clip, leak_of, questions_of
from embedpipe.probes.leaks.training_part import TRAINING_PART, find_in_training_part
from embedpipe.probes.leaks.training_text import FoundTexts, TrainingText, find_in_training
from embedpipe.probes.leaks.word_rows import word_rows
from embedpipe.probes.rows import Row, is_whole, skipped
from embedpipe.tasks.shapes import Task

__all__ = [
    "LABELLED_DATA",
    "TRAINING_PART",
    "TRAINING_TEXT",
    "UNLEAKED",
    "TaskLeakage",
    "find_leakage",
    "leak_lines",
    "unleaked",
]

TRAINING_TEXT, LABELLED_DATA = "training text", "labelled data"
UNLEAKED = "unleaked"
"""The part of a task without the questions that leaked."""

_TRAINED = " (trained)"
_BLOCK_TEXTS = 50_000


@dataclass(frozen=True)
class TaskLeakage:
    """What leaked of one task.

    Parameters
    ----------
    leaks : what was found, one for each place that was searched.
    leaked : bool of shape (n_questions,), what leaked for the first figures of the task; for similarity they are
        zero-shot. None where nothing was looked for.
    trained : bool of the same shape, what leaked for figures of something that was trained on a part of the task.
    tested : bool of the same shape: the questions that are asked.
    zero_shot : whether nothing is trained for the first figures, so that no training part leaks into them.
    """

    leaks: tuple[Leak, ...] = ()
    leaked: Flags | None = None
    trained: Flags | None = None
    tested: Flags | None = None
    zero_shot: bool = False

    @property
    def parts(self) -> Parts:
        """The part without what leaked, for the first figures; nothing where nothing did."""
        return _part(self.leaked)

    @property
    def trained_parts(self) -> Parts:
        """The part without what leaked, for figures of something trained; nothing where nothing did."""
        return _part(self.trained)

    def completed(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows of the task, with what there is to say of those without what leaked.

        Their notes say what they are without, and no more of how the whole was measured. Where all questions leaked, a
        row for each figure says that there is no other.
        """
        notes = {row.metric: row.note for row in rows}
        found = [self._noted(row, notes) for row in rows]
        for task, metric in dict.fromkeys((row.task, row.metric) for row in rows if row.n):
            leaked = self._leaked(metric)
            if not is_whole(metric.removesuffix(_TRAINED)) or leaked is None or self.tested is None:
                continue
            if self.tested.any() and leaked[self.tested].all():
                reason = f"all of the {int(self.tested.sum()):,} questions leaked"
                found.append(skipped(task, unleaked(metric), reason))
        return found

    def _leaked(self, metric: str) -> Flags | None:
        return self.trained if metric.endswith(_TRAINED) else self.leaked

    def _noted(self, row: Row, notes: Mapping[str, str]) -> Row:
        whole = next((metric for metric in notes if unleaked(metric) == row.metric), None)
        leaked = None if whole is None else self._leaked(whole)
        if whole is None or leaked is None or self.tested is None or not row.n:
            return row
        untrained = self.zero_shot and not whole.endswith(_TRAINED)
        places = [leak.place for leak in self.leaks if leak.exact + leak.near]
        named = " and the ".join(place for place in places if not (untrained and place == TRAINING_PART))
        n, n_all = int((leaked & self.tested).sum()), int(self.tested.sum())
        own = [said for said in row.note.split("; ") if said not in notes[whole].split("; ")]
        return replace(
            row, note="; ".join([*own, f"without {n:,} of {n_all:,} questions that leaked from the {named}"])
        )


def _part(leaked: Flags | None) -> Parts:
    return {} if leaked is None or not leaked.any() else {UNLEAKED: ~leaked}


def unleaked(metric: str) -> str:
    """Return the name of a figure without what leaked.

    >>> unleaked("accuracy"), unleaked("spearman (trained)")
    ('accuracy (unleaked)', 'spearman (trained, unleaked)')
    """
    return f"{metric.removesuffix(')')}, {UNLEAKED})" if metric.endswith(")") else f"{metric} ({UNLEAKED})"


def find_leakage(
    tasks: Sequence[Task | Row],
    training: TrainingText | None,
    labelled: LabelledTexts | None = None,
    *,
    threshold: float = SIMILARITY,
    seed: int = 1,
) -> list[TaskLeakage]:
    """Return what leaked of each of `tasks`, in their order.

    A question leaks from the training text if one of its texts stands there: word for word, within a document, or
    nearly, sentence by sentence, in four fifths of its words. Words that are not in the vocabulary are all alike, so
    texts with fewer than five known words, or of which more than a third are unknown, are counted as `unasked`.

    A question leaks from the labelled data that the encoder learnt from if all its texts stand there, as whole texts or
    within longer ones.

    A question leaks from the training part of its task if a copy of it, exact or near, or a longer text that it stands
    in, is in another fold than it; a pair of texts leaks if both have copies that are a pair there, in either order.
    Where the probe of labelled texts makes its own folds, several times over, any other question is taken to be in
    another one; that of pairs with scores keeps those that share a text in one fold, and its folds are what is looked
    at. What leaks from the training part counts for figures of something trained, not for zero-shot ones. Tasks of
    words are not asked: words are meant to stand in the training text.

    Parameters
    ----------
    tasks : labelled data; a `Row` among them (a task that could not be made) has no leaks.
    training : what the bundle was trained on; None where it is not at hand, and each leak says so. It is read once,
        for all tasks together, a million tokens at a time.
    labelled : what else the encoder learnt from; None where there is nothing else.
    threshold : the Jaccard similarity of words and pairs of words from which texts are near-duplicates, in (0, 1].
    seed : that the tasks are measured with, for the folds that the probe of pairs makes.
    """
    asked = [None if isinstance(task, Row) else questions_of(task, seed) for task in tasks]
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
        trained = leaked
        if questions.folds is not None:
            leak, copied = find_in_training_part(questions, questions.folds, threshold)
            leaks.append(leak)
            trained = leaked | copied
        leaked = leaked if questions.zero_shot else trained
        start += len(questions.texts)
        leaked, trained, tested = (flags[: questions.n] for flags in (leaked, trained, questions.tested))
        result.append(TaskLeakage(tuple(leaks), leaked, trained, tested, questions.zero_shot))
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


def _in_training_text(
    questions: Questions, start: int, found: FoundTexts, training: TrainingText, threshold: float
) -> tuple[Leak, Flags]:
    """Return what leaked from the training text; the texts of the questions begin at `start` of those looked for."""
    texts = questions.members + start
    exact = found.exact[texts].any(axis=1) & questions.tested
    leaked = (found.exact | found.near)[texts].any(axis=1) & questions.tested
    unasked = int((~found.asked[texts].any(axis=1) & questions.tested).sum())

    def copy(question: int) -> str:
        places = found.sentence[texts[question]]
        return clip(training.sentence(int(places[places >= 0][0])))

    leak = leak_of(questions, TRAINING_TEXT, exact, leaked, copy, threshold=threshold, unasked=unasked)
    return leak, leaked


def _in_labelled_data(questions: Questions, labelled: LabelledTexts, threshold: float) -> tuple[Leak, Flags]:
    finder = CopyFinder(word_rows(questions.texts), threshold)
    copies = np.full((2, len(questions.texts)), -1)
    for start in range(0, len(labelled.texts), _BLOCK_TEXTS):
        matches = finder.find(word_rows(labelled.texts[start : start + _BLOCK_TEXTS]))
        for kind, wanted in enumerate((matches.exact, ~matches.exact)):
            copies[kind, matches.known[wanted]] = start + matches.other[wanted]
    found = np.where(copies[0] >= 0, copies[0], copies[1])
    exact, leaked = ((place[questions.members] >= 0).all(axis=1) & questions.tested for place in (copies[0], found))

    def copy(question: int) -> str:
        return " | ".join(clip(labelled.texts[i]) for i in found[questions.members[question]].tolist())

    missing = f"; not there any more: {', '.join(labelled.missing)}" if labelled.missing else ""
    return leak_of(questions, LABELLED_DATA, exact, leaked, copy, threshold=threshold, missing=missing), leaked


def _not_asked(task: str, reason: str) -> Leak:
    return Leak(task, TRAINING_TEXT, 0, 0, 0, note=f"not asked: {reason}")
