"""What is the document about that the sentence is from? Topics of the corpus itself, found without labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.probes.linguistic.pool import FOLDS, Pool, folds_by_document, need
from embedpipe.tasks.builtin import TOPIC
from embedpipe.tasks.shapes import Classification
from embedpipe.text.token_store import TokenStore

__all__ = ["topic_task"]

_MAX_TOPICS = 8
_MIN_SENTENCES = 8
_TERMS = 5_000
_TOKENS = 2_000_000

Ints = NDArray[np.int64]


def topic_task(pool: Pool, train: TokenStore, *, n_sentences: int, seed: int) -> Classification:
    """Return sentences labelled with the topic of their document, named by the three words that weigh most in it.

    Topics are the factors of a non-negative factorisation (Lee and Seung, 1999) of tf-idf weights of the training
    documents, over words of middle frequency. A held-out document is of the topic that weighs most in it; there is one
    topic for three of them, from two to eight. Each topic is of two documents at least, which are in different folds,
    and has from eight sentences to its equal share of `n_sentences`.

    Parameters
    ----------
    pool : held-out sentences.
    train : the documents that the topics are found in, two million tokens of them at most.
    n_sentences : at most.
    seed : of the draw and of the factorisation.

    Raises
    ------
    NotEnoughDataError
        If there are too few documents, or fewer than two topics have two of them.
    """
    need(TOPIC, len(pool), "usable sentences", pool.folds)
    n_topics = min(_MAX_TOPICS, pool.n_documents // 3)
    if n_topics < 2 or train.n_documents < 10 * n_topics:
        raise NotEnoughDataError(
            f"{pool.n_documents} held-out and {train.n_documents} training {pool.units}; "
            f"the task '{TOPIC}' needs 6 and 20"
        )
    rng = np.random.default_rng([seed, 7])
    names, topic_of_document = _topics(pool, train, n_topics, rng)
    topic = topic_of_document[pool.documents]
    n_documents = np.bincount(topic_of_document[np.unique(pool.documents)], minlength=n_topics)
    sizes = np.bincount(topic, minlength=n_topics)
    kept = np.flatnonzero((n_documents >= 2) & (sizes >= _MIN_SENTENCES))
    if len(kept) < 2:
        raise NotEnoughDataError(
            f"of {n_topics} topics {len(kept)} have two held-out {pool.units} or more; the task '{TOPIC}' needs two"
        )
    per_topic = max(_MIN_SENTENCES, n_sentences // len(kept))
    folds = folds_by_document(pool.documents, FOLDS, topic)
    rows = np.concatenate([rng.permutation(np.flatnonzero(topic == t))[:per_topic] for t in kept])
    return Classification(
        TOPIC,
        [names[topic[i]] for i in rows],
        [pool.text(i) for i in rows],
        folds[rows],
        pool.note(f"{len(rows)} sentences of {len(kept)} topics of the training text, out"),
    )


def _topics(pool: Pool, train: TokenStore, n_topics: int, rng: np.random.Generator) -> tuple[list[str], Ints]:
    """Return the name of each topic and the topic of each document of the pool, int64 of shape (n_documents,)."""
    import warnings

    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfTransformer

    learnt_from = _training_documents(train, len(pool.is_content), rng)
    in_documents = np.asarray((learnt_from > 0).sum(axis=0)).ravel()
    usable = np.flatnonzero(pool.is_content & (in_documents >= 2) & (in_documents <= learnt_from.shape[0] / 2))
    terms = usable[np.argsort(-in_documents[usable], kind="stable")[:_TERMS]]
    if len(terms) < n_topics:
        raise NotEnoughDataError(f"{len(terms)} words of middle frequency stand in two training {pool.units} or more")
    tfidf = TfidfTransformer(sublinear_tf=True)
    weights = tfidf.fit_transform(learnt_from[:, terms])
    model = NMF(n_topics, init="nndsvda", random_state=int(rng.integers(2**31)), max_iter=100, tol=1e-3)
    held_out = _bags(pool.ids, pool.documents[pool.sentence_of], int(pool.documents.max()) + 1, len(pool.is_content))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # topics need not be the best ones
        model.fit(weights)
        shares = model.transform(tfidf.transform(held_out[:, terms]))
    # Factors of any length give the same product: weights count in units of the length of their factor.
    shares *= np.linalg.norm(model.components_, axis=1)
    word = pool.codec.vocabulary.word
    names = [", ".join(word(int(i)) for i in terms[np.argsort(-factor)[:3]]) for factor in model.components_]
    return names, shares.argmax(axis=1)


def _training_documents(store: TokenStore, n_tokens: int, rng: np.random.Generator) -> Any:
    """Return the counts of tokens in documents drawn until they hold two million tokens."""
    bounds = store.sentence_offsets[store.document_offsets].astype(np.int64)
    order = rng.permutation(store.n_documents)
    n_drawn = int(np.searchsorted(np.cumsum(np.diff(bounds)[order]), _TOKENS)) + 1
    drawn = np.sort(order[:n_drawn])
    ids = np.concatenate([store.tokens[bounds[i] : bounds[i + 1]] for i in drawn])
    return _bags(ids, np.repeat(np.arange(len(drawn)), np.diff(bounds)[drawn]), len(drawn), n_tokens)


def _bags(ids: NDArray[np.uint32], documents: Ints, n_documents: int, n_tokens: int) -> Any:
    """Return a sparse matrix of counts, float64 of shape (n_documents, n_tokens)."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(ids))
    return csr_matrix((ones, (documents, ids.astype(np.int64))), shape=(n_documents, n_tokens))
