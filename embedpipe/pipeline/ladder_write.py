"""A ladder as JSON for programs, Markdown for documents, and one page with plots for people."""

import json
import math
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

from embedpipe.bundle.whole import temporary_sibling
from embedpipe.pipeline.ladder_result import Ladder, Step
from embedpipe.pipeline.ladder_rungs import GROUPS
from embedpipe.probes.report.html import Cell, cell, details, facts, number, paragraph, section, table
from embedpipe.probes.report.svg import Axis, Series, line_plot

__all__ = ["known_lines", "ladder_rows", "shown_rows", "spoken_conditions", "write_ladder"]


def write_ladder(folder: Path, found: Ladder) -> None:
    """Write ``ladder.json``, ``ladder.md`` and ``ladder.html`` into `folder`, each in one step.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    pages = {
        "ladder.json": json.dumps(found.as_dict(), ensure_ascii=False, indent=1, allow_nan=False) + "\n",
        "ladder.md": _markdown(found),
        "ladder.html": _page(found),
    }
    for name, page in pages.items():
        with temporary_sibling(folder / name) as partial:
            partial.write_text(page, encoding="utf-8")


def ladder_rows(found: Ladder) -> list[dict[str, Any]]:
    """Return one row for each rung, as people read it; differences are in percent.

    Where any training kept the untrained network, its best state, a last column says how many of each rung did.
    """
    untrained = [step.untrained_kept for step in found.steps]
    rows: list[dict[str, Any]] = []
    for step in found.steps:
        compared = bool(step.against)
        rows.append(
            {
                "rung": step.rung.name,
                "perplexity": round(step.perplexity, 1),
                "[95 %]": f"[{step.low:.1f}, {step.high:.1f}]",
                "against": step.against or None,
                "change %": round(100 * step.change, 1) if compared else math.nan,
                "change [95 %]": f"[{100 * step.change_low:+.1f}, {100 * step.change_high:+.1f}]" if compared else None,
                "p": step.p_corrected,
                "seconds": round(step.seconds, 1),
                "tokens/s": round(step.tokens_per_second),
                "parameters": step.n_parameters,
            }
        )
    if any(untrained):
        rows = [{**row, "untrained kept": n} for row, n in zip(rows, untrained, strict=True)]
    return rows


def known_lines(found: Ladder) -> list[str]:
    """Return the warnings and notes, each once, with the names of the rungs that it is about."""
    names: dict[str, list[str]] = {}
    for step in found.steps:
        for line in (*step.warnings, *step.notes):
            names.setdefault(line, []).append(step.rung.name)
    return [f"{', '.join(about)}: {line}" for line, about in names.items()]


def shown_rows(found: Ladder) -> list[dict[str, str]]:
    """Return the rows of `ladder_rows` as text for people, numbers under each other."""
    rows = [{column: _shown(column, value) for column, value in row.items()} for row in ladder_rows(found)]
    for column in rows[0].keys() - set(_TEXTS):
        width = max(len(row[column]) for row in rows)
        rows = [{**row, column: row[column].rjust(width)} for row in rows]
    return rows


def spoken_conditions(conditions: Mapping[str, Any]) -> list[str]:
    """Return what was equal for all rungs, one sentence a line."""
    seeds = conditions["seeds"]
    words = conditions["word_vector_seconds"]
    lines = [
        f"trained for {conditions['seconds']:g} s each (evaluations not counted) under {seeds} "
        f"seed{'s' if seeds > 1 else ''}, on {conditions['device']} with {conditions['threads']} "
        f"thread{'s' if conditions['threads'] > 1 else ''}",
        f"{conditions['training_tokens']:,} training tokens, {conditions['vocabulary']:,} words in the vocabulary, "
        f"{100 * conditions['unknown_share']:.1f} % of the words of the test are <unk>, which counts as a word",
        f"perplexity on the same {conditions['test_tokens']:,} tokens of the test split, in {conditions['test_rows']} "
        "stretches; the best state was chosen on the validation split",
        "intervals and p-values hold the chance of the test text and, from two seeds on, of the training; p-values are "
        "corrected for their number (Holm)",
    ]
    if words:
        lines.append(f"the word vectors took {words:.1f} seconds, which are not counted but for random-longer")
    if seeds == 1:
        lines.append("one seed: the chance of the training is in no interval, and small differences may be luck")
    return lines


def _markdown(found: Ladder) -> str:
    rows = ladder_rows(found)
    columns = list(rows[0])
    lines = [f"# The ladder of {', '.join(found.conditions['sources'])}", "", f"| {' | '.join(columns)} |"]
    lines.append(f"| {' | '.join('---' if column in _TEXTS else '---:' for column in columns)} |")
    lines += [f"| {' | '.join(_shown(column, row[column]) for column in columns)} |" for row in rows]
    lines += ["", "## What each step is worth", "", *(f"* {step.says}" for step in found.steps if step.against)]
    warned = [f"* {line}" for line in known_lines(found)]
    lines += ["", "## To be known", "", *warned] if warned else []
    lines += ["", "## Conditions", "", *(f"* {line}" for line in spoken_conditions(found.conditions))]
    lines += ["", "## The rungs", ""]
    lines += [f"* {step.rung.name}: {step.rung.explains} ({step.rung.source})" for step in found.steps]
    return "\n".join(lines) + "\n"


_TEXTS = ("rung", "[95 %]", "against", "change [95 %]")


def _shown(column: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}" if column == "p" else f"{value:+.1f}" if column == "change %" else f"{value:,.1f}"
    return str(value)


def _page(found: Ladder) -> str:
    title = escape(f"The ladder of {', '.join(found.conditions['sources'])}")
    rows = ladder_rows(found)
    head, *_ = rows
    body = "".join(
        (
            section(
                "What each rung reached",
                table("Perplexity on held-out text", list(head), [*map(_cells, rows, found.steps)], narrow="scrolls"),
            ),
            section(
                "What each step is worth",
                *(paragraph(step.says, of=_good(step)) for step in found.steps if step.against),
            ),
            section(
                "Perplexity against seconds",
                paragraph(_ABOUT_PLOTS),
                f'<div class="plots">{_plots(found)}</div>',
            ),
            section("To be known", *(paragraph(line) for line in known_lines(found))),
            section("Conditions", *(paragraph(line) for line in spoken_conditions(found.conditions)), _versions(found)),
            section(
                "The rungs",
                facts({step.rung.name: f"{step.rung.explains} ({step.rung.source})" for step in found.steps}),
            ),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title>\n<style>{_resource('page.css')}</style></head>\n"
        f'<body><header><h1>{title}</h1></header>\n<main id="main" tabindex="-1">{body}</main>\n'
        f"<footer><p>Written by embedpipe.</p></footer>\n<script>{_resource('page.js')}</script></body></html>\n"
    )


_BEGINNING = 0.2
_FAR = 2.0
"""Where one training is longer than another by more than this factor, their seconds are on a logarithmic axis."""
_ABOUT_PLOTS = (
    "The median over the seeds at each evaluation after the first fifth of the seconds, with the lowest and the "
    "highest seed. It is measured on the validation split, whose words are others than those of the table."
)
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"
)


def _resource(name: str) -> str:
    return files("embedpipe.probes.report").joinpath(name).read_text(encoding="utf-8")


def _cells(row: Mapping[str, Any], step: Step) -> list[Cell]:
    """Return the cells of a row; intervals sort by their lower ends."""
    keys = {"[95 %]": step.low, "change [95 %]": step.change_low}
    return [
        cell(_shown(column, value))
        if column in ("rung", "against")
        else number(keys.get(column, math.nan if value is None else value), _shown(column, value))
        for column, value in row.items()
    ]


def _good(step: Step) -> str:
    """Return the class of a sentence: better and worse only where that was measured."""
    if not step.p_corrected < 0.05:
        return ""
    return "better" if step.change < 0 else "worse"


def _versions(found: Ladder) -> str:
    return details("Versions", facts(found.conditions["versions"]))


def _plots(found: Ladder) -> str:
    """Return a plot for each group, those of advice with the network that it is tried on."""
    plots = []
    for group, common in GROUPS.items():
        inside = [step for step in found.steps if step.rung.group == group]
        if not inside:
            continue
        named = {step.against for step in inside} if group != "ladder" else set()
        drawn = [step for step in found.steps if step in inside or step.rung.name in named]
        best = min(inside, key=lambda step: step.perplexity)
        spans = [step.seconds for step in drawn if step.rung.kind == "network"] or [step.seconds for step in drawn]
        log = max(spans) > _FAR * min(spans)
        plots.append(
            line_plot(
                group.capitalize(),
                [_series(step, _BEGINNING * min(spans), max(spans)) for step in drawn],
                Axis(f"seconds of training{' (logarithmic)' if log else ''}", log=log),
                Axis("validation perplexity", log=True),
                says=f"{common}; the lowest perplexity on the test is {best.perplexity:,.1f}, of {best.rung.name}",
                interval="lowest and highest seed",
            )
        )
    return "".join(plots)


def _series(step: Step, since: float, until: float) -> Series:
    """Return the median over the seeds at each evaluation, and the lowest and highest; counts stay as they are.

    The steep beginning before `since` is left out: beside it the differences at the end could not be seen.
    """
    if step.rung.kind == "counts":
        at, value = step.timelines[0][-1]
        return Series(step.rung.name, [at, max(at, until)], [value, value])
    n = min(map(len, step.timelines))
    points = [[timeline[place] for timeline in step.timelines] for place in range(n)]
    late = [point for point in points if median(at for at, _ in point) >= since]
    points = late if len(late) > 1 else points
    values = [[value for _, value in point] for point in points]
    spread = len(step.timelines) > 1
    return Series(
        step.rung.name,
        [median(at for at, _ in point) for point in points],
        [median(of_seeds) for of_seeds in values],
        [min(of_seeds) for of_seeds in values] if spread else (),
        [max(of_seeds) for of_seeds in values] if spread else (),
    )
