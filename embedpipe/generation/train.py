"""Training of the language model on the token stream of a store."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.generation.begin import begin_training, steps_of, stream_counts, windows_of
from embedpipe.generation.evaluation import (
    bigram_perplexity,
    held_out,
    kneser_ney_perplexity,
    perplexity,
    token_losses,
    unigram_perplexity,
)
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.paired import perplexity_interval
from embedpipe.generation.stream import Window, rows_of
from embedpipe.generation.truncated import own_rows
from embedpipe.generation.units import Units, perplexity_of, piece_units
from embedpipe.nn.checkpoint import Checkpoints, fingerprint_of
from embedpipe.nn.curve import training_curve
from embedpipe.nn.distributed import n_processes
from embedpipe.nn.fit import fit
from embedpipe.nn.memory import Parts
from embedpipe.runtime import Evaluated, Listener, Warned, silent
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import GenerationConfig

__all__ = ["TrainedGenerator", "train_language_model"]

_STAGE = "generation"
_WATCHED_TOKENS = 10_000
_SCORED_TOKENS = 50_000
_EVALUATIONS = 6
_EVALUATIONS_OF_PATIENCE = 5
_WITHOUT_END = 10**9
_METRIC = "validation perplexity"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedGenerator:
    """A trained language model and how well it predicts held-out text.

    Parameters
    ----------
    model : on the device it was trained on, in evaluation mode.
    perplexity : on a sample of the scored split, full softmax, ``<unk>`` counted as a token.
    unigram_perplexity, bigram_perplexity : of the counting baselines on the same sample.
    unknown_share : share of ``<unk>`` among the predicted tokens of the sample.
    n_scored : predicted tokens in the sample.
    n_tokens_seen : training tokens that the model has read, repeats counted.
    stopped : why training ended before its plan, or None.
    curve : how the training went, as `training_curve` gives it.
    timeline : seconds of training and the perplexity on the watched sample of `validation` after them.
    kneser_ney_perplexity : of a 5-gram model of the training text on the same sample.
    interval : 95 % interval of the perplexity; NaN where the sample has few rows.
    units : words and characters of the sample, where the tokens are pieces of words.
    scored_split : the split of the sample: ``test``, or where that is too small ``validation`` or ``training``.
    losses : float64 of shape (rows, time), the nats of each token of the sample.
    """

    model: LanguageModel
    perplexity: float
    unigram_perplexity: float
    bigram_perplexity: float
    unknown_share: float
    n_scored: int
    n_tokens_seen: int
    stopped: str | None = None
    curve: dict[str, Any] = field(default_factory=dict)
    timeline: tuple[tuple[float, float], ...] = ()
    kneser_ney_perplexity: float = math.nan
    interval: tuple[float, float] = (math.nan, math.nan)
    units: Units | None = None
    scored_split: str = "test"
    losses: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)), repr=False)


def train_language_model(
    vectors: NDArray[np.float32],
    vocabulary: Vocabulary,
    train: TokenStore,
    validation: TokenStore,
    test: TokenStore,
    config: "GenerationConfig",
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    seconds: float = 0.0,
    baselines: bool = True,
    listener: Listener = silent,
) -> TrainedGenerator:
    """Train a next-word model on a store, beginning with word vectors.

    Whitened vectors of one length (`Bag.vectors`) begin better than published ones, whose frequent words are short,
    and both better than random ones.

    The state with the lowest perplexity on `validation` is kept; what is reported is measured on `test`. Under one
    seed, number of threads and deterministic algorithms the weights are the same to the bit. torch's global generator
    is left as it was found.

    Parameters
    ----------
    vectors : float32 of shape (len(vocabulary), dim); zero rows become random ones.
    train, validation, test : splits of one corpus. With fewer than three tokens of `validation` the state is chosen by
        `train`, never by `test`; with fewer of `test`, `validation` is reported or, failing that, `train`. Each is
        warned of.
    checkpoint : folder in which the state of the training is kept and gone on from; the caller removes it.
    seconds : of training, in place of steps; evaluations do not count. 0: by steps.
    baselines : whether the counting baselines are measured too; if not, their perplexities are NaN.

    Raises
    ------
    NotEnoughDataError
        If the training split has fewer than 3 tokens.
    ConfigError
        For settings that do not fit the vocabulary or the vectors, which the message names.
    ValueError
        For vectors that are not one row of finite numbers for each token.
    """
    tokens = train.tokens
    if len(tokens) < 3:
        raise NotEnoughDataError(
            f"{train.path}: {len(tokens)} tokens are too few to train a generator; give it more text"
        )
    if vectors.shape[0] != len(vocabulary) or not np.isfinite(vectors).all():
        raise ValueError(
            f"the vectors to begin with have shape {vectors.shape} and the vocabulary {len(vocabulary):,} tokens; give "
            "one row of finite numbers for each token"
        )
    _warn_of_small_text(len(tokens), config, listener)
    counts = stream_counts(vocabulary, train)
    choosing = {"validation": validation, "training": train}
    _, watched_tokens = _first_usable("the best state is chosen", choosing, listener)
    scored_split, scored_tokens = _first_usable("the perplexity is measured", {"test": test, **choosing}, listener)
    watched = held_out(watched_tokens, limit=_WATCHED_TOKENS)
    scored = held_out(scored_tokens, limit=_SCORED_TOKENS)
    kept = None
    if checkpoint is not None:
        arrays = [vectors, counts, tokens, watched_tokens]
        kept = Checkpoints(checkpoint, fingerprint_of(config.model_dump(mode="json"), seed, *arrays))

    steps = _WITHOUT_END if seconds else steps_of(config, len(tokens), n_processes())

    def batches(start: int) -> Iterator[Window]:
        rows = config.batch * n_processes()
        return map(own_rows, windows_of(tokens, config, rows, device=device, seed=seed, start=start))

    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        model, optimizers, objective = begin_training(vectors, counts, config, seed=seed, device=device)
        objective.parts = Parts(config.batch, stage=_STAGE, listener=listener)
        result = fit(
            model,
            batches,
            objective,
            optimizers=optimizers,
            steps=steps,
            seconds=seconds,
            schedule=config.schedule,
            warmup=config.warmup,
            clip=config.clip,
            device=device,
            stage=_STAGE,
            listener=listener,
            evaluate=lambda: perplexity(model, watched),
            ema=config.ema,
            patience=config.patience,
            precision=config.precision,
            evaluate_every=max(1, -(-steps // _evaluations(config))),
            metric=_METRIC,
            checkpoint=kept,
            carried=[objective],
            parts=objective.parts,
        )
    losses = token_losses(model, scored.tokens)
    final = perplexity_of(float(losses.mean()))
    listener(Evaluated(_STAGE, "perplexity", final, result.best_step))
    return TrainedGenerator(
        model=model,
        perplexity=final,
        unigram_perplexity=unigram_perplexity(counts, scored) if baselines else math.nan,
        bigram_perplexity=bigram_perplexity(tokens, counts, scored) if baselines else math.nan,
        kneser_ney_perplexity=kneser_ney_perplexity(tokens, len(counts), scored) if baselines else math.nan,
        unknown_share=scored.unknown_share,
        n_scored=scored.n_scored,
        n_tokens_seen=objective.n_tokens,
        stopped=result.stopped,
        curve=training_curve(result, _METRIC),
        timeline=tuple((at, value) for at, (_, value) in zip(result.elapsed, result.history, strict=True)),
        interval=perplexity_interval(losses, seed=seed),
        units=piece_units(scored.tokens[:, 1:], vocabulary.tokens) if vocabulary.holds_pieces else None,
        scored_split=scored_split,
        losses=losses,
    )


def _first_usable(what: str, splits: dict[str, TokenStore], listener: Listener) -> tuple[str, NDArray[np.uint32]]:
    """Return the name and the tokens of the first split that has a token to predict; say so where it is another one."""
    name, store = next((name, store) for name, store in splits.items() if len(store.tokens) >= 3)
    wanted = next(iter(splits))
    if name != wanted:
        n = len(splits[wanted].tokens)
        listener(Warned(_STAGE, f"{n} tokens of {wanted} text are too few: {what} on {name} text; give more documents"))
    return name, store.tokens


def _warn_of_small_text(n_tokens: int, config: "GenerationConfig", listener: Listener) -> None:
    rows, length = len(rows_of(n_tokens, config.batch)) - 1, (n_tokens - 1) // config.batch
    if length < config.bptt:
        listener(
            Warned(
                _STAGE,
                f"{n_tokens:,} training tokens are fewer than one window of generation.batch {config.batch} rows and "
                f"generation.bptt {config.bptt} tokens: windows are of {rows} rows and {(n_tokens - 1) // rows} "
                "tokens; give more text, or set a smaller batch",
            )
        )


def _evaluations(config: "GenerationConfig") -> int:
    """Return how often a training is measured: more often where it may stop early, and once in each of many epochs."""
    return max(_EVALUATIONS, math.ceil(config.epochs), _EVALUATIONS_OF_PATIENCE * config.patience)
