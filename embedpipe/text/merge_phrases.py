"""Find the phrases of a corpus on its training split, and put the chunks of all splits in them."""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.chunks import ChunkFiles
from embedpipe.text.counting import count_vocabulary, runs_within
from embedpipe.text.numbering import take_rows
from embedpipe.text.phrases import Pair, Phrases, find_pairs, may_be_part, may_begin
from embedpipe.text.plan import Plan, measure
from embedpipe.text.vocabulary import DELIMITER, Vocabulary

if TYPE_CHECKING:
    from embedpipe.config import TextConfig

__all__ = ["merge_phrases"]

PAIRS_AT_ONCE = 20_000_000
"""Most pairs of neighbours that are counted in one reading of the chunks (16 bytes each where all are distinct)."""

_PASSES = {"none": 0, "pairs": 1, "longer": 2}
_HALF = np.uint64(32)

Codes = NDArray[np.uint64]


def merge_phrases(
    chunks: Sequence[ChunkFiles],
    plan: Plan,
    config: "TextConfig",
    min_count: int,
    pairs_at_once: int = PAIRS_AT_ONCE,
) -> tuple[Phrases, dict[str, int]]:
    """Rewrite the chunks with phrases as tokens and measure `plan` again; return the phrases and what the report says.

    Parameters
    ----------
    chunks : files that hold an array ``counts``, as `plan_splits` leaves them.
    min_count : how often a token must be seen to enter the vocabulary; a phrase must be, too.
    pairs_at_once : bounds the memory; the result does not depend on it.
    """
    floor = max(min_count, config.phrases_min_count)
    n_tokens = sum(plan.tokens)
    passes: list[frozenset[Pair]] = []
    for _ in range(_PASSES[config.phrases]):
        words, _n_types = count_vocabulary(chunks, min_count=floor, max_size=config.max_size)
        index = {token: i for i, token in enumerate(words.tokens) if may_be_part(token)}
        counts = _count_pairs(chunks, plan, index, words, floor, pairs_at_once)
        known = dict(zip(words.tokens, words.counts.tolist(), strict=True))
        pairs = find_pairs(known, counts, plan.tokens[0], min_count=floor, threshold=config.phrases_threshold)
        passes.append(pairs)
        if pairs:
            numbered = [
                (index[first] << 32 | index[second], DELIMITER.join((first, second))) for first, second in pairs
            ]
            codes, spellings = zip(*sorted(numbered), strict=True)
            for chunk in chunks:
                _merge_chunk(chunk, index, np.array(codes, dtype=np.uint64), spellings)
            measure(plan, chunks)
    # A pair that another one mostly comes before, or that grew longer, can be too rare for the vocabulary: its words
    # are worth more than an unknown token.
    common, _n_types = count_vocabulary(chunks, min_count=floor, max_size=config.max_size)
    apart = frozenset(token for token in Phrases(tuple(passes)).spellings if token not in common)
    for chunk in chunks:
        _dissolve(chunk, apart)
    measure(plan, chunks)
    phrases = Phrases(tuple(passes), apart)
    return phrases, {"found": len(phrases.spellings), "merged": n_tokens - sum(plan.tokens)}


def _count_pairs(
    chunks: Sequence[ChunkFiles], plan: Plan, index: Mapping[str, int], words: Vocabulary, floor: int, at_once: int
) -> dict[Pair, int]:
    """Return how often each pair that can be a phrase stands in the training split, if `floor` times or more."""
    tokens = words.tokens
    found: dict[Pair, int] = {}
    for first, last in runs_within(words.counts, at_once):
        tally = _Tally()
        low, high = (np.uint64(edge) << _HALF for edge in (max(first, 1), last))
        for number, chunk in enumerate(chunks):
            lengths = chunk.array("lengths")
            in_training = np.repeat(np.repeat(plan.of_chunk(number) == 0, chunk.array("documents")), lengths)
            codes = _codes(_numbers(chunk.types(), index)[chunk.array("ids")], lengths)[in_training]
            tally.add(codes[(codes >= low) & (codes < high)])
        codes, counts = tally.result()
        often = counts >= floor
        for code, count in zip(codes[often].tolist(), counts[often].tolist(), strict=True):
            first_word, second_word = tokens[code >> 32], tokens[code & 0xFFFFFFFF]
            if may_begin(first_word):
                found[first_word, second_word] = count
    return found


class _Tally:
    """Counts of codes; what was added is summed up whenever there is as much of it as of the sums."""

    def __init__(self) -> None:
        self._sums = (np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int64))
        self._added: list[tuple[Codes, NDArray[np.int64]]] = []
        self._n_added = 0

    def add(self, codes: Codes) -> None:
        distinct, counts = np.unique(codes, return_counts=True)
        self._added.append((distinct, counts))
        self._n_added += len(distinct)
        if self._n_added > len(self._sums[0]):
            self.result()

    def result(self) -> tuple[Codes, NDArray[np.int64]]:
        parts = [self._sums, *self._added]
        codes, places = np.unique(np.concatenate([codes for codes, _ in parts]), return_inverse=True)
        sums = np.zeros(len(codes), dtype=np.int64)
        np.add.at(sums, places, np.concatenate([counts for _, counts in parts]))
        self._sums, self._added, self._n_added = (codes, sums), [], 0
        return self._sums


def _merge_chunk(chunk: ChunkFiles, index: Mapping[str, int], phrases: Codes, spellings: Sequence[str]) -> None:
    types, ids, lengths = chunk.types(), chunk.array("ids"), chunk.array("lengths")
    codes = _codes(_numbers(types, index)[ids], lengths)
    places = np.searchsorted(phrases, codes)
    places[places == len(phrases)] = 0
    begins = np.flatnonzero(_first_come(phrases[places] == codes))
    chosen, of_begin = np.unique(places[begins], return_inverse=True)
    # Two pairs can spell one phrase: a_b with c, and a with b_c.
    known = {token: i for i, token in enumerate(types)}
    joined = np.array([known.setdefault(spellings[i], len(known)) for i in chosen.tolist()], dtype=np.uint32)
    ids[begins] = joined[of_begin]
    sentences = np.repeat(np.arange(len(lengths)), lengths)[begins]
    chunk.replace("lengths", lengths - np.bincount(sentences, minlength=len(lengths)).astype(lengths.dtype))
    chunk.replace_tokens(list(known), np.delete(ids, begins + 1))


def _dissolve(chunk: ChunkFiles, apart: frozenset[str]) -> None:
    types, ids, lengths = chunk.types(), chunk.array("ids"), chunk.array("lengths")
    if apart.isdisjoint(types):
        return
    known = {token: i for i, token in enumerate(types)}
    rows = [token.split(DELIMITER) if token in apart else [token] for token in types]
    content = np.array([known.setdefault(word, len(known)) for row in rows for word in row], dtype=np.uint32)
    sizes = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    chunk.replace("lengths", np.add.reduceat(sizes[ids], starts).astype(lengths.dtype))
    chunk.replace_tokens(list(known), take_rows(content, sizes, ids))


def _numbers(types: Sequence[str], index: Mapping[str, int]) -> Codes:
    """Return the number of each type in `index`, 0 for one that is not in it."""
    return np.fromiter(map(index.get, types, repeat(0)), dtype=np.uint64, count=len(types))


def _codes(numbers: Codes, lengths: NDArray[np.integer]) -> Codes:
    """Return one number for each token and the next in its sentence; 0 where one of them can be in no phrase."""
    following = np.append(numbers[1:], np.zeros(1, dtype=np.uint64))
    joins = (numbers > 0) & (following > 0)
    joins[np.cumsum(lengths, dtype=np.int64) - 1] = False
    return np.where(joins, numbers << _HALF | following, np.uint64(0))


def _first_come(fits: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where a pair begins: where one fits, and the token is not taken by the pair before it.

    >>> _first_come(np.array([True, True, True, False, True, True])).tolist()
    [True, False, True, False, True, False]
    """
    places = np.arange(len(fits))
    last_unfit = np.maximum.accumulate(np.where(fits, -1, places))
    begins: NDArray[np.bool_] = fits & ((places - last_unfit) % 2 == 1)
    return begins
