"""Settings of the sentence encoder."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from embedpipe.config.strict import Strict
from embedpipe.presets import knows_both_sides

__all__ = ["SentencesConfig"]


class SentencesConfig(Strict):
    """The sentence encoder: its network, what it is trained towards, and how."""

    architecture: Literal["bilstm", "lstm", "gru", "rnn", "transformer", "bag"] = "bilstm"
    """What reads the words; bag is the SIF average alone, which has nothing to train."""
    hidden: int = Field(default=256, ge=1)
    """Width of the recurrent layers in each direction, or of the transformer."""
    layers: int = Field(default=1, ge=1)
    heads: int = Field(default=4, ge=1)
    """Attention heads of the transformer."""
    pooling: Literal["mean", "sif", "max", "last", "attention"] = "mean"
    dim: int = Field(default=0, ge=0, le=8_192)
    """Width of the sentence vectors; 0 is that of the word vectors, with `beside` that of the network more, and with
    `moments` that of the word vectors once more."""
    residual: bool = True
    """Whether what the network reads stands with the SIF average, so that training starts from there."""
    beside: float = Field(default=0.0, ge=0, lt=1)
    """Share of a vector's squared length that is what the network reads, in components of its own beside those of the
    average; 0 adds it to the average."""
    moments: float = Field(default=0.0, ge=0, lt=1)
    """Share of it that is the sum of the squares of the words' vectors (Snyder et al., 2018), which says more to a
    classifier than to a cosine. Without `beside` it does nothing."""
    whiten: float = Field(default=0.0, ge=0, le=1)
    """How far the averages of sentences are whitened after a training from text alone (Su et al., 2021): 0 leaves them
    as they are, 1 makes all their directions equally large. Without `beside` it does nothing."""
    nested_dims: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Widths below `dim` whose first components are trained as vectors of their own (Kusupati et al., 2022)."""

    neighbours: float = Field(default=1.0, ge=0)
    """Share of the steps in which a sentence is to find the one beside it in the text."""
    twins: float = Field(default=0.0, ge=0)
    """Share in which it is to find itself under another dropout (SimCSE; Gao et al., 2021)."""
    twins_delete_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the words left out of each twin, where `delete_p` is not more."""
    crops: float = Field(default=0.0, ge=0)
    """Share in which one span of a paragraph is to find another (Giorgi et al., 2021)."""
    language_model: float = Field(default=0.0, ge=0)
    """Share in which the reader is to say the next word, and the one before (Peters et al., 2018)."""
    denoising: float = Field(default=0.0, ge=0)
    """Share in which a decoder writes the sentence from the vector of a damaged one (TSDAE; Wang et al., 2021)."""
    pairs: tuple[str, ...] = ()
    """Files of texts that mean the same, each a share of 1 of the steps times `pairs_weight`."""
    pairs_weight: float = Field(default=1.0, ge=0)
    inference: tuple[str, ...] = ()
    """Files of premise, hypothesis and label (InferSent; Conneau et al., 2017)."""
    inference_weight: float = Field(default=1.0, ge=0)
    scores: tuple[str, ...] = ()
    """Files of two texts and how alike people find them."""
    scores_weight: float = Field(default=1.0, ge=0)
    score_loss: Literal["cosent", "cosine"] = "cosent"
    """Ranking of the pairs by cosine (CoSENT; Su, 2022), or the squared error of the cosine."""
    temperature: float = Field(default=0.05, gt=0)

    steps: int = Field(default=750, ge=0)
    batch: int = Field(default=256, ge=2)
    micro_batch: int = Field(default=0, ge=0)
    """Rows read at once; a larger contrastive batch is read in parts (Gao et al., 2021, gradient caching); 0 is all."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are added up for one step."""
    max_tokens: int = Field(default=64, ge=4)
    """Longest sentence seen in training; encoding has no limit."""
    learning_rate: float = Field(default=1e-3, gt=0)
    words_learning_rate: float = Field(default=1e-3, ge=0)
    """Of the word vectors and their weights; at 0 the vectors stay as they are and the weights learn as the rest."""
    schedule: Literal["cosine", "linear"] = "cosine"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is kept in their place; 0 keeps the weights themselves."""
    patience: int = Field(default=0, ge=0)
    """Evaluations without improvement after which training stops; 0 never stops."""
    choose_by: Literal["probe", "loss"] = "probe"
    """What is to improve on held-out rows: what people read (is the right sentence found, does the order agree), or the
    loss."""
    held_out: int = Field(default=2_048, ge=2)
    """Most held-out rows of a kind that are measured on: with as many an accuracy of a half is known to 2.2 points.

    Where rows are compared within their batch, and of classes, whole batches are measured on: as many as fit into this
    number, and one where it is smaller than a batch."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share dropped of the features that the network gives."""
    input_p: float = Field(default=0.0, ge=0, lt=1)
    """Share dropped of the features that it reads, one mask a sentence. On a CPU an LSTM then takes a third to twice as
    long to train, for what it reads of a word is no longer the same in every sentence."""
    embed_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the vocabulary dropped in a step."""
    word_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the words of a sentence that become <unk>."""
    delete_p: float = Field(default=0.0, ge=0, lt=1)
    swap_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the words that change places with the one after them."""
    synonym_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the words replaced by one of their nearest by word vectors."""
    weight_decay: float = Field(default=0.01, ge=0)
    """L2, decoupled (Loshchilov and Hutter, 2019)."""
    l1: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.architecture == "transformer" and self.hidden % self.heads:
            raise ValueError(f"hidden {self.hidden} of the transformer is no multiple of heads {self.heads}")
        if self.language_model and knows_both_sides(self.architecture, self.layers):
            raise ValueError(
                "language_model is above 0, and no output of this encoder depends on the words of one side alone: set "
                "it to 0, or architecture to bilstm of one layer, lstm, gru or rnn"
            )
        if self.beside + self.moments >= 1:
            raise ValueError(f"beside {self.beside} and moments {self.moments} are to leave something to the average")
        if self.dim and any(width >= self.dim for width in self.nested_dims):
            raise ValueError(f"nested_dims {self.nested_dims} are to lie below dim {self.dim}")
        return self
