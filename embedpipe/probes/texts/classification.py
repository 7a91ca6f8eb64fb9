"""Logistic regression on frozen sentence vectors: what can be read off them, beside much simpler features.

Folds are drawn anew for each of several seeds, and the strength of regularisation is chosen inside each training part
(nested cross-validation), so that no text decides about the classifier that it is tested by. Where a task brings three
folds or more, which keep together what belongs together, three fits choose it for all folds by what they say of the
other ones (`logistic.strengths_of_folds`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Subject, token_coverage
from embedpipe.probes.comparison import Parts, accuracy_rows
from embedpipe.probes.rows import Row, skipped
from embedpipe.probes.texts.features import FeaturesOfSplit, dense, pair_features, tfidf, tfidf_of_pairs
from embedpipe.probes.texts.logistic import one_thread, predict, stratified_folds, strengths_of_folds
from embedpipe.probes.texts.macro_f1 import macro_f1_rows
from embedpipe.probes.texts.similarity import NO_ENCODER
from embedpipe.tasks.shapes import Classification, Inference

__all__ = ["GRID", "GRID_SPARSE", "classification_rows", "inference_rows", "right_shares", "why_not"]

GRID = (1e-4, 1e-3, 1e-2, 0.1, 1.0)
"""Strengths C that are tried on standardised vectors."""
GRID_SPARSE = (1.0, 10.0, 100.0)
"""Strengths C that are tried on tf-idf weights."""
_IMBALANCED = 2 / 3
_ENOUGH = 3
_HOW = "logistic regression, C by 3-fold cross-validation inside the training part"
_HOW_GIVEN = "logistic regression, C for each fold by 3-fold cross-validation of the others"


@dataclass(frozen=True)
class _Question:
    """What is asked: `labels` int64 of shape (n,), whose names are `names`; `folds` int64 of shape (n_seeds, n)."""

    task: str
    labels: NDArray[np.int64]
    names: NDArray[np.str_]
    folds: NDArray[np.int64]
    given: bool

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Which of the texts are tested: the same ones for each seed."""
        return np.asarray(self.folds[0] >= 0)

    @property
    def single(self) -> bool:
        """Whether there is one training and one test part."""
        return len(np.unique(self.folds[0][self.tested])) == 1

    @property
    def shared(self) -> bool:
        """Whether C is chosen on the given folds: where they are enough, so that what is of one fold stays together."""
        return self.given and len(np.unique(self.folds[0][self.tested])) >= _ENOUGH


def classification_rows(
    task: Classification,
    subject: Subject,
    *,
    seed: int,
    parts: Parts | None = None,
    n_folds: int = 5,
    n_seeds: int = 3,
    bootstrap: int = 1_000,
) -> list[Row]:
    """Return the accuracy of logistic regression on the frozen vectors of the texts.

    Features are standardised on the training part. Baselines, all on the same folds: majority (the commonest label of
    the training part, or of all texts where that is right more often: folds by document can leave each label out of the
    training part in which it is asked for most), tf-idf + logistic regression, the SIF average, the plain average, a
    random encoder, random vectors, and what the user named. Where more than two thirds of the tested texts have one
    label, macro-F1 is measured too.

    Parameters
    ----------
    task : texts and labels. Where it brings folds of its own, those are taken, once.
    subject : what is probed.
    seed : of folds and resamples.
    parts : texts that get rows of their own, bool of shape (n_texts,) by name.
    n_folds : stratified folds for a task without its own.
    n_seeds : how often they are drawn anew; the figure is the mean, `Row.spread` the standard deviation.
    bootstrap : resamples of the texts for intervals.
    """
    encoders = subject.encoders()
    reason = why_not(task, bool(encoders), n_folds)
    if reason:
        return [skipped(task.name, "accuracy", reason)]
    question, texts = _question(task, n_folds, n_seeds, seed), list(task.texts)
    systems = {name: dense(encoder.encode(texts)) for name, encoder in encoders.items()}
    sparse = {"tf-idf": tfidf([subject.tokenize(text) for text in texts])} if subject.baselines else {}
    coverage = token_coverage(subject.codec, texts)
    return _rows(question, systems, sparse, coverage, task.note, seed, parts, bootstrap)


def inference_rows(
    task: Inference,
    subject: Subject,
    *,
    seed: int,
    parts: Parts | None = None,
    n_folds: int = 5,
    n_seeds: int = 3,
    bootstrap: int = 1_000,
) -> list[Row]:
    """Return the accuracy of logistic regression on ``[u, v, |u - v|, u * v]`` (Conneau et al., 2017).

    Beside the baselines of `classification_rows`, whose parameters these are, stands tf-idf of the second text alone:
    what its wording gives away without the first (Gururangan et al., 2018).
    """
    encoders = subject.encoders()
    reason = why_not(task, bool(encoders), n_folds)
    if reason:
        return [skipped(task.name, "accuracy", reason)]
    question, n, texts = _question(task, n_folds, n_seeds, seed), len(task.labels), [*task.texts_a, *task.texts_b]
    systems = {}
    for name, encoder in encoders.items():
        vectors = encoder.encode(texts)
        systems[name] = dense(pair_features(vectors[:n], vectors[n:]))
    sparse = {}
    if subject.baselines:
        tokens = [subject.tokenize(text) for text in texts]
        sparse = {"tf-idf": tfidf_of_pairs(tokens[:n], tokens[n:]), "tf-idf of text_b alone": tfidf(tokens[n:])}
    coverage = token_coverage(subject.codec, texts)
    return _rows(question, systems, sparse, coverage, task.note, seed, parts, bootstrap)


def right_shares(
    task: Classification, subject: Subject, *, seed: int, n_folds: int = 5, n_seeds: int = 3
) -> NDArray[np.float64]:
    """Return how often each tested text is given its label: float64 of shape (n,), the share of the draws of folds.

    The mean is the accuracy in `classification_rows`, whose parameters these are, of the first encoder alone. Empty
    where the task cannot be measured (`why_not`).
    """
    encoder = next(iter(replace(subject, baselines=False, against={}).encoders().values()), None)
    if encoder is None or why_not(task, encoders=True, n_folds=n_folds):
        return np.empty(0)
    question = _question(task, n_folds, n_seeds, seed)
    guesses, _ = _guesses(question, {"encoder": dense(encoder.encode(list(task.texts)))}, {}, seed)
    shares: NDArray[np.float64] = (guesses["encoder"] == question.labels)[:, question.tested].mean(axis=0)
    return shares


def why_not(task: Classification | Inference, encoders: bool, n_folds: int) -> str:
    """Return why a task cannot be measured, empty where it can."""
    n, folds = len(task.labels), task.folds
    if not encoders:
        return NO_ENCODER
    if len(set(task.labels)) < 2:
        return "all texts have the same label"
    if folds is not None and not (folds >= 0).any():
        return "no text is in the test part"
    if folds is not None and len(np.unique(folds)) < 2:
        return "no text is in the training part"
    if n < 2 * n_folds:
        return f"{n} texts, {2 * n_folds} are needed"
    return ""


def _question(task: Classification | Inference, n_folds: int, n_seeds: int, seed: int) -> _Question:
    names, labels = np.unique(np.array(task.labels), return_inverse=True)
    if task.folds is not None:
        return _Question(task.name, labels, names, task.folds[None], given=True)
    seeds = np.random.SeedSequence(seed).generate_state(n_seeds).tolist()
    folds = np.stack([stratified_folds(labels, n_folds, own) for own in seeds])
    return _Question(task.name, labels, names, folds, given=False)


def _rows(
    question: _Question,
    systems: Mapping[str, FeaturesOfSplit],
    sparse: Mapping[str, FeaturesOfSplit],
    coverage: float,
    note: str,
    seed: int,
    parts: Parts | None,
    bootstrap: int,
) -> list[Row]:
    guesses, stopped = _guesses(question, systems, sparse, seed)
    tested, labels = question.tested, question.labels
    correct = {system: (guess == labels)[:, tested] for system, guess in guesses.items()}
    first = next(iter(systems))
    how = _how(question, stopped, correct[first].mean(axis=1))
    inside = {part: mask[tested] for part, mask in (parts or {}).items()}
    note = f"{note}; {how}" if note else how
    folds = None if question.single else question.folds[:, tested]
    n_train = int((~tested).sum()) if question.single else None
    rows = accuracy_rows(
        question.task,
        correct,
        metric="accuracy",
        coverage=coverage,
        system=first,
        note=note,
        folds=folds,
        n_train=n_train,
        bootstrap=bootstrap,
        seed=seed,
        parts=inside,
    )
    asked = labels[tested]
    if np.bincount(asked).max() > _IMBALANCED * len(asked):
        of_tested = {system: guess[:, tested] for system, guess in guesses.items()}
        rows += macro_f1_rows(
            question.task,
            of_tested,
            asked,
            coverage=coverage,
            note=note,
            bootstrap=bootstrap,
            seed=seed,
            parts=inside,
            folds=folds,
            n_train=n_train,
        )
    return rows


def _guesses(
    question: _Question, systems: Mapping[str, FeaturesOfSplit], sparse: Mapping[str, FeaturesOfSplit], seed: int
) -> tuple[dict[str, NDArray[np.int64]], int]:
    """Return what each system says of every text, int64 of shape (n_seeds, n), and how many fits did not converge."""
    labels, stopped = question.labels, 0
    guesses = {system: np.tile(labels, (len(question.folds), 1)) for system in (*systems, *sparse, "majority")}
    asked: dict[str, tuple[FeaturesOfSplit, Sequence[float]]] = {name: (of, GRID) for name, of in systems.items()}
    asked |= {name: (of, GRID_SPARSE) for name, of in sparse.items()}
    strengths: dict[str, dict[int, float]] = {}
    with one_thread():
        for s, folds in enumerate(question.folds):
            if question.shared:
                strengths = {
                    system: strengths_of_folds(features, labels, folds, grid)
                    for system, (features, grid) in asked.items()
                }
            for fold in np.unique(folds[folds >= 0]):
                train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
                for system, (features, grid) in asked.items():
                    x, held = features(train, test)
                    grid = (strengths[system][fold],) if question.shared else grid
                    guesses[system][s, test], converged = predict(x, labels[train], held, grid, seed=seed)
                    stopped += not converged
                guesses["majority"][s, test] = np.bincount(labels[train]).argmax()
    if not question.single:
        guesses["majority"] = _floor(guesses["majority"], labels, question.tested)
    return guesses, stopped


def _floor(majority: NDArray[np.int64], labels: NDArray[np.int64], tested: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the better of what the training parts say and of the commonest label of all texts, for each seed."""
    commonest = np.bincount(labels[tested]).argmax()
    share = (labels[tested] == commonest).mean()
    return np.stack(
        [said if (said == labels)[tested].mean() >= share else np.full_like(said, commonest) for said in majority]
    )


def _how(question: _Question, stopped: int, by_seed: NDArray[np.float64]) -> str:
    """Return in words what was done, and what is odd about the labels."""
    counts, n_folds = np.bincount(question.labels), len(np.unique(question.folds[0][question.tested]))
    said = [f"{len(counts)} labels"]
    if question.single:
        said.append("a given test part, one fit: another seed would change nothing")
    elif question.given:
        said.append(f"{n_folds} given folds")
    else:
        said.append(f"{n_folds} folds")
    if len(by_seed) > 1:
        said[-1] += f" drawn {len(by_seed)} times, standard deviation over draws {by_seed.std(ddof=1):.4f}"
    said.append(_HOW_GIVEN if question.shared else _HOW)
    if not question.single and (counts < n_folds).any():
        said.append(f"labels with fewer than {n_folds} texts: {int((counts < n_folds).sum())}")
    if question.single:
        known = np.unique(question.labels[~question.tested])
        n = int((~np.isin(question.labels[question.tested], known)).sum())
        if n:
            said.append(f"tested texts whose label the training part lacks: {n}")
    if stopped:
        said.append(f"fits that stopped before they converged: {stopped}")
    return ", ".join(said[:3]) + "".join(f"; {one}" for one in said[3:])
