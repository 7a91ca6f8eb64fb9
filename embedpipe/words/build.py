"""Prepared text in, everything that a bundle knows of its words out: train, average, post-process, calibrate, save."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.runtime import Listener, silent
from embedpipe.text.split_text import write_train_text
from embedpipe.text.vocabulary import SPECIALS
from embedpipe.words.bag import fit_bag
from embedpipe.words.consensus import consensus_rotations, neighbour_overlap
from embedpipe.words.part import WordFacts, save_training, save_words
from embedpipe.words.steps import post_process
from embedpipe.words.train import StartVectors, TrainedWords, train_words

if TYPE_CHECKING:
    from embedpipe.config import WordsConfig
    from embedpipe.text.prepared import PreparedText

__all__ = ["BuiltWords", "build_words"]


@dataclass(frozen=True, slots=True)
class BuiltWords:
    """What was made, in one line and in numbers."""

    summary: str
    result: dict[str, Any]


def build_words(
    text: "PreparedText",
    config: "WordsConfig",
    out: Path,
    *,
    seed: int,
    workers: int,
    checkpoint: Path | None = None,
    start: StartVectors | None = None,
    started_from: Mapping[str, Any] | None = None,
    listener: Listener = silent,
) -> BuiltWords:
    """Train word vectors on a prepared text and write the words part into the folder `out`.

    Parameters
    ----------
    text : the prepared text.
    config : the settings.
    out : an existing folder.
    seed : of the first run; each further run has the next one.
    workers : training threads.
    checkpoint : folder in which each run keeps its last finished epoch; a later call goes on from there.
    start : vectors that training starts from, and in `started_from` what is to be said of them.
    listener : hears the progress of each run.

    Raises
    ------
    InputError, NotEnoughDataError
        As `train_words`.
    """
    runs = []
    for number in range(config.runs):
        runs.append(_train(text, config, out, number, seed, workers, checkpoint, start, listener))
    probabilities = text.vocabulary.probabilities
    trained, stability = runs[0].trained, None
    if len(runs) > 1:
        trained, stability = _consensus(runs, config, probabilities)
    processed = post_process(trained.vectors, trained.contexts, probabilities, config.steps)
    subwords = None if trained.subwords is None else processed.transform.affine(trained.subwords)
    facts = WordFacts(
        trainer="imported"
        if start is not None and not config.epochs
        else "fasttext"
        if config.subwords
        else "word2vec",
        steps=config.steps,
        window=config.window,
        ngrams=(config.shortest_ngram, config.longest_ngram) if config.subwords else (),
        runs=len(runs),
        losses=tuple(tuple(run.trained.losses) for run in runs),
        kept_epochs=tuple(run.trained.kept_epoch for run in runs),
        start=dict(started_from or {}),
    )
    bag = fit_bag(trained.vectors, probabilities, config.sif_a)
    save_words(out, processed.vectors, bag, facts, stability=stability, subwords=subwords)
    if config.keep_training:
        save_training(out, trained.vectors, trained.contexts)
    return _described(trained, facts, stability, probabilities)


@dataclass(frozen=True, slots=True)
class _Run:
    trained: TrainedWords
    met: NDArray[np.bool_]
    """Which words the run's text held."""


def _train(
    text: "PreparedText",
    config: "WordsConfig",
    out: Path,
    number: int,
    seed: int,
    workers: int,
    checkpoint: Path | None,
    start: StartVectors | None,
    listener: Listener,
) -> _Run:
    """Train one run; with a bootstrap every run but the first meets documents drawn with replacement."""
    vocabulary, store = text.vocabulary, text.train
    met = np.ones(len(vocabulary), dtype=bool)
    train_text, n_lines = text.train_text, text.n_train_lines
    if config.bootstrap and number:
        drawn = np.random.default_rng([seed, number]).integers(store.n_documents, size=store.n_documents)
        train_text = out / "bootstrap.txt"
        n_lines = write_train_text(train_text, store, vocabulary, seed + number, documents=np.sort(drawn))
        times = np.bincount(drawn, minlength=store.n_documents)
        of_token = np.repeat(times[store.document_of_sentence], store.lengths + 1)
        met = np.bincount(store.tokens[of_token > 0], minlength=len(vocabulary)) > 0
    trained = train_words(
        train_text,
        vocabulary,
        n_lines,
        config,
        held_out=text.validation,
        seed=seed + number,
        workers=workers,
        start=start,
        checkpoint=None if checkpoint is None else checkpoint / f"run-{number}",
        listener=listener,
    )
    if train_text != text.train_text:
        train_text.unlink()
    return _Run(trained, met)


def _consensus(
    runs: list[_Run], config: "WordsConfig", probabilities: NDArray[np.float64]
) -> tuple[TrainedWords, NDArray[np.float32]]:
    """Return the mean of aligned runs, each word's over the runs that met it, and the stability of each word."""
    met = np.stack([run.met for run in runs])  # (runs, n)
    rotations = [
        rotation.astype(np.float32)
        for rotation in consensus_rotations(
            [run.trained.vectors for run in runs], np.sqrt(probabilities) * met.all(axis=0)
        )
    ]
    shares = (met / met.sum(axis=0)).astype(np.float32)

    def mean(tables: list[NDArray[np.float32] | None], weighted: bool = True) -> NDArray[np.float32] | None:
        total: NDArray[np.float32] | None = None
        for table, rotation, share in zip(tables, rotations, shares, strict=True):
            if table is None:
                return None
            turned = table @ rotation
            turned *= share[:, None] if weighted else np.float32(1 / len(runs))
            total = turned if total is None else total + turned
        return total

    published = [
        post_process(run.trained.vectors, run.trained.contexts, probabilities, config.steps).vectors for run in runs
    ]
    stability = neighbour_overlap(published, first=len(SPECIALS))
    first = runs[0].trained
    vectors = mean([run.trained.vectors for run in runs])
    assert vectors is not None
    trained = TrainedWords(
        vectors=vectors,
        contexts=mean([run.trained.contexts for run in runs]),
        subwords=mean([run.trained.subwords for run in runs], weighted=False),
        losses=first.losses,
        kept_epoch=first.kept_epoch,
    )
    return trained, stability


def _described(
    trained: TrainedWords,
    facts: WordFacts,
    stability: NDArray[np.float32] | None,
    probabilities: NDArray[np.float64],
) -> BuiltWords:
    n_words, dim = len(trained.vectors) - len(SPECIALS), trained.vectors.shape[1]
    result: dict[str, Any] = {"words": n_words, "dim": dim}
    summary = f"{n_words:,} vectors of {dim} dimensions, "
    if trained.losses:
        result["heldout_loss"] = trained.losses[facts.kept_epochs[0] - 1]
        summary += f"{facts.kept_epochs[0]} epochs, held-out loss {result['heldout_loss']:.3f}"
    else:
        summary += f"{facts.kept_epochs[0]} epochs"
    if stability is not None:
        result["stability_of_words"] = float(stability[len(SPECIALS) :].mean())
        result["stability_of_text"] = float(stability @ probabilities)
        summary += f"; {facts.runs} runs share {result['stability_of_words']:.0%} of a word's ten neighbours"
    return BuiltWords(summary, result)
