"""The network of the generative model: what reads a sentence into q(z | x), and what writes one from z."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from embedpipe.generation.language_model import Dropouts, LanguageModel, Shape
from embedpipe.generation.state import State
from embedpipe.generation.vae.gaussian import Gaussian
from embedpipe.nn.batches import Padded
from embedpipe.nn.layers import length_mask
from embedpipe.nn.readers import ReaderKind, make_reader

__all__ = ["SentenceVAE", "VAEShape"]

_TENSORS_OF = {"lstm": 2, "gru": 1, "rnn": 1, "transformer": 0}
"""How many tensors a layer of each kind carries on that z can set; a Transformer carries what it has read."""
_MOST_LOG_VARIANCE = 6.0


@dataclass(frozen=True, slots=True)
class VAEShape:
    """What decides the tensors of the network.

    Parameters
    ----------
    decoder : of the language model that writes.
    dim : components of z.
    reader : what reads a sentence.
    hidden, layers, heads : of the reader, as `make_reader` takes them.
    beside : whether z also shifts what the output weights are compared with.
    """

    decoder: Shape
    dim: int
    reader: ReaderKind = "bilstm"
    hidden: int = 256
    layers: int = 1
    heads: int = 4
    beside: bool = True


class SentenceVAE(nn.Module):
    """A variational autoencoder of sentences (Kingma and Welling, 2014; of text: Bowman et al., 2016).

    q(z | x) is a Gaussian with a diagonal covariance, made of what a reader over the decoder's word vectors gives. The
    prior is a standard normal. p(x | z) is a language model whose first state, whose word vectors read and, `beside`
    these, whose output are shifted by linear maps of z. The maps begin at zero, so that the decoder begins as the
    language model it is made from, whatever z is.

    Parameters
    ----------
    shape : of the network.
    dropouts : of the decoder, in training.
    sparse : a step reads a few rows of the table of the words, as in `LanguageModel`.

    Examples
    --------
    >>> vae = SentenceVAE(VAEShape(Shape(10, dim=4, hidden=6, layers=2), dim=3, hidden=5)).eval()
    >>> posterior = vae.encode(Padded(torch.tensor([[5, 7, 0]]), torch.tensor([2])))
    >>> posterior.mean.shape, vae.state(posterior.mean).layers[0][0].shape
    (torch.Size([1, 3]), torch.Size([1, 1, 6]))
    """

    def __init__(self, shape: VAEShape, dropouts: Dropouts | None = None, *, sparse: bool = False) -> None:
        super().__init__()
        self.shape = shape
        self.decoder = LanguageModel(shape.decoder, dropouts, sparse=sparse)
        self.reader = make_reader(shape.reader, shape.decoder.dim, shape.hidden, shape.layers, shape.heads)
        read = 2 * self.reader.out_dim
        self.summary = nn.Linear(read, shape.hidden)
        self.posterior = nn.Linear(shape.hidden, 2 * shape.dim)
        per_layer = _TENSORS_OF[shape.decoder.architecture]
        self.to_layers = nn.ModuleList(nn.Linear(shape.dim, per_layer * w) for w in self.decoder.widths() if per_layer)
        self.to_given = nn.Linear(shape.dim, shape.decoder.dim, bias=False)
        width = self.decoder.output_table.shape[1]
        self.to_output = nn.Linear(shape.dim, width, bias=False) if shape.beside else None
        for module in (*self.to_layers, self.to_given, self.to_output):
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.decoder.device

    def encode(self, sentences: Padded) -> Gaussian:
        """Return q(z | x) of each sentence, in float32; that of an empty one is what an empty reading gives.

        The word vectors are read at one length and do not learn from this side.
        """
        vectors = F.normalize(F.embedding(sentences.ids, self.decoder.table.detach()), dim=2)
        vectors = vectors * self.shape.decoder.dim**0.5  # of about unit variance
        outputs, last = self.reader(vectors, sentences.lengths)
        mask = length_mask(sentences.lengths, outputs.shape[1])
        mean = outputs.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        summary = F.gelu(self.summary(torch.cat([mean, last], dim=1)))
        mean, log_variance = self.posterior(summary).float().chunk(2, dim=1)
        return Gaussian(mean, _MOST_LOG_VARIANCE * torch.tanh(log_variance / _MOST_LOG_VARIANCE))

    def state(self, z: Tensor) -> State:
        """Return what the decoder begins from, for points of shape (batch, dim)."""
        layers = []
        for to_layer in self.to_layers:
            parts = to_layer(z)[None].chunk(_TENSORS_OF[self.shape.decoder.architecture], dim=2)
            layers.append(tuple(torch.tanh(part).contiguous() for part in parts))
        added = None if self.to_output is None else self.to_output(z)
        return State(tuple(layers), self.to_given(z), added)

    def read(self, z: Tensor, inputs: Tensor) -> Tensor:
        """Return the hidden vectors that predict what follows each of `inputs`, given z: shape (batch, time, width)."""
        return self.decoder.read(inputs, self.state(z)).hidden
