"""Text as the training text was read: normalised, split into sentences, tokenised, each sentence closed by <eos>."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from embedpipe.text.codec import check_texts
from embedpipe.text.normalise import normalise
from embedpipe.text.vocabulary import EOS, SPECIALS

if TYPE_CHECKING:
    from embedpipe.text.codec import TextCodec
    from embedpipe.text.sentences import SentenceSplitter

__all__ = ["Line", "LineReading", "groups_of_lines"]

_LINES, _CHARACTERS = 2_048, 200_000


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text as a stream of ids.

    Parameters
    ----------
    ids : uint32, every sentence closed by ``<eos>``; empty for a line without a token.
    n_words : words between white space.
    n_characters : of the line, its end counted.
    tokens : how each id is spelt in the text, where that was asked for; else empty.
    """

    ids: NDArray[np.uint32]
    n_words: int
    n_characters: int
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LineReading:
    """How lines become ids.

    Parameters
    ----------
    codec : tokenises and numbers.
    splitter : finds the sentences of a line; None to read each line as one sentence, be it empty.
    longest : tokens after which a sentence is cut, as in the training text; 0 never cuts.

    Examples
    --------
    >>> from embedpipe.text.codec import TextCodec
    >>> from embedpipe.text.sentences import SentenceSplitter
    >>> from embedpipe.text.tokenizer import RegexTokenizer
    >>> from embedpipe.text.vocabulary import Vocabulary
    >>> codec = TextCodec(RegexTokenizer(), Vocabulary.from_counts({"the": 3, "cat": 2, ".": 2}))
    >>> line, = LineReading(codec, SentenceSplitter()).read(["The cat. A cat."])
    >>> line.ids.tolist(), line.n_words, line.n_characters
    ([4, 6, 5, 3, 1, 6, 5, 3], 4, 16)
    """

    codec: "TextCodec"
    splitter: "SentenceSplitter | None" = None
    longest: int = 0

    def read(self, texts: Sequence[str], *, spelt: bool = False) -> list[Line]:
        """Return one line for each text; `spelt` keeps the tokens.

        Raises
        ------
        TypeError
            If `texts` is one string, or holds anything but strings.
        """
        check_texts(texts)
        if self.splitter is None:
            sentences = [[text] for text in texts]
        else:
            sentences = [self.splitter.split(normalise(text)) for text in texts]
        flat = [sentence for of_text in sentences for sentence in of_text]
        of_sentence = np.repeat(np.arange(len(texts)), [len(of_text) for of_text in sentences])
        words: list[str] = []
        if spelt:
            tokenised = [self.codec.tokenize(sentence) for sentence in flat]
            words = [token for tokens in tokenised for token in tokens]
            ids = self.codec.vocabulary.ids(words, oov="unk")
            lengths = np.array([len(tokens) for tokens in tokenised], dtype=np.int64)
        else:
            ids, lengths = self.codec.encode_flat(flat)
        if self.splitter is not None:
            of_sentence, lengths = of_sentence[lengths > 0], lengths[lengths > 0]
        of_sentence, lengths = _cut(of_sentence, lengths, self.longest)
        ends = np.cumsum(lengths)
        closed = np.insert(ids.astype(np.uint32), ends, EOS)
        sizes = np.bincount(of_sentence, weights=lengths + 1, minlength=len(texts)).astype(np.int64)
        stops = np.cumsum(sizes).tolist()
        if spelt:
            numbers = np.insert(np.arange(len(words)), ends, -1).tolist()
            words = [SPECIALS[EOS] if number < 0 else words[number] for number in numbers]
        return [
            Line(closed[start:stop], len(text.split()), len(text.removesuffix("\n")) + 1, tuple(words[start:stop]))
            for text, start, stop in zip(texts, [0, *stops], stops, strict=False)
        ]


def groups_of_lines(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield lines a few thousand at a time, fewer where they are long."""
    group: list[str] = []
    size = 0
    for line in lines:
        group.append(line)
        size += len(line)
        if len(group) >= _LINES or size >= _CHARACTERS:
            yield group
            group, size = [], 0
    if group:
        yield group


def _cut(
    of_sentence: NDArray[np.int64], lengths: NDArray[np.int64], longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sentences with those that are too long in pieces of `longest` tokens and a last one."""
    if not longest or not (lengths > longest).any():
        return of_sentence, lengths
    pieces = np.maximum(1, -(-lengths // longest))
    cut = np.full(int(pieces.sum()), longest, dtype=np.int64)
    cut[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * longest
    return np.repeat(of_sentence, pieces), cut
