"""What is reported of a trained generator: its perplexity with an interval, and the counted models beside it."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedpipe.generation.train import TrainedGenerator

__all__ = ["perplexity_figures", "perplexity_summary"]


def perplexity_figures(trained: "TrainedGenerator") -> dict[str, Any]:
    """Return the figures by name, those left out that are not numbers, and of which split they are.

    ``word_perplexity`` and ``bits_per_character`` are there where tokens are pieces of words, and compare such a model
    with others.
    """
    low, high = trained.interval
    found = {
        "perplexity": trained.perplexity,
        "perplexity_low": low,
        "perplexity_high": high,
        "unigram_perplexity": trained.unigram_perplexity,
        "bigram_perplexity": trained.bigram_perplexity,
        "kneser_ney_perplexity": trained.kneser_ney_perplexity,
    }
    if trained.units is not None:
        nats = math.log(trained.perplexity) * trained.n_scored
        found["word_perplexity"] = trained.units.word_perplexity(nats)
        found["bits_per_character"] = trained.units.bits_per_character(nats)
    figures: dict[str, Any] = {name: value for name, value in found.items() if math.isfinite(value)}
    return (
        {"perplexity": trained.perplexity}
        | figures
        | {
            "unknown_share": trained.unknown_share,
            "n_scored": trained.n_scored,
            "scored_split": trained.scored_split,
        }
    )


def perplexity_summary(trained: "TrainedGenerator") -> str:
    """Return the perplexities in one line, which says of what text they are."""
    low, high = trained.interval
    text = "held-out" if trained.scored_split == "test" else trained.scored_split
    interval = f" ({low:,.1f} to {high:,.1f})" if math.isfinite(low) else ""
    return (
        f"perplexity {trained.perplexity:,.1f}{interval} on {text} text "
        f"(Kneser-Ney 5-gram {trained.kneser_ney_perplexity:,.1f}, bigram {trained.bigram_perplexity:,.1f}, "
        f"unigram {trained.unigram_perplexity:,.1f})"
    )
