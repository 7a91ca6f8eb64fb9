"""What probes found, on stdout or in a file."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedpipe.cli.options import named_path
from embedpipe.cli.output import render, say
from embedpipe.errors import OutputError

if TYPE_CHECKING:
    from embedpipe.config import ProbesConfig
    from embedpipe.loading import Bundle
    from embedpipe.probes.findings import Findings
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


def show_findings(bundle: "Bundle", findings: "Findings", output: Path | None, format_: str) -> None:
    """Write what was found to a file, or its rows to stdout; as a table, each note on a line of stderr."""
    from embedpipe.probes.leaks.leakage import leak_lines
    from embedpipe.probes.rows import PIVOT_COLUMNS, pivot

    if output is not None:
        content = _markdown(bundle, findings) if output.suffix == ".md" else _json(bundle, findings)
        partial = output.with_name(f".{output.name}.partial")
        partial.write_text(content, encoding="utf-8")
        os.replace(partial, output)  # noqa: PTH105 - atomic on every system
        say(f"written to {output}")
        return
    rows = _all_rows(findings)
    if format_ != "table":
        render([row.as_dict() for row in rows], format_)
        return
    table = pivot(rows)
    render(table, format_, [column for column in PIVOT_COLUMNS if column != "note"])
    for row in table:
        if row["note"]:
            say(f"{row['task']} {row['metric']}: {row['note']}")
    for line in leak_lines(findings.leaks):
        say(line)


def show_curves(bundle: "Bundle", text: "PreparedText | None", config: "ProbesConfig", seed: int, format_: str) -> None:
    """Measure the accuracy by number of labels on the tasks of the configuration, and show it."""
    from embedpipe.cli.progress import progress
    from embedpipe.probes.asked import corpus_of, tasks_of
    from embedpipe.probes.run import run_curves
    from embedpipe.probes.subject import subject_of
    from embedpipe.probes.texts.learning_curves import curve_table

    tasks = tasks_of(config, corpus_of(bundle, text, config, seed))
    with progress() as listener:
        found = run_curves(subject_of(bundle, seed), tasks, seed=seed, listener=listener)
    measured = {curve.task for curve in found}
    render(curve_table(found), format_)
    left_out = [name for name in config.tasks if not measured & {name, Path(name).name.split(".")[0]}]
    if left_out:
        say(f"no curve of {', '.join(left_out)}: not texts with labels, or too few of them")


def _all_rows(findings: "Findings") -> "list[Row]":
    from embedpipe.probes.spaces.association import association_rows
    from embedpipe.probes.spaces.spaces import geometry_rows

    return [*findings.rows, *association_rows(findings.associations), *geometry_rows(findings.geometry)]


def _json(bundle: "Bundle", findings: "Findings") -> str:
    content = {**_about(bundle), **findings.as_dict()}
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _markdown(bundle: "Bundle", findings: "Findings") -> str:
    from embedpipe.probes.rows import MARKS, PIVOT_COLUMNS, pivot

    about = _about(bundle)
    lines = [f"# {about['bundle']} measured", "", f"By {about['measured_by']}.", ""]
    lines += ["| " + " | ".join(PIVOT_COLUMNS) + " |", "| --- " * len(PIVOT_COLUMNS) + "|"]
    for row in pivot(_all_rows(findings)):
        lines.append("| " + " | ".join(_cell(row[column]) for column in PIVOT_COLUMNS) + " |")
    return "\n".join([*lines, "", _cell(MARKS)]) + "\n"


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
