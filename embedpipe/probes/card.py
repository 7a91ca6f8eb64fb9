"""The model card: README.md of a bundle, with the results once for people and once for machines."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedpipe.probes.report import ReportContent, figure, training_lines
from embedpipe.probes.rows import headline, pivot
from embedpipe.probes.word_facts import UNSTABLE_MARK, UNSTABLE_MEANING, word_facts

__all__ = ["write_card"]

_PARTS = {
    "words": ("word vectors", "word2vec"),
    "sentences": ("a sentence encoder", "sentence-embeddings"),
    "generation": ("a text generator", "text-generation"),
}
"""What each trained stage brings, and its tag."""


def write_card(path: Path, content: ReportContent) -> None:
    """Write the card as Markdown with YAML front matter (in the form of Hugging Face model cards).

    Strings of the front matter are written as JSON, which every YAML reader reads the same way.
    """
    of_words = word_facts(content.training.get("words", {}).get("result", {}))
    parts = [
        _front_matter(content),
        f"# {_inline(content.title)}\n\n{_what(content)}, made from raw text by embedpipe.\n",
        "## How it was made\n\n" + _fenced(content.command, "") if content.command else "",
        "## Corpus\n\n" + _list(content.corpus) if content.corpus else "",
        "## Training\n\n" + _list(training_lines(content)) if content.training else "",
        "## Words\n\n" + _list(of_words) if of_words else "",
        "## Measured\n\n" + _results(content) if content.rows else "",
        "## Nearest words\n\n" + _neighbours(content) if content.neighbours else "",
        "## Generated text\n\n" + "\n".join(_fenced(text, "text") for text in content.samples)
        if content.samples
        else "",
        "## Use\n\n" + _fenced(f"import embedpipe\n\nbundle = embedpipe.load({json.dumps(content.title)})", "python"),
        "## Versions\n\n" + _list(content.versions) if content.versions else "",
    ]
    path.write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _what(content: ReportContent) -> str:
    parts = [part for stage, (part, _) in _PARTS.items() if stage in content.training]
    if not parts:
        return "A vocabulary"
    *before, last = parts
    named = f"{', '.join(before)} and {last}" if before else last
    return f"{named[0].upper()}{named[1:]} over one vocabulary"


def _front_matter(content: ReportContent) -> str:
    tags = [tag for stage, (_, tag) in _PARTS.items() if stage in content.training]
    lines = ["---", "library_name: embedpipe", f"tags: [{', '.join(tags)}]"]
    figures = headline(content.rows)
    generation = content.training.get("generation")
    if figures or generation:
        lines += ["model-index:", f"  - name: {json.dumps(content.title)}", "    results:"]
    for name, value in figures.items():
        task, _, metric = name.rpartition(" ")
        lines += _indexed("feature-extraction", task, metric, value)
    if generation:
        lines += _indexed("text-generation", "held-out text", "perplexity", generation["result"]["perplexity"])
    return "\n".join([*lines, "---", ""])


def _indexed(kind: str, dataset: str, metric: str, value: float) -> list[str]:
    return [
        f"      - task: {{type: {kind}}}",
        f"        dataset: {{name: {json.dumps(dataset)}, type: {json.dumps(dataset)}}}",
        f"        metrics: [{{type: {json.dumps(metric)}, value: {value:.4f}}}]",
    ]


def _results(content: ReportContent) -> str:
    head = "| task | metric | value | 95 % interval | n | coverage | baselines |\n| --- " + "| --- " * 6 + "|"
    lines = [
        f"| {_inline(row['task'])} | {row['metric']} | {figure(row['value'])} | {row['interval'] or '–'} "
        f"| {figure(row['n'])} | {figure(row['coverage'])} | {_inline(row['baselines']) or '–'} |"
        for row in pivot(content.rows)
    ]
    notes = [
        f"* {_inline(row['task'])} {row['metric']}: {_inline(row['note'])}"
        for row in pivot(content.rows)
        if row["note"]
    ]
    marked = "A baseline marked \\~ does not differ from the figure as far as the sample tells (p > 0.05, paired)."
    return "\n".join([head, *lines, "", marked, "", *notes, ""])


def _neighbours(content: ReportContent) -> str:
    def marked(word: str) -> str:
        return word + UNSTABLE_MARK if word in content.unstable else word

    lines = [
        f"* **{_inline(marked(word))}**: "
        + ", ".join(f"{_inline(marked(near))} {value:.2f}" for near, value in found)
        + "\n"
        for word, found in content.neighbours.items()
    ]
    return "".join(lines) + (f"\n{UNSTABLE_MEANING}\n" if content.unstable else "")


def _list(facts: Mapping[str, Any]) -> str:
    lines = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{str(name).replace('_', ' ')} {figure(count)}" for name, count in value.items())
        elif isinstance(value, list | tuple):
            value = ", ".join(figure(item) for item in value)
        elif isinstance(value, float) and not math.isfinite(value):
            continue
        if shown := figure(value):
            lines.append(f"* {_inline(str(key).replace('_', ' '))}: {_inline(shown)}\n")
    return "".join(lines)


def _fenced(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}\n"


def _inline(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    escaped = "".join("\\" + c if c in "\\`*_[]<>#|~" else c for c in text)
    return " ".join(escaped.split())
