"""The verb ``info``: what is in a bundle, and how good it is."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render, render_values

if TYPE_CHECKING:
    from embedpipe.bundle.manifest import Manifest

__all__ = ["command"]


@click.command("info")
@bundle_argument
@format_option
def command(bundle: Path, format_: str) -> None:
    """Show what a bundle holds: its corpus, its parts with their results, how its words were made, its scores.

    The table is the short form. json is the whole manifest; jsonl and csv are the same, one value a line, named by
    its place in the manifest, as in stages.words.result.dim.

    \b
    embedpipe info wiki.bundle
    embedpipe info wiki.bundle --format json
    """
    from embedpipe.bundle.folder import BundleFolder

    manifest = BundleFolder(bundle).manifest
    if format_ == "json":
        click.echo(manifest.to_json(), nl=False)
    elif format_ == "table":
        render([{"what": name, "is": value} for name, value in _facts(manifest).items()], format_)
    else:
        render_values(json.loads(manifest.to_json()), format_)


def _facts(manifest: "Manifest") -> dict[str, str]:
    from embedpipe.probes.rows import CHOSEN_ON
    from embedpipe.probes.word_facts import word_facts

    of_words = word_facts(manifest.stages["words"].result) if "words" in manifest.stages else {}
    chosen = manifest.stages["probes"].result.get("chosen_on", []) if "probes" in manifest.stages else []
    total = sum(entry.size for entry in manifest.files.values())
    device = "cuda" if any(record.device == "cuda" for record in manifest.stages.values()) else "cpu"
    return {
        "made by": f"{manifest.created_by}, preset {manifest.preset}, seed {manifest.seed}, on {device}",
        "command": manifest.command,
        "sources": ", ".join(manifest.sources),
        "size": f"{total / 1e6:,.1f} MB in {len(manifest.files)} files",
        "reproducible": f"{'yes' if manifest.reproducible else 'no'}: {manifest.reproducible_reason}",
        **{stage: record.summary for stage, record in manifest.stages.items()},
        **{f"words: {name}": value for name, value in of_words.items()},
        **{
            f"score {name}": f"{value:.3f}{f' ({CHOSEN_ON})' if name.rpartition(' ')[0] in chosen else ''}"
            for name, value in manifest.scores.items()
        },
    }
