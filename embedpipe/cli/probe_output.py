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
    from embedpipe.loading import Bundle
    from embedpipe.probes.findings import Findings

__all__ = ["check_output", "output_option", "show_findings"]

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
    from embedpipe.probes.rows import PIVOT_COLUMNS, pivot

    if output is not None:
        content = _markdown(bundle, findings) if output.suffix == ".md" else _json(bundle, findings)
        partial = output.with_name(f".{output.name}.partial")
        partial.write_text(content, encoding="utf-8")
        os.replace(partial, output)  # noqa: PTH105 - atomic on every system
        say(f"written to {output}")
        return
    if format_ != "table":
        render([row.as_dict() for row in findings.rows], format_)
        return
    table = pivot(findings.rows)
    render(table, format_, [column for column in PIVOT_COLUMNS if column != "note"])
    for row in table:
        if row["note"]:
            say(f"{row['task']} {row['metric']}: {row['note']}")


def _json(bundle: "Bundle", findings: "Findings") -> str:
    content = {**_about(bundle), **findings.as_dict()}
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _markdown(bundle: "Bundle", findings: "Findings") -> str:
    from embedpipe.probes.rows import PIVOT_COLUMNS, pivot

    about = _about(bundle)
    lines = [f"# {about['bundle']} measured", "", f"By {about['measured_by']}.", ""]
    lines += ["| " + " | ".join(PIVOT_COLUMNS) + " |", "| --- " * len(PIVOT_COLUMNS) + "|"]
    for row in pivot(findings.rows):
        lines.append("| " + " | ".join(_cell(row[column]) for column in PIVOT_COLUMNS) + " |")
    marked = "\\~ before a baseline: the figure does not differ from it as far as the sample tells (p > 0.05, paired)."
    return "\n".join([*lines, "", marked]) + "\n"


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
