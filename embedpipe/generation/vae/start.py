"""What the generative model begins as: the bundle's generator, and the network of its sentence encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from embedpipe.generation.begin import language_model_optimizers
from embedpipe.generation.language_model import Dropouts, LanguageModel
from embedpipe.generation.vae.network import SentenceVAE, VAEShape
from embedpipe.nn.optimizers import make_optimizers
from embedpipe.nn.readers import ReaderKind
from embedpipe.sentences.network import SentenceNetwork

if TYPE_CHECKING:
    from embedpipe.config import LatentConfig

__all__ = ["ReaderStart", "optimizers_of", "reader_of", "start_vae"]


@dataclass(frozen=True)
class ReaderStart:
    """A trained reader of sentences.

    Parameters
    ----------
    kind, hidden, layers, heads : as `make_reader` takes them.
    weights : its tensors by name.
    """

    kind: ReaderKind
    hidden: int
    layers: int
    heads: int
    weights: Mapping[str, Tensor]


def reader_of(encoder: SentenceNetwork) -> ReaderStart | None:
    """Return the reader of a sentence encoder, None for one that only averages."""
    shape = encoder.shape
    if encoder.reader is None or shape.architecture == "bag":
        return None
    return ReaderStart(shape.architecture, shape.hidden, shape.layers, shape.heads, encoder.reader.state_dict())


def start_vae(
    generator: LanguageModel,
    reader: ReaderStart | None,
    config: "LatentConfig",
    *,
    sparse: bool,
) -> SentenceVAE:
    """Return the model that training begins with; draws from torch's global generator.

    Parameters
    ----------
    generator : whose weights the decoder begins with; they are copied.
    reader : of a sentence encoder over word vectors of the same width, None for a random one; its shape is taken over
        with ``latent.start`` random too.
    sparse : whether a step reads a few rows of the table of the words, as in `LanguageModel`.
    """
    fits = reader is not None
    if reader is None:
        reader = ReaderStart("bilstm", config.hidden, 1, 1, {})
    shape = VAEShape(
        generator.shape, config.dim, reader.kind, reader.hidden, reader.layers, reader.heads, config.beside
    )
    dropouts = Dropouts(config.dropout, config.dropout, config.dropout)
    model = SentenceVAE(shape, dropouts, sparse=sparse)
    model.decoder.load_state_dict(generator.state_dict())
    if fits and config.start == "encoder":
        model.reader.load_state_dict(reader.weights)
    return model.requires_grad_(True)


def optimizers_of(model: SentenceVAE, config: "LatentConfig") -> list[torch.optim.Optimizer]:
    """Return the optimizers of the decoder, which begins trained, and of what is new."""
    new = nn.ModuleList(module for name, module in model.named_children() if name != "decoder")
    optimizers = make_optimizers(new, config.learning_rate, config.weight_decay)
    if not config.decoder_learning_rate:
        model.decoder.requires_grad_(False)
        return optimizers
    return optimizers + language_model_optimizers(model.decoder, config.decoder_learning_rate, config.weight_decay)
