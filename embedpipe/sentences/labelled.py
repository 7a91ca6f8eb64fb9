"""Labelled data as ids: what a file of paraphrases, inferences or scored pairs gives an encoder to learn from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedpipe.errors import NotEnoughDataError
from embedpipe.tasks.labelled import read_labelled_tasks
from embedpipe.tasks.shapes import Inference, Paraphrases, SentenceSimilarity
from embedpipe.text.vocabulary import SPECIALS

if TYPE_CHECKING:
    from embedpipe.config import SentencesConfig
    from embedpipe.text.codec import TextCodec

__all__ = ["Labelled", "Texts", "encode_task", "held_out_tenth", "read_labelled"]

_HELD_OUT = 0.1
_TOO_FEW_TO_SPLIT = 20
_FACTORS_SEED = 20_240_229


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts as ids, one after the other.

    Parameters
    ----------
    tokens : uint32, flat; starts, lengths : int64, shape (texts,): where each text lies; none is empty.
    """

    tokens: NDArray[np.uint32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def keys(self) -> NDArray[np.uint64]:
        """Return a number for each text, uint64 of shape (texts,), that is the same for the same ids."""
        if not len(self.starts):
            return np.empty(0, dtype=np.uint64)
        factors = np.random.default_rng(_FACTORS_SEED).integers(
            1, 2**63, int(self.lengths.max()) + 1, dtype=np.uint64, endpoint=True
        )
        position = np.arange(len(self.tokens)) - np.repeat(self.starts, self.lengths)
        products = self.tokens.astype(np.uint64) * factors[position]
        return np.add.reduceat(products, self.starts) + factors[self.lengths]


@dataclass(frozen=True, eq=False)
class Labelled:
    """One file of labelled data, as rows of texts.

    Parameters
    ----------
    kind, name : what the rows are, and the name of the file, numbered where several have the same.
    texts : all texts of all rows.
    members : int64, shape (rows, longest row): the texts of each row, -1 where it has fewer; the first two columns are
        the texts that are compared.
    negatives : int64, shape (rows,): of paraphrases, the text that means something else than the first; or None.
    values : float64, shape (rows,): the number of the label in `labels`, or the score scaled to 0 to 1 by the lowest
        and the highest in the file; 0 for paraphrases.
    labels : the labels of an inference, in order.
    dropped : rows left out because they have one text alone, or too few that hold a word that the encoder knows.
    """

    kind: str
    name: str
    texts: Texts
    members: NDArray[np.int64]
    values: NDArray[np.float64]
    negatives: NDArray[np.int64] | None = None
    labels: tuple[str, ...] = ()
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.members)

    def rows(self, chosen: NDArray[np.int64]) -> "Labelled":
        """Return some of the rows, over the same texts."""
        negatives = None if self.negatives is None else self.negatives[chosen]
        return replace(self, members=self.members[chosen], values=self.values[chosen], negatives=negatives)

    def used(self) -> NDArray[np.int64]:
        """Return the numbers of the texts of these rows, with repeats."""
        negatives = np.empty(0, np.int64) if self.negatives is None else self.negatives
        return np.concatenate([self.members[self.members >= 0], negatives])


def read_labelled(config: "SentencesConfig", codec: "TextCodec") -> tuple[Labelled, ...]:
    """Return the data in the files that `config.pairs`, `config.inference` and `config.scores` name, in this order.

    Raises
    ------
    InputError
        If a file is missing, damaged, or of another kind than the setting that names it, with path and line.
    NotEnoughDataError
        If no row of a file holds texts with words of the vocabulary.
    """
    encoded = [encode_task(task, codec) for task in read_labelled_tasks(config)]
    seen: Counter[tuple[str, str]] = Counter()
    for i, data in enumerate(encoded):
        seen[data.kind, data.name] += 1
        if (n := seen[data.kind, data.name]) > 1:
            encoded[i] = replace(data, name=f"{data.name}-{n}")
    return tuple(encoded)


def encode_task(task: Paraphrases | Inference | SentenceSimilarity, codec: "TextCodec") -> Labelled:
    """Return the rows of a task as ids; rows without two texts that hold a known word are left out and counted.

    Examples
    --------
    >>> from embedpipe.text.codec import TextCodec
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts({"a": 3, "b": 2}))
    >>> data = encode_task(Paraphrases("example", [("a b", "b"), ("a", "none")]), codec)
    >>> data.texts.tokens.tolist(), data.members.tolist(), data.dropped
    ([4, 5, 5, 4], [[0, 1]], 1)
    """
    if isinstance(task, Paraphrases):
        groups: Sequence[tuple[str, ...]] = task.groups
        data = _encoded("pairs", task.name, groups, np.zeros(len(groups)), codec, negatives=task.negatives)
        return replace(data, dropped=data.dropped + task.n_single)
    groups = list(zip(task.texts_a, task.texts_b, strict=True))
    if isinstance(task, SentenceSimilarity):
        lowest, highest = task.scores.min(), task.scores.max()
        scaled = (task.scores - lowest) / max(highest - lowest, np.finfo(float).tiny)
        return _encoded("scores", task.name, groups, scaled, codec)
    labels, numbers = np.unique(np.array(task.labels), return_inverse=True)
    return _encoded("inference", task.name, groups, numbers.astype(float), codec, labels=tuple(labels.tolist()))


def _encoded(
    kind: str,
    name: str,
    groups: Sequence[tuple[str, ...]],
    values: NDArray[np.float64],
    codec: "TextCodec",
    *,
    negatives: Sequence[str] | None = None,
    labels: tuple[str, ...] = (),
) -> Labelled:
    flat = [text for group in groups for text in group] + list(negatives or ())
    ids = codec.encode_many(flat)
    known = np.array([bool((row >= len(SPECIALS)).any()) for row in ids], dtype=bool)
    number = np.where(known, np.cumsum(known) - 1, -1)  # of each text among those that are kept
    lengths = np.array([len(row) for row, kept in zip(ids, known, strict=True) if kept], dtype=np.int64)
    tokens = np.concatenate([np.empty(0, np.uint32), *(row for row, kept in zip(ids, known, strict=True) if kept)])
    sizes = np.fromiter(map(len, groups), dtype=np.int64, count=len(groups))
    members = np.full((len(groups), int(sizes.max(initial=2))), -1, dtype=np.int64)
    members[np.arange(members.shape[1]) < sizes[:, None]] = number[: sizes.sum()]
    # Known texts to the front; a stable sort keeps their order.
    members = np.take_along_axis(members, np.argsort(members < 0, axis=1, kind="stable"), axis=1)
    kept = members[:, 1] >= 0
    others = None
    if negatives is not None:
        others = number[sizes.sum() :]
        kept &= others >= 0
    if not kept.any():
        raise NotEnoughDataError(
            f"{name}: no row holds two texts with words of the vocabulary, so nothing can be learnt from it; is it in "
            "the language of the corpus?"
        )
    data = Labelled(
        kind,
        name,
        Texts(tokens.astype(np.uint32), np.cumsum(lengths) - lengths, lengths),
        members,
        values,
        others,
        labels,
        int((~kept).sum()),
    )
    return data.rows(np.flatnonzero(kept))


def held_out_tenth(data: Labelled, *, seed: int) -> tuple[Labelled, Labelled | None]:
    """Return the rows to train on and a tenth to choose and report by, None where there are fewer than 20 rows.

    Rows that begin with the same text stay together, and held-out rows that share a text with the others are left
    out, so that no text is both trained on and measured on.

    Parameters
    ----------
    data : the rows.
    seed : of the draw.
    """
    if len(data) < _TOO_FEW_TO_SPLIT:
        return data, None
    keys = data.texts.keys()
    _, first = np.unique(keys[data.members[:, 0]], return_inverse=True)
    n_first = int(first.max()) + 1
    drawn = np.random.default_rng(seed).permutation(n_first) < round(_HELD_OUT * n_first)
    train, held = (data.rows(np.flatnonzero(drawn[first] == side)) for side in (False, True))
    apart = ~np.isin(keys, keys[train.used()])
    # An absent text, number -1, is no shared one.
    apart = np.append(apart, True)
    clean = apart[held.members].all(axis=1)
    if held.negatives is not None:
        clean &= apart[held.negatives]
    held = held.rows(np.flatnonzero(clean))
    return (train, held) if len(held) > 1 and len(train) > 1 else (data, None)
