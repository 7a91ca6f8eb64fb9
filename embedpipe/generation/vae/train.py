"""Training of the generative model on the sentences of a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from embedpipe.generation.begin import stream_counts
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.truncated import Softmax
from embedpipe.generation.vae.figures import Figures, measure
from embedpipe.generation.vae.likelihood import reconstruction_losses
from embedpipe.generation.vae.network import SentenceVAE
from embedpipe.generation.vae.objective import Bound, with_free_bits
from embedpipe.generation.vae.sentences import some_sentences, whole_sentences
from embedpipe.generation.vae.start import ReaderStart, optimizers_of, start_vae
from embedpipe.nn.batches import TokenSource, batches_by_tokens, pad
from embedpipe.nn.checkpoint import Checkpoints, fingerprint_of
from embedpipe.nn.curve import training_curve
from embedpipe.nn.fit import fit
from embedpipe.nn.softmax import FullSoftmax, SampledSoftmax
from embedpipe.nn.spans import batches_of
from embedpipe.runtime import Listener, Warned, silent
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import LatentConfig

__all__ = ["STAGE", "TrainedVAE", "train_vae", "validation_bound"]

STAGE = "latent"
_EVALUATIONS = 8
_WATCHED = 400
_LOOKED_AT = 2_000
_POSITIONS = 4_096
_METRIC = "held-out bound, nats a sentence"

Drawn = tuple[list[NDArray[np.uint32]], NDArray[np.int64]]
"""Sentences, and the number of the document of each."""


@dataclass(frozen=True, slots=True)
class TrainedVAE:
    """A trained generative model and what was found of it.

    Parameters
    ----------
    model : on the CPU, in evaluation mode.
    figures : on sentences of `scored_split`.
    scored_split : ``test``, or where that has no usable sentence ``validation`` or ``training``.
    share : of the training sentences that are short enough to be trained on.
    steps, best_step : taken, and the one whose weights were kept.
    stopped : why training ended before its plan, or None.
    curve : how the training went, as `training_curve` gives it.
    """

    model: SentenceVAE
    figures: Figures
    scored_split: str
    share: float
    steps: int
    best_step: int
    stopped: str | None
    curve: dict[str, Any]

    @property
    def summary(self) -> str:
        """The result in one line."""
        where = "" if self.scored_split == "test" else f" on {self.scored_split} text"
        return f"{self.figures.summary}{where}; best at step {self.best_step:,} of {self.steps:,}"

    @property
    def result(self) -> dict[str, Any]:
        """The figures by name."""
        rest = {
            "scored_split": self.scored_split,
            "sentences_used": self.share,
            "best_step": self.best_step,
            "curve": self.curve,
        }
        return {**self.figures.result, **rest}


def train_vae(
    generator: LanguageModel,
    reader: ReaderStart | None,
    vocabulary: Vocabulary,
    train: TokenStore,
    validation: TokenStore,
    test: TokenStore,
    config: "LatentConfig",
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    listener: Listener = silent,
) -> TrainedVAE:
    """Train a variational autoencoder whose decoder begins as a language model.

    The state with the lowest bound on sentences of `validation`, the KL divergence below its free nats counted as
    these, is kept. What is reported is measured on sentences of `test`.

    Parameters
    ----------
    generator : the language model, over `vocabulary`; it is left as it is.
    reader : of a sentence encoder, to begin with; None begins with a random one.
    train, validation, test : splits of one corpus; one without a usable sentence falls back on the one before it, and
        `listener` is told.
    seed : fixes the start, the batches, the draws of z and the dropout.
    checkpoint : folder in which the state of the training is kept and gone on from; the caller removes it.

    Raises
    ------
    NotEnoughDataError
        If no training sentence has from 3 to `config.max_tokens` tokens.
    """
    draw, share = whole_sentences(train, config.max_tokens)
    splits = {"test": test, "validation": validation, "training": train}
    held = {name: some_sentences(store, config.max_tokens, _LOOKED_AT, seed) for name, store in splits.items()}
    chosen_on = _first_usable("the best state is chosen", ("validation", "training"), held, listener)
    scored_split = _first_usable("the figures are measured", tuple(splits), held, listener)
    watched = held[chosen_on][0]
    watched = watched[:: max(1, len(watched) // _WATCHED)][:_WATCHED]
    scored, documents = held[scored_split]
    kept = None
    if checkpoint is not None:
        arrays = [tensor.detach().cpu().numpy() for tensor in generator.state_dict().values()]
        arrays += [] if reader is None else [tensor.cpu().numpy() for tensor in reader.weights.values()]
        arrays += [train.tokens, train.sentence_offsets, *watched]
        kept = Checkpoints(checkpoint, fingerprint_of(config.model_dump(mode="json"), seed, *arrays))
    sampled = generator.clusters is None and len(vocabulary) > 2 * config.samples
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model = start_vae(generator, reader, config, sparse=sampled).to(device)
        optimizers = optimizers_of(model, config)
        softmax: Softmax = FullSoftmax() if model.decoder.clusters is None else model.decoder.clusters
        if sampled:
            counts = stream_counts(vocabulary, train)
            softmax = SampledSoftmax(counts, config.samples, device, sparse=model.decoder.sparse)
        objective = Bound(softmax, config)
        source = TokenSource(train.tokens, device)
        run = fit(
            model,
            lambda start: batches_of(draw, source, config.batch, seed=seed, start=start),
            objective,
            optimizers=optimizers,
            steps=config.steps,
            schedule=config.schedule,
            warmup=config.warmup,
            clip=config.clip,
            patience=config.patience,
            device=device,
            precision=config.precision,
            stage=STAGE,
            listener=listener,
            evaluate=lambda: validation_bound(model, watched, config, seed=seed),
            evaluate_every=max(config.steps // _EVALUATIONS, 1),
            metric=_METRIC,
            checkpoint=kept,
            carried=[objective],
        )
    figures = measure(
        model,
        generator.to(device),
        scored,
        documents=documents,
        scored=config.scored,
        draws=config.importance,
        seed=seed,
        listener=listener,
    )
    return TrainedVAE(
        model.cpu().requires_grad_(False).eval(),
        figures,
        scored_split,
        share,
        run.steps,
        run.best_step,
        run.stopped,
        training_curve(run, _METRIC),
    )


def _first_usable(what: str, names: Sequence[str], held: Mapping[str, Drawn], listener: Listener) -> str:
    """Return the name of the first split that has a sentence; say so where it is another one than the first."""
    name = next(name for name in names if held[name][0])
    if name != names[0]:
        said = f"no sentence of the {names[0]} text can be used: {what} on {name} text; give more documents"
        listener(Warned(STAGE, said))
    return name


@torch.no_grad()
def validation_bound(
    model: SentenceVAE, sentences: Sequence[NDArray[np.uint32]], config: "LatentConfig", *, seed: int
) -> float:
    """Return the negative bound with one draw for each sentence, its KL divergence at least the free nats.

    Without the free nats the decoder that ignores z would count as the best as long as z has not paid for itself.
    """
    lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
    total, divergence = 0.0, torch.zeros(len(sentences), model.shape.dim)
    noise = torch.randn(len(sentences), model.shape.dim, generator=torch.Generator().manual_seed(seed))
    for chosen in batches_by_tokens(lengths, _POSITIONS, 256):
        batch = pad([sentences[i] for i in chosen], model.device)
        posterior = model.encode(batch)
        z = posterior.draw(noise[torch.from_numpy(chosen)].to(model.device))
        total += float(reconstruction_losses(model, batch, z).sum())
        divergence[torch.from_numpy(chosen)] = posterior.divergence().cpu()
    return total / len(sentences) + float(with_free_bits(divergence, config))
