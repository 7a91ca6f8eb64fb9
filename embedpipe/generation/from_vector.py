"""The language model as what writes a sentence from its vector: the decoder that an encoder is trained through."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from embedpipe.generation.begin import begin_model, is_scattered, stream_counts, tables_of
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.state import State
from embedpipe.generation.vae.sentences import frame, hide_words
from embedpipe.nn.batches import Padded
from embedpipe.nn.softmax import SampledSoftmax
from embedpipe.sentences.objectives.denoising import Decoder, MakeDecoder
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import GenerationConfig

__all__ = ["FromVector", "decoder_like"]

_UNSEEN = 0.5
"""Share of the words kept from the decoder, which could else do without the vector (Bowman et al., 2016)."""
_SAMPLES = 2_048
"""Words that a batch is compared with: of several thousand tokens, so that half of the generator's do."""
_BEGINNING = 0.1
"""Factor on the first weights of what is given: the model is to begin as what it was."""
_WEIGHED_ON = ("cuda",)
"""Where padding is compared too and weighs nothing: to pick the rest out costs less, but the processor waits for it."""


class FromVector(nn.Module):
    """The loss of a language model that is given the vector of each sentence: added to what it reads, and to what it
    compares with the output weights.

    Parameters
    ----------
    model : writes.
    softmax : compares; not asked where the model has clusters.
    dim : width of the sentence vectors.

    Examples
    --------
    >>> from embedpipe.generation.language_model import Shape
    >>> softmax = SampledSoftmax(np.ones(10), 10, torch.device("cpu"), sparse=False)
    >>> decoder = FromVector(LanguageModel(Shape(10, dim=4, hidden=6, layers=1)), softmax, dim=3).eval()
    >>> decoder(torch.eye(3)[:1], Padded(torch.tensor([[5, 7]]), torch.tensor([2]))).shape
    torch.Size([])
    """

    def __init__(self, model: LanguageModel, softmax: SampledSoftmax, dim: int) -> None:
        super().__init__()
        self.model, self.softmax = model, softmax
        self.to_given = nn.Linear(dim, model.shape.dim, bias=False)
        self.to_output = nn.Linear(dim, model.output_table.shape[1], bias=False)
        with torch.no_grad():
            self.to_given.weight.mul_(_BEGINNING)
            self.to_output.weight.mul_(_BEGINNING)

    def forward(self, vectors: Tensor, sentences: Padded, at_once: int = 0) -> Tensor:
        """Return the mean loss of a token in nats, a scalar.

        Parameters
        ----------
        vectors : unit rows, shape (batch, dim).
        sentences : what they are to say.
        at_once : rows read together; each part is read once more when gradients flow back. 0 is all.
        """
        n_rows = len(sentences.lengths)
        if not 0 < at_once < n_rows:
            return self._losses(vectors, sentences.ids, sentences.lengths) / _n_targets(sentences)
        rows = vectors, sentences.ids, sentences.lengths
        parts = zip(*(torch.split(each, at_once) for each in rows), strict=True)
        if torch.is_grad_enabled():
            sums = [checkpoint(self._losses, *part, use_reentrant=False) for part in parts]
        else:
            sums = [self._losses(*part) for part in parts]
        return torch.stack(sums).sum() / _n_targets(sentences)

    def _losses(self, vectors: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the sum over all tokens."""
        sentences = Padded(ids, lengths)
        framed = frame(sentences)
        inputs = hide_words(framed, _UNSEEN) if self.training else framed.inputs
        vectors = vectors * vectors.shape[1] ** 0.5
        hidden = self.model.read(inputs, State((), self.to_given(vectors), self.to_output(vectors))).hidden
        compare = self.softmax if self.model.clusters is None else self.model.clusters
        table, bias = self.model.output_table, self.model.bias
        mean: Tensor
        if self.model.clusters is None and ids.device.type in _WEIGHED_ON:
            mean = self.softmax(table, bias, hidden, framed.targets, framed.mask)
        else:
            mean = compare(table, bias, hidden[framed.mask], framed.targets[framed.mask])
        return mean * _n_targets(sentences)


def decoder_like(
    vectors: NDArray[np.float32],
    vocabulary: Vocabulary,
    config: "GenerationConfig",
    *,
    seed: int,
    generator: LanguageModel | None = None,
) -> MakeDecoder:
    """Return what makes a decoder for the training of an encoder: a language model of its own, without dropout.

    Parameters
    ----------
    vectors : float32 of shape (len(vocabulary), dim), which it begins with as a generator does.
    config : of the generator: its shape, and with what it begins.
    seed : of the rows of words without a vector.
    generator : a trained one to begin as, which is copied; its shape stands in place of the one in `config`.
    """

    plain = config.model_copy(
        update={
            **dict.fromkeys(("input_p", "hidden_p", "output_p", "embed_p", "weight_p", "noise_p"), 0.0),
            "softmax": "adaptive" if config.softmax == "adaptive" else "sampled",
        }
    )

    def make(train: TokenStore, dim: int, device: torch.device) -> Decoder:
        counts = stream_counts(vocabulary, train)
        if generator is None:
            model = begin_model(vectors, counts, plain, seed=seed, device=device)
        else:
            softmax_name: Literal["sampled", "adaptive"] = "sampled" if generator.clusters is None else "adaptive"
            scattered = is_scattered(softmax_name, tied=generator.output is None)
            model = LanguageModel(generator.shape, sparse=scattered)
            model.load_state_dict(generator.state_dict())
        softmax = SampledSoftmax(counts, _SAMPLES, device, sparse=model.sparse)
        return Decoder(FromVector(model, softmax, dim).to(device), *tables_of(model))

    return make


def _n_targets(sentences: Padded) -> Tensor:
    return (sentences.lengths + 1).sum()
