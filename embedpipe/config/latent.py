"""Settings of the generative model of sentences."""

from typing import Literal, Self

from pydantic import Field, model_validator

from embedpipe.config.strict import Strict

__all__ = ["LatentConfig"]


class LatentConfig(Strict):
    """The variational autoencoder p(x | z) of sentences: its network, its objective, and how it is trained."""

    dim: int = Field(default=32, ge=1, le=4_096)
    """Components of z."""
    hidden: int = Field(default=256, ge=1)
    """Width, in each direction, of the network that reads a sentence, where the bundle has no encoder."""
    start: Literal["encoder", "random"] = "encoder"
    """Whether the network that reads a sentence begins as the one of the bundle's sentence encoder."""
    beside: bool = True
    """Whether z also shifts what the output weights are compared with, beside the first state and the words read."""

    beta: float = Field(default=1.0, ge=0)
    """Weight of the KL divergence; 1 is the evidence lower bound."""
    beta_schedule: Literal["constant", "linear", "cyclical"] = "linear"
    """How beta is reached: at once, rising once from 0, or rising from 0 again in each cycle (Fu et al., 2019)."""
    anneal: float = Field(default=0.3, gt=0, le=1)
    """Share of the training, or of each cycle, in which beta rises."""
    cycles: int = Field(default=4, ge=1)
    """Cycles of the cyclical schedule."""
    free_bits: float = Field(default=8.0, ge=0)
    """Nats of the KL divergence, a sentence, that cost nothing (Kingma et al., 2016); 0 is the plain bound."""
    free_bits_of: Literal["dimension", "total"] = "dimension"
    """Whether each component has an equal share of them for itself, or all components have them together."""
    word_p: float = Field(default=0.2, ge=0, lt=1)
    """Share of the words that the decoder reads as unknown ones, so that it needs z (Bowman et al., 2016)."""

    steps: int = Field(default=3_000, ge=0)
    batch: int = Field(default=64, ge=1)
    max_tokens: int = Field(default=48, ge=4)
    """Longest sentence that is trained and measured on; longer ones are left out and counted."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Of the parts that are new."""
    decoder_learning_rate: float = Field(default=1e-3, ge=0)
    """Of the decoder, which begins as the bundle's generator; 0 leaves it as it is."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    samples: int = Field(default=4_096, ge=1)
    """Rows of the table that a batch is compared with, where the vocabulary is larger."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share dropped of what the layers of the decoder read and give."""
    weight_decay: float = Field(default=0.01, ge=0)
    clip: float = Field(default=1.0, gt=0)
    patience: int = Field(default=0, ge=0)
    """Evaluations without a lower bound after which training stops; 0 never does."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    scored: int = Field(default=200, ge=1)
    """Held-out sentences whose likelihood is measured."""
    importance: int = Field(default=100, ge=1)
    """Draws of z for each of them (Burda et al., 2016)."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.free_bits_of == "dimension" and self.free_bits / self.dim > 5:
            raise ValueError(
                f"free_bits {self.free_bits} over {self.dim} components are {self.free_bits / self.dim:.1f} nats each, "
                "more than a component can use; raise dim or lower free_bits"
            )
        return self
