"""How the words of a bundle were made, in short lines for people: the report, the card and ``embedpipe info``."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["UNSTABLE_MARK", "UNSTABLE_MEANING", "word_facts"]

UNSTABLE_MARK = "†"
UNSTABLE_MEANING = (
    f"{UNSTABLE_MARK} unstable: fewer than three in ten of this word's nearest words come back in another run; chance, "
    "more than the text, chose its neighbours"
)


def word_facts(result: Mapping[str, Any]) -> dict[str, str]:
    """Return, by name, what the result of the stage ``words`` holds of trainer, steps, losses and stability.

    Parameters
    ----------
    result : as the manifest has it; what it lacks, as in a bundle of imported words, is left out.

    Examples
    --------
    >>> facts = word_facts({"trainer": "word2vec", "held_out_losses": [[3.11, 2.9, 2.95]], "epochs": [2]})
    >>> facts["held-out loss by epoch"]
    '3.110, 2.900 (kept), 2.950'
    >>> start = {"from": "old.bundle", "known": 9, "words": 10, "held_out_losses": [2.8]}
    >>> word_facts({"held_out_losses": [[2.9, 2.95]], "epochs": [0], "start": start})["held-out loss by epoch"]
    '2.800 before the first (kept), 2.900, 2.950'
    """
    facts = {}
    if "trainer" in result:
        facts["trainer"] = result["trainer"]
    if "steps" in result:
        facts["steps after training"] = ", ".join(result["steps"]) or "none"
    runs = result.get("runs", 1)
    losses = result.get("held_out_losses", [])
    each = max(1, len(losses) // runs)
    before = result.get("start", {}).get("held_out_losses", [None] * len(losses))
    for place, (of_epochs, kept, first) in enumerate(zip(losses, result.get("epochs", []), before, strict=False)):
        if of_epochs:
            name = "held-out loss by epoch" + (", beside" if place % each else "")
            facts[name + (f", run {place // each + 1}" if runs > 1 else "")] = _losses(of_epochs, kept, first)
    if "stability_of_words" in result:
        facts["stability"] = (
            f"{runs} runs share {result['stability_of_words']:.0%} of a word's ten nearest words, "
            f"{result['stability_of_text']:.0%} where each word counts as often as the text has it"
        )
    if start := result.get("start"):
        facts["started from"] = f"{start['from']}, which knows {start['known']:,} of the {start['words']:,} words"
    return facts


def _losses(losses: Sequence[float], kept: int, before: float | None) -> str:
    said = [f"{loss:.3f}" + (" (kept)" if epoch == kept else "") for epoch, loss in enumerate(losses, 1)]
    start = [] if before is None else [f"{before:.3f} before the first" + ("" if kept else " (kept)")]
    return ", ".join([*start, *said])
