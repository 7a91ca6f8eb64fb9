"""Settings of the text generator."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from embedpipe.config.strict import Strict

__all__ = ["GenerationConfig"]


class GenerationConfig(Strict):
    """The next-word language model: its network, what it begins with, and how it is trained."""

    architecture: Literal["lstm", "gru", "rnn", "transformer"] = "lstm"
    hidden: int = Field(default=256, ge=1)
    """Width of the recurrent layers, of a Transformer of its feed-forward parts."""
    layers: int = Field(default=2, ge=1)
    heads: int = Field(default=4, ge=1)
    """Attention heads of a Transformer."""
    context: int = Field(default=256, ge=1)
    """Most tokens that a Transformer looks back on."""
    tied: bool = True
    """Whether the vectors of the words are also the weights of the output (Press and Wolf, 2017)."""
    start: Literal["vectors", "random"] = "vectors"
    """What the table of the words begins with."""
    initial_norm: float = Field(default=4.0, gt=0)
    """Mean length of the table's rows at the start: at 1 the logits hardly differ, and training takes far longer."""
    steps: int = Field(default=1_000, ge=0)
    epochs: float = Field(default=0.0, ge=0)
    """Passes over the training text, in place of `steps`; 0: by steps."""
    batch: int = Field(default=32, ge=1)
    bptt: int = Field(default=48, ge=2)
    """Length of the window that gradients flow back through, in tokens."""
    variable_bptt: bool = False
    """Windows of varying length about `bptt`, so that their borders fall elsewhere (Merity et al., 2018)."""
    learning_rate: float = Field(default=1e-2, gt=0)
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    softmax: Literal["auto", "full", "sampled", "adaptive"] = "auto"
    """auto: full up to 8,000 tokens in the vocabulary, above that sampled in training and full in evaluation. adaptive:
    a tree of two levels, rare words below (Grave et al., 2017), in training and in evaluation."""
    samples: int = Field(default=4_096, ge=1)
    cutoffs: tuple[int, ...] = ()
    """Ids at which the clusters of the adaptive softmax begin; empty: chosen by the size of the vocabulary."""
    input_p: float = Field(default=0.1, ge=0, lt=1)
    hidden_p: float = Field(default=0.1, ge=0, lt=1)
    output_p: float = Field(default=0.1, ge=0, lt=1)
    embed_p: float = Field(default=0.0, ge=0, lt=1)
    weight_p: float = Field(default=0.0, ge=0, lt=1)
    """Share of the hidden-to-hidden weights dropped (weight drop: Merity et al., 2018)."""
    noise_p: float = Field(default=0.0, ge=0, lt=1)
    """Augmentation: share of the words read that are replaced by draws from the unigrams (Xie et al., 2017)."""
    ar: float = Field(default=0.0, ge=0)
    """Weight of the activation regularisation (Merity et al., 2017)."""
    tar: float = Field(default=0.0, ge=0)
    """Weight of the temporal activation regularisation."""
    weight_decay: float = Field(default=0.01, ge=0)
    """L2, decoupled (Loshchilov and Hutter, 2019)."""
    l1: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the moving average of the weights that is judged and kept; 0 is none."""
    patience: int = Field(default=0, ge=0)
    """Evaluations without a lower perplexity after which training stops; 0 never does."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    @model_validator(mode="before")
    @classmethod
    def _epochs_in_place_of_steps(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not values.get("epochs"):
            return values
        if values.get("steps"):
            raise ValueError("steps and epochs are two ways to say how long; set one of them, or steps=0")
        return {**values, "steps": 0}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if list(self.cutoffs) != sorted(set(self.cutoffs)) or any(cutoff < 4 for cutoff in self.cutoffs):
            raise ValueError(f"cutoffs {self.cutoffs} are ids above 3 that rise")
        if self.cutoffs and self.softmax != "adaptive":
            raise ValueError(f"cutoffs {self.cutoffs} are of the adaptive softmax; set softmax='adaptive'")
        if self.architecture == "transformer" and self.weight_p:
            raise ValueError("weight_p drops weights of recurrent layers; a transformer has none")
        return self
