"""Settings of the word vectors."""

import re
from typing import Literal, Self

from pydantic import Field, model_validator

from embedpipe.config.strict import Strict

__all__ = ["WordsConfig"]

_STEP = re.compile(
    r"(?:add|join)-contexts|centre|all-but-the-top:[1-9]\d{0,3}|whiten:(?:0(?:\.\d+)?|1(?:\.0+)?)|unit|join|reduce:[1-9]\d{0,3}|ngrams:\d{1,2}(?:\.\d+)?"
)


class WordsConfig(Strict):
    """Word2Vec (Mikolov et al., 2013) with gensim, and what is done to the vectors after it."""

    architecture: Literal["skipgram", "cbow"] = "skipgram"
    objective: Literal["negative", "hierarchical"] = "negative"
    dim: int = Field(default=200, ge=2, le=4096)
    window: int = Field(default=5, ge=1, le=1_000)
    negatives: int = Field(default=5, ge=1, le=1_000)
    epochs: int = Field(default=5, ge=0, le=10_000)
    subsample: float = Field(default=1e-4, ge=0, lt=1)
    learning_rate: float = Field(default=0.025, gt=0)
    min_learning_rate: float = Field(default=1e-4, gt=0)
    subwords: bool = False
    """Train fastText (Bojanowski et al., 2017) instead of Word2Vec: a word is also the sum of its character n-grams."""
    shortest_ngram: int = Field(default=3, ge=1, le=20)
    """Characters of the n-grams that are trained with subwords, and else fitted, the marks of a word's ends counted."""
    longest_ngram: int = Field(default=6, ge=1, le=20)
    buckets: int = Field(default=200_000, ge=1)
    """Rows of the table that n-grams are hashed into."""
    vectors: str = ""
    """Path of word vectors in another program's format to start from; with ``epochs=0`` they are kept as they are."""
    patience: int = Field(default=0, ge=0)
    """Epochs without a lower held-out loss after which training stops and the best epoch is kept; 0 never stops. They
    count in the second half of the epochs: before it the learning rate is so high that the loss may rise."""
    runs: int = Field(default=1, ge=1, le=100)
    """Seeds trained and averaged after alignment; from two on, every word's neighbours are compared between them."""
    bootstrap: bool = False
    """Each run is trained on documents drawn with replacement, so that stability speaks of the corpus too."""
    beside: Literal["none", "skipgram", "cbow"] = "none"
    """Architecture of a second training, with the same settings but these four, published beside the first."""
    beside_window: int = Field(default=5, ge=1, le=1_000)
    beside_negatives: int = Field(default=5, ge=1, le=1_000)
    beside_epochs: int = Field(default=5, ge=1, le=10_000)
    beside_subsample: float | None = Field(default=None, ge=0, lt=1)
    """Subsampling of the training beside; left out it is that of the first."""
    steps: tuple[str, ...] = ("whiten:0.5",)
    """What is done to the vectors before they are published, in this order: add-contexts, join-contexts, centre,
    all-but-the-top:N, whiten:EXPONENT, unit, join, reduce:N, ngrams:WEIGHT (see docs/words.md)."""
    unseen: Literal["ngrams", "spelling"] = "ngrams"
    """What stands for a word outside the vocabulary: a vector fitted to its character n-grams, or the vector of the
    nearest spelling. With subwords it is always the n-grams, as trained."""
    keep_training: bool = True
    """Keep in the bundle what a later run needs to train on (raw word and context vectors)."""
    sif_a: float = Field(default=5e-4, gt=0)
    """Smoothing of the SIF weights a / (a + p(w)) (Arora et al., 2017)."""

    @property
    def subsample_beside(self) -> float:
        """Subsampling of the training beside: its own, or that of the first."""
        return self.subsample if self.beside_subsample is None else self.beside_subsample

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.shortest_ngram > self.longest_ngram:
            raise ValueError(f"shortest_ngram {self.shortest_ngram} is longer than longest_ngram {self.longest_ngram}")
        unknown = [step for step in self.steps if not _STEP.fullmatch(step)]
        if unknown:
            raise ValueError(
                f"unknown step '{unknown[0]}' in steps; use add-contexts, join-contexts, centre, all-but-the-top:N, "
                "whiten:EXPONENT (0 to 1), unit, join, reduce:N and ngrams:WEIGHT (below 100)"
            )
        alone = self.steps[: self.steps.index("join")] if "join" in self.steps else self.steps
        for step in alone:
            if step.startswith("all-but-the-top:") and int(step.partition(":")[2]) >= self.dim:
                raise ValueError(f"the step '{step}' leaves nothing of {self.dim} dimensions")
        if self.runs > 1 and not self.epochs:
            raise ValueError("several runs of epochs=0 are all the same; leave runs at 1")
        with_contexts = [step for step in self.steps if step.endswith("-contexts")]
        if any(step in with_contexts for step in self.steps[1:]):
            raise ValueError(f"the step '{with_contexts[-1]}' is the first one in steps, and there is one of its kind")
        if self.vectors and not self.epochs and (with_contexts or self.beside != "none"):
            raise ValueError("epochs=0 takes one table from a file: without a training beside and steps with contexts")
        if with_contexts and self.objective != "negative":
            raise ValueError(f"the step '{with_contexts[0]}' needs context vectors, which hierarchical softmax has not")
        fitted = any(step.startswith("ngrams:") for step in self.steps)
        if self.subwords and (with_contexts or fitted or self.beside != "none" or "unit" in self.steps[:-1]):
            raise ValueError(
                "with subwords the steps are centre, all-but-the-top:N, whiten:EXPONENT and reduce:N, at the end unit, "
                "and there is no training beside: an unseen word has no context vectors and one table, and n-grams are "
                "trained, not fitted"
            )
        return self
