"""The border to gensim: a prepared text in, one row of vectors per id of the vocabulary out.

gensim keeps a vocabulary of its own, so vectors are copied back by token. Its running loss is a float32 sum that
stalls at 2^27 and depends on the number of threads: it is not shown.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import InputError, NotEnoughDataError
from embedpipe.runtime import Listener, StageStarted, Step, silent
from embedpipe.text.vocabulary import SPECIALS, Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import WordsConfig

__all__ = ["train_word2vec", "word2vec_threads"]

_STAGE = "words"
_TOKENS_FOR_THREADS = 200_000
"""Below this, threads would start and stop so far apart that some sentences are met far less often than others."""


class _EpochReport:
    """gensim callback: one event per epoch with the rate so far (corpus files report nothing within an epoch)."""

    def __init__(self, listener: Listener, n_words: int) -> None:
        self.listener, self.n_words, self.done = listener, n_words, 0
        self.errors: list[Exception] = []

    def on_train_begin(self, model: Any) -> None:  # noqa: ARG002 - the interface of gensim's callbacks
        self.start = time.perf_counter()

    def on_epoch_begin(self, model: Any) -> None:
        pass

    def on_epoch_end(self, model: Any) -> None:  # noqa: ARG002
        if self.errors:
            raise self.errors[0]
        self.done += 1
        rate = self.done * self.n_words / max(time.perf_counter() - self.start, 1e-9)
        self.listener(Step(_STAGE, self.done, f"{rate:,.0f} words/s"))

    def on_train_end(self, model: Any) -> None:
        pass


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


def word2vec_threads(n_tokens: int, cores: int) -> int:
    """Return the threads that train on `n_tokens`: one for a short text, of which several would miss parts."""
    return 1 if n_tokens < _TOKENS_FOR_THREADS else cores


def train_word2vec(
    train_text: Path,
    vocabulary: Vocabulary,
    n_sentences: int,
    config: "WordsConfig",
    *,
    seed: int,
    workers: int,
    listener: Listener = silent,
) -> NDArray[np.float32]:
    """Train Word2Vec (Mikolov et al., 2013) with gensim on a text of one sentence per line.

    With one worker the result depends on the text, the vocabulary, the settings, the seed and the versions of the
    libraries alone: it is the same to the byte in every process. With more, threads update one matrix without locks
    and each run differs a little.

    Parameters
    ----------
    train_text : UTF-8 text, one sentence per line, tokens between single spaces.
    vocabulary : the words to train, with their counts in that text.
    n_sentences : lines of that text.
    config : architecture, objective, width, window, epochs, subsampling, learning rates.
    seed : of the initial vectors and of every draw.
    workers : training threads; a text of under 200,000 tokens is trained on by one.
    listener : is given one event per epoch.

    Returns
    -------
    float32 array of shape (len(vocabulary), config.dim); the rows of the four specials are zero.

    Raises
    ------
    InputError
        If `train_text` is missing or empty.
    NotEnoughDataError
        If the vocabulary holds fewer than two words.
    """
    words = vocabulary.tokens[len(SPECIALS) :]
    counts = [int(n) for n in vocabulary.counts[len(SPECIALS) :]]
    if len(words) < 2:
        raise NotEnoughDataError(
            f"Word2Vec needs at least 2 words in the vocabulary, found {len(words)}: "
            "use more text or a smaller text.min_count"
        )
    if not train_text.is_file() or train_text.stat().st_size == 0:
        raise InputError("missing or empty; prepare the text again", train_text)

    from gensim.models import Word2Vec

    workers = word2vec_threads(sum(counts), workers)
    negative = config.objective == "negative"
    listener(StageStarted(_STAGE, config.epochs, "epoch"))
    model = Word2Vec(
        vector_size=config.dim,
        window=config.window,
        sg=int(config.architecture == "skipgram"),
        hs=int(not negative),
        negative=config.negatives if negative else 0,
        sample=config.subsample,
        alpha=config.learning_rate,
        min_alpha=min(config.min_learning_rate, config.learning_rate),
        epochs=config.epochs,
        min_count=1,
        # The vocabulary is sorted already; gensim's own sort would turn words of equal count round.
        sorted_vocab=0,
        seed=seed,
        workers=workers,
    )
    model.build_vocab_from_freq(dict(zip(words, counts, strict=True)), corpus_count=n_sentences)
    report = _EpochReport(listener, sum(counts))
    _keep_errors(model, report.errors)
    model.train(
        corpus_file=str(train_text),
        # Each thread decays its learning rate by the sentences that it has read itself, so it is told its share:
        # told the whole, two threads would end each epoch half-way and the last one far above the minimum.
        total_examples=max(1, -(-n_sentences // workers)),
        total_words=sum(counts),
        epochs=config.epochs,
        callbacks=[report],
    )
    vectors = np.zeros((len(vocabulary), config.dim), dtype=np.float32)
    rows = np.fromiter((model.wv.key_to_index[word] for word in words), dtype=np.int64, count=len(words))
    vectors[len(SPECIALS) :] = model.wv.vectors[rows]
    return vectors
