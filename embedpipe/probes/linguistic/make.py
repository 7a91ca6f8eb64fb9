"""The tasks that a corpus makes of itself, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.linguistic.bigram_shift import bigram_shift_task
from embedpipe.probes.linguistic.bigrams import BigramCues, count_bigrams
from embedpipe.probes.linguistic.documents import documents_task
from embedpipe.probes.linguistic.length import length_task
from embedpipe.probes.linguistic.neighbours import adjacency_task, order_task
from embedpipe.probes.linguistic.odd_word import odd_word_task
from embedpipe.probes.linguistic.pool import Codec, HeldOutSplit, Pool, draw_pool
from embedpipe.probes.linguistic.topic import topic_task
from embedpipe.probes.linguistic.word_content import word_content_task
from embedpipe.probes.rows import Row, skipped
from embedpipe.tasks.builtin import (
    ADJACENCY,
    BIGRAM_SHIFT,
    DOCUMENTS,
    LENGTH,
    ODD_WORD,
    ORDER,
    TOPIC,
    WORD_CONTENT,
)
from embedpipe.tasks.shapes import Classification, Inference
from embedpipe.text.token_store import TokenStore

__all__ = ["ProbedCorpus", "corpus_task"]


@dataclass(frozen=True, eq=False)
class ProbedCorpus:
    """A prepared text to make tasks of; what several tasks need is made once.

    Parameters
    ----------
    held_out : splits that no weight was trained on, the best first.
    train : the training split, for the counts of bigrams and for topics.
    codec : of the bundle.
    n_sentences : most sentences of a task.
    max_documents, sentences_per_document : of the task ``documents``.
    seed : of all draws.
    units : what the documents are, for notes.
    """

    held_out: Sequence[HeldOutSplit]
    train: TokenStore
    codec: Codec
    n_sentences: int
    max_documents: int
    sentences_per_document: int
    seed: int
    units: str = "documents"

    @cached_property
    def pool(self) -> Pool:
        """Held-out sentences."""
        return draw_pool(self.held_out, self.codec, n_sentences=self.n_sentences, seed=self.seed, units=self.units)

    @cached_property
    def cues(self) -> BigramCues:
        """Texts as the counts of their bigrams in training."""
        return BigramCues(self.codec, count_bigrams(self.train))


def corpus_task(name: str, corpus: ProbedCorpus | None) -> Classification | Inference | Row:
    """Return the task of that name, one of `CORPUS_TASKS`, or a row that says why there is none.

    Parameters
    ----------
    name : of the task.
    corpus : what it is made of; None where there is no prepared text.

    Raises
    ------
    KeyError
        If `name` is no such task.
    """
    make = _MAKERS[name]
    if corpus is None:
        return skipped(name, "accuracy", "the prepared text is not at hand")
    try:
        return make(corpus)
    except NotEnoughDataError as error:
        return skipped(name, "accuracy", str(error))


_MAKERS: dict[str, Callable[[ProbedCorpus], Classification | Inference]] = {
    DOCUMENTS: lambda c: documents_task(
        c.held_out,
        c.codec.tokenizer,
        units=c.units,
        max_documents=c.max_documents,
        sentences_per_document=c.sentences_per_document,
        seed=c.seed,
    ),
    LENGTH: lambda c: length_task(c.pool, n_sentences=c.n_sentences, seed=c.seed),
    WORD_CONTENT: lambda c: word_content_task(c.pool, n_sentences=c.n_sentences, seed=c.seed),
    BIGRAM_SHIFT: lambda c: bigram_shift_task(c.pool, c.cues, n_sentences=c.n_sentences, seed=c.seed),
    ODD_WORD: lambda c: odd_word_task(c.pool, c.cues, n_sentences=c.n_sentences, seed=c.seed),
    ADJACENCY: lambda c: adjacency_task(c.pool, n_sentences=c.n_sentences, seed=c.seed),
    ORDER: lambda c: order_task(c.pool, n_sentences=c.n_sentences, seed=c.seed),
    TOPIC: lambda c: topic_task(c.pool, c.train, n_sentences=c.n_sentences, seed=c.seed),
}
