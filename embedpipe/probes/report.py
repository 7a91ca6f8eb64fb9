"""One self-contained page that says what a bundle is and how good it is: no network, no script but a sort."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from embedpipe.probes.findings import Findings
from embedpipe.probes.rows import Row
from embedpipe.probes.style import SCRIPT, STYLE
from embedpipe.probes.word_facts import UNSTABLE_MARK, UNSTABLE_MEANING, word_facts

__all__ = ["ReportContent", "figure", "summary_cards", "training_lines", "write_report"]


@dataclass(frozen=True)
class ReportContent:
    """What the report and the model card say.

    Parameters
    ----------
    title : name of the bundle.
    corpus : counts of the prepared text by name; values may be nested.
    training : for each trained stage its ``summary`` in one line and its ``result`` in numbers.
    findings : what the probes found.
    neighbours : some words and the nearest words to each with their cosine.
    unstable : those of all these words that are marked, as their own neighbours differ from run to run.
    samples : generated texts.
    config_toml : the complete configuration.
    command : what makes such a bundle; no folder of the machine that made it is in it.
    versions : libraries and their versions.
    """

    title: str
    corpus: Mapping[str, Any]
    training: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    neighbours: Mapping[str, Sequence[tuple[str, float]]] = field(default_factory=dict)
    unstable: Collection[str] = ()
    samples: Sequence[str] = ()
    config_toml: str = ""
    command: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> Sequence[Row]:
        """The figures beside baselines."""
        return self.findings.rows


def write_report(path: Path, content: ReportContent) -> None:
    """Write the report as one HTML file, readable offline, in light and dark, on a phone and on paper."""
    sections = [
        _section("Corpus", _facts(content.corpus)),
        _section("Training", _facts(training_lines(content))),
        _section("Words", _facts(word_facts(content.training.get("words", {}).get("result", {})))),
        _section("Probes", _probes(content.rows)),
        _section("Nearest words", _neighbours(content)),
        _section("Generated text", "".join(f"<blockquote>{escape(text)}</blockquote>" for text in content.samples)),
        _section("Settings", f"<pre>{escape(content.config_toml)}</pre>" if content.config_toml else ""),
        _section("Versions", _facts(content.versions)),
    ]
    command = f"<p class=command><code>{escape(content.command)}</code></p>" if content.command else ""
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(content.title)}: embedpipe report</title>\n<style>{STYLE}</style></head>\n"
        f"<body><main><h1>{escape(content.title)}</h1>{command}\n{_headline(content)}"
        f"{''.join(sections)}</main>\n<script>{SCRIPT}</script></body></html>\n"
    )
    path.write_text(page, encoding="utf-8")


def summary_cards(content: ReportContent) -> list[tuple[str, str, str]]:
    """Return (what, figure, beside what) for each headline figure: the best baseline stands beside it."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in content.rows:
        if math.isfinite(row.value) and "(" not in row.metric:
            groups.setdefault((row.task, row.metric), []).append(row)
    cards = []
    for (task, metric), rows in groups.items():
        beside = [row for row in rows if row.baseline and math.isfinite(row.baseline_value)]
        best = max(beside, key=lambda row: row.baseline_value, default=None)
        against = f"{best.baseline} {figure(best.baseline_value)}" if best else ""
        cards.append((f"{task} {metric}", figure(rows[0].value), against))
    return cards


def training_lines(content: ReportContent) -> dict[str, str]:
    """Return how the training of each stage ended: its summary, then the single figures of its result."""
    return {stage: _training_line(record["summary"], record["result"]) for stage, record in content.training.items()}


def _training_line(summary: str, result: Mapping[str, Any]) -> str:
    figures = {name: value for name, value in result.items() if isinstance(value, int | float)}
    return f"{summary} ({_named_figures(figures)})" if figures else summary


def figure(value: object) -> str:
    """Return a number as people read it: three decimals, thousands separated, a dash for what is not defined."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>\n" if body else ""


def _headline(content: ReportContent) -> str:
    cards = [
        f"<div class=card><span>{escape(what)}</span><b>{escape(value)}</b>"
        f"<small>{'best baseline: ' + escape(beside) if beside else ''}</small></div>"
        for what, value, beside in summary_cards(content)
    ]
    return f"<div class=cards>{''.join(cards)}</div>\n" if cards else ""


def _named_figures(figures: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {figure(value)}" for name, value in figures.items())


def _facts(facts: Mapping[str, Any]) -> str:
    lines = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            shown = _named_figures(value)
        elif isinstance(value, list | tuple):
            shown = ", ".join(figure(item) for item in value)
        else:
            shown = figure(value)
        lines.append(f"<dt>{escape(str(key).replace('_', ' '))}</dt><dd>{escape(shown) or '–'}</dd>")
    return f"<dl>{''.join(lines)}</dl>" if lines else ""


def _probes(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    columns = ("task", "metric", "value", "95 % interval", "n", "coverage", "baseline", "its value", "p")
    head = "".join(f'<th><button type="button">{name}</button></th>' for name in columns)
    body, notes = [], {}
    for row in rows:
        if row.note:
            notes[f"{row.task} {row.metric}"] = row.note
        interval = f"{_bar(row)}{figure(row.low)} – {figure(row.high)}" if math.isfinite(row.low) else "–"
        cells = [
            f"<td>{escape(row.task)}</td>",
            f"<td>{escape(row.metric)}</td>",
            _number(row.value),
            f"<td class=interval data-value={_data(row.low)}>{interval}</td>",
            _number(row.n),
            _number(row.coverage),
            f"<td>{escape(row.baseline or '–')}</td>",
            _number(row.baseline_value),
            _number(row.p_value, "&lt; 0.001" if row.p_value < 0.001 else ""),
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    said = "".join(f"<li><b>{escape(what)}</b>: {escape(note)}</li>" for what, note in notes.items())
    explained = (
        "<p>Each row sets one figure beside one baseline on the same questions. Intervals are 95 % "
        "(bootstrap for correlations, Wilson for accuracies); the bar spans the interval, its tick is the baseline. "
        "<i>p</i> is two-sided and paired.</p>"
    )
    return (
        f"{explained}<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        f"</div><ul class=notes>{said}</ul>"
    )


def _bar(row: Row) -> str:
    low, high = (min(max(value, 0.0), 1.0) for value in (row.low, row.high))
    tick = ""
    if row.baseline is not None and math.isfinite(row.baseline_value):
        at = 100 * min(max(row.baseline_value, 0.0), 1.0)
        tick = f'<i style="left:{at:.1f}%"></i>'
    width = max(100 * (high - low), 1.0)
    return f'<span class=bar><b style="left:{100 * low:.1f}%;width:{width:.1f}%"></b>{tick}</span>'


def _number(value: float, shown: str = "") -> str:
    return f"<td class=number data-value={_data(value)}>{shown or figure(value)}</td>"


def _data(value: float) -> str:
    return f'"{value:.6g}"' if math.isfinite(value) else '"-9"'


def _neighbours(content: ReportContent) -> str:
    def marked(word: str) -> str:
        return escape(word) + (f"<sup>{UNSTABLE_MARK}</sup>" if word in content.unstable else "")

    lines = [
        f"<dt>{marked(word)}</dt><dd>"
        + ", ".join(f"{marked(near)}&nbsp;<small>{similarity:.2f}</small>" for near, similarity in found)
        + "</dd>"
        for word, found in content.neighbours.items()
    ]
    note = f"<p class=notes>{escape(UNSTABLE_MEANING)}</p>" if content.unstable else ""
    return f"<dl>{''.join(lines)}</dl>{note}" if lines else ""
