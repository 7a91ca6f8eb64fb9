"""The verb ``verify``: every file against the manifest."""

from dataclasses import asdict
from pathlib import Path

import click

from embedpipe.cli.options import bundle_argument, format_option
from embedpipe.cli.output import render, say

__all__ = ["command"]


@click.command("verify")
@bundle_argument
@format_option
@click.pass_context
def command(ctx: click.Context, bundle: Path, format_: str) -> None:
    """Check the size and hash of every file of a bundle; exit with 1 if one is wrong.

    \b
    embedpipe verify wiki.bundle
    """
    from embedpipe.bundle.folder import verify_bundle

    checks = verify_bundle(bundle)
    rows = [
        {"status": "bad" if check.problem else "ok", **asdict(check), "problem": check.problem or None}
        for check in checks
    ]
    render(rows, format_)
    n_bad = sum(bool(check.problem) for check in checks)
    if n_bad:
        say(f"{bundle}: {n_bad} of {len(checks)} files are not as the manifest says")
        ctx.exit(1)
    say(f"{bundle}: all {len(checks)} files are as the manifest says")
