"""The model card: README.md of a bundle, with the results once for people and once for machines."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedpipe.probes.report import ReportContent, figure
from embedpipe.probes.rows import headline, pivot

__all__ = ["write_card"]


def write_card(path: Path, content: ReportContent) -> None:
    """Write the card as Markdown with YAML front matter (in the form of Hugging Face model cards).

    Strings of the front matter are written as JSON, which every YAML reader reads the same way.
    """
    parts = [
        _front_matter(content),
        f"# {_inline(content.title)}\n\nWord vectors, a sentence encoder and a text generator over one vocabulary, "
        "made from raw text by embedpipe.\n",
        "## How it was made\n\n" + _fenced(content.command, "") if content.command else "",
        "## Corpus\n\n" + _list(content.corpus) if content.corpus else "",
        "## Measured\n\n" + _results(content) if content.rows else "",
        "## Nearest words\n\n" + _neighbours(content) if content.neighbours else "",
        "## Generated text\n\n" + "\n".join(_fenced(text, "text") for text in content.samples)
        if content.samples
        else "",
        "## Use\n\n" + _fenced(f"import embedpipe\n\nbundle = embedpipe.load({json.dumps(content.title)})", "python"),
        "## Versions\n\n" + _list(content.versions) if content.versions else "",
    ]
    path.write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _front_matter(content: ReportContent) -> str:
    lines = ["---", "library_name: embedpipe", "tags: [word2vec, sentence-embeddings, text-generation]"]
    figures = headline(content.rows)
    if figures:
        lines += ["model-index:", f"  - name: {json.dumps(content.title)}", "    results:"]
    for name, value in figures.items():
        task, _, metric = name.rpartition(" ")
        lines += [
            "      - task: {type: feature-extraction}",
            f"        dataset: {{name: {json.dumps(task)}, type: {json.dumps(task)}}}",
            f"        metrics: [{{type: {json.dumps(metric)}, value: {value:.4f}}}]",
        ]
    return "\n".join([*lines, "---", ""])


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
    return "".join(
        f"* **{_inline(word)}**: " + ", ".join(f"{_inline(near)} {value:.2f}" for near, value in found) + "\n"
        for word, found in content.neighbours.items()
    )


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
