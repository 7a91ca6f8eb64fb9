"""Settings of the probes."""

from pydantic import Field

from embedpipe.config.strict import Strict

__all__ = ["ProbesConfig"]


class ProbesConfig(Strict):
    """What is measured at the end of the main job."""

    tasks: tuple[str, ...] = (
        "wordsim353",
        "simlex999",
        "analogies",
        "lee",
        "documents",
        "length",
        "word-content",
        "bigram-shift",
        "odd-word",
        "adjacency",
        "order",
        "topic",
        "weat",
        "geometry",
    )
    chosen_on: tuple[str, ...] = ()
    """Names of tasks that settings of this run were chosen by, as `tune` writes them: their figures say so."""
    bootstrap: int = Field(default=1_000, ge=100)
    restrict: int = Field(default=30_000, ge=100)
    """Analogies search the most frequent words only."""
    max_documents: int = Field(default=40, ge=2)
    """Documents (classes) in the probe that asks which document a sentence comes from."""
    sentences_per_document: int = Field(default=30, ge=4)
    folds: int = Field(default=5, ge=2)
    """Folds of a classification that brings none of its own."""
    seeds: int = Field(default=3, ge=1)
    """How often those folds are drawn anew."""
    curves: bool = True
    """Whether the accuracy by number of labels is measured on the task 'documents'."""
    sentences_per_task: int = Field(default=1_200, ge=60)
    """Most sentences, or pairs of them, in each of the other probes that a corpus makes of itself."""
    leakage: bool = True
    """Look for the questions of tasks in the training text and in the training parts of the tasks."""
    leak_similarity: float = Field(default=0.8, gt=0, le=1)
    """Jaccard similarity of words and pairs of neighbouring words from which two texts are near-duplicates."""
    map_words: int = Field(default=1_500, ge=0)
    """Words on the map of the report; 0 is no map."""
    map_sentences: int = Field(default=800, ge=0)
    """Held-out sentences on the map of the report, which shows them as they stand in the text; 0 is no map."""
