"""Maps of words and of sentences: points in the plane, near each other where the vectors are.

The maps stand in ``probes.json`` with all else that the probes find: positions between -1 and 1 with three decimals,
and for each point its nearest ones in the space that was mapped, for no map keeps all distances.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedpipe.probes.baselines import Encoder, Words
from embedpipe.text.vocabulary import SPECIALS

__all__ = ["PointMap", "project", "sentence_map", "word_map"]

Vectors = NDArray[np.floating]

_MIN_POINTS = 10
_FUNCTION_WORDS = 100
_COMPONENTS = 50
_PERPLEXITY = 15.0
_STEPS = 500
_BANDS = 5
_LONGEST = 160


@dataclass(frozen=True, slots=True)
class PointMap:
    """Texts in the plane.

    Parameters
    ----------
    kind : what each point is: ``word`` or ``sentence``.
    note : which texts these are and how they were laid out; or, where there are none, why.
    texts : one for each point.
    x, y : positions in [-1, 1].
    groups : names of the groups, in order.
    group : the number of the group of each point.
    nearest : for each point, the numbers of the nearest others, the nearest first, by the cosine of the vectors.
    cosines : those cosines.
    """

    kind: str
    note: str
    texts: tuple[str, ...] = ()
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    groups: tuple[str, ...] = ()
    group: tuple[int, ...] = ()
    nearest: tuple[tuple[int, ...], ...] = ()
    cosines: tuple[tuple[float, ...], ...] = ()


def word_map(words: Words, *, n: int, seed: int) -> PointMap:
    """Return a map of frequent words, in five groups of equal size by how frequent they are.

    Parameters
    ----------
    words : of which those with a vector and with nothing but letters (and the delimiter of phrases) are taken, the
        100 most frequent left out where enough remain: in most languages they are function words.
    n : most words.
    seed : of the layout.

    Examples
    --------
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> from embedpipe.words.table import WordVectors
    >>> counts = {letter * 2: 40 - i for i, letter in enumerate("abcdefghijkl")}
    >>> rows = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    >>> found = word_map(WordVectors(Vocabulary.from_counts(counts), rows), n=12, seed=1)
    >>> found.groups[0], found.texts[:3]
    ('40 to 38 times', ('aa', 'bb', 'cc'))
    """
    tokens, counts = words.vocabulary.tokens, words.vocabulary.counts
    order = np.argsort(-counts[len(SPECIALS) :].astype(np.int64), kind="stable") + len(SPECIALS)
    lettered = [i for i in order.tolist() if tokens[i].replace("_", "").isalpha()][: 4 * (n + _FUNCTION_WORDS)]
    usable = [i for i, row in zip(lettered, words.vectors[lettered], strict=True) if row.any()]
    skipped = _FUNCTION_WORDS if len(usable) >= n + _FUNCTION_WORDS else 0
    chosen = usable[skipped : skipped + n]
    if len(chosen) < _MIN_POINTS:
        return PointMap("word", f"no map: {len(chosen)} words of letters have a vector, {_MIN_POINTS} are needed")
    parts = [part for part in np.array_split(np.array(chosen), _BANDS) if len(part)]
    left_out = f", the {skipped} most frequent left out" if skipped else ""
    return _mapped(
        "word",
        f"{len(chosen):,} frequent words{left_out}; {_HOW}",
        [tokens[i] for i in chosen],
        words.vectors[chosen],
        [f"{counts[part[0]]:,} to {counts[part[-1]]:,} times" for part in parts],
        [number for number, part in enumerate(parts) for _ in part],
        k=8,
        seed=seed,
    )


def sentence_map(encoder: Encoder, texts: Sequence[str], documents: Sequence[str], *, note: str, seed: int) -> PointMap:
    """Return a map of sentences, grouped by the document that they come from.

    Parameters
    ----------
    encoder : gives their vectors; a sentence without one is left out.
    texts : the sentences.
    documents : the name of the document of each.
    note : which sentences these are.
    seed : of the layout.
    """
    vectors = encoder.encode(texts)
    kept = np.flatnonzero(np.linalg.norm(vectors, axis=1) > 0).tolist()
    if len(kept) < _MIN_POINTS:
        return PointMap("sentence", f"no map: {len(kept)} sentences have a vector, {_MIN_POINTS} are needed")
    groups = list(dict.fromkeys(documents[i] for i in kept))
    place = {name: number for number, name in enumerate(groups)}
    return _mapped(
        "sentence",
        f"{len(kept):,} sentences: {note}; {_HOW}",
        [_shortened(texts[i]) for i in kept],
        vectors[kept],
        groups,
        [place[documents[i]] for i in kept],
        k=5,
        seed=seed,
    )


def project(vectors: Vectors, *, seed: int) -> NDArray[np.float64]:
    """Return vectors laid out in the plane by their cosines: 50 principal components, then t-SNE.

    t-SNE (van der Maaten & Hinton, 2008) keeps neighbours together; distances between far points, and the size and
    the density of clusters, mean nothing. One thread computes it, so that the same vectors give the same positions.

    Parameters
    ----------
    vectors : of shape (n, dim), no zero row, n at least 4.
    seed : of what is random.

    Returns
    -------
    array
        float64 of shape (n, 2) in [-1, 1], three decimals.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    rows = _of_length_one(vectors)
    n = len(rows)
    with threadpool_limits(1):
        parts = PCA(min(_COMPONENTS, *rows.shape), svd_solver="full").fit_transform(rows)
        layout = TSNE(
            perplexity=min(_PERPLEXITY, (n - 1) / 3),
            init="pca" if parts.shape[1] > 1 else "random",
            max_iter=_STEPS,
            angle=0.8,
            random_state=seed,
        )
        found = layout.fit_transform(parts).astype(np.float64)
    found -= (found.max(axis=0) + found.min(axis=0)) / 2
    placed: NDArray[np.float64] = (found / max(float(np.abs(found).max()), 1e-12)).round(3)
    return placed


_HOW = "principal components, then t-SNE, by cosine"


def _mapped(
    kind: str,
    note: str,
    texts: Sequence[str],
    vectors: Vectors,
    groups: Sequence[str],
    group: Sequence[int],
    *,
    k: int,
    seed: int,
) -> PointMap:
    places = project(vectors, seed=seed)
    rows = _of_length_one(vectors)
    cosines = rows @ rows.T
    np.fill_diagonal(cosines, -np.inf)
    k = min(k, len(rows) - 1)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    beside = np.take_along_axis(cosines, nearest, axis=1).astype(np.float64).round(2)
    return PointMap(
        kind,
        note,
        tuple(texts),
        tuple(places[:, 0].tolist()),
        tuple(places[:, 1].tolist()),
        tuple(groups),
        tuple(group),
        tuple(map(tuple, nearest.tolist())),
        tuple(map(tuple, beside.tolist())),
    )


def _of_length_one(vectors: Vectors) -> NDArray[np.float32]:
    rows = np.asarray(vectors, dtype=np.float32)
    found: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return found


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else flat[: _LONGEST - 1].rstrip() + "…"
