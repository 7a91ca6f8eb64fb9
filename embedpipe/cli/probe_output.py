"""What probes found, on stdout or in a file."""

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedpipe.cli.options import named_path
from embedpipe.cli.output import render, say
from embedpipe.errors import InputError, OutputError

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig
    from embedpipe.loading import Bundle
    from embedpipe.probes.findings import Findings, LearningCurve
    from embedpipe.probes.rows import Row
    from embedpipe.text.prepared import PreparedText

__all__ = ["check_output", "output_option", "show_curves", "show_findings"]

_ENDINGS = (".json", ".md")

output_option = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=named_path,
    help="Write all that was found: a .json for programs, or a .md table; stdout stays empty.",
)


def check_output(output: Path | None) -> None:
    """Raise an error before anything is measured, if a file of this name cannot be written."""
    if output is None:
        return
    if output.suffix not in _ENDINGS:
        raise click.UsageError(f"{output}: expected a name that ends in {' or '.join(_ENDINGS)}")
    if not output.parent.is_dir():
        raise OutputError(f"{output}: there is no folder {output.parent}; make it first")
    if output.is_dir():
        raise OutputError(f"{output}: is a folder; name a file")


def show_findings(
    bundle: "Bundle",
    findings: "Findings",
    output: Path | None,
    format_: str,
    no_tasks: Mapping[str, str] | None = None,
) -> None:
    """Write what was found to a file, or its rows to stdout; as a table, its notes are lines of stderr.

    Parameters
    ----------
    bundle : what was probed.
    findings : what was found.
    output : the file; None for stdout.
    format_ : of stdout.
    no_tasks : of a suite, the files that are no tasks, with the reason; they stand in the file too.
    """
    from embedpipe.probes.leaks.leakage import leak_lines
    from embedpipe.probes.rows import PIVOT_COLUMNS, pivot

    if output is not None:
        _write(bundle, findings, output, no_tasks)
        return
    rows = _all_rows(findings)
    if format_ != "table":
        render([row.as_dict() for row in rows], format_)
        return
    table = pivot(rows)
    shown = [{**row, "baselines": _beside(row)} for row in table]
    render(shown, format_, [column for column in PIVOT_COLUMNS if column != "note"])
    for line in (*_notes(row for row in table if not _says_why(row)), *leak_lines(findings.leaks)):
        say(line)


def show_curves(
    bundle: "Bundle",
    text: "PreparedText | None",
    config: "ProbesConfig",
    seed: int,
    rivals: Mapping[str, object],
    output: Path | None,
    format_: str,
) -> None:
    """Measure the accuracy by number of labels on the tasks of the configuration, and show it or write it to a file.

    Raises
    ------
    InputError
        If none of the tasks has a curve.
    """
    from embedpipe.cli.progress import progress
    from embedpipe.probes.asked import corpus_of, tasks_of
    from embedpipe.probes.findings import Findings
    from embedpipe.probes.rivals import with_rivals
    from embedpipe.probes.run import run_curves
    from embedpipe.probes.subject import subject_of
    from embedpipe.probes.texts.learning_curves import curve_table

    tasks = tasks_of(config, corpus_of(bundle, text, config, seed))
    subject = with_rivals(subject_of(bundle, seed), rivals, tasks)
    with progress() as listener:
        found = run_curves(subject, tasks, seed=seed, listener=listener)
    measured = {curve.task for curve in found}
    left_out = [name for name in config.tasks if not measured & {name, Path(name).name.split(".")[0]}]
    reason = f"no curve of {', '.join(left_out)}: not texts with labels, or too few of them"
    if not found:
        raise InputError(reason)
    if output is not None:
        _write(bundle, Findings(curves=found), output)
    else:
        render(curve_table(found), format_)
        for line in _curve_notes(found):
            say(line)
    if left_out:
        say(reason)


def _all_rows(findings: "Findings") -> "list[Row]":
    from embedpipe.probes.spaces.association import association_rows
    from embedpipe.probes.spaces.spaces import geometry_rows

    return [*findings.rows, *association_rows(findings.associations), *geometry_rows(findings.geometry)]


def _beside(row: Mapping[str, Any]) -> str:
    """Return the baselines of a row of a table; of one that has no figure, the reason."""
    return str(row["note"] if _says_why(row) else row["baselines"])


def _says_why(row: Mapping[str, Any]) -> bool:
    return not row["baselines"] and not math.isfinite(row["value"])


def _notes(table: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the notes of a table, those that several figures of a task share in one line."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in table:
        if row["note"]:
            groups.setdefault((row["task"], row["note"]), []).append(row["metric"])
    return [f"{task} {', '.join(metrics)}: {note}" for (task, note), metrics in groups.items()]


def _curve_notes(curves: "Sequence[LearningCurve]") -> list[str]:
    return [f"{task}: {note}" for task, note in dict.fromkeys((curve.task, curve.note) for curve in curves)]


def _write(bundle: "Bundle", findings: "Findings", output: Path, no_tasks: Mapping[str, str] | None = None) -> None:
    write = _markdown if output.suffix == ".md" else _json
    partial = output.with_name(f".{output.name}.partial")
    partial.write_text(write(bundle, findings, no_tasks), encoding="utf-8")
    os.replace(partial, output)  # noqa: PTH105 - atomic on every system
    say(f"written to {output}")


def _json(bundle: "Bundle", findings: "Findings", no_tasks: Mapping[str, str] | None) -> str:
    content = {**_about(bundle), **findings.as_dict()}
    if no_tasks is not None:
        content["no_tasks"] = dict(no_tasks)
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _markdown(bundle: "Bundle", findings: "Findings", no_tasks: Mapping[str, str] | None) -> str:
    from embedpipe.probes.leaks.leakage import leak_lines
    from embedpipe.probes.rows import MARKS, PIVOT_COLUMNS, pivot
    from embedpipe.probes.texts.learning_curves import curve_table

    about = _about(bundle)
    lines = [f"# {about['bundle']} measured", "", f"By {about['measured_by']}.", ""]
    table = pivot(_all_rows(findings))
    if table:
        shown = [{**row, "baselines": _beside(row)} for row in table]
        lines += _table(shown, [column for column in PIVOT_COLUMNS if column != "note"])
        lines += ["", _cell(MARKS), ""]
    if findings.curves:
        lines += ["## Learning curves", "", *_table(curve := curve_table(findings.curves), list(curve[0])), ""]
    noted = _notes(row for row in table if not _says_why(row))
    lines += _list("Notes", [*noted, *_curve_notes(findings.curves)])
    lines += _list("Questions that were met in training", leak_lines(findings.leaks))
    lines += _list("Files that are no tasks", [f"{name}: {why}" for name, why in (no_tasks or {}).items()])
    return "\n".join(lines).rstrip() + "\n"


def _table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> list[str]:
    lines = ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]
    return lines + ["| " + " | ".join(_cell(row[column]) for column in columns) + " |" for row in rows]


def _list(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {_cell(line)}" for line in lines), ""] if lines else []


def _about(bundle: "Bundle") -> dict[str, Any]:
    from importlib.metadata import version

    return {"bundle": bundle.path.resolve().name, "measured_by": f"embedpipe {version('embedpipe')}"}


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value == value else "–"
    if isinstance(value, int):
        return f"{value:,}"
    escaped = "".join("\\" + c if c in "\\`*_[]<>#|~" else c for c in str(value))
    return " ".join(escaped.split()) or "–"
