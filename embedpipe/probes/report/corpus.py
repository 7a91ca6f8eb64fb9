"""The corpus card: how much text, how it was split, what was removed, and how its words are distributed."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from embedpipe.probes.report.content import ReportContent
from embedpipe.probes.report.html import cell, details, facts, number, paragraph, section, table
from embedpipe.probes.report.svg import Axis, Series, line_plot
from embedpipe.probes.vocabulary_facts import VocabularyFacts

__all__ = ["corpus_section"]

_SPLITS = {"train": "to learn from", "validation": "to choose by", "test": "to measure on"}


def corpus_section(content: ReportContent) -> str:
    """Return the section on the corpus."""
    splits = {name: content.corpus[name] for name in _SPLITS if _is_split(content.corpus.get(name))}
    rest = {name: value for name, value in content.corpus.items() if name not in splits}
    words = content.findings.vocabulary
    return section(
        "Corpus",
        _duplicates(content.corpus),
        _splits(splits),
        _words(words) if words is not None else "",
        details("All counts of the preparation", facts(rest)) if splits else facts(rest),
    )


def _is_split(value: Any) -> bool:
    return isinstance(value, Mapping) and "tokens" in value


def _duplicates(corpus: Mapping[str, Any]) -> str:
    exact, near, n = (corpus.get(name) for name in ("exact_duplicates", "near_duplicates", "documents"))
    if not isinstance(exact, int) or not isinstance(near, int) or not isinstance(n, int) or not n:
        return ""
    counted = f"{exact:,} exact and {near:,} near duplicates ({(exact + near) / n:.1%} of all) were removed"
    return paragraph(f"{n:,} documents were read; {counted if exact + near else 'no duplicates were found'}.")


def _splits(splits: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        [
            cell(f"{name} ({_SPLITS[name]})"),
            number(split.get("documents", math.nan)),
            number(split.get("sentences", math.nan)),
            number(split["tokens"]),
            number(share := split.get("unknown_rate", math.nan), f"{share:.2%}" if math.isfinite(share) else "–"),
        ]
        for name, split in splits.items()
    ]
    columns = ["split", "documents", "sentences", "tokens", "unknown words"]
    return table("The splits, by document", columns, rows, narrow="stacked")


def _words(words: VocabularyFacts) -> str:
    # The line that the exponent gives, through the same number of running words.
    total = float((np.arange(1, words.n_words + 1) ** -words.exponent).sum())
    known = words.covered[-1] * words.n_tokens
    fitted = [known * rank**-words.exponent / total for rank in words.ranks]
    plot = line_plot(
        "How often the words stand in the text",
        [
            Series("words of the text", words.ranks, words.counts),
            Series(f"Zipf's law with exponent {words.exponent:.2f}", words.ranks, fitted, marks=False),
        ],
        Axis("rank of the word", log=True),
        Axis("times in the text", log=True),
        says=f"The most frequent word stands {words.counts[0]:,} times in the text, the rarest of {words.n_words:,} "
        f"{words.counts[-1]:,} times; frequency falls about as rank to the power of −{words.exponent:.2f}.",
    )
    rows = [[number(n), number(share, f"{share:.1%}")] for n, share in zip(words.top, words.covered, strict=True)]
    covered = table(
        "How much of the training text the most frequent words make up", ["words", "share of the text"], rows
    )
    return f'<div class="pair">{plot}<div>{covered}</div></div>'
