"""The verb ``tasks``: the catalogue of public tasks, and fetching them."""

from dataclasses import asdict
from pathlib import Path

import click

from embedpipe.cli.options import format_option, named_path
from embedpipe.cli.output import render, render_object, say

__all__ = ["command"]

_COLUMNS = ["name", "kind", "language", "rows", "licence", "download", "paper", "title"]


@click.group("tasks")
def command() -> None:
    """The catalogue of public tasks.

    \b
    embedpipe tasks list
    embedpipe tasks show men
    embedpipe tasks get men simlex999 -o words --download
    embedpipe probe wiki.bundle --suite words words
    """


@command.command("list")
@format_option
def list_(format_: str) -> None:
    """List the known tasks.

    \b
    embedpipe tasks list --format json
    """
    from embedpipe.tasks.catalogue import load_task_cards

    rows = []
    for card in load_task_cards().values():
        facts = asdict(card)
        del facts["parts"]
        rows.append({**facts, "download": "yes" if card.can_download else "by hand" if card.parts else "no"})
    render(rows, format_, _COLUMNS)


@command.command("show")
@click.argument("name")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def show(name: str, format_: str) -> None:
    """Show all that is known of one task, and where its files are.

    \b
    embedpipe tasks show sts-benchmark
    """
    from embedpipe.tasks.catalogue import task_card

    card = task_card(name)
    facts = asdict(card)
    if format_ == "json":
        render_object(facts)
        return
    del facts["parts"]
    rows: list[dict[str, object]] = [{"what": key, "is": value} for key, value in facts.items() if value is not None]
    for part in card.parts:
        where = part.address or part.file_name
        rows.append({"what": f"file {part.to}".strip(), "is": f"{where}{f' : {part.member}' if part.member else ''}"})
    render(rows, "table")


@command.command("get")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("-o", "--output", metavar="DIR", type=named_path, required=True, help="Folder to write task files into.")
@click.option("--download", is_flag=True, help="Allow the network.")
@click.option(
    "--from", "source", metavar="DIR", type=named_path, help="Take the publisher's files from this folder instead."
)
def get(names: tuple[str, ...], output: Path, download: bool, source: Path | None) -> None:
    """Fetch public tasks, check them and write them as task files.

    Their licences are their own (embedpipe tasks show NAME). What is downloaded is checked against the checksum of its
    card, where one was ever published.

    \b
    embedpipe tasks get men rw simlex999 -o words --download
    embedpipe tasks get mturk771 -o words --from Downloads
    """
    from embedpipe.cli.progress import progress
    from embedpipe.tasks.catalogue import task_card
    from embedpipe.tasks.fetch import fetch_task

    cards = [task_card(name) for name in dict.fromkeys(names)]
    for card in cards:
        with progress() as listener:
            found = fetch_task(card, output, download=download, source=source, listener=listener)
        for one in found:
            left_out = f", {one.left_out:,} without content left out" if one.left_out else ""
            unchecked = f"; no checksum is known for {', '.join(one.unchecked)}" if one.unchecked else ""
            say(f"{one.path}: {one.rows:,} rows{left_out}{unchecked}")
        total = sum(one.rows for one in found)
        if card.rows is not None and total != card.rows:
            say(f"{card.name}: {total:,} rows, its card says {card.rows:,}")
