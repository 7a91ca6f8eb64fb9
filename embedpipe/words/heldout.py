"""The true loss of word vectors: a fixed sample of held-out windows and fixed negatives, scored in float64."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from embedpipe.text.split_text import last_of_passages
from embedpipe.text.token_store import TokenStore
from embedpipe.text.vocabulary import SPECIALS, Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import WordsConfig

__all__ = ["HeldOut", "draw_held_out"]

_EXAMPLES = 20_000
_TOKENS, _MOST_BATCHES = 20_000, 50
_CENTRES = 0.1
"""Share of the words of a drawn passage whose windows are taken: the sample is to come from many passages."""
_NUMBERS_AT_ONCE = 2**17
Tree = tuple[Sequence[NDArray[np.uint32]], Sequence[NDArray[np.uint8]]]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """Examples to predict: each a mean of input vectors, and targets that are to score high or low against it.

    Parameters
    ----------
    inputs : int64 array of shape (u,): the words whose vectors are needed.
    outputs : int64 array of shape (v,): the context vectors (or nodes of the tree) that are needed.
    mixing : sparse float64 array of shape (m, u): what each example takes of `inputs`; rows sum to 1.
    targets : int64 array of shape (m, t): places in `outputs`.
    signs : int8 array of shape (m, t): 1 for a target that is to score high, -1 for one to score low, 0 for none.

    Examples
    --------
    >>> one = HeldOut(np.array([4]), np.array([7]), csr_array([[1.0]]), np.array([[0]]), np.array([[1]], dtype=np.int8))
    >>> round(one.loss(np.array([[1.0, 2.0]]), np.array([[3.0, -1.0]])), 4)  # ln(1 + exp(-1))
    0.3133
    """

    inputs: Integers
    outputs: Integers
    mixing: Any
    targets: Integers
    signs: NDArray[np.int8]

    @property
    def loss_of_zeros(self) -> float:
        """The loss of vectors that know nothing: ln 2 for each target."""
        return float(np.abs(self.signs).sum() / len(self.signs) * np.log(2.0))

    def loss(self, vectors: NDArray[np.floating[Any]], outputs: NDArray[np.floating[Any]]) -> float:
        """Return the mean over examples of the sum of -log sigmoid(sign * input . target), a float64 of at least 0.

        Parameters
        ----------
        vectors : array of shape (u, dim): the vectors of `inputs`.
        outputs : array of shape (v, dim): the rows of `outputs`.
        """
        hidden, table, total = self.mixing @ vectors.astype(np.float64), outputs.astype(np.float64), 0.0
        rows = max(1, _NUMBERS_AT_ONCE // (self.targets.shape[1] * table.shape[1]))
        for start in range(0, len(hidden), rows):
            block = slice(start, start + rows)
            signs = self.signs[block]
            scores = (table.take(self.targets[block], axis=0) @ hidden[block][:, :, None])[:, :, 0]
            total += float((np.abs(signs) * np.logaddexp(0.0, -signs * scores)).sum())
        return total / len(hidden)


def draw_held_out(
    store: TokenStore, vocabulary: Vocabulary, config: "WordsConfig", *, seed: int, tree: Tree | None = None
) -> HeldOut | None:
    """Draw about 20,000 examples as word2vec draws them in training: subsampled, the window 1 to `config.window`.

    Passages, the lines of the training text (`write_train_text`), are drawn with replacement, so that windows reach
    over the ends of sentences as they do in training. Frequent words are subsampled because training meets them so:
    vectors that fit the subsampled text well would seem to get worse on the text as it stands.

    Parameters
    ----------
    store : held-out text.
    vocabulary : its words and their counts in the training text, from which negatives are drawn (to the power 0.75).
    config : architecture, objective, window, negatives, subsampling.
    seed : the same seed draws the same sample.
    tree : for hierarchical softmax: nodes and turns on the way to each word.

    Returns
    -------
    HeldOut or None
        None where no two known words stand in one window. A negative that is the word to predict has the sign 0, for
        training skips it.
    """
    rng = np.random.default_rng([seed, len(vocabulary)])
    counts = vocabulary.counts[len(SPECIALS) :].astype(np.float64)
    drawn = _draw_windows(store, _kept_share(counts, config.subsample), config.window, rng)
    if drawn is None:
        return None
    centres, contexts, windows = drawn
    if config.architecture == "skipgram":
        chosen = rng.permutation(len(centres))[:_EXAMPLES]
        words, given, example = contexts[chosen], centres[chosen], np.arange(len(chosen))
    else:
        chosen = rng.permutation(int(windows.max()) + 1)[:_EXAMPLES]
        number = np.full(int(windows.max()) + 1, -1)
        number[chosen] = np.arange(len(chosen))
        here = number[windows] >= 0
        given, example = contexts[here], number[windows[here]]
        words = np.empty(len(chosen), dtype=np.int64)
        words[example] = centres[here]
    if tree is None:
        targets, signs = _with_negatives(words, counts, config.negatives, rng)
    else:
        targets, signs = _paths(words, tree)
    inputs, column = np.unique(given, return_inverse=True)
    outputs, place = np.unique(targets, return_inverse=True)
    share = 1.0 / np.bincount(example)[example]
    mixing = csr_array((share, (example, column)), shape=(len(words), len(inputs)))
    return HeldOut(inputs, outputs, mixing, place.reshape(targets.shape), signs)


def _kept_share(counts: NDArray[np.float64], subsample: float) -> NDArray[np.float64]:
    """Return the share of each word's occurrences that training keeps."""
    if not subsample:
        return np.ones(len(counts))
    ratio = subsample * counts.sum() / counts
    kept: NDArray[np.float64] = np.minimum(1.0, np.sqrt(ratio) + ratio)
    return kept


def _draw_windows(
    store: TokenStore, kept: NDArray[np.float64], window: int, rng: np.random.Generator
) -> tuple[Integers, Integers, Integers] | None:
    """Return centre word, context word and number of the window of every pair drawn; None where there are no pairs."""
    found: list[tuple[Integers, Integers, Integers]] = []
    n_windows = n_pairs = 0
    if store.n_tokens == 0:
        return None
    bounds = _passages(store)
    at_once = max(1, _TOKENS * (len(bounds) - 1) // store.n_tokens)
    for _ in range(_MOST_BATCHES):
        chosen = rng.integers(len(bounds) - 1, size=at_once)
        starts, lengths = bounds[chosen], bounds[chosen + 1] - bounds[chosen]
        passage = np.repeat(np.arange(at_once), lengths)
        within = np.arange(len(passage)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        words = store.tokens[starts[passage] + within].astype(np.int64) - len(SPECIALS)
        stays = (words >= 0) & (rng.random(len(words)) < kept[np.maximum(words, 0)])
        words, passage = words[stays], passage[stays]
        reach = rng.integers(1, window + 1, size=len(words)) * (rng.random(len(words)) < _CENTRES)
        centre, context = _pairs(passage, reach)
        if len(centre):
            number = np.unique(centre, return_inverse=True)[1] + n_windows
            found.append((words[centre], words[context], number))
            n_windows, n_pairs = int(number.max()) + 1, n_pairs + len(centre)
        if n_pairs >= 2 * _EXAMPLES:
            break
    if not found:
        return None
    centres, contexts, windows = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return centres, contexts, windows


def _passages(store: TokenStore) -> Integers:
    """Return the offsets of the passages of a store into its tokens; the ``<eos>`` between sentences stay in."""
    offsets = store.sentence_offsets.astype(np.int64)
    last = last_of_passages(offsets[:-1], offsets[store.document_offsets[:-1].astype(np.int64)])
    return np.append(0, offsets[1:][last])


def _pairs(passage: Integers, reach: Integers) -> tuple[Integers, Integers]:
    """Return the places of centre and context of all pairs of one passage no further apart than the centre's reach."""
    places = np.arange(len(passage))
    centres, contexts = [places[:0]], [places[:0]]
    for distance in range(1, int(reach.max(initial=0)) + 1):
        left = places[:-distance][passage[:-distance] == passage[distance:]]
        if not len(left):
            break
        right = left + distance
        for centre, context in ((left, right), (right, left)):
            near = reach[centre] >= distance
            centres.append(centre[near])
            contexts.append(context[near])
    return np.concatenate(centres), np.concatenate(contexts)


def _with_negatives(
    words: Integers, counts: NDArray[np.float64], n: int, rng: np.random.Generator
) -> tuple[Integers, NDArray[np.int8]]:
    cumulative = np.cumsum(counts**0.75)
    negatives = np.searchsorted(cumulative, rng.random((len(words), n)) * cumulative[-1], side="right")
    signs = np.where(negatives == words[:, None], 0, -1).astype(np.int8)
    ones = np.ones((len(words), 1), dtype=np.int8)
    return np.column_stack([words, negatives]), np.hstack([ones, signs])


def _paths(words: Integers, tree: Tree) -> tuple[Integers, NDArray[np.int8]]:
    """Return the nodes on the way to each word and where its path turns: a turn 0 is to score high, 1 low."""
    distinct, which = np.unique(words, return_inverse=True)
    paths = [(tree[0][word], tree[1][word]) for word in distinct]
    depth = max(len(nodes) for nodes, _ in paths)
    targets = np.zeros((len(paths), depth), dtype=np.int64)
    signs = np.zeros((len(paths), depth), dtype=np.int8)
    for row, (nodes, turns) in enumerate(paths):
        targets[row, : len(nodes)] = nodes
        signs[row, : len(nodes)] = 1 - 2 * turns.astype(np.int8)
    return targets[which], signs[which]
