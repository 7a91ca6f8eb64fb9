"""The two files that a benchmark writes: its figures as JSON, and a page that shows them in Markdown."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["add_files", "write_files"]


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the two files are written; without them none is."""
    parser.add_argument("--json", type=Path, help="where the figures are written")
    parser.add_argument("--markdown", type=Path, help="where the page is written")


def write_files(content: Mapping[str, Any], page: str, json_file: Path | None, page_file: Path | None) -> None:
    """Write the figures and the page, each where it has a place; folders that are missing are made."""
    for file, text in ((json_file, json.dumps(content, indent=1, ensure_ascii=False) + "\n"), (page_file, page)):
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
