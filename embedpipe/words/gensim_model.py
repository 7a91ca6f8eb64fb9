"""The border to gensim: one model, trained an epoch at a time, its tables read and set by word.

gensim keeps a vocabulary of its own, so rows are found by token. Its running loss is a float32 sum that stalls at 2^27
and depends on the number of threads: it is not used.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from embedpipe.config import WordsConfig

__all__ = ["GensimModel"]

_CACHE_LINE = 64


class GensimModel:
    """A Word2Vec model (Mikolov et al., 2013) or, with subwords, a fastText model (Bojanowski et al., 2017).

    Parameters
    ----------
    words : of the vocabulary, in any order.
    counts : of each word in the text.
    n_sentences : lines of the text.
    config : architecture, objective, width, window, epochs, subsampling, learning rates, n-grams.
    seed : of the initial vectors and of every draw.
    workers : training threads.
    n_tokens : tokens of the text; None for the sum of `counts`.

    Attributes
    ----------
    tables : all that is trained, float32 arrays of width ``config.dim`` that may be written to, in gensim's order of
        rows: ``vectors`` (fastText: ``own``, a row per word, and ``subwords``, a row per bucket) and ``contexts``
        (hierarchical softmax: ``nodes`` of the tree).
    rows : int64 array of shape (n_words,): the row of each word.

    Examples
    --------
    >>> from embedpipe.config import WordsConfig
    >>> model = GensimModel(["a", "b"], [3, 2], 1, WordsConfig(dim=2), seed=1, workers=1)
    >>> {name: table.shape for name, table in model.tables.items()}
    {'vectors': (2, 2), 'contexts': (2, 2)}
    """

    def __init__(
        self,
        words: Sequence[str],
        counts: Sequence[int],
        n_sentences: int,
        config: "WordsConfig",
        *,
        seed: int,
        workers: int,
        n_tokens: int | None = None,
    ) -> None:
        from gensim.models import FastText, Word2Vec

        negative = config.objective == "negative"
        ngrams = {"bucket": config.buckets, "min_n": config.shortest_ngram, "max_n": config.longest_ngram}
        self.config, self.seed, self.workers = config, seed, workers
        self.n_sentences, self.n_tokens = n_sentences, n_tokens or sum(counts)
        self._model = (partial(FastText, **ngrams) if config.subwords else Word2Vec)(
            vector_size=config.dim,
            window=config.window,
            sg=int(config.architecture == "skipgram"),
            hs=int(not negative),
            negative=config.negatives if negative else 0,
            # Without samples of any kind gensim draws windows from memory that nobody wrote to; 1 drops nothing.
            sample=config.subsample if negative else config.subsample or 1.0,
            alpha=config.learning_rate,
            min_count=1,
            # The vocabulary is sorted already; gensim's own sort would turn words of equal count round.
            sorted_vocab=0,
            seed=seed,
            workers=workers,
        )
        self._model.build_vocab_from_freq(dict(zip(words, counts, strict=True)), corpus_count=n_sentences)
        self._errors: list[Exception] = []
        _keep_errors(self._model, self._errors)
        _align_tables(self._model)
        wv = self._model.wv
        self.rows = np.fromiter((wv.key_to_index[word] for word in words), dtype=np.int64, count=len(words))
        outputs = {"contexts": self._model.syn1neg} if negative else {"nodes": self._model.syn1}
        self.tables: dict[str, NDArray[np.float32]] = {"vectors": wv.vectors, **outputs}
        if config.subwords:
            # After every call gensim would compose all vectors anew, in Python: `vectors` does so when asked.
            self._model._clear_post_train = lambda: None
            self.tables = {"own": wv.vectors_vocab, "subwords": wv.vectors_ngrams, **outputs}
            self._ngrams = _ngram_matrix(wv.buckets_word, config.buckets)

    def train_epoch(self, text: Path, epoch: int) -> None:
        """Train epoch number `epoch` (from 0) of ``config.epochs`` on a text of one sentence per line.

        The learning rate falls over all epochs as in one call of gensim's. Each epoch draws from a generator of its
        own, so that what it does depends on the tables before it and its number alone.
        """
        self._model.random = np.random.RandomState([self.seed, epoch])
        self._model.train(
            corpus_file=str(text),
            # Each thread decays its learning rate by the sentences that it has read itself, so it is told its share:
            # told the whole, two threads would end each epoch half-way and the last one far above the minimum.
            total_examples=max(1, -(-self.n_sentences // self.workers)),
            total_words=self.n_tokens,
            epochs=1,
            start_alpha=self._learning_rate(epoch),
            end_alpha=self._learning_rate(epoch + 1),
        )
        if self._errors:
            raise self._errors[0]

    def _learning_rate(self, epoch: int) -> float:
        first, last = self.config.learning_rate, min(self.config.min_learning_rate, self.config.learning_rate)
        return first - (first - last) * epoch / self.config.epochs

    def set_tables(self, tables: Mapping[str, NDArray[np.float32]]) -> None:
        """Give every table the values of the table of the same name and shape."""
        for name, table in self.tables.items():
            table[:] = tables[name]

    def vectors(self, words: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of `words`, by number; in fastText the means of a word's own row and its n-grams'."""
        rows = self.rows[words]
        if not self.config.subwords:
            return self.tables["vectors"][rows]
        composed: NDArray[np.float32] = self._ngrams[rows] @ self.tables["subwords"]
        composed += self.tables["own"][rows]
        composed /= self._parts(rows)
        return composed

    def outputs(self, targets: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the rows that predict `targets`: context vectors of words, or nodes of the tree."""
        return (
            self.tables["contexts"][self.rows[targets]] if "contexts" in self.tables else self.tables["nodes"][targets]
        )

    def set_vectors(self, words: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Make `vectors` those of `words`; in fastText each word's own row makes up for what its n-grams give."""
        rows = self.rows[words]
        if self.config.subwords:
            self.tables["own"][rows] = vectors * self._parts(rows) - self._ngrams[rows] @ self.tables["subwords"]
        else:
            self.tables["vectors"][rows] = vectors

    def _parts(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts: NDArray[np.float32] = (np.diff(self._ngrams.indptr)[rows, None] + 1).astype(np.float32)
        return parts

    def tree(self) -> tuple[list[NDArray[np.uint32]], list[NDArray[np.uint8]]]:
        """Return, for each word, the nodes of the Huffman tree on the way to it and the turns (0 or 1) taken there."""
        points, codes = (self._model.wv.expandos[name] for name in ("point", "code"))
        return [points[row] for row in self.rows], [codes[row] for row in self.rows]


def _align_tables(model: Any) -> None:
    """Move the tables of a gensim model to begin with a line of the cache, so that fewer of their rows straddle two.

    NumPy leaves them 16 bytes behind one. Training took 3 to 5 % less time with it at 200 dimensions and 1 to 2 % at
    300, by a script that was not kept.
    """
    for owner, names in ((model.wv, ("vectors", "vectors_vocab", "vectors_ngrams")), (model, ("syn1", "syn1neg"))):
        for name in names:
            if getattr(owner, name, None) is not None:
                setattr(owner, name, _aligned(getattr(owner, name)))


def _aligned(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a copy of a table whose first byte begins a line of the cache."""
    buffer = np.empty(table.nbytes + _CACHE_LINE, dtype=np.uint8)
    first = -buffer.ctypes.data % _CACHE_LINE
    copy = buffer[first : first + table.nbytes].view(np.float32).reshape(table.shape)
    copy[:] = table
    return copy


def _ngram_matrix(buckets_of_words: Sequence[NDArray[np.uint32]], n_buckets: int) -> Any:
    """Return how often each word (a row) holds the n-grams of each bucket (a column): a sparse float32 matrix."""
    ends = np.cumsum([0, *map(len, buckets_of_words)])
    buckets = np.concatenate(buckets_of_words).astype(np.int32)
    shape = (len(buckets_of_words), n_buckets)
    return csr_array((np.ones(len(buckets), dtype=np.float32), buckets, ends), shape=shape)


def _keep_errors(model: Any, errors: list[Exception]) -> None:
    """Make a training thread that fails leave its error in `errors` and end its epoch: gensim waits for each thread."""
    train_epoch = model._do_train_epoch

    def kept(*place: object, total_examples: int, total_words: int) -> tuple[int, int, int]:
        try:
            return train_epoch(*place, total_examples=total_examples, total_words=total_words)  # type: ignore[no-any-return]
        except Exception as error:
            errors.append(error)
            return 0, 0, 0

    model._do_train_epoch = kept
