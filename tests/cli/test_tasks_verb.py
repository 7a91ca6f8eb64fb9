"""``embedpipe tasks``: the catalogue of public tasks on the command line."""

import json
from pathlib import Path

from embedpipe.tasks.catalogue import load_task_cards


def test_list_and_show(embedpipe_cli) -> None:
    rows = json.loads(embedpipe_cli("tasks", "list", "--format", "json").out)
    assert [row["name"] for row in rows] == list(load_task_cards())
    assert {row["name"]: row["download"] for row in rows}.items() >= {
        "men": "yes",
        "bless": "by hand",
        "ap": "no",
    }.items()
    shown = embedpipe_cli("tasks", "show", "trec").out
    assert "file train" in shown
    assert "Li and Roth (2002)" in shown
    card = json.loads(embedpipe_cli("tasks", "show", "trec", "--format", "json").out)
    assert card["parts"][0]["until"] == {"label": ":"}
    assert "did you mean 'trec'" in embedpipe_cli("tasks", "show", "trek").err


def test_get(embedpipe_cli, tmp_path: Path) -> None:
    refused = embedpipe_cli("tasks", "get", "rg65", "-o", tmp_path)
    assert refused.exit_code == 1
    assert "allow that with --download" in refused.err
    (tmp_path / "EN-RG-65.txt").write_text("gem\tjewel\t3.94\nmidday\tnoon\t3.94\n")
    got = embedpipe_cli("tasks", "get", "rg65", "-o", tmp_path / "words", "--from", tmp_path)
    assert got.exit_code == 0, got.err
    assert got.out == ""
    assert "rg65.tsv: 2 rows; no checksum is known for EN-RG-65.txt" in got.err
    assert "rg65: 2 rows, its card says 65" in got.err
