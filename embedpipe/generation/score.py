"""How probable text is to a language model: of each line on its own, or of a text of any length read on."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embedpipe.errors import ConfigError
from embedpipe.generation.cache import CachedReader, ContinuousCache
from embedpipe.generation.dynamic import DynamicEvaluation, DynamicReader, GradientSizes
from embedpipe.generation.language_model import LanguageModel
from embedpipe.generation.reader import ModelReader, Predicted, Reader, block_length, half_table
from embedpipe.generation.scored_text import Line, LineReading, groups_of_lines
from embedpipe.generation.units import NO_TEXT, Units, perplexity_of
from embedpipe.text.codec import check_texts
from embedpipe.text.vocabulary import EOS, UNK

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec
    from embedpipe.text.sentences import SentenceSplitter

__all__ = ["Losses", "Score", "ScoredLine", "ScoredToken", "TextScorer"]

Losses = Callable[[NDArray[np.uint32]], NDArray[np.float64]]
"""From ids of shape (rows, time + 1) to negative log-probabilities in nats of all but the first, (rows, time)."""

_ROWS, _BATCH_TOKENS = 256, 16_384
_FEW_ROWS, _PADDED = 32, 1.05
_STREAM_BLOCK = 1_024
_CONTEXT = 8


@dataclass(frozen=True, slots=True)
class Score:
    """How probable a text is to the model. Scores of texts that were read apart, or on from each other, add up.

    Parameters
    ----------
    log_probability : natural logarithm of the probability of the text, the ends of its sentences included.
    n_tokens : predicted tokens, the closing ``<eos>`` of each sentence included.
    n_unknown : how many of them were scored as ``<unk>``.
    units : its words between white space, and its characters, with one for the end of each line.
    baseline : the log-probability of the same tokens to another model, None where there is none.
    """

    log_probability: float
    n_tokens: int
    n_unknown: int
    units: Units = NO_TEXT
    baseline: float | None = None

    def __add__(self, other: "Score") -> "Score":
        both = self.baseline is not None and other.baseline is not None
        return Score(
            self.log_probability + other.log_probability,
            self.n_tokens + other.n_tokens,
            self.n_unknown + other.n_unknown,
            self.units + other.units,
            (self.baseline or 0.0) + (other.baseline or 0.0) if both else None,
        )

    @property
    def perplexity(self) -> float | None:
        """The inverse geometric mean of the tokens' probabilities; None where there is no token."""
        return perplexity_of(-self.log_probability / self.n_tokens) if self.n_tokens else None

    @property
    def word_perplexity(self) -> float | None:
        """The perplexity for each word between white space, whatever the tokens.

        None where text is not so written, and where most tokens are unknown, which are not charged for their spelling.
        """
        return None if self._mostly_unknown else _known(self.units.word_perplexity(-self.log_probability))

    @property
    def bits_per_character(self) -> float | None:
        """The information in a character, line ends counted; None where there is no token or most are unknown.

        An unknown word is charged for being unknown and not for its spelling.
        """
        if not self.n_tokens or self._mostly_unknown:
            return None
        return _known(self.units.bits_per_character(-self.log_probability))

    @property
    def unknown_share(self) -> float:
        """Share of ``<unk>`` among the tokens."""
        return self.n_unknown / self.n_tokens if self.n_tokens else 0.0

    @property
    def _mostly_unknown(self) -> bool:
        return self.unknown_share > 0.5

    @property
    def baseline_perplexity(self) -> float | None:
        """The perplexity of the other model on the same tokens; None where there is none."""
        return None if self.baseline is None or not self.n_tokens else perplexity_of(-self.baseline / self.n_tokens)


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token, its log-probability, its rank (1 for the most probable), and whether the vocabulary holds it."""

    token: str
    log_probability: float
    rank: int
    known: bool


@dataclass(frozen=True, slots=True)
class ScoredLine:
    """A line of text, how probable it is, and, where they were asked for, its tokens."""

    text: str
    score: Score
    tokens: tuple[ScoredToken, ...] = ()


@dataclass(frozen=True, slots=True)
class _Read:
    """What the predictions of some tokens gave, one entry for each: losses, ranks or None, baseline losses or None."""

    losses: NDArray[np.float64]
    ranks: NDArray[np.int64] | None
    baseline: NDArray[np.float64] | None

    def part(self, start: int, stop: int) -> "_Read":
        ranks = None if self.ranks is None else self.ranks[start:stop]
        return _Read(self.losses[start:stop], ranks, None if self.baseline is None else self.baseline[start:stop])


class TextScorer:
    """Scores text with a language model.

    Parameters
    ----------
    codec : of the vocabulary that the model was trained on.
    model : on any device.
    splitter : finds the sentences of a line, as in the training text; None to read each line as one sentence.
    longest : tokens after which a sentence is cut, as in the training text; 0 never cuts.
    cache : mixes in what was read lately.
    dynamic : lets the weights follow the text, with the `sizes` of gradients.
    baseline : another model of the same tokens, which may look back on a few of them.
    precision : of most of the products with the output table. Tokens that are listed have all digits.

    Raises
    ------
    ConfigError
        If both a cache and dynamic evaluation are asked for, or the precision is another or not for such a model.
    """

    def __init__(
        self,
        codec: "TextCodec",
        model: LanguageModel,
        splitter: "SentenceSplitter | None" = None,
        *,
        longest: int = 0,
        cache: ContinuousCache | None = None,
        dynamic: DynamicEvaluation | None = None,
        sizes: GradientSizes | None = None,
        baseline: Losses | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        if cache is not None and dynamic is not None:
            raise ConfigError("a cache and dynamic evaluation both follow the text; ask for one of them")
        if precision not in ("fp32", "bf16"):
            raise ConfigError(f"the precision of scoring is fp32 or bf16, not '{precision}'")
        self.half = None if precision == "fp32" else half_table(model)
        self.reading, self.model = LineReading(codec, splitter, longest), model.eval()
        self.cache, self.baseline = cache, baseline
        self.follower = None if dynamic is None else DynamicReader(model, dynamic, sizes, half=self.half is not None)

    @property
    def left_out(self) -> int:
        """Steps of dynamic evaluation that were not taken because a number was not finite."""
        return 0 if self.follower is None else self.follower.left_out

    def score(self, text: str) -> Score:
        """Return how probable one text is."""
        return self.scores([text])[0]

    def scores(self, texts: Sequence[str]) -> list[Score]:
        """Return how probable each text is on its own; many are read side by side.

        Raises
        ------
        TypeError
            If `texts` is one string, or holds anything but strings.
        """
        check_texts(texts)
        return [line.score for line in self.lines(texts)]

    def lines(self, texts: Iterable[str], *, listed: bool = False) -> Iterator[ScoredLine]:
        """Yield each text scored on its own, in order, after an ``<eos>``, where every sentence began in training.

        Parameters
        ----------
        texts : are read a few thousand at a time.
        listed : with all tokens.
        """
        for group in groups_of_lines(texts):
            lines = self.reading.read(group, spelt=listed)
            lengths = np.array([len(line.ids) for line in lines])
            found: dict[int, _Read] = {}
            for rows in _batches(lengths, 1 if self.follower else _ROWS):
                read = self._read_side_by_side([lines[row].ids for row in rows], listed=listed)
                found |= zip(rows, read, strict=True)
            for row, (text, line) in enumerate(zip(group, lines, strict=True)):
                yield _scored(text, line, found.get(row) or self._nothing())

    def along(self, texts: Iterable[str], *, listed: bool = False) -> Iterator[ScoredLine]:
        """Yield the lines of one text, each scored after all that stands before it, in constant memory.

        Parameters
        ----------
        texts : the lines, which are read as they are needed.
        listed : with all tokens.
        """
        readers, last = self._readers(), EOS
        waiting: deque[tuple[str, Line]] = deque()
        ids, read = np.zeros(0, dtype=np.uint32), self._nothing()
        groups = groups_of_lines(texts)
        group: list[str] | None = next(groups, None)
        while group is not None:
            lines = self.reading.read(group, spelt=listed)
            waiting += zip(group, lines, strict=True)
            ids = np.concatenate([ids, *(line.ids for line in lines)])
            group = next(groups, None)
            ready = len(ids) if group is None else len(ids) // _STREAM_BLOCK * _STREAM_BLOCK
            if ready:
                block = np.concatenate([[last], ids[:ready]]).astype(np.int64)
                read = _join(read, self._predict(readers, block[None], listed=listed)[0])
                last, ids = int(block[-1]), ids[ready:]
            done = 0
            while waiting and done + len(waiting[0][1].ids) <= len(read.losses):
                text, line = waiting.popleft()
                yield _scored(text, line, read.part(done, done + len(line.ids)))
                done += len(line.ids)
            read = read.part(done, len(read.losses))

    def _nothing(self) -> _Read:
        return _Read(np.zeros(0), None, None if self.baseline is None else np.zeros(0))

    def _readers(self) -> list[Reader]:
        """Return what predicts a text, at its beginning: the model, and the baseline where there is one."""
        reader: Reader = ModelReader(self.model, self.half)
        if self.cache is not None:
            reader = CachedReader(self.model, self.cache, self.half)
        elif self.follower is not None:
            self.follower.begin(anew=True)
            reader = self.follower
        return [reader] if self.baseline is None else [reader, _BaselineReader(self.baseline)]

    def _read_side_by_side(self, streams: Sequence[NDArray[np.uint32]], *, listed: bool) -> list[_Read]:
        lengths = np.array([len(ids) for ids in streams])
        block = np.full((len(streams), int(lengths.max()) + 1), EOS, dtype=np.int64)
        # What stands after the end of a row changes nothing before it.
        block[:, 1:][np.arange(block.shape[1] - 1) < lengths[:, None]] = np.concatenate(streams)
        found = self._predict(self._readers(), block, listed=listed)
        return [read.part(0, length) for read, length in zip(found, lengths.tolist(), strict=True)]

    def _predict(self, readers: Sequence[Reader], block: NDArray[np.int64], *, listed: bool) -> list[_Read]:
        """Return what the readers make of each row of a block (rows, time + 1)."""
        ids, step = torch.from_numpy(block).to(self.model.device), block_length(len(block))
        found: list[list[Predicted]] = [[] for _ in readers]
        for position in range(0, block.shape[1] - 1, step):
            part = ids[:, position : position + step + 1]
            for i, reader in enumerate(readers):
                found[i].append(reader.read(part, ranked=listed and i == 0))
        own, *others = [torch.cat([one.losses for one in parts], dim=1).double().cpu().numpy() for parts in found]
        ranks = [one.ranks.cpu().numpy() for one in found[0] if one.ranks is not None]
        ranked = np.concatenate(ranks, axis=1) if ranks else None
        return [
            _Read(own[row], None if ranked is None else ranked[row], others[0][row] if others else None)
            for row in range(len(block))
        ]


class _BaselineReader:
    """A model that looks back on a few tokens, as a reader."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        self.before: Tensor | None = None

    def read(self, ids: Tensor, *, ranked: bool = False) -> Predicted:  # noqa: ARG002 - the interface of readers
        whole = ids if self.before is None else torch.cat([self.before, ids], dim=1)
        self.before = whole[:, -_CONTEXT - 1 : -1]
        losses = self.losses(whole.cpu().numpy().astype(np.uint32))[:, whole.shape[1] - ids.shape[1] :]
        return Predicted(torch.from_numpy(losses))


def _batches(lengths: NDArray[np.int64], rows: int) -> Iterator[list[int]]:
    """Yield rows of similar lengths together, few with much to fill up, those of length 0 left out."""
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    start = 0
    while start < len(order):
        of_rest, n_rows = lengths[order[start:]], np.arange(1, len(order) - start + 1)
        padded = of_rest * n_rows
        tight = (padded <= _PADDED * of_rest.cumsum()) | (n_rows <= _FEW_ROWS)
        within = (padded <= _BATCH_TOKENS) & tight
        n = max(1, min(rows, int(within.argmin()) if not within.all() else len(within)))
        yield order[start : start + n].tolist()
        start += n


def _scored(text: str, line: Line, read: _Read) -> ScoredLine:
    score = Score(
        0.0 - float(read.losses.sum()),
        len(line.ids),
        int((line.ids == UNK).sum()),
        Units(line.n_words, line.n_characters),
        None if read.baseline is None else 0.0 - float(read.baseline.sum()),
    )
    if not line.tokens or read.ranks is None:
        return ScoredLine(text, score)
    parts = zip(line.tokens, (-read.losses).tolist(), read.ranks.tolist(), (line.ids != UNK).tolist(), strict=True)
    return ScoredLine(text, score, tuple(ScoredToken(*part) for part in parts))


def _join(first: _Read, second: _Read) -> _Read:
    if not len(first.losses):
        return second
    columns = [(first.losses, second.losses), (first.ranks, second.ranks), (first.baseline, second.baseline)]
    return _Read(*(None if a is None or b is None else np.concatenate([a, b]) for a, b in columns))  # type: ignore[arg-type]


def _known(figure: float) -> float | None:
    return None if math.isnan(figure) else figure
