"""Preparing more text by the rules of an earlier one: the same tokens, sentences and ids, with or without new words."""

import json
from dataclasses import dataclass
from pathlib import Path

from embedpipe.errors import BundleError
from embedpipe.text.sentences import SentenceSplitter
from embedpipe.text.tokenizer import Tokenizer, load_tokenizer
from embedpipe.text.vocabulary import SPECIALS, UNK, Vocabulary

__all__ = ["Base", "continue_vocabulary", "load_base"]


@dataclass(frozen=True, slots=True)
class Base:
    """What an earlier text was prepared by."""

    tokenizer: Tokenizer
    splitter: SentenceSplitter
    vocabulary: Vocabulary


def load_base(spec_path: Path, vocabulary_path: Path) -> Base:
    """Return the rules that a bundle holds; raise `BundleError` naming the file where they are damaged."""
    try:
        spec = json.loads(spec_path.read_text(encoding="utf-8"))
        if "sentences" not in spec:
            raise BundleError(
                f"{spec_path}: does not say how sentences end: its vectors were imported; start from their file "
                "instead (words.vectors)"
            )
        return Base(
            load_tokenizer(spec), SentenceSplitter.from_spec(spec["sentences"]), Vocabulary.load(vocabulary_path)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{spec_path}: does not say how its text was prepared: {error}") from error


def continue_vocabulary(
    base: Vocabulary, counted: Vocabulary, *, grow: bool, min_count: int, max_size: int
) -> Vocabulary:
    """Return the vocabulary of an earlier text and a new one together.

    Parameters
    ----------
    base : of the earlier text.
    counted : of all types of the new text.
    grow : False keeps tokens and ids of `base` and adds to its counts alone. True lets in what the new text holds
        `min_count` times; ids are then by the sum of the counts, and tables must be copied token by token.
    min_count, max_size : decide which new tokens join; every token of `base` stays.

    Examples
    --------
    >>> base = Vocabulary.from_counts({"the": 5, "cat": 2})
    >>> counted = Vocabulary.from_counts({"dog": 9, "the": 1, "emu": 1})
    >>> fixed = continue_vocabulary(base, counted, grow=False, min_count=2, max_size=9)
    >>> fixed.tokens[4:], fixed.counts.tolist()
    (['the', 'cat'], [0, 10, 0, 0, 6, 2])
    >>> grown = continue_vocabulary(base, counted, grow=True, min_count=2, max_size=9)
    >>> grown.tokens[4:], grown.counts.tolist()
    (['dog', 'the', 'cat'], [0, 1, 0, 0, 9, 6, 2])
    """
    new = dict(zip(counted.tokens[len(SPECIALS) :], counted.counts[len(SPECIALS) :].tolist(), strict=True))
    earlier = dict(zip(base.tokens[len(SPECIALS) :], base.counts[len(SPECIALS) :].tolist(), strict=True))
    total = int(base.counts.sum()) + int(counted.counts.sum())
    counts = {token: count + new.get(token, 0) for token, count in earlier.items()}
    if grow:
        joining = [(token, count) for token, count in new.items() if token not in earlier and count >= min_count]
        joining.sort(key=lambda item: (-item[1], item[0]))
        vocabulary = Vocabulary.from_counts(counts | dict(joining[: max(0, max_size - len(earlier))]))
    else:
        vocabulary = Vocabulary([*SPECIALS, *counts], [0] * len(SPECIALS) + list(counts.values()))
    vocabulary.counts[UNK] = total - int(vocabulary.counts[len(SPECIALS) :].sum())
    return vocabulary
