"""Prepared text in, everything that a bundle knows of its words out: train, average, post-process, calibrate, save."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.runtime import Listener, silent
from embedpipe.text.split_text import write_train_text
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.bag import fit_bag
from embedpipe.words.calibration import Calibration, calibrate
from embedpipe.words.consensus import consensus_rotations, neighbour_overlap
from embedpipe.words.ngram_fit import SharedNgrams, shared_ngrams
from embedpipe.words.part import WordFacts, save_training, save_words
from embedpipe.words.published_subwords import publish_subwords
from embedpipe.words.steps import PostProcessed, asks_for_ngrams, post_process, without_ngrams
from embedpipe.words.subword import Subwords
from embedpipe.words.table import WordVectors
from embedpipe.words.train import StartVectors, TrainedWords, train_words
from embedpipe.words.unseen import fit_unseen

if TYPE_CHECKING:
    from embedpipe.config import WordsConfig
    from embedpipe.text.prepared import PreparedText

__all__ = ["BESIDE", "BuiltWords", "build_words", "trainings"]

BESIDE = "beside_"
"""Begins the names of the tables of the second training in ``training.safetensors``."""


@dataclass(frozen=True, slots=True)
class BuiltWords:
    """What was made, in one line and in numbers."""

    summary: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Run:
    """The trainings of one seed, one or two of them, and which words their text held."""

    trained: list[TrainedWords]
    met: NDArray[np.bool_]


def build_words(
    text: "PreparedText",
    config: "WordsConfig",
    out: Path,
    *,
    seed: int,
    workers: int,
    checkpoint: Path | None = None,
    starts: Sequence[StartVectors | None] = (None, None),
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
    checkpoint : folder in which each training keeps its last finished epoch; a later call goes on from there.
    starts : vectors that the training, and the one beside it, start from; `started_from` is what to say of them.
    listener : hears the progress of each training.

    Raises
    ------
    InputError, NotEnoughDataError, ConfigError
        As `train_words`.
    """
    vocabulary, probabilities = text.vocabulary, text.vocabulary.probabilities
    runs = [_run(text, config, out, n, seed, workers, checkpoint, starts, listener) for n in range(config.runs)]
    tables, stability = runs[0].trained, None
    ngrams = _ngrams(vocabulary, config)
    # What the spelling adds is the same in every run, and would say of chance that it is stable.
    without = config.model_copy(update={"steps": without_ngrams(config.steps)})
    if len(runs) > 1:
        tables = [_consensus(runs, place, probabilities) for place in range(len(tables))]
        published = [_published(run.trained, probabilities, without, None).vectors for run in runs]
        stability = neighbour_overlap(published, first=len(SPECIALS))
        del published
    first, processed = tables[0], _published(tables, probabilities, config, ngrams)
    words = WordVectors(vocabulary, processed.vectors)
    plain = None
    if asks_for_ngrams(config.steps):
        plain = WordVectors(vocabulary, _published(tables, probabilities, without, None).vectors)
    subwords, calibration = _unseen(words, plain, first.subwords, processed, config, ngrams, seed)
    every = [one for run in runs for one in run.trained]
    before = [one.start_loss for one in every]
    trainer = "fasttext" if config.subwords else "word2vec"
    facts = WordFacts(
        trainer="imported" if not config.epochs and "bundle" not in (started_from or {}) else trainer,
        steps=config.steps,
        window=config.window,
        ngrams=(subwords.shortest, subwords.longest) if subwords else (),
        runs=len(runs),
        losses=tuple(tuple(one.losses) for one in every),
        kept_epochs=tuple(one.kept_epoch for one in every),
        confidence=calibration.to_json(),
        start={
            **(started_from or {}),
            **({"held_out_losses": before} if any(one is not None for one in before) else {}),
        },
    )
    bag = fit_bag(processed.vectors, probabilities, config.sif_a)
    save_words(out, words.vectors, bag, facts, stability=stability, subwords=subwords)
    if config.keep_training:
        save_training(out, {**_named(first, ""), **(_named(tables[1], BESIDE) if tables[1:] else {})})
    return _described(words, facts, stability, probabilities)


def trainings(config: "WordsConfig") -> dict[str, "WordsConfig"]:
    """Return the settings of the training and of the one beside it, where there is one, by what begins their names.

    Examples
    --------
    >>> from embedpipe.config import WordsConfig
    >>> both = trainings(WordsConfig(window=8, beside="cbow", beside_window=3))
    >>> {name: (one.architecture, one.window) for name, one in both.items()}
    {'': ('skipgram', 8), 'beside_': ('cbow', 3)}
    """
    found = {"": config}
    if config.beside != "none":
        other = {
            "architecture": config.beside,
            "window": config.beside_window,
            "negatives": config.beside_negatives,
            "epochs": config.beside_epochs if config.epochs else 0,
            "subsample": config.subsample_beside,
        }
        found[BESIDE] = config.model_copy(update=other)
    return found


def _run(
    text: "PreparedText",
    config: "WordsConfig",
    out: Path,
    number: int,
    seed: int,
    workers: int,
    checkpoint: Path | None,
    starts: Sequence[StartVectors | None],
    listener: Listener,
) -> _Run:
    """Train one run; with a bootstrap every run but the first meets documents drawn with replacement."""
    vocabulary, store = text.vocabulary, text.train
    met = np.ones(len(vocabulary), dtype=bool)
    train_text, n_lines = text.train_text, text.n_train_lines
    known = store.tokens >= len(SPECIALS)
    n_tokens = int(known.sum())
    if config.bootstrap and number:
        drawn = np.random.default_rng([seed, number]).integers(store.n_documents, size=store.n_documents)
        train_text = out / "bootstrap.txt"
        n_lines = write_train_text(train_text, store, vocabulary, seed + number, documents=np.sort(drawn))
        times = np.bincount(drawn, minlength=store.n_documents)
        of_token = np.repeat(times[store.document_of_sentence], store.lengths + 1)
        met = np.bincount(store.tokens[of_token > 0], minlength=len(vocabulary)) > 0
        n_tokens = int(of_token[known].sum())
    trained = [
        train_words(
            train_text,
            vocabulary,
            n_lines,
            settings,
            held_out=text.validation,
            seed=seed + number,
            workers=workers,
            n_tokens=n_tokens,
            start=start,
            checkpoint=None if checkpoint is None else checkpoint / f"{name}run-{number}",
            listener=listener,
        )
        for (name, settings), start in zip(trainings(config).items(), starts, strict=False)
    ]
    if train_text != text.train_text:
        train_text.unlink()
    return _Run(trained, met)


def _ngrams(vocabulary: Vocabulary, config: "WordsConfig") -> SharedNgrams | None:
    """Return the n-grams that words share, where they are asked for."""
    fitted = config.unseen == "ngrams" and not config.subwords and not vocabulary.holds_pieces
    if asks_for_ngrams(config.steps) or fitted:
        return shared_ngrams(vocabulary.tokens, (config.shortest_ngram, config.longest_ngram))
    return None


def _published(
    trained: Sequence[TrainedWords],
    probabilities: NDArray[np.float64],
    config: "WordsConfig",
    ngrams: SharedNgrams | None,
) -> PostProcessed:
    return post_process([(t.vectors, t.contexts) for t in trained], probabilities, config.steps, ngrams=ngrams)


def _unseen(
    words: WordVectors,
    plain: WordVectors | None,
    trained: NDArray[np.float32] | None,
    processed: PostProcessed,
    config: "WordsConfig",
    ngrams: SharedNgrams | None,
    seed: int,
) -> tuple[Subwords | None, Calibration]:
    """Return the n-grams that unseen words get their vectors from, as trained or else fitted, and their calibration.

    `plain` are the words without the step of n-grams, where that is one of the steps. Pieces of words get no n-grams:
    a string that is no piece is cut into several.
    """
    if trained is not None:
        assert processed.transform is not None
        lengths = config.shortest_ngram, config.longest_ngram
        subwords = publish_subwords(trained, words.vocabulary, *lengths, processed.transform)
        return subwords, calibrate(words, subwords, seed=seed)
    if config.unseen == "ngrams" and ngrams is not None and not words.vocabulary.holds_pieces:
        return fit_unseen(words, ngrams, seed=seed, trained=plain)
    return None, calibrate(words if plain is None else plain, seed=seed)


def _consensus(runs: Sequence[_Run], place: int, probabilities: NDArray[np.float64]) -> TrainedWords:
    """Return the mean of the aligned trainings at `place`, each word's over the runs that met it."""
    trained = [run.trained[place] for run in runs]
    met = np.stack([run.met for run in runs])  # (runs, n)
    weights = np.sqrt(probabilities) * met.all(axis=0)
    rotations = consensus_rotations([one.vectors for one in trained], weights)
    shares = (met / met.sum(axis=0)).astype(np.float32)  # the first run met every word

    def mean(tables: Sequence[NDArray[np.float32] | None], *, by_word: bool = True) -> NDArray[np.float32] | None:
        total: NDArray[np.float32] | None = None
        for table, rotation, share in zip(tables, rotations, shares, strict=True):
            if table is None:
                return None
            turned = table @ rotation.astype(np.float32)
            turned *= share[:, None] if by_word else np.float32(1 / len(runs))
            total = turned if total is None else total + turned
        return total

    vectors = mean([one.vectors for one in trained])
    assert vectors is not None
    return replace(
        trained[0],
        vectors=vectors,
        contexts=mean([one.contexts for one in trained]),
        own=mean([one.own for one in trained]),
        subwords=mean([one.subwords for one in trained], by_word=False),
    )


def _named(trained: TrainedWords, prefix: str) -> dict[str, NDArray[np.float32]]:
    tables = {name: getattr(trained, name) for name in ("vectors", "contexts", "own", "subwords")}
    return {prefix + name: table for name, table in tables.items() if table is not None}


def _described(
    words: WordVectors, facts: WordFacts, stability: NDArray[np.float32] | None, probabilities: NDArray[np.float64]
) -> BuiltWords:
    n_words = len(words) - len(SPECIALS)
    result: dict[str, Any] = {
        "words": n_words,
        "dim": words.dim,
        "epochs": list(facts.kept_epochs),
        "trainer": facts.trainer,
        "steps": list(facts.steps),
        "runs": facts.runs,
    }
    summary = f"{n_words:,} vectors of {words.dim} dimensions, "
    summary += " + ".join(map(str, facts.kept_epochs[: len(facts.kept_epochs) // facts.runs])) + " epochs"
    if facts.losses and facts.losses[0]:
        result["held_out_losses"] = [list(losses) for losses in facts.losses]
        before, kept = facts.start.get("held_out_losses", [None])[0], facts.kept_epochs[0]
        loss = facts.losses[0][kept - 1] if kept else before
        summary += f", held-out loss {loss:.3f}" + (f" (before: {before:.3f})" if before is not None else "")
    if facts.start:
        result["start"] = dict(facts.start)
        summary += f", from {facts.start['known']:,} known words of {facts.start['from']}"
    if stability is not None:
        result["stability_of_words"] = float(stability[len(SPECIALS) :].mean())
        result["stability_of_text"] = float(stability @ probabilities)
        summary += f"; {facts.runs} runs share {result['stability_of_words']:.0%} of a word's ten nearest"
    return BuiltWords(summary, result)
