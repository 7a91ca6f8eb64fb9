"""The model card: README.md of a bundle, with the results once for people and once for machines."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from embedpipe.probes.findings import LearningCurve
from embedpipe.probes.leaks.leakage import leak_lines
from embedpipe.probes.methods import limits, methods
from embedpipe.probes.report.content import ReportContent, figure, minus, notes_by_figure, signed, training_lines
from embedpipe.probes.report.headline import scored_text, strongest, strongest_counted, what
from embedpipe.probes.report.leaks import by_share
from embedpipe.probes.report.shape import geometry_value
from embedpipe.probes.rows import MARKS, SECTION, Row, headline, pivot
from embedpipe.probes.spaces.geometry import COUNTS, MEANING
from embedpipe.probes.word_facts import UNSTABLE_MARK, UNSTABLE_MEANING, word_facts

__all__ = ["write_card"]

_SHAPE = ("vectors", "dimensions", "dimensions used", "mean cosine", "IsoScore", "partition ratio", "hubness")
_TAGS = {
    "words": "word2vec",
    "sentences": "sentence-embeddings",
    "generation": "text-generation",
    "latent": "variational-autoencoder",
}


def write_card(path: Path, content: ReportContent) -> None:
    """Write the card as Markdown with YAML front matter, in the form of Hugging Face model cards.

    Every headline figure is a result of the ``model-index``, with its interval, its number of questions and its
    strongest baseline among the ``args`` of the metric. Strings of the front matter are written as JSON, which every
    YAML reader reads the same way.
    """
    of_words = word_facts(content.training.get("words", {}).get("result", {}))
    parts = [
        _front_matter(content),
        f"# {_inline(content.title)}\n\n{what(content)}, made from raw text by embedpipe.\n",
        _section("How it was made", _fenced(content.command, "") if content.command else ""),
        _section("Use", _fenced(f"import embedpipe\n\nbundle = embedpipe.load({json.dumps(content.title)})", "python")),
        _section("Limits", _lines(limits(content))),
        _section("Corpus", _list(content.corpus)),
        _section("Training", _list(training_lines(content))),
        _section("Words", _list(of_words)),
        _section("Measured", _results(content) if content.rows else ""),
        _section("Learning curves", _lines(_curves(content))),
        _section("Leakage", _leaks(content)),
        _section("Bias", _bias(content)),
        _section("Geometry", _geometry(content)),
        _section("Nearest words", _neighbours(content) if content.neighbours else ""),
        _section("Generated text", "\n".join(_fenced(text, "text") for text in content.samples)),
        _section("Methods to cite", _lines(methods(content))),
        _section("Versions", _list(content.versions)),
    ]
    path.write_text("\n".join(part for part in parts if part), encoding="utf-8")


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _front_matter(content: ReportContent) -> str:
    tags = [tag for stage, tag in _TAGS.items() if stage in content.training]
    lines = ["---", "library_name: embedpipe", f"tags: [{', '.join(tags)}]"]
    if "sentences" in content.training:
        lines.append("pipeline_tag: sentence-similarity")
    named = headline(content.rows)
    rows = [row for row, _, _ in strongest(content.rows) if f"{row.task} {row.metric}" in named]
    generation = content.training.get("generation")
    if rows or generation:
        lines += ["model-index:", f"  - name: {json.dumps(content.title)}", "    results:"]
    for row in rows:
        lines += _indexed("feature-extraction", row.task, row.metric, row.value, _args(row))
    if generation:
        result = generation["result"]
        lines += _indexed(
            "text-generation",
            scored_text(result),
            "perplexity",
            result["perplexity"],
            _beside_perplexity(result),
            split=result.get("scored_split", ""),
        )
    return "\n".join([*lines, "---", ""])


def _beside_perplexity(result: Mapping[str, Any]) -> dict[str, Any]:
    names = {"perplexity_low": "interval_low", "perplexity_high": "interval_high"}
    kept = (*names, "n_scored", "unknown_share", "word_perplexity", "bits_per_character")
    found = {names.get(name, name): result[name] for name in kept if name in result}
    if counted := strongest_counted(result):
        found |= {"strongest_baseline": counted[0], "strongest_baseline_value": counted[1]}
    return {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in found.items()}


def _args(row: Row) -> dict[str, Any]:
    found = {
        "interval_low": row.low,
        "interval_high": row.high,
        "n": row.n,
        "coverage": row.coverage,
        "strongest_baseline": row.baseline,
        "strongest_baseline_value": row.baseline_value,
        "p_value": row.p_value,
        "p_holm": row.p_holm,
    }
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in found.items()
        if value is not None and not (isinstance(value, float) and not math.isfinite(value))
    }


def _indexed(
    kind: str, dataset: str, metric: str, value: float, args: Mapping[str, Any], *, split: str = ""
) -> list[str]:
    """Return one result in the form that Hugging Face reads; JSON is YAML too."""
    more = f", args: {json.dumps(dict(args))}" if args else ""
    of = f", split: {json.dumps(split)}" if split else ""
    return [
        f"      - task: {{type: {kind}}}",
        f"        dataset: {{name: {json.dumps(dataset)}, type: {json.dumps(dataset)}{of}}}",
        f"        metrics: [{{type: {json.dumps(metric)}, value: {value:.4f}{more}}}]",
    ]


def _results(content: ReportContent) -> str:
    said = {(row.task, row.metric): word for row, beside, word in strongest(content.rows) if beside}
    head = "| task | metric | value | 95 % interval | n | coverage | beside the strongest baseline | baselines |\n"
    lines = [
        f"| {_inline(row['task'])} | {row['metric']} | {figure(row['value'])} | {minus(row['interval']) or '–'} "
        f"| {figure(row['n'])} | {figure(row['coverage'])} | {said.get((row['task'], row['metric']), '–')} "
        f"| {minus(_inline(row['baselines'])) or '–'} |"
        for row in pivot(content.rows)
    ]
    whole = [row for row in content.rows if SECTION not in row.metric]
    notes = [f"* {_inline(name)}: {_inline(note)}" for name, note in notes_by_figure(whole).items()]
    return "\n".join([head + "| --- " * 8 + "|", *lines, "", _inline(MARKS), "", *notes, ""])


def _curves(content: ReportContent) -> list[str]:
    """Return each curve of the encoder, and where the others end."""
    groups: dict[tuple[str, bool], list[LearningCurve]] = {}
    for curve in content.findings.curves:
        if curve.labels:
            groups.setdefault((curve.task, curve.per_label), []).append(curve)
    said = []
    for (task, per_label), (first, *others) in groups.items():
        points = ", ".join(f"{figure(y)} with {x:,}" for x, y in zip(first.labels, first.accuracy, strict=True))
        ends = ", ".join(f"{other.system} {figure(other.accuracy[-1])}" for other in others)
        of = f"accuracy of the {first.system} by texts {'of each label' if per_label else 'to learn from'}"
        said.append(f"{task}, {of}: {points}{f'; with the most: {ends}' if ends else ''}")
    return said


def _leaks(content: ReportContent) -> str:
    """Return what leaked, the largest shares first; its texts are no part of the card."""
    leaks = content.findings.leaks
    ordered = by_share(leaks) + [leak for leak in leaks if not leak.n]
    return _lines(leak_lines([replace(leak, examples=()) for leak in ordered]))


def _bias(content: ReportContent) -> str:
    said = []
    for one in content.findings.associations:
        pairs = f"{one.name}: {one.targets[0]} with {one.attributes[0]}, {one.targets[1]} with {one.attributes[1]}"
        interval = f"[{signed(one.low, 2)}, {signed(one.high, 2)}]" if math.isfinite(one.low) else "no interval"
        p_values = f"p {_p(one.p_value)}, Holm p {_p(one.p_holm)}"
        measured = f"effect {signed(one.effect, 2)} {interval}, {p_values}, {one.n_words} words"
        said.append(f"{pairs}: {measured if math.isfinite(one.effect) else one.note}")
    if not said:
        return ""
    explained = (
        "Effects in standard deviations; p one-sided, Holm p corrected for the number of tests of the same system. A "
        "test that finds nothing does not show that there is nothing."
    )
    return f"{explained}\n\n{_lines(said)}"


def _geometry(content: ReportContent) -> str:
    spaces = content.findings.geometry
    names = [name for name in _SHAPE if any(name in facts for facts in spaces.values())]
    if not names:
        return ""
    lines = [
        f"| {_inline(space)} | {' | '.join(geometry_value(name, facts.get(name, math.nan)) for name in names)} |"
        for space, facts in spaces.items()
    ]
    head = f"| space | {' | '.join(names)} |\n{'| --- ' * (len(names) + 1)}|"
    meanings = _lines([f"{name}: {MEANING[name]}" for name in names if name not in COUNTS])
    said = "Words as they are published, after post-processing; “as trained” is before it."
    return "\n".join([said, "", head, *lines, "", meanings])


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {figure(value)}"


def _neighbours(content: ReportContent) -> str:
    def marked(word: str) -> str:
        return word + UNSTABLE_MARK if word in content.unstable else word

    lines = [
        f"* **{_inline(marked(word))}**: "
        + ", ".join(f"{_inline(marked(near))} {minus(f'{value:.2f}')}" for near, value in found)
        + "\n"
        for word, found in content.neighbours.items()
    ]
    return "".join(lines) + (f"\n{UNSTABLE_MEANING}\n" if content.unstable else "")


def _lines(texts: Sequence[str]) -> str:
    return "".join(f"* {_inline(text)}\n" for text in texts)


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
