"""The first screen of the report: what the bundle is, and each figure beside its strongest baseline."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from embedpipe.probes.report.content import ReportContent, figure
from embedpipe.probes.report.html import paragraph
from embedpipe.probes.rows import Row, headline, is_whole, leads

__all__ = [
    "MIN_QUESTIONS",
    "Standing",
    "headline_part",
    "scored_text",
    "strongest",
    "strongest_counted",
    "summary_cards",
    "verdict",
    "what",
]

NO_DIFFERENCE, AT_CHANCE = "no difference found", "at chance"
_LEVEL = 0.05
MIN_QUESTIONS = 30
"""Fewer are no headline, as in `rows.headline`."""
_MOST_CARDS = 12
_PARTS = {
    "words": "word vectors",
    "sentences": "a sentence encoder",
    "generation": "a text generator",
    "latent": "a generative model of sentences",
}


def what(content: ReportContent) -> str:
    """Return what a bundle holds, in half a sentence.

    >>> what(ReportContent("b", {}, training={"words": {}, "generation": {}}))
    'Word vectors and a text generator over one vocabulary'
    """
    parts = [part for stage, part in _PARTS.items() if stage in content.training]
    if not parts:
        return "A vocabulary"
    *before, last = parts
    named = f"{', '.join(before)} and {last}" if before else last
    return f"{named[0].upper()}{named[1:]} over one vocabulary"


class Standing(NamedTuple):
    """A figure beside its strongest baseline (`beside` is False where there is none), and what is `said` of it."""

    row: Row
    beside: bool
    said: str


def strongest(rows: Sequence[Row]) -> list[Standing]:
    """Return for each task and metric the row beside its strongest baseline, and what is said of it.

    What could not be measured is left out, and so are parts of tasks.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if math.isfinite(row.value) and is_whole(row.metric):
            groups.setdefault((row.task, row.metric), []).append(row)
    found = []
    for group in groups.values():
        beside = [row for row in group if row.baseline and math.isfinite(row.baseline_value)]
        best = max(beside, key=lambda row: row.baseline_value, default=None)
        row = best or group[0]
        found.append(Standing(row, best is not None, verdict(row, chance=_chance(group))))
    return found


def _chance(group: Sequence[Row]) -> float:
    """Return what guessing gives: the better of the baselines that guess, nothing where two things are correlated."""
    if group[0].metric in _CORRELATIONS:
        return 0.0
    return max((row.baseline_value for row in group if row.baseline in _GUESSES), default=math.nan)


_CORRELATIONS = ("spearman", "pearson")
_GUESSES = ("majority", "chance", "random word")


def verdict(row: Row, *, chance: float = math.nan) -> str:
    """Return what a row says in words: the p-value that is corrected over tasks decides, where there is one.

    Parameters
    ----------
    row : a figure beside its strongest baseline.
    chance : what guessing gives; a figure that cannot be told from the baseline, and whose interval holds what guessing
        gives, is at chance.

    Examples
    --------
    >>> verdict(Row("t", "accuracy", 0.9, 0.8, 0.95, 99, 1.0, "tf-idf", 0.7, 0.001, "encoder"))
    'better'
    """
    if not leads(row.metric):
        return "no test of its own"
    if row.n < MIN_QUESTIONS:
        return f"fewer than {MIN_QUESTIONS} questions"
    p_value = row.p_value if math.isnan(row.p_holm) else row.p_holm
    if row.baseline is None or math.isnan(p_value):
        return "not compared"
    if p_value > _LEVEL:
        return AT_CHANCE if row.low <= chance <= row.high else NO_DIFFERENCE
    return "better" if row.value > row.baseline_value else "worse"


def summary_cards(content: ReportContent) -> list[tuple[str, str, str]]:
    """Return (what, figure, beside what) for each headline figure: the best baseline stands beside it."""
    return [
        (
            f"{row.task} {row.metric}",
            figure(row.value),
            f"{row.baseline} {figure(row.baseline_value)}" if beside else "",
        )
        for row, beside, _ in strongest(content.rows)
    ]


def headline_part(content: ReportContent) -> str:
    """Return the summary in a sentence or two, and the cards."""
    named = headline(content.rows)
    compared = [
        one for one in strongest(content.rows) if leads(one.row.metric) and f"{one.row.task} {one.row.metric}" in named
    ]
    said = Counter(one.said for one in compared if one.beside)
    cards = [*_made(content), *map(_card, compared[:_MOST_CARDS])]
    counts = [
        f"{said[word]} {'is' if said[word] == 1 else 'are'} {phrase}"
        for word, phrase in (
            ("better", "better"),
            (NO_DIFFERENCE, "not told apart"),
            (AT_CHANCE, "at chance"),
            ("worse", "worse"),
            ("not compared", "not tested"),
        )
        if said[word]
    ]
    sentence = f"{what(content)}."
    if counts:
        n = sum(said.values())
        sentence += f" Beside the strongest baseline, of {n} task{'s' if n > 1 else ''} of {MIN_QUESTIONS} questions "
        sentence += f"or more, {', '.join(counts)} (p ≤ 0.05, paired, corrected for the number of tasks)."
    left = len(compared) - _MOST_CARDS
    stand = "The figure of 1 more task stands" if left == 1 else f"The figures of {left} more tasks stand"
    more = paragraph(f"{stand} in the table of the probes.", of="notes") if left > 0 else ""
    shown = f'<ul class="cards" aria-label="Figures at a glance">{"".join(cards)}</ul>' if cards else ""
    return f"{paragraph(sentence, of='lead')}{shown}{more}\n"


def _made(content: ReportContent) -> list[str]:
    train = content.corpus.get("train")
    cards = []
    if isinstance(train, dict):
        n_documents = train.get("documents")
        beside = f"in {figure(n_documents)} training documents" if n_documents else ""
        cards.append(_plain_card("tokens to learn from", figure(train.get("tokens")), beside))
    words = content.training.get("words", {}).get("result", {})
    if "words" in words and "dim" in words:
        cards.append(_plain_card("words with a vector", figure(words["words"]), f"of {words['dim']} dimensions"))
    generation = content.training.get("generation", {}).get("result", {})
    if "perplexity" in generation:
        cards.append(_perplexity_card(generation))
    return cards


def _perplexity_card(result: Mapping[str, Any]) -> str:
    beside = strongest_counted(result)
    counted = f"{beside[0]}: {beside[1]:,.1f}" if beside else ""
    return _plain_card(f"perplexity of {scored_text(result)}", f"{result['perplexity']:,.1f}", counted)


def scored_text(result: Mapping[str, Any]) -> str:
    """Return of which text the perplexity of a generator is: of another than the test split, if that was too small.

    >>> scored_text({"scored_split": "test"}), scored_text({"scored_split": "validation"})
    ('held-out text', 'validation text')
    """
    split = result.get("scored_split", "test")
    return "held-out text" if split == "test" else f"{split} text"


def strongest_counted(result: Mapping[str, Any]) -> tuple[str, float] | None:
    """Return the name and the perplexity of the best counted model beside a generator, None where there is none.

    >>> strongest_counted({"perplexity": 90.1, "bigram_perplexity": 286.4, "kneser_ney_perplexity": 153.9})
    ('Kneser-Ney 5-gram', 153.9)
    """
    found = [(name, result[key]) for key, name in _COUNTED.items() if result.get(key) is not None]
    return min(found, key=lambda one: one[1], default=None)


_COUNTED = {"kneser_ney_perplexity": "Kneser-Ney 5-gram", "bigram_perplexity": "bigram model"}


def _plain_card(name: str, value: str, beside: str) -> str:
    return f"<li><span>{escape(name)}</span><b>{escape(value)}</b><small>{escape(beside)}</small></li>"


def _card(one: Standing) -> str:
    row, beside, said = one
    if not beside:
        return _plain_card(f"{row.task} {row.metric}", figure(row.value), "no baseline")
    mark = {"better": "▲", "worse": "▼", NO_DIFFERENCE: "?"}.get(said, "·")
    return (
        f'<li class="{said.split()[0]}"><span>{escape(f"{row.task} {row.metric}")}</span>'
        f"<b>{figure(row.value)}</b><small>best baseline: {escape(str(row.baseline))} {figure(row.baseline_value)}"
        f'</small><em><i aria-hidden="true">{mark}</i> {said}</em></li>'
    )
