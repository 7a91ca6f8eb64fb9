"""The page: its sections in order, and all that it needs to be shown within it."""

import re
from html import escape
from importlib.resources import files
from pathlib import Path

from embedpipe.probes.report.bias import association_section
from embedpipe.probes.report.content import ReportContent
from embedpipe.probes.report.corpus import corpus_section
from embedpipe.probes.report.found import curves_section, neighbour_section, samples_section
from embedpipe.probes.report.headline import headline_part
from embedpipe.probes.report.html import cell, details, facts, number, paragraph, section, table
from embedpipe.probes.report.leaks import leak_section
from embedpipe.probes.report.maps import drawing_library, map_section
from embedpipe.probes.report.shape import geometry_section
from embedpipe.probes.report.tables import probes_section
from embedpipe.probes.report.training import training_section

__all__ = ["write_report"]


def write_report(path: Path, content: ReportContent) -> None:
    """Write the report as one HTML file: it opens from disk, in light and dark, on a phone and on paper.

    It asks nothing of the network, and its security policy forbids it to. All plots but the maps are drawings within
    the page. The maps need plotly's script, which makes the file about 4.7 MB larger: it is put in only where there is
    a map and plotly is installed.

    Parameters
    ----------
    path : the file.
    content : what it says; a section without content is left out.
    """
    found = content.findings
    library = drawing_library() if any(one.texts for one in found.maps) else ""
    sections = [
        corpus_section(content),
        training_section(content),
        probes_section(content.rows),
        curves_section(found.curves),
        leak_section(found.leaks, content.rows),
        map_section(found.maps, drawn=bool(library)),
        neighbour_section(content),
        association_section(found.associations),
        geometry_section(found.geometry),
        samples_section(content.samples),
        _made_section(content),
    ]
    body = "".join(sections)
    scripts = [_resource("page.js")] + ([library, _resource("map.js")] if library else [])
    title = escape(content.title)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(drawn=bool(library))}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}: embedpipe report</title>\n<style>{_resource('page.css')}</style></head>\n"
        '<body><a class="skip" href="#main">Skip to the content</a>\n'
        f"<header><h1>{title}</h1>{headline_part(content)}{_contents(body)}</header>\n"
        f'<main id="main" tabindex="-1">{body}</main>\n<footer><p>Written by embedpipe.</p></footer>\n'
        f"{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )
    path.write_text(page, encoding="utf-8")


def _policy(*, drawn: bool) -> str:
    """Return what the page may do: run its own styles and scripts; plotly's WebGL compiles code for its drawing."""
    compiled = " 'unsafe-eval'" if drawn else ""
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'{compiled}; img-src data: blob:; "
        "form-action 'none'; base-uri 'none'"
    )


def _resource(name: str) -> str:
    return files("embedpipe.probes.report").joinpath(name).read_text(encoding="utf-8")


def _contents(body: str) -> str:
    """Return the links to the sections; each stands where it is reached by one key."""
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in _HEADINGS.findall(body))
    return f'<nav aria-label="Sections"><ul>{links}</ul></nav>' if links else ""


_HEADINGS = re.compile(r'<h2 id="([a-z0-9-]+)-h">(.*?)</h2>')


def _made_section(content: ReportContent) -> str:
    runs = [
        [
            cell(stage),
            number(run.seconds, f"{run.seconds:,.1f}"),
            cell(run.device),
            number(run.threads),
            cell("yes" if run.reproducible else "no"),
        ]
        for stage, run in content.runs.items()
    ]
    columns = ["stage", "seconds", "device", "threads", "reproducible"]
    again = "To make it again, with config.toml of the bundle:"
    return section(
        "How it was made",
        f"{paragraph(again)}<pre class=command><code>{escape(content.command)}</code></pre>" if content.command else "",
        paragraph(content.reproducible and f"Reproducible: {content.reproducible}."),
        table("What was run", columns, runs, narrow="stacked"),
        details("Settings", f"<pre>{escape(content.config_toml)}</pre>" if content.config_toml else ""),
        details("Versions", facts(content.versions)),
    )
