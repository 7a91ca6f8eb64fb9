"""The verb ``info``: what is in a bundle, and how good it is."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render

__all__ = ["command"]


@click.command("info")
@bundle_argument
@format_option
def command(bundle: Path, format_: str) -> None:
    """Show what a bundle holds: its corpus, its parts with their results, its scores.

    \b
    embedpipe info wiki.bundle
    embedpipe info wiki.bundle --format json
    """
    from embedpipe.bundle.folder import BundleFolder

    manifest = BundleFolder(bundle).manifest
    if format_ == "json":
        click.echo(json.dumps(asdict(manifest), ensure_ascii=False, indent=1))
        return
    total = sum(entry.size for entry in manifest.files.values())
    facts = {
        "made by": f"{manifest.created_by}, preset {manifest.preset}, seed {manifest.seed}, on {manifest.device}",
        "command": manifest.command,
        "sources": ", ".join(manifest.sources),
        "size": f"{total / 1e6:,.1f} MB in {len(manifest.files)} files",
        "reproducible": f"{'yes' if manifest.reproducible else 'no'}: {manifest.reproducible_reason}",
    }
    facts.update({stage: record.summary for stage, record in manifest.stages.items()})
    rows = [{"what": name, "is": value} for name, value in facts.items()]
    render(rows, format_)
