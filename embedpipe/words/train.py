"""Word vectors from a prepared text: trained epoch by epoch, measured on held-out text, stopped early, continued."""

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.bundle.folder import sha256_of
from embedpipe.errors import ConfigError, InputError, NotEnoughDataError
from embedpipe.runtime import Listener, StageStarted, silent
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import SPECIALS, Vocabulary
from embedpipe.words.epochs import run_epochs
from embedpipe.words.gensim_model import GensimModel
from embedpipe.words.heldout import HeldOut, draw_held_out

if TYPE_CHECKING:
    from embedpipe.config import WordsConfig

__all__ = ["StartVectors", "TrainedWords", "train_words", "word2vec_threads"]

_STAGE = "words"
_FIRST = len(SPECIALS)
_TOKENS_FOR_THREADS = 200_000
"""Below this, threads would start and stop so far apart that some sentences are met far less often than others."""
_NOT_OF_TRAINING = {
    "vectors",
    "runs",
    "bootstrap",
    "beside",
    "beside_window",
    "beside_negatives",
    "beside_epochs",
    "beside_subsample",
    "steps",
    "keep_training",
    "sif_a",
    "unseen",
}
"""Settings of the stage that say what comes before or after a training."""
_OF_SUBWORDS = {"shortest_ngram", "longest_ngram", "buckets"}
"""Settings of a training with subwords; without, n-grams are fitted after it, or none are."""


@dataclass(frozen=True)
class StartVectors:
    """Vectors to start a training from; rows that are not known start as gensim starts them.

    Parameters
    ----------
    vectors : float32 array of shape (n, dim), row *i* for token *i* of the vocabulary.
    contexts : float32 array of the same shape, or None to start from zeros.
    known : bool array of shape (n,): the rows that count.
    own, subwords : tables of an earlier fastText training, of shapes (n, dim) and (buckets, dim), or None: then each
        word's own row makes up for what its n-grams give, so that its vector is the one in `vectors`.
    """

    vectors: NDArray[np.float32]
    contexts: NDArray[np.float32] | None
    known: NDArray[np.bool_]
    own: NDArray[np.float32] | None = None
    subwords: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class TrainedWords:
    """What a training gives; float32 tables, row *i* for token *i* of the vocabulary, rows of the specials zero.

    Parameters
    ----------
    vectors : shape (n, dim). In fastText a word's vector is the mean of its own row and those of its n-grams.
    contexts : shape (n, dim): what predicts each word; None with hierarchical softmax, which has none.
    subwords : shape (buckets, dim): n-grams by hash; None without subwords.
    own : shape (n, dim): each word's own row; None without subwords.
    losses : held-out loss after each epoch; empty where there is no held-out text.
    kept_epoch : the epoch, counted from 1, whose tables these are; 0 for the start, or where nothing was trained.
    start_loss : held-out loss before the first epoch, where an earlier training goes on; else None.
    """

    vectors: NDArray[np.float32]
    contexts: NDArray[np.float32] | None
    subwords: NDArray[np.float32] | None
    own: NDArray[np.float32] | None
    losses: list[float]
    kept_epoch: int
    start_loss: float | None = None


def word2vec_threads(n_tokens: int, cores: int) -> int:
    """Return the threads that train on `n_tokens`: one for a short text, of which several would miss parts."""
    return 1 if n_tokens < _TOKENS_FOR_THREADS else cores


def train_words(
    train_text: Path,
    vocabulary: Vocabulary,
    n_sentences: int,
    config: "WordsConfig",
    *,
    held_out: TokenStore | None,
    seed: int,
    workers: int,
    n_tokens: int | None = None,
    start: StartVectors | None = None,
    checkpoint: Path | None = None,
    listener: Listener = silent,
) -> TrainedWords:
    """Train Word2Vec (Mikolov et al., 2013) or fastText (Bojanowski et al., 2017) with gensim, one epoch at a time.

    With one worker the result depends on the text, the vocabulary, the settings, the seed and the versions of the
    libraries alone, interrupted or not: it is the same to the byte in every process. With more, threads update one
    matrix without locks and each run differs a little.

    Parameters
    ----------
    train_text : UTF-8 text, one sentence per line, tokens between single spaces.
    vocabulary : the words to train, with their counts in that text.
    n_sentences : lines of that text.
    config : architecture, objective, width, window, epochs, subsampling, learning rates, subwords, patience.
    held_out : text to measure the loss on after each epoch, or None.
    seed : of the initial vectors and of every draw.
    workers : training threads; a text of under 200,000 tokens is trained on by one.
    n_tokens : known tokens of that text; None where the counts of the vocabulary are of this text alone.
    start : vectors to start from; with ``config.epochs`` 0 they come back as they are, unknown rows zero. Where it has
        contexts an earlier training goes on: of it and all epochs the one with the lowest held-out loss is kept.
    checkpoint : folder to keep finished epochs in. A later call with the same arguments goes on after the last one; one
        of another training is replaced. It stays when the training ends.
    listener : is given the loss and the progress after each epoch.

    Raises
    ------
    InputError
        If `train_text` is missing or empty.
    NotEnoughDataError
        If the vocabulary holds fewer than two words, or ``config.patience`` has no held-out text to go by.
    ConfigError
        If `start` is of another width than `config` or holds NaN, there is nothing to do, or the loss is no number.
    OutputError
        If a checkpoint cannot be written.
    """
    words = vocabulary.tokens[_FIRST:]
    counts = [int(n) for n in vocabulary.counts[_FIRST:]]
    if len(words) < 2:
        raise NotEnoughDataError(
            f"Word2Vec needs at least 2 words in the vocabulary, found {len(words)}: "
            "use more text or a smaller text.min_count"
        )
    if start is not None:
        _check_start(start, len(vocabulary), config)
    if config.epochs == 0:
        return _untrained(start)
    if not train_text.is_file() or train_text.stat().st_size == 0:
        raise InputError("missing or empty; prepare the text again", train_text)

    n_tokens = sum(counts) if n_tokens is None else n_tokens
    workers = word2vec_threads(n_tokens, workers)
    listener(StageStarted(_STAGE, config.epochs, "epoch"))
    model = GensimModel(words, counts, n_sentences, config, seed=seed, workers=workers, n_tokens=n_tokens)
    if start is not None:
        _set_start(model, start)
    tree = model.tree() if config.objective == "hierarchical" else None
    sample = None if held_out is None else draw_held_out(held_out, vocabulary, config, seed=seed, tree=tree)
    if config.patience and sample is None:
        raise NotEnoughDataError(
            f"words.patience={config.patience} stops by the loss on held-out text, which has no two known words in one "
            "window: give more text, or set words.patience=0"
        )

    fingerprint = ""
    if checkpoint is not None:
        fingerprint = _fingerprint(train_text, vocabulary, n_sentences, config, seed, workers, start, sample)
    start_loss, losses, kept_epoch = run_epochs(
        model,
        train_text,
        sample,
        checkpoint=checkpoint,
        fingerprint=fingerprint,
        goes_on=start is not None and start.contexts is not None,
        listener=listener,
    )
    return _result(model, len(vocabulary), losses, kept_epoch, start_loss)


def _check_start(start: StartVectors, n_tokens: int, config: "WordsConfig") -> None:
    dim = start.vectors.shape[1]
    if dim != config.dim:
        raise ConfigError(
            f"the vectors to start from have {dim} dimensions and words.dim is {config.dim}: set words.dim={dim}, or "
            f"start from vectors of {config.dim}"
        )
    if config.subwords and start.subwords is not None and len(start.subwords) != config.buckets:
        raise ConfigError(
            f"the n-grams to start from fill {len(start.subwords):,} buckets and words.buckets is {config.buckets:,}: "
            f"set words.buckets={len(start.subwords)}"
        )
    tables = {"vectors": start.vectors, "contexts": start.contexts, "own": start.own}
    for name, table in tables.items():
        if table is not None and table.shape != (n_tokens, dim):
            raise ValueError(f"{name} of shape {table.shape} for {n_tokens} tokens in {dim} dimensions")
    if start.known.shape != (n_tokens,):
        raise ValueError(f"known of shape {start.known.shape} for {n_tokens} tokens")
    for name, table in {**tables, "subwords": start.subwords}.items():
        # gensim looks sigmoids up by number: one NaN ends the process.
        if table is not None and not np.isfinite(table if name == "subwords" else table[start.known]).all():
            raise ConfigError(f"the {name} to start from hold NaN or infinity: start from others")


def _untrained(start: StartVectors | None) -> TrainedWords:
    if start is None:
        raise ConfigError(
            "words.epochs=0 trains nothing: name vectors to take instead (words.vectors), or set words.epochs to 1 or "
            "more"
        )
    known = start.known & (np.arange(len(start.known)) >= _FIRST)

    def masked(table: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        return None if table is None else np.where(known[:, None], table, np.float32(0))

    vectors = np.where(known[:, None], start.vectors, np.float32(0))
    return TrainedWords(vectors, masked(start.contexts), start.subwords, masked(start.own), [], 0)


def _set_start(model: GensimModel, start: StartVectors) -> None:
    known = np.flatnonzero(start.known[_FIRST:])
    tables = model.tables
    if "subwords" in tables and start.subwords is not None:
        tables["subwords"][:] = start.subwords
    if "own" in tables and start.own is not None:
        tables["own"][model.rows[known]] = start.own[_FIRST:][known]
    else:
        model.set_vectors(known, start.vectors[_FIRST:][known])
    if "contexts" in tables and start.contexts is not None:
        tables["contexts"][model.rows[known]] = start.contexts[_FIRST:][known]


def _result(
    model: GensimModel, n_tokens: int, losses: list[float], kept_epoch: int, start_loss: float | None
) -> TrainedWords:
    words = np.arange(len(model.rows))

    def by_token(table: NDArray[np.float32]) -> NDArray[np.float32]:
        rows = np.zeros((n_tokens, table.shape[1]), dtype=np.float32)
        rows[_FIRST:] = table
        return rows

    tables = model.tables
    return TrainedWords(
        by_token(model.vectors(words)),
        by_token(tables["contexts"][model.rows]) if "contexts" in tables else None,
        tables.get("subwords"),
        by_token(tables["own"][model.rows]) if "own" in tables else None,
        losses,
        kept_epoch,
        start_loss,
    )


def _fingerprint(
    train_text: Path,
    vocabulary: Vocabulary,
    n_sentences: int,
    config: "WordsConfig",
    seed: int,
    workers: int,
    start: StartVectors | None,
    sample: HeldOut | None,
) -> str:
    """Return a hash of all that the tables after an epoch depend on."""
    arrays: list[NDArray[Any] | None] = [vocabulary.counts]
    if start is not None:
        arrays += [start.vectors, start.contexts, start.known, start.own, start.subwords]
    if sample is not None:
        arrays += [sample.inputs, sample.mixing.indices, sample.mixing.data, sample.outputs, sample.targets]
    left_out = _NOT_OF_TRAINING if config.subwords else _NOT_OF_TRAINING | _OF_SUBWORDS
    content = [
        config.model_dump(mode="json", exclude=left_out),
        [seed, workers, n_sentences],
        [version("gensim"), version("numpy")],
        sha256_of(train_text),
        vocabulary.tokens,
        [None if array is None else [str(array.dtype), *array.shape, _sha256(array)] for array in arrays],
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
